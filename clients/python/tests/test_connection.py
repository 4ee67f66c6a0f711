import asyncio
import os
import pickle
import socket
import threading
import unittest

from oyez.reporter import (
    AsyncReporterConnection,
    ConnectionBrokenError,
    ConnectionClosedError,
    MessageReceiveError,
    ReporterConnection,
)
from oyez.reporter.framing import Link, frame
from tests.fake_server import FakeServer, read_message, short_folder, write_message


def pair(case):
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.settimeout(20)
        case.addCleanup(end.close)
    return ours, theirs


def in_thread(case, work, *arguments):
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    case.addCleanup(thread.join, 20)


class Framing(unittest.TestCase):
    def test_a_message_is_cut_as_pyats_cuts_it(self):
        self.assertEqual(frame(b""), b"\x00\x00\x00")
        self.assertEqual(frame(b"abc"), b"\x00\x00\x03abc")
        self.assertEqual(frame(b"x" * 65535)[:3], b"\x00\xff\xff")
        self.assertEqual(frame(b"x" * 65536), b"\x01\xff\xff" + b"x" * 65535 + b"\x00\x00\x01x")
        two = frame(b"x" * 131070)
        self.assertEqual((two[:3], two[65538:65541], len(two)), (b"\x01\xff\xff", b"\x00\xff\xff", 131076))

    def test_messages_of_all_sizes_arrive_whole_in_both_directions(self):
        ours, theirs = pair(self)
        connection = ReporterConnection(sock=ours)
        for size in (0, 1, 65000, 65521, 65536, 131070, 300000):
            in_thread(self, connection.send, b"x" * size)
            self.assertEqual(pickle.loads(read_message(theirs)), b"x" * size)
            in_thread(self, write_message, theirs, pickle.dumps(b"y" * size))
            self.assertEqual(connection.recv(), b"y" * size)

    def test_small_chunks_single_bytes_and_joined_messages_are_put_together_rightly(self):
        ours, theirs = pair(self)
        connection = ReporterConnection(sock=ours)
        message = pickle.dumps({"a": 1})
        stream = b"".join(b"\x07\x00\x01" + message[i : i + 1] for i in range(len(message) - 1))
        stream += b"\x00\x00\x01" + message[-1:] + frame(pickle.dumps("second")) + frame(pickle.dumps("third"))

        def dribble():
            for i in range(len(stream)):
                theirs.sendall(stream[i : i + 1])

        in_thread(self, dribble)
        self.assertEqual([connection.recv(), connection.recv(), connection.recv()], [{"a": 1}, "second", "third"])

    def test_a_message_above_the_limit_ends_the_connection(self):
        from oyez.reporter import framing
        ours, theirs = pair(self)
        before, framing.MAX_MESSAGE = framing.MAX_MESSAGE, 10
        self.addCleanup(setattr, framing, "MAX_MESSAGE", before)
        theirs.sendall(b"\x01\x00\x08" + b"x" * 8 + b"\x00\x00\x08" + b"x" * 8)
        with self.assertRaises(framing.TooLong):
            Link(ours).receive()


class Errors(unittest.TestCase):
    def test_an_end_anywhere_in_a_message_is_a_closed_connection(self):
        for sent in (b"", b"\x00", b"\x00\x00", b"\x00\x00\x05", b"\x00\x00\x05ab", b"\x01\x00\x02ab"):
            ours, theirs = pair(self)
            theirs.sendall(sent)
            theirs.close()
            with self.assertRaisesRegex(ConnectionClosedError, "^Connection closed$"):
                ReporterConnection(sock=ours).recv()

    def test_sending_on_a_broken_connection_says_so(self):
        ours, theirs = pair(self)
        theirs.close()
        with self.assertRaises(ConnectionBrokenError):
            ReporterConnection(sock=ours).send("x")

    def test_an_unreadable_message_leaves_the_connection_usable(self):
        ours, theirs = pair(self)
        theirs.sendall(b"\x00\x00\x00" + b"\x00\x00\x03abc" + frame(pickle.dumps(1)))
        connection = ReporterConnection(sock=ours)
        for _ in range(2):
            with self.assertRaises(MessageReceiveError):
                connection.recv()
        self.assertEqual(connection.recv(), 1)

    def test_a_connection_needs_somewhere_to_go(self):
        for kind in (ReporterConnection, AsyncReporterConnection):
            with self.assertRaises(ValueError):
                kind()


class Paths(unittest.TestCase):
    def test_a_socket_whose_path_is_too_long_for_an_address_is_reached(self):
        folder = short_folder(self)
        server = FakeServer(folder)
        self.addCleanup(server.stop)
        deep = os.path.join(folder, "x" * 100, "y" * 100)
        os.makedirs(deep)
        os.rename(server.path, os.path.join(deep, "reporter.sock"))
        os.symlink(os.path.join(deep, "reporter.sock"), os.path.join(deep, "link.sock"))
        for name in ("reporter.sock", "link.sock"):
            with ReporterConnection(os.path.join(deep, name)) as connection:
                connection.send({"name": "ping", "data": {}})
                self.assertEqual(connection.recv(), "pong")


class Async(unittest.TestCase):
    def test_it_sends_and_receives_by_path_socket_and_streams(self):
        server = FakeServer(short_folder(self))
        self.addCleanup(server.stop)

        async def ping(connection):
            await connection.send({"name": "ping", "data": {"fill": "x" * 100000}})
            answer = await connection.recv()
            connection.close()
            return answer

        async def all_three():
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(server.path)
            reader, writer = await asyncio.open_unix_connection(server.path)
            return [
                await ping(AsyncReporterConnection(server.path)),
                await ping(AsyncReporterConnection(sock=sock)),
                await ping(AsyncReporterConnection(reader=reader, writer=writer)),
            ]

        self.assertEqual(asyncio.run(asyncio.wait_for(all_three(), 20)), ["pong"] * 3)

    def test_the_peers_end_is_a_closed_connection(self):
        ours, theirs = pair(self)
        theirs.sendall(b"\x00\x00\x05ab")
        theirs.close()

        async def receive():
            connection = AsyncReporterConnection(sock=ours)
            try:
                await connection.recv()
            finally:
                connection.close()

        with self.assertRaises(ConnectionClosedError):
            asyncio.run(asyncio.wait_for(receive(), 20))
