"""A report server small enough to trust: real sockets, real pickles, calls that are written down and answered.

In a test it runs in threads (``FakeServer``). As a program (``main``) it stands in for ``oyez pyats serve FOLDER``: it
keeps its replies in a file, so that it can be killed and started again.
"""

import json
import os
import pickle
import shutil
import socket
import struct
import sys
import tempfile
import threading


def read_exactly(sock, size):
    parts = b""
    while len(parts) < size:
        part = sock.recv(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return parts


def read_message(sock):
    """One message's bytes, or None at the end. Written apart from the code under test, from the wire's description."""
    parts, more = [], 1
    try:
        while more:
            more, size = struct.unpack(">BH", read_exactly(sock, 3))
            parts.append(read_exactly(sock, size))
    except EOFError:
        return None
    return b"".join(parts)


def write_message(sock, payload):
    while len(payload) > 65535:
        sock.sendall(b"\x01\xff\xff" + payload[:65535])
        payload = payload[65535:]
    sock.sendall(struct.pack(">BH", 0, len(payload)) + payload)


def short_folder(case):
    """A folder whose path is short enough for a socket's address, gone after the test."""
    folder = tempfile.mkdtemp(prefix="oyez")
    case.addCleanup(shutil.rmtree, folder, ignore_errors=True)
    return folder


class FakeServer:
    """Answers at ``folder/reporter.sock``. ``answers`` maps a call's name to a value, an exception, or a function of
    its data; ``calls`` lists what was done: (token, number, name, data). ``cut_before`` and ``cut_after`` name calls at
    which, once, the connection breaks: before they are done, or done and not answered."""

    def __init__(self, folder, resumes=True):
        self.folder = folder
        self.path = os.path.join(folder, "reporter.sock")
        self.resumes = resumes
        self.answers = {"ping": "pong"}
        self.calls = []
        self.registrations = []
        self.replies = {}
        self.cut_before, self.cut_after = set(), set()
        self.subscribers = []
        self.happened = threading.Condition()
        self._connections = set()
        if resumes:
            self.note()
        self.start()

    def note(self, **fields):
        note = {"job": "u", "number": 1, "data": "", "pid": os.getpid(), "serve": [], "ended": False}
        note.update(fields)
        with open(os.path.join(self.folder, "oyez.new"), "w") as file:
            json.dump(note, file)
        os.rename(os.path.join(self.folder, "oyez.new"), os.path.join(self.folder, "oyez.json"))

    def start(self):
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(16)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self):
        """Close everything, as a killed process does."""
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        if os.path.exists(self.path):
            os.unlink(self.path)
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def wait_for(self, condition, seconds=20):
        """Wait until ``condition(self)`` holds."""
        with self.happened:
            if not self.happened.wait_for(lambda: condition(self), seconds):
                raise AssertionError("it did not happen: %s" % [call[2] for call in self.calls])

    def push(self, event):
        for connection in self.subscribers:
            write_message(connection, pickle.dumps(event, 4))

    def names(self):
        return [call[2] for call in self.calls]

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        token = [None]
        try:
            while True:
                message = read_message(connection)
                if message is None or not self._one(connection, pickle.loads(message), token):
                    return
        except OSError:
            pass
        finally:
            self._connections.discard(connection)
            connection.close()

    def _one(self, connection, request, token):
        name, data, number = request["name"], request["data"], request.get("number")
        if name in self.cut_before:
            self.cut_before.discard(name)
            return False
        known = (token[0], number) in self.replies
        if known:
            reply = self.replies[token[0], number]
        else:
            reply = pickle.dumps(self._answer(connection, name, data, token), 4)
            if number is not None:
                self.replies[token[0], number] = reply
            with self.happened:
                self.calls.append((token[0], number, name, data))
                self.happened.notify_all()
        if name in self.cut_after:
            self.cut_after.discard(name)
            return False
        write_message(connection, reply)
        return True

    def _answer(self, connection, name, data, token):
        if name == "register_client":
            token[0] = data.get("token")
            self.registrations.append(data)
        if name == "subscribe_client":
            self.subscribers.append(connection)
        answer = self.answers.get(name)
        if callable(answer) and not isinstance(answer, type):
            answer = answer(data)
        if isinstance(answer, BaseException):
            return {"exception": answer, "traceback": "Traceback of %s\n" % name}
        return answer


class KeepingServer(FakeServer):
    """Appends each call with its reply to ``folder/kept`` before it answers, and starts from there."""

    def __init__(self, folder):
        self._kept = os.path.join(folder, "kept")
        self._turn = threading.Lock()
        super().__init__(folder)

    def start(self):
        for token, number, _, _, reply in read_kept(self.folder):
            if number is not None:
                self.replies[token, number] = reply
        super().start()

    def _answer(self, connection, name, data, token):
        reply = super()._answer(connection, name, data, token)
        with open(self._kept, "ab") as file:
            pickle.dump((token[0], self._number, name, data, pickle.dumps(reply, 4)), file)
        return reply

    def _one(self, connection, request, token):
        died = os.path.join(self.folder, "died")
        if request["name"] == "die" and not os.path.exists(died):
            open(died, "w").close()
            os.kill(os.getpid(), 9)
        with self._turn:
            self._number = request.get("number")
            result = super()._one(connection, request, token)
        if request["name"] == "stop_server":
            self.note(ended=True)
            os._exit(0)
        return result


def read_kept(folder):
    try:
        with open(os.path.join(folder, "kept"), "rb") as file:
            while True:
                yield pickle.load(file)
    except (OSError, EOFError):
        return


def program(folder):
    """A program file that behaves like ``oyez``."""
    path = os.path.join(folder, "oyez")
    with open(path, "w") as file:
        file.write("#!%s\nimport sys\nsys.path.insert(0, %r)\n" % (sys.executable, os.path.dirname(__file__)))
        file.write("import fake_server\nfake_server.main()\n")
    os.chmod(path, 0o755)
    return path


def main():
    folder = sys.argv[3]
    with open(os.path.join(folder, "starts"), "a") as file:
        file.write(json.dumps(sys.argv) + "\n")
    path = os.path.join(folder, "reporter.sock")
    if os.path.exists(path):
        os.unlink(path)
    server = KeepingServer(folder)
    server.note(serve=sys.argv)
    # nobody stops this one but by call, signal, or the end of whoever started it
    owner = os.getppid()
    while os.getppid() == owner:
        threading.Event().wait(0.5)
