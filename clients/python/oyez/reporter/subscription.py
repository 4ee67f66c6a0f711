"""Following a server's events with asyncio, over its restarts."""

import asyncio
import os
import time
from typing import Any, Awaitable, Callable

from . import settings
from .connection import AsyncReporterConnection
from .errors import ConnectionBrokenError, ConnectionClosedError
from .runfolder import read_note, restarter

_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.25


async def listen(
    path: str,
    callback: Callable[[Any], Awaitable[Any]],
    loads: Callable[[bytes], Any],
    on_state: Callable[[bool], None],
) -> None:
    """Await ``callback(event)`` for each event of the server at ``path``, in order, until the server ends.

    ``loads`` reads a message; ``on_state(True)`` is called once the server has taken the subscription, and
    ``on_state(False)`` at the end. When the server dies and another takes its place, the subscription goes on there;
    events of the time in between are not sent again: ``get_testsuite`` and ``get_section`` tell what was missed.
    A first connection that fails raises ``OSError``; what the callback raises ends the subscription.
    """
    folder = os.path.dirname(os.path.abspath(path))
    connection = AsyncReporterConnection(path)
    try:
        await connection.open()
        while True:
            try:
                await connection.send({"name": "subscribe_client", "data": {}})
                await _follow(connection, callback, loads, on_state)
            except (ConnectionClosedError, ConnectionBrokenError):
                pass
            connection.close()
            successor = await _successor(path, folder)
            if successor is None:
                return
            connection = successor
    finally:
        connection.close()
        on_state(False)


async def _follow(
    connection: AsyncReporterConnection,
    callback: Callable[[Any], Awaitable[Any]],
    loads: Callable[[bytes], Any],
    on_state: Callable[[bool], None],
) -> None:
    while True:
        message = loads(await connection.recv_bytes())
        if isinstance(message, dict) and "event" in message:
            await callback(message)
        elif isinstance(message, dict) and isinstance(message.get("exception"), BaseException):
            raise message["exception"]
        else:  # the reply to subscribe_client, which may come after the first events
            on_state(True)


async def _successor(path: str, folder: str) -> Any:
    """A connection to the next server; None when the last one was stopped on purpose, or nothing came in time."""
    begin = time.monotonic()
    pause = _FIRST_PAUSE
    while True:
        note = read_note(folder)
        if note is None or note.ended:
            return None
        connection = AsyncReporterConnection(path)
        try:
            await connection.open()
            return connection
        except OSError:
            connection.close()
        missing_for = time.monotonic() - begin
        if missing_for > settings.seconds(settings.RECONNECT, 60):
            return None
        restarter.consider(folder, note, missing_for)
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
