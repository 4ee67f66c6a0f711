"""Calls that survive the server.

An ``Exchange`` is one registered client of a server: it sends a call, waits for the reply, and hides from its user that
the server was killed and started again in between. It has a random token and numbers its calls. When the connection
breaks it connects anew, registers with the same token, and sends the call that was under way once more under the same
number; a server that has already committed that call answers with the reply it gave then. So nothing is lost and
nothing counted twice, whichever side of the commit the server died on.

This needs a server that keeps numbers: one whose run folder holds ``oyez.json``. With any other server (pyATS's own
ignores tokens and numbers) a broken connection is an error at once, as in pyATS.

Also at home here:

* **Threads.** One call at a time; the others wait.
* **Interrupts.** An exception from a signal handler (Ctrl-C) can leave a call without its reply, and a handler may make
  a call while another is under way. Either way the stream is out of step: the next call starts with a new connection,
  settles the old call under its number, and goes on.
* **Forks.** A child never uses its parent's connection, token, lock or numbers; it makes its own on its first call.
"""

import logging
import os
import threading
import time
import uuid
import weakref
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

from . import settings
from .framing import Link, TooLong
from .runfolder import read_note, restarter

_log = logging.getLogger(__name__)

#: Seconds for one handshake: a server that is there answers in well under a second.
HANDSHAKE = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.25


class Codec(NamedTuple):
    """How values become bytes, and the exceptions that this client raises (each is given its message)."""

    dumps: Callable[[Any], bytes]
    #: Raises an ``unreadable`` for whatever cannot be read.
    loads: Callable[[bytes], Any]
    broken: Callable[[str], BaseException]
    closed: Callable[[str], BaseException]
    unreadable: Callable[[str], BaseException]


class Refused(Exception):
    """The server answered the registration with an exception, which is ``reason``."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _Gone(Exception):
    """There is no server any more, and none is to be waited for."""


class Exchange:
    """One client's calls to the server at ``path``. ``ppid`` is what to register as the parent, else the process's."""

    def __init__(self, path: str, codec: Codec, ppid: Optional[Any] = None) -> None:
        self.path = os.fspath(path)
        self._folder = os.path.dirname(os.path.abspath(self.path))
        self._codec = codec
        self._ppid = ppid
        self._link: Optional[Link] = None
        self._usable = False  # False: not connected, or with a failure that is final
        self._fresh()
        _exchanges.add(self)

    def _fresh(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self.token = uuid.uuid4().hex
        #: The number of the last call that has its reply.
        self.number = 0
        self._registered = False
        self._depth = 0  # calls under way: more than one when a signal handler calls during a call
        self._unsettled: Optional[Tuple[int, bytes]] = None  # sent, perhaps, and without its reply
        self._settled: Dict[int, bytes] = {}  # replies that a handler's call has fetched for the call it broke into

    def after_fork(self) -> None:
        """In a child: leave what is the parent's to the parent. Only our copy of its descriptor is closed."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
        if self._registered:  # a child that never registers is no link in the chain of ancestors
            self._ppid = self._pid
        self._fresh()

    def open(self, timeout: float) -> None:
        """Connect and register. Tries for ``timeout`` seconds, longer where a server is known to have been.

        Raises ``ConnectionError``, or what the server answered the registration with.
        """
        with self._lock:
            self._drop()
            self._usable = True
            if read_note(self._folder) is not None:
                timeout = max(timeout, settings.seconds(settings.RECONNECT, 60))
            try:
                self._reconnect(time.monotonic() + timeout)
            except _Gone as why:
                self._fail()
                raise ConnectionError("could not connect to server with socket %s: %s" % (self.path, why)) from why
            except Refused as why:
                self._fail()
                raise why.reason from None

    def close(self) -> None:
        """Close the connection; the server takes this as the client's end. There is no call to say so."""
        with self._lock:
            self._usable = False
            self._drop()

    def call(self, name: str, data: Dict[str, Any]) -> Any:
        """The reply to one call, whatever it is: also ``{"exception": ...}``."""
        if self._pid != os.getpid():  # where forks cannot be hooked
            self.after_fork()
        with self._lock:
            reply, away = self._numbered(name, data)
        if away:
            _log.debug("the report server at %s was away for %.3f s", self.path, away)
        return self._codec.loads(reply)

    def _numbered(self, name: str, data: Dict[str, Any]) -> Tuple[bytes, float]:
        """One call under the next number, after what an interrupt has left unsettled. The order of the assignments
        makes each moment a safe one to be interrupted at: at worst a call is repeated under its number."""
        if not self._usable:
            raise self._codec.broken("Connection unexpectedly closed when sending")
        broken_into = self._depth > 0
        self._depth += 1
        try:
            if self._unsettled is not None:
                earlier, payload = self._unsettled
                reply, _ = self._deliver(earlier, payload, "", renew=True)
                if broken_into:
                    self._settled[earlier] = reply
                self.number = earlier
                self._unsettled = None
            number = self.number + 1
            payload = self._codec.dumps({"name": name, "data": data, "number": number})
            self._unsettled = (number, payload)
            reply, away = self._deliver(number, payload, name)
            self.number = max(self.number, number)
            self._unsettled = None
            self._settled.pop(number, None)
            return reply, away
        finally:
            self._depth -= 1

    def _deliver(self, number: int, payload: bytes, name: str, renew: bool = False) -> Tuple[bytes, float]:
        """Bring one call to its reply over as many connections as it takes; also how many seconds that cost."""
        patience = settings.seconds(settings.RECONNECT, 60)
        lost_at: Optional[float] = None
        pause = 0.0  # grows with each connection that this very call breaks
        sending = True
        while True:
            try:
                if self._link is None or renew:
                    renew = False
                    self._reconnect((time.monotonic() if lost_at is None else lost_at) + patience)
                if number in self._settled:  # by a handler's call, on another connection
                    return self._settled.pop(number), 0.0
                link = self._link
                if link is None:  # a handler closed us
                    raise _Gone("closed")
                sending = True
                link.send(payload)
                sending = False
                reply = link.receive()
                return reply, 0.0 if lost_at is None else time.monotonic() - lost_at
            except (EOFError, OSError) as why:
                if number in self._settled:
                    return self._settled.pop(number), 0.0
                self._drop()
                lost_at = time.monotonic() if lost_at is None else lost_at
                if time.monotonic() - lost_at > patience:
                    self._fail()
                    raise self._codec.closed("Connection closed") from why
                time.sleep(pause)
                pause = min(max(pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
            except TooLong as why:
                self.number = max(self.number, number)  # the server has done it
                self._unsettled = None
                self._drop()
                raise self._codec.unreadable(str(why)) from why
            except Refused as why:
                self._fail()
                raise why.reason from None
            except _Gone as why:
                self._fail()
                if name == "stop_server" and not sending:  # what was asked for has happened
                    return self._codec.dumps(None), 0.0
                if sending:
                    raise self._codec.broken("Connection unexpectedly closed when sending") from why
                raise self._codec.closed("Connection closed") from why

    def _fail(self) -> None:
        self._unsettled = None
        self._usable = False
        self._drop()

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _reconnect(self, deadline: float) -> None:
        """Take up a registered connection, in place of the old one if there is one, or raise ``_Gone``.

        The new one is registered before the old one is closed, so that a living server sees a client that moves, and
        not one that ends.
        """
        begin = time.monotonic()
        pause = _FIRST_PAUSE
        if self._registered and read_note(self._folder) is None:
            raise _Gone("the server is gone, or we are out of step with it, and it keeps no journal")
        while True:
            try:
                fresh = self._handshake(max(0.1, min(HANDSHAKE, deadline - time.monotonic())))
            except (EOFError, OSError) as why:
                note = read_note(self._folder)
                if note is not None and note.ended:
                    raise _Gone("the server was stopped") from why
                if time.monotonic() >= deadline:
                    raise _Gone("no server answered in time (%s)" % why) from why
                if note is not None:
                    restarter.consider(self._folder, note, time.monotonic() - begin)
                time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                self._drop()
                self._link = fresh
                self._registered = True
                return

    def _handshake(self, timeout: float) -> Link:
        link = Link.connect(self.path, timeout)
        try:
            link.send(self._codec.dumps({"name": "ping", "data": {}}))
            if self._codec.loads(link.receive()) != "pong":
                raise ConnectionError("what listens at %s is no report server" % self.path)
            who = {
                "pid": str(os.getpid()),
                "ppid": str(os.getppid() if self._ppid is None else self._ppid),
                "token": self.token,
                "resume": self._registered,
            }
            link.send(self._codec.dumps({"name": "register_client", "data": who}))
            reply = self._codec.loads(link.receive())
            if isinstance(reply, dict) and isinstance(reply.get("exception"), BaseException):
                raise Refused(reply["exception"])
            link.sock.settimeout(settings.seconds(settings.REPLY, 600) or None)
        except BaseException:
            link.close()
            raise
        return link


_exchanges: "weakref.WeakSet[Exchange]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for exchange in list(_exchanges):
        exchange.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
