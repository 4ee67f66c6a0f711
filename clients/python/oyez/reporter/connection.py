"""Bare connections to a report server: one message out, one message in, no registration, no repeating.

``ReportClient`` is what most want. These are for tools that speak the protocol themselves.
"""

import asyncio
import os
import socket
from typing import Any, Optional

from . import pickles
from .errors import ConnectionBrokenError, ConnectionClosedError
from .framing import HEADER, MAX_MESSAGE, Link, TooLong, connect_to, frame


class ReporterConnection:
    """A connection by the ``path`` of a unix socket, or over a connected ``sock``."""

    def __init__(self, path: Optional[str] = None, sock: Optional[socket.socket] = None) -> None:
        if sock is not None:
            self._link = Link(sock)
        elif path is not None:
            self._link = Link.connect(os.fspath(path))
        else:
            raise ValueError("a connection needs a path or a connected socket")

    @property
    def sock(self) -> socket.socket:
        return self._link.sock

    def send(self, data: Any) -> None:
        """Send one value. ``ConnectionBrokenError`` when there is no connection any more."""
        payload = pickles.dumps(data)
        try:
            self._link.send(payload)
        except OSError as why:
            raise ConnectionBrokenError("Connection unexpectedly closed when sending") from why

    def recv(self) -> Any:
        """Wait for one value. ``ConnectionClosedError`` when the peer closes, also in the middle of a message;
        ``MessageReceiveError`` when what came cannot be read."""
        try:
            message = self._link.receive()
        except (EOFError, OSError, TooLong) as why:
            raise ConnectionClosedError("Connection closed") from why
        return pickles.loads(message)

    def close(self) -> None:
        self._link.close()

    def __enter__(self) -> "ReporterConnection":
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.close()


class AsyncReporterConnection:
    """The same for asyncio, by ``path``, over a connected ``sock``, or with a ``reader`` and ``writer`` of a running
    loop. Connects at the first ``send`` or ``recv``; ``loop`` is accepted as pyATS does and not needed."""

    def __init__(
        self,
        path: Optional[str] = None,
        sock: Optional[socket.socket] = None,
        loop: Optional[asyncio.AbstractEventLoop] = None,
        reader: Optional[asyncio.StreamReader] = None,
        writer: Optional[asyncio.StreamWriter] = None,
    ) -> None:
        if path is None and sock is None and (reader is None or writer is None):
            raise ValueError("a connection needs a path, a connected socket, or a reader and a writer")
        self._path = None if path is None else os.fspath(path)
        self._sock = sock
        self._loop = loop
        self._reader = reader
        self._writer = writer

    async def open(self) -> None:
        """Connect, if that was not done yet. Raises ``OSError``."""
        if self._reader is not None and self._writer is not None:
            return
        if self._sock is None:
            assert self._path is not None  # __init__ refuses a connection without any of the three
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connect_to(sock, self._path)  # a local connect is made or refused at once
            except BaseException:
                sock.close()
                raise
            self._sock = sock
        self._reader, self._writer = await asyncio.open_unix_connection(sock=self._sock)

    async def send(self, data: Any) -> None:
        """Send one value; errors as ``ReporterConnection.send``."""
        payload = pickles.dumps(data)
        await self.open()
        try:
            self._writer.write(frame(payload))  # type: ignore[union-attr]
            await self._writer.drain()  # type: ignore[union-attr]
        except OSError as why:
            raise ConnectionBrokenError("Connection unexpectedly closed when sending") from why

    async def recv(self) -> Any:
        """Wait for one value; errors as ``ReporterConnection.recv``."""
        return pickles.loads(await self.recv_bytes())

    async def recv_bytes(self) -> bytes:
        """Wait for one message and give its bytes unread."""
        await self.open()
        message = bytearray()
        more = 1
        try:
            while more:
                more, size = HEADER.unpack(await self._reader.readexactly(HEADER.size))  # type: ignore[union-attr]
                if len(message) + size > MAX_MESSAGE:
                    raise TooLong
                message += await self._reader.readexactly(size)  # type: ignore[union-attr]
        except (EOFError, OSError, TooLong) as why:
            raise ConnectionClosedError("Connection closed") from why
        return bytes(message)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        elif self._sock is not None:
            self._sock.close()
