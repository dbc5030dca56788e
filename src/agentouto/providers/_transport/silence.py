"""Ends requests whose server makes no progress for too long, or has closed the connection.

How it works: a request has one ``IdleTimer``, which is restarted by progress and checked every
``LOOK_SECONDS`` by the ``Ticker`` of the loop, so that neither a token nor a request needs a timer
of asyncio's. Whatever the request waits for
(a connection, the headers, more of the body) it awaits in ``with timer``. When the time is up, the
timer cancels the task that waits there, and leaving the block turns this very cancellation into an
error. Any other cancellation passes through.

Why it is not left to aiohttp: its limits count bytes, so a ping or a ``100 Continue`` restarts
them; they do not run during a TLS handshake or while an upload stands still; and they end with the
connection. When aiohttp (3.11 to 3.14) closes a connection because of a fault in the chunked
encoding, it does not wake the reader of the body, so the timer checks the transport too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from io import BytesIO
from types import TracebackType
from typing import Self

from agentouto.providers._transport.content_codings import Read, decoded
from agentouto.providers._transport.sessions import Response
from agentouto.providers._transport.ticker import Ticker

LOOK_SECONDS = 0.25
"""The longest time until a closed connection is noticed. A check costs some 2 µs."""

GRACE_SECONDS = 0.05
"""How long reading data that has arrived may take: perhaps the loop was blocked, not the server."""


class ConnectionGone(ConnectionError):
    """The connection is closed, and the answer is not complete."""


class IdleTimer:
    """Limits how long one try of a request may go without progress.

    It is the context of what is awaited, which raises ``TimeoutError`` if there was no progress for
    too long, and ``ConnectionGone`` if the connection was closed meanwhile. It watches on between
    two such blocks, until ``stop``.

    Attributes:
        active_at: The time of the last progress, by the clock of the loop.
    """

    __slots__ = (
        "_cancelling",
        "_doubted",
        "_failure",
        "_loop",
        "_seconds",
        "_task",
        "_ticker",
        "_transport",
        "_watched",
        "active_at",
    )

    def __init__(self, seconds: float, ticker: Ticker) -> None:
        self._loop = ticker.loop
        self._seconds = seconds
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0  # how often the task had been cancelled before it began to wait
        self._ticker = ticker
        self._watched = False
        self._transport: asyncio.BaseTransport | None = None
        self._failure: OSError | None = None
        self._doubted = 0.0
        self.active_at = self._loop.time()

    def restart(self) -> None:
        """Note progress: the time counts from now on."""
        self.active_at = self._loop.time()

    def watch(self, transport: asyncio.BaseTransport | None) -> None:
        """Treat the connection as closed once ``transport`` is."""
        self._transport = transport

    def stop(self) -> None:
        """Stop checking."""
        if self._watched:
            self._watched = False
            self._ticker.remove(self)

    def __enter__(self) -> None:
        task = self._task = asyncio.current_task(self._loop)
        self._cancelling = task.cancelling() if task else 0
        if not self._watched:
            self._watched = True
            self._ticker.add(self, self.active_at + min(self._seconds, LOOK_SECONDS))

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        task, failure = self._task, self._failure
        self._task = self._failure = None
        if failure is None or task is None:
            return
        only_this = task.cancelling() == self._cancelling + 1
        task.uncancel()
        if only_this and isinstance(error, asyncio.CancelledError):
            raise failure from None

    def check(self) -> None:
        """Notice silence where nothing is waited for: what arrives may be unpacked for very long.

        Raises:
            TimeoutError: There was no progress for too long, and neither since the last check.
        """
        if self._loop.time() < self.active_at + self._seconds:
            return
        if self._doubted == self.active_at:
            raise TimeoutError
        self._doubted = self.active_at

    def look(self) -> float | None:
        """Notice silence and a closed connection; return when to look again."""
        if self._task is not None:
            gone = self._transport is not None and self._transport.is_closing()
            now, silent = self._loop.time(), self.active_at + self._seconds
            if not gone and silent > now:
                return min(silent, now + LOOK_SECONDS)
            if self._doubted != self.active_at:
                self._doubted = self.active_at
                return now + GRACE_SECONDS
            self._failure = ConnectionGone() if gone else TimeoutError()
            self._task.cancel()
        self._watched = False  # ``__enter__`` changes that
        return None


class _Body:
    """The body of a response, with the coding it has.

    It does not belong to ``WatchedResponse``, which would refer to itself, and would stay with all
    that it holds until the garbage collector runs.
    """

    __slots__ = ("_response", "_timer")

    def __init__(self, response: Response, timer: IdleTimer) -> None:
        self._response = response
        self._timer = timer

    async def read(self) -> bytes:
        try:
            with self._timer:
                return await self._response.content.readany()
        except (
            RuntimeError
        ):  # "Connection closed.": what aiohttp says to who reads on after a fault
            raise ConnectionGone from None

    async def pause(self) -> None:
        """Let others run between two portions of what has arrived."""
        await asyncio.sleep(0)
        self._timer.check()


class WatchedResponse:
    """A response whose body is read under an ``IdleTimer``. Its repr shows no address.

    The context, which is entered without waiting for anything before, ends the request.
    """

    __slots__ = ("_response", "_timer", "readany", "status")

    def __init__(self, response: Response, timer: IdleTimer, portion: int) -> None:
        timer.restart()
        connection = response.connection
        timer.watch(connection.transport if connection is not None else None)
        self._response = response
        self._timer = timer
        self.status: int = response.status
        body = _Body(response, timer)
        self.readany: Read = decoded(response.headers, body.read, portion, body.pause)
        """Return what has arrived of the body, waiting for a byte of it; nothing at the end."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
        /,
    ) -> None:
        self._timer.stop()
        await self._response.__aexit__(exc_type, exc, tb)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names are looked up in any case."""
        return self._response.headers

    def at_eof(self) -> bool:
        """Return whether all of the body has been read."""
        return self._response.content.at_eof()


class Upload(BytesIO):
    """A large body that is sent in portions. Each portion that the network takes is progress."""

    def __init__(self, body: bytes, timer: IdleTimer) -> None:
        super().__init__(body)
        self._timer = timer

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next portion."""
        self._timer.restart()
        return super().read(size)
