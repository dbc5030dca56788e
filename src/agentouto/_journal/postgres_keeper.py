"""Hands the events of one run to the thread that writes into Postgres, and waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress

from agentouto._domain.errors import JournalError
from agentouto._engine.event_loops import current_loop
from agentouto._engine.inbox import InboxItem
from agentouto._journal.database import Database, OnLost, OpenedRun
from agentouto._journal.inbox_table import open_items, run_status, set_ready, set_waiting
from agentouto._journal.pending_events import PendingEvents, end_of_lost, items_settler
from agentouto._journal.postgres_address import PostgresAddress
from agentouto._journal.postgres_writer import WRITERS, Batch, PostgresWriter
from agentouto._journal.store import Store


class PostgresKeeper(PendingEvents):
    """Keeps the events of one run.

    Args:
        address: Where the journal is.
        writer: Writes there; it is given back with this.
        opened: The run, whose lock is released with this.
        items: What is in its inbox.
        on_lost: Called if the run cannot be kept, which then goes on; ``None`` if that ends it.

    Attributes:
        no: The number of the run.
        run_id: Its id.
    """

    def __init__(
        self,
        address: PostgresAddress,
        writer: PostgresWriter,
        opened: OpenedRun,
        items: Sequence[InboxItem],
        on_lost: OnLost | None = None,
    ) -> None:
        super().__init__(opened, on_lost)
        self.no: int = opened.row.no
        self.run_id: str = opened.row.id
        self._address = address
        self._writer = writer
        self._next: Future[None] | None = None
        self._current: Future[None] | None = None
        self._under_way: tuple[int, list[tuple[int, str | None]]] = (0, [])
        self._arrived: list[InboxItem] = []
        self._waiting: Future[bool] | None = None
        self._was_waiting = False
        self.arrived(items)
        writer.enter(self, opened.held)

    # ── the side of the run ───────────────────────────────────────────────────────────────────

    async def settle(self) -> None:
        """Return when all that was taken is in the database."""
        while (future := self._to_wait_for()) is not None:
            error = await _outcome(future)
            if error is not None:
                raise error

    def flush(self) -> None:
        """Write all that was taken before this returns, from any thread."""
        while (future := self._to_wait_for()) is not None:
            future.result()

    def new_items(self) -> Sequence[InboxItem]:
        """Return what other processes have sent since the last look."""
        with self._lock:
            found, self._arrived = self._arrived, []
        return found

    def wait_for_people(self) -> bool:
        """Have it noted that the run waits; return whether that is noted, and still right.

        The first call only asks for it, and one of the next ones has the answer.

        Raises:
            JournalError: The database cannot be written.
        """
        with self._lock:
            failure = self._error or self._lost
            if failure is not None:
                raise failure
            if self._pending or self._arrived or self._current is not None:
                self._write()
                return False
            if self._waiting is None:
                self._waiting = self._writer.do(self._note_waiting, after=self)
                return False
            if not self._waiting.done():
                return False
            waiting, self._waiting = self._waiting, None
            self._was_waiting = waiting.result()
            return self._was_waiting

    def cancel(self) -> None:
        """Note in the database that the run is ended for good."""
        with self._lock:
            if self._closed or self._lost is not None or self._error is not None:
                return
            # An item that says so has to be settled before: what is left then is refused.
            future = self._writer.do(self._note_cancelled, after=self)
        if current_loop() is None:  # else the end of the run waits for it
            future.result()

    async def end(self) -> None:
        """Do what ``close`` does, while the loop goes on."""
        if self._closed:
            return
        try:
            await self.settle()
        finally:
            for one in self._left():
                await _outcome(one)

    def close(self) -> None:
        """Write what is left, and let go of the run."""
        if self._closed:
            return
        try:
            self.flush()
        finally:
            for one in self._left():
                with suppress(JournalError):
                    one.result()

    def _left(self) -> tuple[Future[None], Future[None]]:
        """Leave the writer, after it was noted if the run could not be kept."""
        self._closed = True
        if self._lost is not None and not self._writer.is_lost:
            loss = end_of_lost(self._lost)
            self._writer.do(lambda database: Store(database).note_loss(self.no, loss))
        return self._writer.leave(self), WRITERS.give_back(self._address, self._writer)

    def _write(self) -> None:
        with self._lock:
            if not self._closed and self._has_something:
                if self._waiting is not None:  # it may be noted by now
                    self._waiting, self._was_waiting = None, True
                self._next = self._next or Future()
                self._writer.write(self)

    @property
    def _has_something(self) -> bool:
        return bool(self._pending or self._taken_items or self._settled_items)

    def _to_wait_for(self) -> Future[None] | None:
        """Return what is done when all is written that was taken so far; ``None`` if it is.

        Raises:
            JournalError: It cannot be written.
        """
        with self._lock:
            if self._error is not None:
                raise self._error
            if self._lost is not None:
                return None
            self._write()
            return self._next or self._current

    # ── the side of the writer ────────────────────────────────────────────────────────────────

    def batch(self) -> Batch | None:
        """Return what is to be written now, if there is something."""
        with self._lock:
            if self._error is not None or self._lost is not None or not self._has_something:
                return None
            self._current, self._next = self._next or Future(), None
            rows, self._pending = self._pending, []
            taken, self._taken_items = self._taken_items, []
            settled, self._settled_items = self._settled_items, []
            self._under_way = (len(rows), settled)
            settle = items_settler(taken, settled)
            if self._was_waiting:
                self._was_waiting, settle = False, _going_on(settle, self.no)
            return Batch(self.no, self._written, rows, self._run_end(), settle)

    def written(self) -> None:
        """Note that the batch is in the database."""
        with self._lock:
            rows, settled = self._under_way
            self._written += rows
            # What is refused may be sent again, under the same number.
            self._seen_items.difference_update(no for no, _ in settled)
            done, self._current = self._current, None
        if done is not None:
            done.set_result(None)

    def failed(self, error: JournalError) -> None:
        """Note that the run cannot be written any more."""
        with self._lock:
            waiting, self._current, self._next = (self._current, self._next), None, None
            self._end_with(error)
        for one in waiting:
            if one is None:
                continue
            if self._lost is None:
                one.set_exception(error)
            else:
                one.set_result(None)

    def arrived(self, items: Sequence[InboxItem]) -> None:
        """Take what is in the inbox of the run, but for what was taken before."""
        with self._lock:
            new = [item for item in items if item.no not in self._seen_items]
            self._seen_items.update(item.no for item in new)
            self._arrived += new

    def _note_waiting(self, database: Database) -> bool:
        with database.transaction():
            run_status(database, self.no, lock=True)
            database.check_owner(self.no, self._written)
            if open_items(database, self.no):
                return False
            set_waiting(database, self.no)
        return True

    def _note_cancelled(self, database: Database) -> None:
        if self._error is None:
            Store(database).cancel(self.no)


async def _outcome(future: Future[None]) -> BaseException | None:
    """Wait for ``future``, and return its error. It is not cancelled with the task that waits."""
    waited = asyncio.wrap_future(future)
    waited.add_done_callback(_retrieve)  # also if no one waits any more
    await asyncio.wait([waited])
    return waited.exception()


def _going_on(settle: Callable[[Database], object] | None, no: int) -> Callable[[Database], object]:
    """Return what notes in a transaction that the run does not wait any more, and settles."""

    def go_on(database: Database) -> None:
        set_ready(database, no)
        if settle is not None:
            settle(database)

    return go_on


def _retrieve(done: asyncio.Future[None]) -> None:
    """Take the error of a future that no one waits for any more: else asyncio reports it."""
    if not done.cancelled():
        done.exception()
