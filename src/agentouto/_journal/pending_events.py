"""Collects the events of one run in memory, to be written in order, about a millisecond at a time.

How they are written is up to ``sqlite_keeper.py`` and ``postgres_keeper.py``. If they cannot be,
the run ends with ``JournalError``, unless it may be lost: then it goes on, and nothing more of it
is kept. What is kept of it is marked as failed, because to go on from there would do things twice.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType

from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.errors import JournalError
from agentouto._domain.event import (
    Event,
    ModelAsked,
    Replied,
    RunEnded,
    ToolFinished,
    ToolStarted,
)
from agentouto._domain.kept_event import ToolBegun
from agentouto._engine.inbox import InboxItem
from agentouto._journal.database import Database, OnLost, OpenedRun
from agentouto._journal.inbox_table import mark_taken, settle_items
from agentouto._journal.rows import EventRow, RowWriter
from agentouto._journal.saved_run import RunRow
from agentouto._journal.store import RunEnd

WAIT_SECONDS = 0.001
"""How long an event waits for others at most, so that they are one commit: a reply for the
beginning of its tools, a result for the request that follows from it. A kill loses no more."""

REPLY_STEPS = 1
"""A reply is paid for, so it waits only so many steps of the loop, in which its tools can begin."""

_WAITING_KINDS: frozenset[type[Event]] = frozenset(
    {Replied, ToolStarted, ToolBegun, ToolFinished, ModelAsked}
)
"""Events that wait for others. The rest do not, such as a question to a person. What has to be in
the journal before something happens is settled, and before a function of the user's begins,
everything is written."""

RUN_STATES: Mapping[str, str] = MappingProxyType(
    {"completed": "returned", "failed": "failed", "cancelled": "cancelled"}
)
"""The state of a run in the journal, by the status of its last event."""


class PendingEvents:
    """The events of one run that are not written yet, and what has become of its inbox.

    Args:
        opened: The run.
        on_lost: Called if the run cannot be kept, which then goes on; ``None`` if that ends it.
    """

    def __init__(self, opened: OpenedRun, on_lost: OnLost | None) -> None:
        self._run: RunRow = opened.row
        self._on_lost = on_lost
        self._lost: JournalError | None = None
        self._row_writer = RowWriter()
        self._row_writer.follow(opened.earlier)
        self._written: int = len(opened.earlier)
        self._pending: list[EventRow] = []
        self._ended: RunEnded | None = None
        self._error: JournalError | None = None
        self._fail: Callable[[JournalError], object] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._scheduled = False  # in the next step of the loop
        self._timed = False  # in at most ``WAIT_SECONDS``
        self._closed = False
        self._lock = threading.RLock()
        self._seen_items: set[int] = set()
        self._taken_items: list[int] = []
        self._settled_items: list[tuple[int, str | None]] = []

    def take(self, event: Event) -> None:
        """Take the next event, to be written in the next step of the loop, or soon after."""
        if self._lost is not None:
            return
        try:
            row = self._row_writer.row(event)
        except (TypeError, ValueError, OverflowError) as error:
            self._end_with(
                JournalError(
                    f"an event cannot be kept, because it has something that is no JSON: "
                    f"{type(event).__name__} of {event.stamp.agent_name!r}: {error}"
                )
            )
            return
        with self._lock:
            if self._lost is not None:
                return
            self._pending.append(row)
            if type(event) in _WAITING_KINDS:
                if not self._timed:
                    self._write_in_time()
                if isinstance(event, Replied) and self._timed and self._loop is not None:
                    self._loop.call_soon(self._write_reply, self._pending, REPLY_STEPS)
                return
            if isinstance(event, RunEnded):
                self._ended = event
            self._write_soon()

    def hold(self, item: InboxItem) -> None:
        """Note, in this step of the loop, that an item was taken."""
        with self._lock:
            self._taken_items.append(item.no)
            self._write_soon()

    def settle_item(self, item: InboxItem, refusal: str | None = None) -> None:
        """Remove an item in this step of the loop, or note why it is refused."""
        with self._lock:
            self._settled_items.append((item.no, refusal))
            self._write_soon()

    def begin(self, fail: Callable[[JournalError], object]) -> None:
        """Begin to write in the running loop; ``fail`` is called if that is impossible."""
        with self._lock:
            self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
            self._fail = fail
        if self._error is not None:
            fail(self._error)
        self._write()

    def close(self) -> None:
        """Write what is left, and let go of the journal and of the run."""
        raise NotImplementedError

    async def end(self) -> None:
        """Do what ``close`` does, and wait for the disk without blocking the loop."""
        self.close()

    def hasten(self) -> None:
        """Write what is pending before this returns: a function of the user's begins.

        If that takes waiting, it is written as soon as that is possible.
        """
        with self._lock:
            if self._pending and self._loop is not None:
                self._write()

    def _write_soon(self) -> None:
        """Write in the next step of the loop. Called with the lock."""
        if self._loop is None or self._scheduled:
            return
        self._scheduled = True
        if threading.get_ident() == self._thread:
            self._loop.call_soon(self._write_scheduled)
        else:
            self._loop.call_soon_threadsafe(self._write_scheduled)

    def _write_in_time(self) -> None:
        """Write in ``WAIT_SECONDS``, with all that comes until then. Called with the lock."""
        if threading.get_ident() != self._thread:
            self._write_soon()
        elif self._loop is not None:
            self._timed = True
            self._loop.call_later(WAIT_SECONDS, self._write_timed)

    def _write_scheduled(self) -> None:
        self._scheduled = False
        self._write()

    def _write_reply(self, pending: list[EventRow], steps: int) -> None:
        """Write a reply after so many more steps, unless its tools have begun: then it is written.

        ``pending`` is replaced when it is written.
        """
        with self._lock:
            if self._pending is not pending or self._loop is None:
                return
            if steps:
                self._loop.call_soon(self._write_reply, pending, steps - 1)
            else:
                self._write()

    def _write_timed(self) -> None:
        self._timed = False
        if self._pending:
            self._write()

    def _write(self) -> None:
        """Write what is pending, or have it written."""
        raise NotImplementedError

    def _run_end(self) -> RunEnd | None:
        """Return how the run has ended, if it has."""
        ended = self._ended
        if ended is None:
            return None
        what = ended.error.get("what", "").replace("\0", "")  # which texts of Postgres cannot have
        return RunEnd(RUN_STATES[ended.status], ended.at, what)

    def _end_with(self, error: JournalError) -> None:
        if self._on_lost is not None:
            if self._lost is None:
                self._lost, self._pending = error, []
                self._on_lost(error)
        elif self._error is None:
            self._error = error
            if self._fail is not None:
                self._fail(error)


def items_settler(
    taken: list[int], settled: list[tuple[int, str | None]]
) -> Callable[[Database], object] | None:
    """Return what notes in a transaction what has become of items; ``None`` without any."""
    if not taken and not settled:
        return None

    def settle(database: Database) -> None:
        mark_taken(database, taken)
        settle_items(database, settled)

    return settle


def end_of_lost(error: JournalError) -> RunEnd:
    """Return the end of a run that could not be kept."""
    return RunEnd("failed", SYSTEM_CLOCK.now(), f"not all of it was kept: {error}")
