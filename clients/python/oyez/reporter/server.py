"""Starting and stopping the report server: ``oyez pyats serve RUNTIMEDIR``."""

import os
import select
import signal
import subprocess
import time
from typing import Any, List, Optional

from . import runfolder
from .client import ReportClient
from .errors import MessageReceiveError, ServerNotStartedError, SignalError
from .framing import Link
from .pickles import dumps, loads

_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05


def signal_catcher(signum: int, frame: Any) -> None:
    """A signal handler that raises ``SignalError``, so that SIGTERM unwinds like Ctrl-C does."""
    raise SignalError("received signal %d" % signum)


class ReportServer:
    """The report server of one run folder, as a process of its own.

    ``supervise``: have it started again by itself when it dies. ``owner``: the process with which it ends (this one).
    ``strict``: pyATS's answers to the letter. ``job``: the uid that its job is to have. ``report_format``: ``json`` or
    ``yaml``. ``program``: instead of ``$OYEZ_BIN`` or ``oyez`` on the PATH.
    As a context manager it starts and stops.
    """

    def __init__(
        self,
        runtimedir: str,
        *,
        supervise: bool = False,
        owner: Optional[int] = None,
        strict: bool = False,
        job: Optional[str] = None,
        report_format: Optional[str] = None,
        program: Optional[str] = None
    ) -> None:
        self.runtimedir = os.path.abspath(os.fspath(runtimedir))
        self._socketpath = os.path.join(self.runtimedir, runfolder.SOCKET)
        self._program = program
        self._process: Optional["subprocess.Popen[bytes]"] = None
        self._options: List[str] = ["--owner", str(os.getpid() if owner is None else owner)]
        if supervise:
            self._options.append("--supervise")
        if strict:
            self._options.append("--strict")
        if report_format is not None:
            self._options += ["--format", report_format]
        if job is not None:
            self._options += ["--job", job]

    def command(self) -> List[str]:
        """The command line that ``start_server`` runs. Raises ``ServerNotStartedError`` without a program."""
        program = self._program or runfolder.find_program()
        if program is None:
            chosen = os.environ.get("OYEZ_BIN")
            raise ServerNotStartedError(
                "OYEZ_BIN names %s, which is no program" % chosen
                if chosen
                else "the program oyez is not on the PATH; install it, or set OYEZ_BIN to it"
            )
        return [program, "pyats", "serve", self.runtimedir, *self._options]

    def start_server(self, timeout: float = 10) -> None:
        """Start the server and wait until it answers. ``ServerNotStartedError`` with the reason, after ``timeout``
        seconds at the latest; then nothing of it is left running."""
        argv = self.command()
        try:
            self._process = runfolder.spawn(argv, self.runtimedir)
        except OSError as why:
            raise ServerNotStartedError("cannot run %s: %s" % (argv[0], why)) from why
        deadline = time.monotonic() + timeout
        pause = _FIRST_PAUSE
        try:
            while not self._answers(max(0.05, deadline - time.monotonic())):
                status = self._process.poll()
                if status is not None:
                    raise ServerNotStartedError(
                        "%s ended at once with status %d%s" % (" ".join(argv), status, self._last_words())
                    )
                if time.monotonic() >= deadline:
                    raise ServerNotStartedError(
                        "%s did not answer within %g s%s" % (" ".join(argv), timeout, self._last_words())
                    )
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
        except BaseException:
            self._kill()
            raise

    def _answers(self, timeout: float) -> bool:
        try:
            link = Link.connect(self._socketpath, timeout)
        except OSError:
            return False
        try:
            link.send(dumps({"name": "ping", "data": {}}))
            return bool(loads(link.receive()) == "pong")
        except (OSError, EOFError, MessageReceiveError):
            return False
        finally:
            link.close()

    def _last_words(self) -> str:
        try:
            with open(os.path.join(self.runtimedir, runfolder.LOG), "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
                lines = file.read(4096).decode("utf-8", "replace").split("\n")
        except OSError:
            return ""
        said = [line.strip() for line in lines if line.strip()]
        return ": " + said[-1] if said else ""

    def _kill(self) -> None:
        """After a start that failed: end the process and those it made, and take their traces away."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own
        except OSError:
            pass
        process.wait()
        for name in (runfolder.SOCKET, runfolder.NOTE):
            try:
                os.unlink(os.path.join(self.runtimedir, name))
            except OSError:
                pass

    def stop_server(self, timeout: float = 30) -> None:
        """Stop the server and wait until it is gone; after ``timeout`` seconds what was started here is killed. One
        that was never started is no error; one that has died is brought back first, so that the report has its end."""
        if self._process is None:
            return
        deadline = time.monotonic() + timeout
        note = runfolder.read_note(self.runtimedir)
        if note is None or not note.ended:
            client = ReportClient(self._socketpath)
            try:
                client.connect(timeout=min(timeout, 5))
                note = runfolder.read_note(self.runtimedir)  # now that of the server that answered
                client.stop_server()
            except ConnectionError:
                pass  # it was on its way out; what is left of it is waited for below
            finally:
                client.close()
        # it may be another process than the one that was started here
        serving = None if note is None else note.pid
        if not self._wait(deadline) or (serving is not None and not _wait_for(serving, deadline)):
            self._terminate()
        self._process = None

    def _wait(self, deadline: float) -> bool:
        assert self._process is not None  # stop_server looked
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def _terminate(self) -> None:
        assert self._process is not None  # stop_server looked
        for signum in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, signum)
            except OSError:
                break
            if self._wait(time.monotonic() + 2):
                break

    def run(self) -> None:
        """Start the server and stay until it ends, or until SIGTERM or SIGINT comes: then stop it and raise
        ``SignalError``. For the main thread only."""
        before = {signum: signal.signal(signum, signal_catcher) for signum in (signal.SIGTERM, signal.SIGINT)}
        try:
            self.start_server()
            assert self._process is not None  # start_server made it or raised
            self._process.wait()
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)
            self.stop_server()

    def __enter__(self) -> "ReportServer":
        self.start_server()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.stop_server()


def _wait_for(pid: int, deadline: float) -> bool:
    """Wait until a process that may not be our child is gone."""
    pidfd_open = getattr(os, "pidfd_open", None)  # Linux, Python 3.9
    try:
        if pidfd_open is not None:
            descriptor = pidfd_open(pid)
            try:
                left = max(0.0, deadline - time.monotonic())
                return bool(select.select([descriptor], [], [], left)[0])
            finally:
                os.close(descriptor)
        while time.monotonic() < deadline:
            try:
                os.waitpid(pid, os.WNOHANG)  # a child of ours would stay a zombie, which kill finds
            except ChildProcessError:
                pass
            os.kill(pid, 0)
            time.sleep(_LONGEST_PAUSE)
        return False
    except OSError:  # no such process
        return True

