"""Collects the events of one run in memory, to be written in order, a few steps at a time.

How they are written is up to ``sqlite_keeper.py`` and ``postgres_keeper.py``. If they cannot be,
the run ends with ``JournalError``, unless it may be lost: then it goes on, and nothing more of it
is kept. What is kept of it is marked as failed, because to go on from there would do things twice.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType

from agentouto._domain.clock import SYSTEM_CLOCK, monotonic
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

TOOL_STEPS = 2
"""Steps of the loop between the end of a tool and the request that follows from it: so both are one
commit."""

REPLY_STEPS = 1
"""Steps of the loop between a reply and the beginning of its tools: so both are one commit."""

REPLY_SECONDS = 0.001
"""How long these steps may take, since a reply is paid for: with many agents at work, a step can
take long. Then it is written alone."""

_STEPS: Mapping[type[Event], int] = MappingProxyType(
    {
        ToolStarted: TOOL_STEPS,
        ToolBegun: TOOL_STEPS,
        ToolFinished: TOOL_STEPS,
        ModelAsked: TOOL_STEPS,
        Replied: REPLY_STEPS,
    }
)
"""How many steps of the loop an event waits for others. Others do not wait, such as a question to a
person. What has to be in the journal before something happens is settled, and before a function of
the user's begins, everything is written."""

RUN_STATES: Mapping[str, str] = MappingProxyType(
    {"completed": "returned", "failed": "failed", "cancelled": "cancelled"}
)
"""The state of a run in the journal, by the status of its last event."""


class PendingEvents:
    """The events of one run that are not written yet, and what has become of its inbox.

    Args:
        opened: The run.
        on_lost: Called if the run cannot be kept, which then goes on; ``None`` if that ends it.

    Attributes:
        reply_seconds: How long a reply waits at most, if steps of the loop are long.
    """

    reply_seconds: float = REPLY_SECONDS

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
        self._scheduled = False
        self._steps_left = 0
        self._replied_at = 0.0
        self._closed = False
        self._lock = threading.RLock()
        self._seen_items: set[int] = set()
        self._taken_items: list[int] = []
        self._settled_items: list[tuple[int, str | None]] = []

    def take(self, event: Event) -> None:
        """Take the next event, to be written in this step of the loop."""
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
            if isinstance(event, RunEnded):
                self._ended = event
            elif isinstance(event, Replied):
                self._replied_at = self._replied_at or monotonic()
            self._write_after(_STEPS.get(type(event), 0))

    def hold(self, item: InboxItem) -> None:
        """Note, in this step of the loop, that an item was taken."""
        with self._lock:
            self._taken_items.append(item.no)
            self._write_after(0)

    def settle_item(self, item: InboxItem, refusal: str | None = None) -> None:
        """Remove an item in this step of the loop, or note why it is refused."""
        with self._lock:
            self._settled_items.append((item.no, refusal))
            self._write_after(0)

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
        """Write what is pending in this step of the loop, before a function of the user's begins.

        If that takes waiting, it is written as soon as that is possible.
        """
        with self._lock:
            if self._pending and self._loop is not None:
                scheduled = self._scheduled
                self._write()
                self._scheduled = scheduled or self._scheduled

    def _write_after(self, steps: int) -> None:
        """Write after so many steps of the loop, or sooner, if that is agreed already.

        Called with the lock.
        """
        if self._loop is None:
            return
        if self._scheduled:
            self._steps_left = min(self._steps_left, steps)
            return
        self._scheduled, self._steps_left = True, steps
        if threading.get_ident() == self._thread:
            self._loop.call_soon(self._step)
        else:
            self._loop.call_soon_threadsafe(self._step)

    def _step(self) -> None:
        """Write what is pending, unless it can wait for the next step."""
        with self._lock:  # other threads take events too
            replied = self._replied_at
            if not self._steps_left or (replied and monotonic() - replied > self.reply_seconds):
                self._write()
            elif self._pending and self._loop is not None:
                self._steps_left -= 1
                self._loop.call_soon(self._step)
            else:
                self._scheduled = False

    def _written_all(self) -> None:
        """Note that nothing is pending any more."""
        self._steps_left, self._replied_at = TOOL_STEPS, 0.0

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
