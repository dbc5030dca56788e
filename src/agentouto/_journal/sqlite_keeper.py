"""Writes the events of one run into the SQLite file of a journal, and reads its inbox there.

The loop of the run commits, once for all events of about a millisecond. A thread that writes would
wait for the interpreter's lock: with many peers and tools in threads, an event would reach the disk
ten times later. A commit takes some 40 microseconds, since nothing waits for the disk; with
``power_loss``, a thread does (``disk_sync.py``).

If another process writes to the file just then, the loop tries again a little later, and the events
wait in memory. After ``WRITE_SECONDS``, or if the disk is full, the run cannot be kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from agentouto._domain.clock import monotonic, pause
from agentouto._domain.errors import JournalError
from agentouto._engine.event_loops import current_loop
from agentouto._engine.inbox import InboxItem
from agentouto._journal.database import OnLost, OpenedRun
from agentouto._journal.disk_sync import DiskSync, wait_in_loop
from agentouto._journal.inbox_table import open_items, set_waiting
from agentouto._journal.pending_events import PendingEvents, end_of_lost, items_settler
from agentouto._journal.rows import EventRow
from agentouto._journal.sqlite_database import WRITE_POLL_SECONDS, WRITE_SECONDS, SqliteDatabase
from agentouto._journal.store import Store


class SqliteKeeper(PendingEvents):
    """Keeps the events of one run.

    Args:
        database: The file, which is closed with this.
        opened: The run, whose lock is released with this.
        on_lost: Called if the run cannot be kept, which then goes on; ``None`` if that ends it.
    """

    def __init__(
        self, database: SqliteDatabase, opened: OpenedRun, on_lost: OnLost | None = None
    ) -> None:
        super().__init__(opened, on_lost)
        self._database = database
        self._store = Store(database)
        self._run_lock = opened.held
        self._busy_since: float | None = None
        self._disk: DiskSync | None = None
        if database.power_loss:
            database.leave_sync_to_others()
            self._disk = DiskSync(database.path)
        self._file_version = -1

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
        """Write all that was taken before this returns, from any thread.

        In a thread with an event loop, the disk is not waited for: the loop would stand still.
        """
        while not self._commit():
            pause(WRITE_POLL_SECONDS)
        if self._disk is not None and current_loop() is None:
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
            with self._database.errors("cannot be read"):
                version = self._database.commits_of_others()
                if version == self._file_version:
                    return ()
                first, self._file_version = self._file_version < 0, version
                found = open_items(self._database, self._run.no, taken=first)
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
                with self._database.transaction(wait=False):
                    if open_items(self._database, self._run.no):
                        return False
                    set_waiting(self._database, self._run.no)
                self._note_commit()
            except JournalError as error:
                if self._database.is_busy(error):
                    return False
                raise
        return True

    def cancel(self) -> None:
        """Note in the file that the run is ended for good."""
        with self._lock:  # it may be another thread that cancels
            if not self._closed and self._lost is None:
                settle = items_settler(self._taken_items, self._settled_items)
                self._store.cancel(self._run.no, settle=settle)
                self._forget_settled_items()
                self._note_commit()

    def close(self) -> None:
        """Write what is left, and let go of the file and of the run.

        In a thread with an event loop, the disk is not waited for. See ``end``.
        """
        if self._closed:
            return
        try:
            self.flush()
        finally:
            done = self._close()
            if done is not None and current_loop() is None:
                done.result()

    async def end(self) -> None:
        """Write what is left, wait for the disk, and let go of the file and of the run.

        What has begun goes on if this is cancelled.
        """
        if self._closed:
            return
        try:
            await self.settle()
        except asyncio.CancelledError:
            self._close()
            raise
        finally:
            done = self._close()
            if done is not None:
                await wait_in_loop(done)

    def _close(self) -> Future[None] | None:
        """Close the file and release the lock; return the future of it, if a thread does it."""
        if self._closed:
            return None
        self._closed = True
        if self._lost is not None:
            with suppress(JournalError):  # perhaps the file can be written by now
                self._store.note_loss(self._run.no, end_of_lost(self._lost))
        if self._disk is None:
            self._let_go()
            return None
        return self._disk.close(self._let_go)

    def _let_go(self) -> None:
        with self._lock:  # closing the last connection to a file makes the disk write all of it
            self._database.close()
        self._run_lock.release()

    def _write(self) -> None:
        """Write what is pending; if the file is busy, try again a little later."""
        if self._closed:
            return
        try:
            done = self._commit()
        except JournalError:
            return  # ``_end_with`` was told
        if not done and self._loop is not None and not self._scheduled:
            self._scheduled = True
            self._loop.call_later(WRITE_POLL_SECONDS, self._write_scheduled)

    def _commit(self) -> bool:
        """Write what is pending, unless the file is busy; return whether it was written.

        Raises:
            JournalError: It cannot be written.
        """
        with self._lock:
            if self._error is not None:
                raise self._error
            rows = self._pending
            if self._lost is not None or not (rows or self._taken_items or self._settled_items):
                return True
            try:
                self._add(rows)
            except JournalError as error:
                now = monotonic()
                self._busy_since = self._busy_since or now
                if self._database.is_busy(error) and now - self._busy_since < WRITE_SECONDS:
                    return False
                self._end_with(error)
                if self._on_lost is not None:
                    return True
                raise
            if self._disk is not None:
                self._note_commit()
            self._busy_since = None
            self._written += len(rows)
            self._forget_settled_items()
            self._pending = []
        return True

    def _forget_settled_items(self) -> None:
        # Their numbers may be those of other items now, and what is refused may be sent again.
        if self._taken_items or self._settled_items:
            self._seen_items.difference_update(number for number, _ in self._settled_items)
            self._taken_items, self._settled_items = [], []

    def _add(self, rows: list[EventRow]) -> None:
        no, first = self._run.no, self._written
        if self._ended is not None:  # it is told that the run has ended only if that is kept
            self._database.check_is_there()
        alone = self._ended is None and not self._taken_items and not self._settled_items
        if not (alone and self._database.insert_few_events(no, first, rows)):
            settle = items_settler(self._taken_items, self._settled_items)
            self._store.add_rows(no, first, rows, self._run_end(), settle)

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
            failure = JournalError(f"the journal {self._database.path} cannot be written: {error}")
            self._end_with(failure)
            if self._on_lost is None:
                raise failure from error
