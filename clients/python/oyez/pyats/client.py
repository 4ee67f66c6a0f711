"""pyATS's own client over connections that survive the server."""

import functools
import os
import pickle
import threading
from typing import Any, Awaitable, Callable, Dict

from pyats.reporter import ReportClient as PyatsClient
from pyats.reporter.exceptions import ConnectionBrokenError, ConnectionClosedError, MessageReceiveError

from oyez.reporter.resilient import Codec, Exchange
from oyez.reporter.subscription import listen


def _dumps(value: Any) -> bytes:
    return pickle.dumps(value, protocol=4)


def _loads(data: bytes) -> Any:
    # The real objects, as pyATS's client gives them: scripts get their own classes back out of extras. The other end
    # is a server of the same user, on a socket that only he can open.
    try:
        return pickle.loads(data)
    except Exception as why:
        raise MessageReceiveError(
            "Unable to unpickle received message. Size of sent data may exceed advertised size."
        ) from why


_CODEC = Codec(_dumps, _loads, ConnectionBrokenError, ConnectionClosedError, MessageReceiveError)


class _Connection:
    """Stands where pyATS's client has its connection. That client sends a call and then receives the reply; here the
    sending brings the whole exchange about, and the receiving hands the thread the reply that was fetched for it."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._fetched = threading.local()

    def send(self, request: Dict[str, Any]) -> None:
        self._fetched.reply = self._exchange.call(request["name"], request["data"])

    def recv(self) -> Any:
        reply, self._fetched.reply = self._fetched.reply, None
        return reply

    def close(self) -> None:
        self._exchange.close()


class ReportClient(PyatsClient):  # type: ignore[misc]
    """pyATS's client, logging and raising as it does, that does not notice when the server is killed."""

    def __init__(self, socketpath: str, ppid: Any = None) -> None:
        super().__init__(socketpath, ppid)
        self._oyez_exchange = Exchange(socketpath, _CODEC, ppid)

    @classmethod
    def check_base(cls) -> None:
        """Raise ``TypeError`` when pyATS's client no longer keeps its connection where we put ours."""
        if "_conn" not in vars(PyatsClient("/")) or not callable(getattr(PyatsClient, "_socket_wrapper", None)):
            raise TypeError("its report client is built in another way")

    def connect(self, timeout: float = 25) -> None:
        """Connect and register. In a forked child this is where it gets its own connection."""
        try:
            self._oyez_exchange.open(timeout)
        except ConnectionError as why:
            raise ConnectionError("%r could not connect to server with socket %s: %s" % (
                self, self._oyez_exchange.path, why)) from why
        self._conn = _Connection(self._oyez_exchange)

    async def subscribe(self, callback: Callable[[Any], Awaitable[Any]]) -> None:
        """As pyATS's, and goes on after a restart of the server; events of the time in between are missed."""
        await listen(
            os.fspath(self._oyez_exchange.path), callback, _loads, functools.partial(setattr, self, "subscribed")
        )
