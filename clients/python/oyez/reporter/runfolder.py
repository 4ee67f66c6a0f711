"""The run folder of a report server: what the server left word of in ``oyez.json``, and how one is started there.

The server writes that file before it listens, and whole (write, then rename):
``{"job": uid, "number": 12, "data": "/path/of/store", "pid": 1234, "serve": ["oyez", "pyats", "serve", ...],
"ended": false}``. Here it is only read.
"""

import json
import os
import random
import shutil
import subprocess
import threading
import time
from typing import Any, Dict, List, Optional

from . import settings

NOTE = "oyez.json"
SOCKET = "reporter.sock"
LOG = "oyez-server.log"
_MAX_NOTE = 1 << 20


class Note:
    """The content of ``oyez.json``: ``ended``, ``serve`` (argv), ``pid``, ``job``, ``number``, ``data``."""

    def __init__(self, fields: Dict[str, Any]) -> None:
        serve = fields.get("serve")
        self.serve: List[str] = serve if isinstance(serve, list) and all(isinstance(a, str) for a in serve) else []
        self.ended = fields.get("ended") is True
        self.pid = fields.get("pid") if isinstance(fields.get("pid"), int) else None
        self.job = fields.get("job")
        self.number = fields.get("number")
        self.data = fields.get("data") if isinstance(fields.get("data"), str) else None


def read_note(folder: str) -> Optional[Note]:
    """What the server of ``folder`` left word of; None when there is none, or it cannot be read, or someone else (not
    this user, nor root) could have written it."""
    try:
        descriptor = os.open(os.path.join(folder, NOTE), os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            if not _is_trusted(os.fstat(file.fileno())):
                return None
            fields = json.loads(file.read(_MAX_NOTE).decode("utf-8"))
    except (OSError, ValueError):
        return None
    return Note(fields) if isinstance(fields, dict) else None


def _is_trusted(status: os.stat_result) -> bool:
    # it names a program that is going to be run
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & 0o002


def find_program() -> Optional[str]:
    """``$OYEZ_BIN``, else ``oyez`` on the PATH; None when there is neither."""
    chosen = os.environ.get(settings.PROGRAM)
    return shutil.which(chosen) if chosen else shutil.which("oyez")


def spawn(argv: List[str], folder: str, environment: Optional[Dict[str, str]] = None) -> "subprocess.Popen[bytes]":
    """Start a server that outlives us: a session of its own, no input, its complaints in a file of the run folder.

    Raises ``OSError``.
    """
    log = os.open(os.path.join(folder, LOG), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=environment,
        )
    finally:
        os.close(log)


class Restarter:
    """Starts a server where there was one, at most one every ``PAUSE`` seconds in this process.

    Several processes may come to do so at once: a server takes the lock of its folder and a surplus one ends by itself.
    """

    #: Seconds between two starts.
    PAUSE = 2.0
    #: Seconds without any server before the first start: whoever supervises it comes first.
    GRACE = 0.2

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what belonged to the parent process."""
        self._lock = threading.Lock()
        self._last: Dict[str, float] = {}
        self._started: List["subprocess.Popen[bytes]"] = []

    def consider(self, folder: str, note: Note, missing_for: float) -> None:
        """Start a server for ``folder`` if none has answered for long enough and none was started just now."""
        if missing_for < self.GRACE + random.random() * self.GRACE or not note.serve:
            return
        with self._lock:
            now = time.monotonic()
            if now - self._last.get(folder, -self.PAUSE) < self.PAUSE:
                return
            self._last[folder] = now
            self._started = [process for process in self._started if process.poll() is None]
            argv = self._command(note)
            if argv is None:
                return
            environment = dict(os.environ)
            if note.data is not None and os.path.isdir(note.data):
                environment[settings.DATA] = note.data  # whatever the test has made of the variable since
            try:
                self._started.append(spawn(argv, folder, environment))
            except OSError:
                pass  # the caller goes on looking for a server until its time is over, and then says so

    @staticmethod
    def _command(note: Note) -> Optional[List[str]]:
        if "pyats" not in note.serve or "serve" not in note.serve:
            return None
        recorded = shutil.which(note.serve[0])
        program = find_program() if os.environ.get(settings.PROGRAM) else recorded or find_program()
        return None if program is None else [program, *note.serve[1:]]


restarter = Restarter()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=restarter.reset)
