"""One log, many readers.

A run appends what happens and never waits for anyone. A reader gets every event from the first on,
at its own pace, in whatever loop or thread it lives. The words of a reply are told only to those
who listen when it begins, and are not kept: everyone else gets the reply whole when it is finished.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress

from agentouto._core.forms import retold
from agentouto._domain.event import Broken, Event, Replied, Thinking, Token


class Reader:
    """A place in a log. Belongs to the event loop that calls ``next``."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._unread: deque[Event] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._thread = 0
        self.ended = False

    async def next(self) -> Event | None:
        """Return the next event, or ``None`` when the log is closed and read to its end."""
        unread = self._unread
        if self._waiting is not None:
            raise RuntimeError("somebody already waits for the next event: one reader each, please")
        while not unread:
            if self.ended:
                return unread.popleft() if unread else None
            loop = asyncio.get_running_loop()
            self._thread = threading.get_ident()
            self._waiting = waiting = loop.create_future()
            if unread or self.ended:  # it came while we were getting ready to wait
                self._waiting = None
                continue
            try:
                await waiting
            finally:
                self._waiting = None
        return unread.popleft()

    def push(self, event: Event) -> None:
        """Hand on ``event``. Called by the log, from any thread."""
        self._unread.append(event)
        waiting = self._waiting
        if waiting is not None and not waiting.done():
            self._wake(waiting)

    def end(self) -> None:
        """Say that nothing more will come. Called by the log, from any thread."""
        self.ended: bool = True
        if self._waiting is not None:
            self._wake(self._waiting)

    def leave(self) -> None:
        """Stop reading."""
        self._log.forget(self)

    def _wake(self, waiting: asyncio.Future[None]) -> None:
        with suppress(RuntimeError):  # the reader's loop is gone
            if threading.get_ident() == self._thread:
                _release(waiting)
            else:
                waiting.get_loop().call_soon_threadsafe(_release, waiting)


def _release(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


class Telling:
    """One reply being told to those who listened when it began."""

    __slots__ = ("_log", "listeners")

    def __init__(self, log: Log, listeners: tuple[Reader, ...]) -> None:
        self._log = log
        self.listeners: tuple[Reader, ...] = listeners

    def say(self, event: Token | Thinking) -> None:
        """Tell a piece of the reply."""
        for reader in self.listeners:
            reader.push(event)

    def end(self, event: Replied | Broken) -> None:
        """Record the whole reply, or what there is of it."""
        self._log.append(event, heard_by=self.listeners)


class Log:
    """What has happened so far. ``append`` may be called from any thread."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._readers: tuple[Reader, ...] = ()
        self._lock = threading.RLock()  # a reader may be dropped while it is held
        self._closed = False

    def append(self, event: Event, heard_by: tuple[Reader, ...] = ()) -> None:
        """Record ``event`` and hand it to everyone who reads."""
        with self._lock:
            self.events.append(event)
            for reader in self._readers:
                if reader in heard_by:
                    reader.push(event)
                else:
                    for again in retold(event):
                        reader.push(again)

    def tell(self) -> Telling:
        """Begin to tell a reply."""
        return Telling(self, self._readers)

    def read(self) -> Reader:
        """Return a reader that begins at the first event."""
        reader = Reader(self)
        with self._lock:
            for event in self.events:
                for again in retold(event):
                    reader.push(again)
            if self._closed:
                reader.end()
            else:
                self._readers = (*self._readers, reader)
        return reader

    def forget(self, reader: Reader) -> None:
        """Stop handing events to ``reader``."""
        with self._lock:
            self._readers = tuple(other for other in self._readers if other is not reader)

    def close(self) -> None:
        """Let readers stop at the end."""
        with self._lock:
            self._closed = True
            for reader in self._readers:
                reader.end()
            self._readers = ()
