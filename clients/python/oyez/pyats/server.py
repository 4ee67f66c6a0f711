"""The report server that easypy starts: Oyez, or pyATS's own when Oyez does not start."""

import os
from typing import Any, Optional

from oyez.reporter.server import ReportServer as OyezServer

from . import swap

#: Seconds within which the server has to answer, whatever easypy would grant its own.
START = 10.0


class ReportServer:
    """What easypy's reporter uses of a report server: ``start_server``, ``_socketpath``, ``stop_server``.

    When Oyez does not start, there is one warning, pyATS gets its own client back, and this object stands for a server
    of pyATS's.
    """

    def __init__(self, runtimedir: str) -> None:
        self._runtimedir = runtimedir
        self._instead: Optional[Any] = None  # pyATS's own server
        self._server = OyezServer(
            runtimedir,
            supervise=True,
            owner=os.getpid(),
            strict=os.environ.get("OYEZ_PYATS_STRICT") == "1",
            job=os.environ.get("OYEZ_PYATS_JOB") or None,
            report_format=_report_format(),
        )

    def start_server(self, timeout: float = 10) -> None:
        try:
            self._server.start_server(timeout=min(timeout, START))
        except Exception as why:
            originals = swap.uninstall()
            if originals is None:
                raise
            swap.warn(str(why))
            self._instead = originals["ReportServer"](runtimedir=self._runtimedir)
            self._instead.start_server(timeout=timeout)

    @property
    def _socketpath(self) -> Any:
        return self._server._socketpath if self._instead is None else self._instead._socketpath

    def stop_server(self, client: Any = None, kwargs: Any = None, timeout: float = 30) -> None:
        if self._instead is None:
            self._server.stop_server(timeout=timeout)
        else:
            self._instead.stop_server(timeout=timeout)


def _report_format() -> Optional[str]:
    """``yaml`` when ``[report] format`` of pyATS's configuration says so. pyATS's server reads it in its own process;
    the other knobs (``xml``, ``git_info``, ``--no-xml-report``) are heeded by easypy, which then makes other calls."""
    try:
        from pyats.configuration import configuration

        return "yaml" if str(configuration.get("report.format")).strip().lower() == "yaml" else None
    except Exception:  # a configuration that cannot be read is pyATS's to complain about
        return None
