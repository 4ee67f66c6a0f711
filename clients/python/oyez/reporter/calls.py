"""The calls of a report server, one method each.

The *current context* of a client is what it started last and has not stopped; of a client that has started nothing, the
current context of the nearest ancestor process that is registered. Keyword arguments beyond those named here are kept:
one that is an attribute of the context (``description``, ``xref``, ``logfile`` ...) is set there, every other goes into
its ``extra``. Arguments left out are not sent. All calls return None unless said otherwise, and raise what the server
raises, with its message.
"""

from typing import Any, Dict, List, Optional

from . import opaque
from .errors import UnhandledContextError


def _given(arguments: Dict[str, Any]) -> Dict[str, Any]:
    """The arguments of a method (its ``locals()``) that were given, with the further ones."""
    further = arguments["further"]
    named = {key: value for key, value in arguments.items() if key not in ("self", "further") and value is not None}
    named.update(further)
    return named


class Calls:
    """Every call as a method with keyword arguments; ``_call`` sends it."""

    def _call(self, name: str, data: Dict[str, Any]) -> Any:
        raise NotImplementedError

    # the server and this client

    def ping(self) -> str:
        """``"pong"``."""
        return self._call("ping", {})  # type: ignore[no-any-return]

    def register_client(self, *, pid: Any, ppid: Any = None, **further: Any) -> None:
        """Make this process known. ``connect`` does it; a second time on one connection is ``ExistingClientError``."""
        self._call("register_client", _given(locals()))

    def subscribe_client(self) -> None:
        """Have events pushed on this connection, among the replies. ``subscribe`` uses one of its own instead."""
        self._call("subscribe_client", {})

    def unsubscribe_client(self) -> None:
        """No more events on this connection."""
        self._call("unsubscribe_client", {})

    def stop_server(self, *, timeout: Optional[float] = None, **further: Any) -> None:
        """End the server; what is still open is stopped as errored."""
        self._call("stop_server", _given(locals()))

    # the job

    def start_testsuite(self, *, id: Optional[str] = None, name: Optional[str] = None, **further: Any) -> None:
        """Start the job's context. Needs that there is no current one."""
        self._call("start_testsuite", _given(locals()))

    def stop_testsuite(self, *, num_tasks: Optional[int] = None, **further: Any) -> None:
        """Stop it. Sections of stopped tasks that never stopped become errored."""
        self._call("stop_testsuite", _given(locals()))

    # tasks

    def start_task(
        self, *, id: str, name: Optional[str] = None, logfile: Optional[str] = None, **further: Any
    ) -> None:
        """Start a task in the job's context. ``DuplicateIDError`` when one of this id was started before."""
        self._call("start_task", _given(locals()))

    def stop_task(
        self, *, result: Any = None, result_rollup: Optional[bool] = None, summary: Any = None, **further: Any
    ) -> None:
        """Stop the current task. Without ``result`` and ``summary`` they are rolled up from its sections."""
        self._call("stop_task", _given(locals()))

    def update_task_result(self, *, id: str, result: Any = None, details: Any = None, **further: Any) -> None:
        """Set the result of a task by its id, whatever its own processes have reported."""
        self._call("update_task_result", _given(locals()))

    def finalize_task(self, *, id: str, result: Any = None, **further: Any) -> None:
        """Give a task its result; one that nobody has started is made, started and stopped first."""
        self._call("finalize_task", _given(locals()))

    # plugins

    def start_plugin(
        self,
        *,
        id: str,
        type: str,
        name: Optional[str] = None,
        task_id: Optional[str] = None,
        job_id: Optional[str] = None,
        logfile: Optional[str] = None,
        **further: Any
    ) -> None:
        """Start a plugin: ``PreJobPlugin`` and ``PostJobPlugin`` (with ``job_id``) below the job, ``PreTaskPlugin`` and
        ``PostTaskPlugin`` (with ``task_id``) below that task."""
        self._call("start_plugin", _given(locals()))

    def stop_plugin(self, *, result: Any = None, **further: Any) -> None:
        """Stop the current plugin; without ``result`` it has passed."""
        self._call("stop_plugin", _given(locals()))

    # sections

    def start_section(
        self,
        *,
        id: str,
        type: Optional[str] = None,
        name: Optional[str] = None,
        description: Optional[str] = None,
        logfile: Optional[str] = None,
        xref: Optional[Dict[str, Any]] = None,
        **further: Any
    ) -> None:
        """Start a section (test case, setup, step ...) below the current task, section or plugin."""
        self._call("start_section", _given(locals()))

    def stop_section(
        self,
        *,
        result: Any = None,
        result_rollup: Optional[bool] = None,
        parameters: Optional[Dict[str, Any]] = None,
        **further: Any
    ) -> None:
        """Stop the current section. ``result`` replaces what its children rolled up to; ``result_rollup=False`` keeps
        it from the parent's. An ``id`` given here renames the section."""
        self._call("stop_section", _given(locals()))

    def remove_section(self, *, id_list: List[str]) -> None:
        """Take a section out of the report. ``id_list``: task, section, section ..."""
        self._call("remove_section", {"id_list": id_list})

    def stop_open_contexts(self) -> None:
        """Stop everything that this client has open; what has no result is errored."""
        self._call("stop_open_contexts", {})

    # what hangs on a context

    def add_detail(self, *, detail: Any) -> None:
        """Append to the details of the current context: an exception's text, or anything else."""
        self._call("add_detail", {"detail": detail})

    def add_extra(self, **extra: Any) -> None:
        """Merge into the extra of the current context: mappings recursively, everything else replaces."""
        self._call("add_extra", extra)

    def add_running_extra(self, **extra: Any) -> None:
        """Merge into the extra of the current context of every connected client."""
        self._call("add_running_extra", extra)

    def add_testsuite_extra(self, **extra: Any) -> None:
        """Merge into the extra of the job."""
        self._call("add_testsuite_extra", extra)

    def update_logfile_data(
        self, *, logfile: str, parent_logfile: str, parent_logfile_size: int, **further: Any
    ) -> None:
        """The log of a forked child was appended to its parent's, which had that many bytes: move its sections' log
        spans along."""
        self._call("update_logfile_data", _given(locals()))

    # questions

    def get_section(self, *, id_list: Optional[List[str]] = None) -> Optional[Dict[str, Any]]:
        """The current context, or the one at ``id_list`` (task, section ...), as a dict; None without either."""
        return self._call("get_section", {} if id_list is None else {"id_list": id_list})  # type: ignore[no-any-return]

    def get_section_ctx(self, *, id_list: Optional[List[str]] = None) -> Any:
        """The same as a read-only object with its parents. ``UnhandledContextError`` when it is no kind of context
        that is known here."""
        context = self._call("get_section_ctx", {} if id_list is None else {"id_list": id_list})
        if context is not None and not isinstance(context, tuple(opaque.CONTEXTS.values())):
            raise UnhandledContextError("Unknown kind of context: %r" % (context,))
        return context

    def get_testsuite(self) -> Optional[Dict[str, Any]]:
        """The job as a dict, at any time; None before it exists."""
        return self._call("get_testsuite", {})  # type: ignore[no-any-return]

    # files

    def generate_report(self) -> None:
        """Write ``results.json`` (or ``results.yaml``) into the run folder."""
        self._call("generate_report", {})

    def generate_xml(self) -> None:
        """Write ``ResultsDetails.xml`` and ``ResultsSummary.xml`` into the run folder."""
        self._call("generate_xml", {})
