"""Keeps the events of a run in order, and hands them to any number of readers.

Theory of operation. The run appends events and never waits for a reader. Writers may be in any
thread; each reader belongs to the event loop that calls ``next``, which may be another one.

* ``append`` stores an event and pushes it to all readers under one lock. Pushed after the lock is
  released, the events of two threads could reach a reader in another order than they have in
  ``events``.
* ``read`` replays ``events`` and registers the reader under the same lock. With two steps, an event
  that is appended between them would be missed, or come twice.
* The queue of a reader has no bound, so ``push`` never waits. A slow reader costs memory only.
* ``Token``, ``Thinking`` and ``Drafted`` are pushed as they arrive and never stored. They go to
  ``ReplyStream.listeners``: the readers that there were when the reply began, and those that came
  later and got what had been written until then as one ``ReplySoFar``. At its end, ``append`` gets
  these readers as ``streamed_to``, and replays the text to all others before the ``Replied``. So
  every reader gets the text of a reply once. A reader that were added to ``listeners`` without the
  ``ReplySoFar`` would never get the first pieces.
* ``emit`` takes no lock, because it is called for every token. One task emits all pieces of a reply
  and then ends it, so they are in order; the pieces of parallel replies may mix.
* Without a lock, a piece that is emitted while a reader is added could reach it twice, in the
  ``ReplySoFar`` and after it, or not at all. So a reader is added in the thread of that task only:
  at once if it comes from there, because the task adds and emits the pieces that arrived together
  without waiting in between; else by ``is_read``, before the next pieces. One that comes
  after the last piece is not added and gets the reply whole.
* ``Reader.next`` stores ``_waiting`` and then looks into the queue again; ``push`` appends to the
  queue and then looks at ``_waiting``. Of the two, the later one sees what the other did. With
  either pair swapped, a push from another thread could fall between look and store: the reader
  would sleep with an event in its queue. The same holds for the end of the log: ``end`` sets
  ``ended`` and then looks at ``_waiting``, and ``next`` looks at ``ended`` after it has stored
  ``_waiting``. For the same reason ``_thread`` is stored before ``_waiting``, which is what
  ``push`` and ``end`` read first.
* A future may only be resolved in the thread of its loop, so ``_wake`` goes through
  ``call_soon_threadsafe`` from any other. In the same thread it resolves it at once, which is much
  cheaper.
* The log holds its readers by weak references: the one of a stream that was dropped would otherwise
  be fed until the run ends.
* The lock is reentrant, because the garbage collector may run at any allocation under it and close
  a coroutine, whose ``finally`` blocks record events. A plain lock would wait for itself. Readers
  that ``append`` has not reached yet then get the inner event first.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Concatenate, ParamSpec
from weakref import ref

from agentouto._core.rendering import with_reply_text
from agentouto._core.reply_progress import ReplyProgress
from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.content import Part, Reply
from agentouto._domain.delta import (
    Delta,
    DraftDelta,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)
from agentouto._domain.event import Broken, Event, Replied
from agentouto._domain.event_pieces import Drafted, ReplySoFar, Stamp, Thinking, Token

P = ParamSpec("P")


class Reader:
    """A position in a log. It belongs to the event loop that calls ``next``.

    Attributes:
        ended: Whether the log is closed: no event comes after those in the queue.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._unread: deque[Event] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._thread = 0
        self.ended: bool = False

    async def next(self) -> Event | None:
        """Return the next event, or ``None`` when the log is closed and read to its end."""
        unread = self._unread
        if self._waiting is not None:
            raise RuntimeError(
                "another task already waits for the next event: a reader has one task, and every "
                "task that reads needs a reader of its own"
            )
        while not unread:
            if self.ended:
                # Another thread may have pushed the last event since the queue was looked at.
                return unread.popleft() if unread else None
            loop = asyncio.get_running_loop()
            self._thread = threading.get_ident()
            self._waiting = waiting = loop.create_future()
            if unread or self.ended:  # it came before _waiting was there to be seen
                self._waiting = None
                continue
            try:
                await waiting
            finally:
                self._waiting = None
        return unread.popleft()

    def push(self, event: Event) -> None:
        """Add ``event`` to the queue. Called by the log, from any thread."""
        self._unread.append(event)
        waiting = self._waiting
        if waiting is not None and not waiting.done():
            self._wake(waiting)

    def end(self) -> None:
        """Note that no more events will come. Called by the log, from any thread."""
        self.ended = True
        if self._waiting is not None:
            self._wake(self._waiting)

    def close(self) -> None:
        """Stop reading. What is in the queue can still be read."""
        self._log.remove_reader(self)

    def _wake(self, waiting: asyncio.Future[None]) -> None:
        with suppress(RuntimeError):  # the reader's loop is closed
            if threading.get_ident() == self._thread:
                _release(waiting)
            else:
                waiting.get_loop().call_soon_threadsafe(_release, waiting)


def _release(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


class ReplyStream:
    """Streams the pieces of one reply to its listeners.

    Args:
        log: The log.
        stamp: The stamp of the call.
        listeners: The readers of the log.
        progress: What has been written of the reply.

    Attributes:
        listeners: The readers that get the pieces.
        ended: Whether the reply is recorded.
        newcomers: Readers from other threads, which ``is_read`` makes listeners.
    """

    __slots__ = (
        "_closed",
        "_log",
        "_progress",
        "_stamp",
        "_thread",
        "ended",
        "listeners",
        "newcomers",
    )

    def __init__(
        self,
        log: Log,
        stamp: Stamp,
        listeners: tuple[Reader, ...],
        progress: ReplyProgress,
    ) -> None:
        self._log = log
        self._stamp = stamp
        self._progress = progress
        self._thread = threading.get_ident()
        self._closed = False
        self.listeners: tuple[Reader, ...] = listeners
        self.newcomers: list[Reader] | None = None  # few replies get one while they are written
        self.ended: bool = False

    def is_unread(self) -> bool:
        """Return whether no reader has got a piece of the reply, and it has not ended."""
        return not (self.listeners or self.ended)

    def join(self, reader: Reader) -> None:
        """Make ``reader`` a listener, now or before the next pieces. Called from any thread."""
        if threading.get_ident() == self._thread:
            self._add(reader)
        elif self.newcomers is None:  # the caller holds the lock of the log
            self.newcomers = [reader]
        else:
            self.newcomers.append(reader)

    def is_read(self) -> bool:
        """Return whether there are listeners for the next pieces, which arrived together."""
        while self.newcomers:
            self._add(self.newcomers.pop(0))
        if self.listeners:
            self._progress.follow()
        return bool(self.listeners)

    def restart(self) -> None:
        """Begin from nothing: the request is made again."""
        self._progress.restart()

    def _add(self, reader: Reader) -> None:
        written = self._progress.so_far()
        if any(written):
            reader.push(ReplySoFar(self._stamp, self._log.now(), *written))
        self.listeners = (*self.listeners, reader)

    def emit(self, kind: type[Token | Thinking], text: str) -> None:
        """Push a piece of the reply to the listeners."""
        event = kind(self._stamp, self._log.now(), text)
        for reader in self.listeners:
            reader.push(event)

    def emit_delta(self, delta: Delta) -> None:
        """Push what ``delta`` adds to the reply to the listeners."""
        if isinstance(delta, TextDelta):
            if delta.text:
                self.emit(Token, delta.text)
        elif isinstance(delta, ReasoningDelta):
            if delta.text:
                self.emit(Thinking, delta.text)
        elif isinstance(delta, ToolCallDelta | DraftDelta):
            piece = self._progress.add(delta)
            if piece is not None:
                event = Drafted(self._stamp, self._log.now(), delta.slot, *piece)
                for reader in self.listeners:
                    reader.push(event)

    def end(
        self,
        reply: Reply,
        turn: int = 0,
        first: float | None = None,
        cost: float | None = None,
        model: str = "",
        *,
        finish_is_text: bool = False,
    ) -> None:
        """Record the whole reply."""
        event = Replied(
            self._stamp, self._log.now(), reply, turn, first, cost, model, finish_is_text
        )
        self.ended = True
        self._log.append(event, self.listeners)
        self.close()

    def break_off(self, parts: tuple[Part, ...], turn: int = 0) -> None:
        """Record what has arrived of a reply that broke off."""
        self._log.append(Broken(self._stamp, self._log.now(), parts, turn), self.listeners)

    def close(self) -> None:
        """Take no more listeners: the reply has ended."""
        if not self._closed:
            self._closed = True
            self._log.remove_reply(self)


class CallLog:
    """The log as one call writes it: events get the call's stamp, and the time."""

    __slots__ = ("_log", "_stamp")

    def __init__(self, log: Log, stamp: Stamp) -> None:
        self._log = log
        self._stamp = stamp

    def record(
        self,
        kind: Callable[Concatenate[Stamp, float, P], Event],
        *fields: P.args,
        **named: P.kwargs,
    ) -> None:
        """Record an event of this ``kind``, with these ``fields`` after stamp and time."""
        self._log.append(kind(self._stamp, self._log.now(), *fields, **named))

    def push(
        self,
        kind: Callable[Concatenate[Stamp, float, P], Event],
        *fields: P.args,
        **named: P.kwargs,
    ) -> None:
        """Push such an event to the present readers, without recording it."""
        for reader in self._log.listeners():
            reader.push(kind(self._stamp, self._log.now(), *fields, **named))

    def now(self) -> float:
        """Return the time that an event would be stamped with."""
        return self._log.now()

    def begin_reply(self, progress: ReplyProgress) -> ReplyStream:
        """Begin to stream a reply; ``progress`` is what has been written of it."""
        return self._log.begin_reply(self._stamp, progress)


class Log:
    """The events of a run. They may be appended from any thread.

    Args:
        now: The clock that events are stamped with.
        keep: Called with every event, in their order, of a run with a journal.
        earlier: The events that the run has from earlier processes.

    Attributes:
        events: All events so far, without the pieces of replies.
    """

    def __init__(
        self,
        now: Callable[[], float] = SYSTEM_CLOCK.now,
        keep: Callable[[Event], None] | None = None,
        earlier: Sequence[Event] = (),
    ) -> None:
        self.now: Callable[[], float] = now
        self.events: list[Event] = list(earlier)
        self._keep = keep
        self._readers: tuple[ref[Reader], ...] = ()
        self._replies: set[ReplyStream] = set()
        self._lock = threading.RLock()
        self._closed = False

    def for_call(self, stamp: Stamp) -> CallLog:
        """Return the log as the call with this ``stamp`` writes it."""
        return CallLog(self, stamp)

    def append(self, event: Event, streamed_to: tuple[Reader, ...] = ()) -> None:
        """Record ``event`` and push it to all readers.

        The readers in ``streamed_to`` have the text of a reply already; the others get it first.
        """
        with self._lock:
            self.events.append(event)
            if self._keep is not None:
                self._keep(event)
            for reader in self._live_readers() if self._readers else ():
                if reader in streamed_to:
                    reader.push(event)
                else:
                    for each in with_reply_text(event):
                        reader.push(each)

    def begin_reply(self, stamp: Stamp, progress: ReplyProgress) -> ReplyStream:
        """Begin to stream a reply to the present readers, and to those that come."""
        with self._lock:
            stream = ReplyStream(self, stamp, self.listeners(), progress)
            self._replies.add(stream)
        return stream

    def remove_reply(self, stream: ReplyStream) -> None:
        """Add no more readers to ``stream``."""
        with self._lock:
            self._replies.discard(stream)

    def listeners(self) -> tuple[Reader, ...]:
        """Return the present readers."""
        return self._live_readers() if self._readers else ()

    def read(self) -> Reader:
        """Return a reader that begins at the first event."""
        reader = Reader(self)
        with self._lock:
            for event in self.events:
                for each in with_reply_text(event):
                    reader.push(each)
            if self._closed:
                reader.end()
            else:
                self._readers = (*self._readers, ref(reader))
                for stream in tuple(self._replies):
                    stream.join(reader)
        return reader

    def remove_reader(self, reader: Reader) -> None:
        """Push no more events to ``reader``."""
        with self._lock:
            self._readers = tuple(other for other in self._readers if other() is not reader)

    def close(self) -> None:
        """Let every reader end when it has read all events."""
        with self._lock:
            self._closed = True
            for reader in self._live_readers():
                reader.end()
            self._readers = ()

    def _live_readers(self) -> tuple[Reader, ...]:
        """Return the readers that still exist, and drop the references to the others."""
        readers = tuple(found for reader in self._readers if (found := reader()) is not None)
        if len(readers) < len(self._readers):
            self._readers = tuple(reader for reader in self._readers if reader() is not None)
        return readers
