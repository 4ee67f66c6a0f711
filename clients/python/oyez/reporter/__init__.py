"""A reporter for tests without pyATS: pyATS's calls, its wire, and no pyATS.

    from oyez.reporter import Passed, ReportClient, ReportServer

    with ReportServer("/tmp/run") as server, ReportClient(server._socketpath) as client:
        client.start_testsuite(id="nightly")
        client.start_task(id="smoke")
        client.start_section(id="login", type="Testcase")
        client.stop_section(result=Passed)
        client.stop_task()
        client.stop_testsuite()
        client.generate_report()

``client`` and ``server``
    What most need. ``calls`` lists the calls.
``resilient``
    How a client outlives its server.
``connection``
    Bare connections, also for asyncio.
``pickles``
    How values become bytes, and why reading them runs nothing.
``results``, ``opaque``, ``errors``
    The values that arrive.
"""

from .client import ReportClient
from .connection import AsyncReporterConnection, ReporterConnection
from .errors import (
    ConnectionBrokenError,
    ConnectionClosedError,
    DuplicateIDError,
    ExistingClientError,
    InvalidRequestError,
    MessageReceiveError,
    ServerNotStartedError,
    SignalError,
    UnhandledContextError,
    UnregisteredClientError,
)
from .opaque import Opaque
from .results import (
    Aborted,
    Blocked,
    Errored,
    Failed,
    Passed,
    Passx,
    ResultCounter,
    Skipped,
    TestableId,
    TestResult,
)
from .server import ReportServer, signal_catcher

__all__ = [
    "Aborted",
    "AsyncReporterConnection",
    "Blocked",
    "ConnectionBrokenError",
    "ConnectionClosedError",
    "DuplicateIDError",
    "Errored",
    "ExistingClientError",
    "Failed",
    "InvalidRequestError",
    "MessageReceiveError",
    "Opaque",
    "Passed",
    "Passx",
    "ReportClient",
    "ReportServer",
    "ReporterConnection",
    "ResultCounter",
    "ServerNotStartedError",
    "SignalError",
    "Skipped",
    "TestResult",
    "TestableId",
    "UnhandledContextError",
    "UnregisteredClientError",
    "signal_catcher",
]
