"""The client that a test reports with."""

import functools
import logging
import multiprocessing.util
import os
from typing import Any, Awaitable, Callable, Dict, Optional

from . import pickles
from .calls import Calls
from .errors import ConnectionBrokenError, ConnectionClosedError, MessageReceiveError
from .resilient import Codec, Exchange
from .subscription import listen

log = logging.getLogger(__name__)

_CODEC = Codec(pickles.dumps, pickles.loads, ConnectionBrokenError, ConnectionClosedError, MessageReceiveError)


class ReportClient(Calls):
    """Reports to the server at ``socketpath``.

    ``connect`` first. Besides the calls that are methods here, any other attribute becomes a call of that name with
    keyword arguments. A call waits for its reply and raises what the server answers; a server that dies and comes back
    in between goes unnoticed (``oyez.reporter.resilient``). Safe for threads. A forked child has a connection of its
    own, from its first call on, or with ``enable_forked`` from its start; ``ppid`` says what to register as the parent
    process where that is not the real one.

    As a context manager it connects and closes.
    """

    def __init__(self, socketpath: str, ppid: Optional[Any] = None) -> None:
        self._socketpath = os.fspath(socketpath)
        self._exchange = Exchange(self._socketpath, _CODEC, ppid)
        self._forked_hooked = False
        #: Whether a ``subscribe`` is under way.
        self.subscribed = False

    def connect(self, timeout: float = 25) -> None:
        """Connect and register. Tries for ``timeout`` seconds, then raises ``ConnectionError``."""
        self._exchange.open(timeout)

    def close(self) -> None:
        """Close the connection. The server stops what this client has left open, as errored."""
        self._exchange.close()

    def enable_forked(self) -> None:
        """From now on a child made by ``multiprocessing`` registers at its start, before it reports anything. So it is
        in the chain of processes by which grandchildren find their context."""
        if not self._forked_hooked:
            self._forked_hooked = True
            multiprocessing.util.register_after_fork(self, _forked_if_enabled)

    def disable_forked(self) -> None:
        """A child registers at its first call only. (It never shares its parent's connection.)"""
        self._forked_hooked = False

    @staticmethod
    def forked(instance: "ReportClient") -> None:
        """In a forked child: give ``instance`` its own connection now."""
        instance.connect()

    async def subscribe(self, callback: Callable[[Any], Awaitable[Any]]) -> None:
        """Await ``callback(event)`` for each event until the server ends, over a connection of its own.

        An event is a dict with those that apply of: event, type, seq_num, parent_seq_num, id, fullid, idlist, name,
        starttime, stoptime, runtime, result, logfile, logs, xref. Events of the past are not sent. After a restart of
        the server it goes on; what happened in between is to be asked for with ``get_testsuite``.
        """
        await listen(self._socketpath, callback, pickles.loads, functools.partial(setattr, self, "subscribed"))

    def _call(self, name: str, data: Dict[str, Any]) -> Any:
        reply = self._exchange.call(name, data)
        if not (isinstance(reply, dict) and "exception" in reply):
            return reply
        if reply.get("traceback"):
            log.error("Exception from server:\n%s", reply["traceback"])
        exception = reply["exception"]
        if not isinstance(exception, BaseException):
            raise TypeError("the server answered with an exception of an unknown kind: %r" % (exception,))
        raise exception

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError("Cannot access attribute %s" % name)

        def call(**kwargs: Any) -> Any:
            return self._call(name, kwargs)

        call.__name__ = name
        return call

    def __enter__(self) -> "ReportClient":
        self.connect()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return "Client (pid: %d, socket: %s)" % (os.getpid(), self._socketpath)


def _forked_if_enabled(instance: ReportClient) -> None:
    if instance._forked_hooked:
        instance.forked(instance)
