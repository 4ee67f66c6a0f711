"""Messages on the socket, and the socket itself.

A message is cut into chunks: one byte that says whether more follow, two bytes of length (big endian), then at most
65535 bytes. Both directions are alike.
"""

import os
import socket
import struct
from typing import Optional

HEADER = struct.Struct(">BH")
MAX_CHUNK = 0xFFFF
#: A longer message is refused while it is received. pyATS has no limit; no report comes near this one.
MAX_MESSAGE = 1 << 30

# sun_path of a unix socket address, with its final zero
_ADDRESS_SIZE = 108


def frame(payload: bytes) -> bytes:
    """The chunks of one message, one after the other."""
    if len(payload) <= MAX_CHUNK:
        return HEADER.pack(0, len(payload)) + payload
    out = bytearray()
    last = (len(payload) - 1) // MAX_CHUNK * MAX_CHUNK
    for start in range(0, last, MAX_CHUNK):
        out += HEADER.pack(1, MAX_CHUNK)
        out += payload[start : start + MAX_CHUNK]
    out += HEADER.pack(0, len(payload) - last)
    out += payload[last:]
    return bytes(out)


class TooLong(Exception):
    """A message above the limit: also the end of its connection, since the next message cannot be found."""

    def __init__(self) -> None:
        super().__init__("message above the limit of %d bytes" % MAX_MESSAGE)


class Link:
    """One connection that moves whole messages as bytes. Not safe for threads.

    ``send`` and ``receive`` raise ``OSError`` for what the socket says, ``EOFError`` when the peer has closed, and
    ``TooLong``.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = bytearray()

    @classmethod
    def connect(cls, path: str, timeout: Optional[float] = None) -> "Link":
        """Connect to the socket at ``path``, which may be longer than a socket address can be."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout)
            connect_to(sock, path)
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    def send(self, payload: bytes) -> None:
        self.sock.sendall(frame(payload))

    def receive(self) -> bytes:
        """The next whole message."""
        more, size = HEADER.unpack(self._take(HEADER.size))
        if not more:
            return self._take(size)
        message = bytearray(self._take(size))
        while more:
            more, size = HEADER.unpack(self._take(HEADER.size))
            if len(message) + size > MAX_MESSAGE:
                raise TooLong
            message += self._take(size)
        return bytes(message)

    def _take(self, size: int) -> bytes:
        buffer = self._buffer
        while len(buffer) < size:
            block = self.sock.recv(max(16384, size - len(buffer)))
            if not block:
                raise EOFError("end of connection")
            buffer += block
        taken = bytes(buffer[:size])
        del buffer[:size]
        return taken

    def close(self) -> None:
        self.sock.close()


def connect_to(sock: socket.socket, path: str) -> None:
    """``sock.connect(path)`` for paths of any length: a long one is reached through a descriptor of its folder."""
    if len(os.fsencode(path)) < _ADDRESS_SIZE:
        sock.connect(path)
        return
    # pyATS puts a link to a socket with a short path into a run folder whose path is long
    target = os.path.realpath(path)
    if len(os.fsencode(target)) < _ADDRESS_SIZE:
        sock.connect(target)
        return
    folder = os.open(os.path.dirname(target), os.O_RDONLY | os.O_DIRECTORY)
    try:
        sock.connect("/proc/self/fd/%d/%s" % (folder, os.path.basename(target)))
    finally:
        os.close(folder)
