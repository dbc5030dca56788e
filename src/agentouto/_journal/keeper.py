"""Writes the events of one run into the file of a journal, and reads the inbox of the run there.

The loop of the run commits, once for all events of a few of its steps. A thread that writes would
wait for the interpreter's lock: with many peers and tools in threads, an event would reach the disk
ten times later. A commit takes some 40 microseconds, since nothing waits for the disk; with
``power_loss``, a thread does (``disk_sync.py``).

If another process writes to the file just then, the loop tries again a little later, and the events
wait in memory. After ``WRITE_SECONDS``, or if the disk is full, the run ends with ``JournalError``,
unless it may be lost: then it goes on, and nothing more of it is kept. What is kept of it is marked
as failed, because to go on from there would do things twice.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import TypeAlias

from agentouto._domain.clock import SYSTEM_CLOCK, monotonic, pause
from agentouto._domain.errors import JournalError
from agentouto._domain.event import Event, ModelAsked, RunEnded, ToolFinished, ToolStarted
from agentouto._domain.kept_event import ToolBegun
from agentouto._engine.inbox import InboxItem
from agentouto._journal.disk_sync import DiskSync
from agentouto._journal.inbox_table import mark_taken, open_items, set_waiting, settle_items
from agentouto._journal.rows import EventRow, RowWriter
from agentouto._journal.run_lock import RunLock
from agentouto._journal.saved_run import RunRow
from agentouto._journal.store import WRITE_POLL_SECONDS, WRITE_SECONDS, RunEnd, Store

OnLost: TypeAlias = Callable[[JournalError], object]
"""Is told why a run cannot be kept any more."""

WRITE_STEPS = 2
"""Steps of the loop between the end of a tool and the request that follows from it: so both are one
commit. Nothing else waits, such as a reply, which is paid for, or a question to a person; what has
to be in the file before something happens is settled."""

_OF_TOOLS = (ToolStarted, ToolBegun, ToolFinished, ModelAsked)

RUN_STATES: Mapping[str, str] = MappingProxyType(
    {"completed": "returned", "failed": "failed", "cancelled": "cancelled"}
)
"""The state of a run in the file, by the status of its last event."""


class SqliteKeeper:
    """Keeps the events of one run.

    Args:
        store: The file, which is closed with this.
        run: The run.
        lock: Its lock, which is released with this.
        earlier: The events that the file has already.
        on_lost: Called if the run cannot be kept, which then goes on; ``None`` if that ends it.
    """

    def __init__(
        self,
        store: Store,
        run: RunRow,
        lock: RunLock,
        earlier: list[Event],
        on_lost: OnLost | None = None,
    ) -> None:
        self._store = store
        self._on_lost = on_lost
        self._lost: JournalError | None = None
        self._run = run
        self._run_lock = lock
        self._writer = RowWriter()
        for event in earlier:
            self._writer.follow(event)
        self._written = len(earlier)
        self._pending: list[EventRow] = []
        self._ended: RunEnded | None = None
        self._error: JournalError | None = None
        self._fail: Callable[[JournalError], object] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._scheduled = False
        self._steps_left = 0
        self._busy_since: float | None = None
        self._closed = False
        self._lock = threading.RLock()
        self._disk: DiskSync | None = None
        if store.power_loss:
            store.leave_sync_to_others()
            self._disk = DiskSync(store.path)
        self._file_version = -1
        self._seen_items: set[int] = set()
        self._taken_items: list[int] = []
        self._settled_items: list[tuple[int, str | None]] = []

    def take(self, event: Event) -> None:
        """Take the next event, to be written in this step of the loop."""
        if self._lost is not None:
            return
        try:
            row = self._writer.row(event)
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
        self._write_after(WRITE_STEPS if isinstance(event, _OF_TOOLS) else 0)

    async def settle(self) -> None:
        """Return when all that was taken is in the file."""
        while True:
            if self._commit():
                break
            await asyncio.sleep(WRITE_POLL_SECONDS)
        if self._disk is not None:
            with self._disk_errors():
                await self._disk.settle()

    def flush(self) -> None:
        """Write all that was taken before this returns, from any thread."""
        while not self._commit():
            pause(WRITE_POLL_SECONDS)
        if self._disk is not None:
            with self._disk_errors():
                self._disk.flush()

    def new_items(self) -> Sequence[InboxItem]:
        """Return what other processes have sent since the last look; at first, all there is.

        SQLite counts the commits of other connections, so a look at a file that no one has changed
        takes a few microseconds.
        """
        with self._lock:
            if self._closed or self._error is not None or self._lost is not None:
                return ()
            with self._store.reading() as connection:
                (version,) = connection.execute("pragma data_version").fetchone()
                if version == self._file_version:
                    return ()
                first, self._file_version = self._file_version < 0, version
                found = open_items(connection, self._run.no, taken=first)
            new = [item for item in found if item.no not in self._seen_items]
            self._seen_items.update(item.no for item in new)
        return new

    def wait_for_people(self) -> bool:
        """Note that the run waits, in a commit that finds nothing new in the inbox.

        Raises:
            JournalError: The file cannot be written.
        """
        with self._lock:
            if self._lost is not None:
                raise self._lost
            if not self._commit():
                return False
            try:
                with self._store.transaction(wait=False) as connection:
                    if open_items(connection, self._run.no):
                        return False
                    set_waiting(connection, self._run.no)
                self._note_commit()
            except JournalError as error:
                if self._store.is_busy(error):
                    return False
                raise
        return True

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

    def cancel(self) -> None:
        """Note in the file that the run is ended for good."""
        with self._lock:  # it may be another thread that cancels
            if not self._closed and self._lost is None:
                self._store.cancel(self._run.no)
                self._note_commit()

    def close(self) -> None:
        """Write what is left, and let go of the file and of the run."""
        if self._closed:
            return
        self._closed = True
        try:
            self.flush()
            if self._lost is not None:
                self._note_the_loss(self._lost)
        finally:
            if self._disk is not None:
                self._disk.close()
            self._store.close()
            self._run_lock.release()

    def _write_after(self, steps: int) -> None:
        """Write after so many steps of the loop, or sooner, if that is agreed already."""
        with self._lock:
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
        if self._steps_left and self._loop is not None:
            self._steps_left -= 1
            self._loop.call_soon(self._step)
        else:
            self._write()

    def _write(self) -> None:
        """Write what is pending; if the file is busy, try again a little later."""
        self._scheduled = False
        if self._closed:
            return
        try:
            done = self._commit()
        except JournalError:
            return  # ``_end_with`` was told
        if not done and self._loop is not None:
            self._scheduled = True
            self._loop.call_later(WRITE_POLL_SECONDS, self._write)

    def _commit(self) -> bool:
        """Write what is pending, unless the file is busy; return whether it was written.

        Raises:
            JournalError: It cannot be written.
        """
        with self._lock:
            if self._error is not None:
                raise self._error
            rows, ended = self._pending, self._ended
            if self._lost is not None or not (rows or self._taken_items or self._settled_items):
                return True
            end: RunEnd | None = None
            if ended is not None:
                end = RunEnd(RUN_STATES[ended.status], ended.at, ended.error.get("what", ""))
            try:
                has_items = bool(self._taken_items or self._settled_items)
                settle = self._settle_items if has_items else None
                self._store.add_rows(self._run.no, self._written, rows, end, settle)
            except JournalError as error:
                now = monotonic()
                self._busy_since = self._busy_since or now
                if self._store.is_busy(error) and now - self._busy_since < WRITE_SECONDS:
                    return False
                self._end_with(error)
                if self._on_lost is not None:
                    return True
                raise
            self._note_commit()
            self._busy_since = None
            self._written += len(rows)
            # Their numbers may be those of other items now, and what is refused may be sent again.
            if settle is not None:
                self._seen_items.difference_update(number for number, _ in self._settled_items)
                self._taken_items, self._settled_items = [], []
            self._pending = []
        return True

    def _note_commit(self) -> None:
        if self._disk is not None:
            self._disk.note_commit().add_done_callback(self._check_disk)

    def _check_disk(self, done: Future[None]) -> None:
        with suppress(JournalError), self._disk_errors():
            done.result()

    @contextmanager
    def _disk_errors(self) -> Generator[None]:
        """End the run if the disk has failed: what it had of the file before is unknown."""
        try:
            yield
        except OSError as error:
            failure = JournalError(f"the journal {self._store.path} cannot be written: {error}")
            self._end_with(failure)
            if self._on_lost is None:
                raise failure from error

    def _settle_items(self, connection: sqlite3.Connection) -> None:
        if self._taken_items:
            mark_taken(connection, self._taken_items)
        if self._settled_items:
            settle_items(connection, self._settled_items)

    def _end_with(self, error: JournalError) -> None:
        if self._on_lost is not None:
            if self._lost is None:
                self._lost, self._pending = error, []
                self._on_lost(error)
        elif self._error is None:
            self._error = error
            if self._fail is not None:
                self._fail(error)

    def _note_the_loss(self, error: JournalError) -> None:
        """Mark what is kept of the run as failed, if the file can be written by now."""
        why = f"not all of it was kept: {error}"
        with suppress(JournalError):
            self._store.add_rows(self._run.no, 0, (), RunEnd("failed", SYSTEM_CLOCK.now(), why))
