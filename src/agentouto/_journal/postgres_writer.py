"""Writes the events of all runs of this process in one journal in Postgres, in a thread.

A round trip takes longer than a step of an event loop may. So the loops of the runs only collect,
and one thread with one connection writes: what has come together since the last round trip is one
statement, and so one transaction. The connection holds the locks of the runs. A thousand runs are
one connection.

Theory of operation.

* Each run has at most one batch under way. Its events are in order, and no gap can arise: a batch
  is written as a whole, or the run ends with an error.
* If the connection breaks, it is unknown whether the last batch was written. The thread connects
  again, takes the locks of its runs back, and looks: if exactly these events are there, they were
  written. If others are, or another process has the lock, the run has been taken over. If no
  connection can be had for some seconds, all runs end with ``JournalError``.
* The thread reads what others have sent to the runs, five times a second, between two batches: so
  what it has read is never older than what it has written.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from agentouto._domain.clock import monotonic, pause
from agentouto._domain.errors import JournalError
from agentouto._engine.inbox import InboxItem
from agentouto._journal.database import Database, Done, HeldRun
from agentouto._journal.inbox_table import inbox_item
from agentouto._journal.postgres_address import PostgresAddress
from agentouto._journal.postgres_database import PostgresDatabase
from agentouto._journal.rows import EventRow
from agentouto._journal.store import RunEnd, Store

INBOXES_SECONDS = 0.2
"""How often the inboxes of the runs are read: with one query for all of them."""

RECONNECT_POLL_SECONDS = 0.1


class Batch(NamedTuple):
    """What is written of a run as a whole.

    Attributes:
        no: The run.
        first: The number of its first event.
        rows: The events.
        end: How the run has ended, if it has.
        settle: What is done beside it, in the same transaction.
    """

    no: int
    first: int
    rows: Sequence[EventRow]
    end: RunEnd | None
    settle: Callable[[Database], object] | None

    @property
    def is_plain(self) -> bool:
        """Whether it is nothing but events, without files."""
        return self.end is None and self.settle is None and not any(r.files for r in self.rows)


class WrittenRun(Protocol):
    """A run that is written. The thread of the writer calls these methods."""

    @property
    def no(self) -> int: ...

    @property
    def run_id(self) -> str: ...

    def batch(self) -> Batch | None:
        """Return what is to be written now, if there is something."""
        ...

    def written(self) -> None:
        """Note that the batch is in the database."""
        ...

    def failed(self, error: JournalError) -> None:
        """Note that the run cannot be written any more."""
        ...

    def arrived(self, items: Sequence[InboxItem]) -> None:
        """Take what is in the inbox of the run."""
        ...


class PostgresWriter:
    """The thread that writes, and its connection.

    Args:
        address: Where to.

    Raises:
        JournalError: The database cannot be used.
    """

    def __init__(self, address: PostgresAddress) -> None:
        self._address = address
        self._database = PostgresDatabase(address, writes=True)
        self._session = self._database.session()
        self._changed = threading.Condition()
        self._work: deque[Callable[[], object]] = deque()
        self._ready: dict[WrittenRun, None] = {}
        self._runs: dict[WrittenRun, HeldRun] = {}
        self._is_ended = False
        self._next_look = monotonic() + INBOXES_SECONDS
        self.users: int = 0
        threading.Thread(target=self._main, name="agentouto-journal", daemon=True).start()

    # ── from any thread ───────────────────────────────────────────────────────────────────────

    def do(
        self, work: Callable[[Database], Done], *, after: WrittenRun | None = None
    ) -> Future[Done]:
        """Have ``work`` done in the thread, between two batches.

        Args:
            work: What is to be done.
            after: A run whose next batch is written before.
        """

        def done() -> Done:
            if after is not None:
                self._write([after])
            return work(self._usable())

        return self._later(done)

    def _later(self, work: Callable[[], Done]) -> Future[Done]:
        future: Future[Done] = Future()

        def done() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - whoever waits raises it
                future.set_exception(error)

        with self._changed:
            if self._is_ended:
                future.set_exception(JournalError(f"the journal {self._address.shown} is closed"))
            else:
                self._work.append(done)
                self._changed.notify()
        return future

    def write(self, run: WrittenRun) -> None:
        """Have the next batch of ``run`` written."""
        with self._changed:
            self._ready[run] = None
            self._changed.notify()

    def enter(self, run: WrittenRun, held: HeldRun) -> None:
        """Look after ``run``, too, from now on."""
        with self._changed:
            self._runs[run] = held

    def leave(self, run: WrittenRun) -> Future[None]:
        """Let go of ``run``."""

        def let_go() -> None:
            self._write([run])
            held = self._runs.pop(run, None)
            if held is not None:
                held.release()

        return self._later(let_go)

    def end(self) -> Future[None]:
        """Close the connection, after all that is to be done by it."""
        future = self._later(lambda: self._database.close())  # noqa: PLW0108 - that of then
        with self._changed:
            self._is_ended = True
            self._changed.notify()
        return future

    @property
    def is_lost(self) -> bool:
        """Whether there is no connection just now."""
        return self._database.is_lost

    # ── in the thread ─────────────────────────────────────────────────────────────────────────

    def _main(self) -> None:
        while True:
            work, ready = self._next()
            for one in work:
                one()
            if self._is_ended and not work:
                return
            try:
                self._write(ready)
                if monotonic() >= self._next_look:
                    self._next_look = monotonic() + INBOXES_SECONDS
                    self._look()
            except JournalError as error:
                self._fail_all(error)
            except BaseException as error:  # noqa: BLE001 - a run that waits must not wait for ever
                fault = JournalError(f"the journal {self._address.shown} has failed: {error!r}")
                fault.__cause__ = error
                self._fail_all(fault)

    def _next(self) -> tuple[list[Callable[[], object]], list[WrittenRun]]:
        with self._changed:
            while not (self._work or self._ready or self._is_ended):
                seconds = self._next_look - monotonic()
                if seconds <= 0 and self._runs:
                    break
                self._changed.wait(seconds if self._runs else None)
            work, ready = list(self._work), list(self._ready)
            self._work.clear()
            self._ready.clear()
        return work, ready

    def _write(self, runs: Sequence[WrittenRun]) -> None:
        batches = {run: batch for run in runs if (batch := run.batch()) is not None}
        plain = {run: batch for run, batch in batches.items() if batch.is_plain}
        are_written = not self._database.is_lost and self._insert_together(plain.values())
        for run, batch in batches.items():
            try:
                if (are_written and run in plain) or self._write_one(run, batch):
                    run.written()
            except JournalError as error:
                self._fail(run, error)

    def _insert_together(self, batches: Iterable[Batch]) -> bool:
        """Write what has come together; return ``False`` if each has to be looked at."""
        database = self._database
        try:
            with database.errors("cannot be written"):
                database.insert_events_of_runs((one.no, one.first, one.rows) for one in batches)
        except JournalError:
            return False
        return True

    def _write_one(self, run: WrittenRun, batch: Batch) -> bool:
        """Write a batch by itself; return ``False`` if the run has been lost in the meantime."""
        is_new = not batch.is_plain
        for tries in (1, 2):
            database = self._usable()
            if run not in self._runs:
                return False
            try:
                if is_new or not (
                    batch.rows and database.has_events(batch.no, batch.first, batch.rows)
                ):
                    store = Store(database)
                    store.add_rows(batch.no, batch.first, batch.rows, batch.end, batch.settle)
            except JournalError:
                if not database.is_lost or tries == 2:
                    raise
                is_new = False
            else:
                return True
        return False

    def _look(self) -> None:
        """Read the inboxes of all runs."""
        runs = {run.no: run for run in tuple(self._runs)}
        if not runs:
            return
        database = self._usable()
        query = (
            "select run, no, kind, id, address, body from inbox "
            "where run = any(?::bigint[]) and (outcome is null or outcome = '') order by no"
        )
        try:
            with database.errors("cannot be read"):
                rows = database.execute(query, (list(runs),)).fetchall()
        except JournalError:
            if database.is_lost:
                self._next_look = monotonic()
                return  # the next look connects again
            raise
        found: dict[int, list[InboxItem]] = {}
        for no, *columns in rows:
            found.setdefault(no, []).append(inbox_item(*columns))
        for no, items in found.items():
            runs[no].arrived(items)

    def _fail(self, run: WrittenRun, error: JournalError) -> None:
        held = self._runs.pop(run, None)
        if held is not None:
            held.release()
        run.failed(error)

    def _fail_all(self, error: JournalError) -> None:
        for run in tuple(self._runs):
            self._fail(run, error)

    # ── the connection ────────────────────────────────────────────────────────────────────────

    def _usable(self) -> PostgresDatabase:
        """Return the connection; make it again if it has broken.

        Raises:
            JournalError: There is none.
        """
        if self._database.is_lost:
            try:
                self._connect_again()
            except JournalError as error:
                self._fail_all(error)
                raise
        return self._database

    def _connect_again(self) -> None:
        deadline = monotonic() + (self._address.patience.reconnect if self._runs else 0.0)
        while True:
            try:
                database = PostgresDatabase(self._address, writes=True)
                break
            except JournalError:
                if monotonic() >= deadline:
                    raise
                pause(RECONNECT_POLL_SECONDS)
        # The server may not know yet that the old session has ended, which holds the locks.
        database.end_session(self._session)
        self._database, self._session = database, database.session()
        missing = set(self._runs)
        while missing:
            for run in tuple(missing):
                held = database.hold_run(run.run_id)
                if held is not None:
                    missing.discard(run)
                    self._runs[run] = held
            if not missing or monotonic() >= deadline:
                break
            pause(RECONNECT_POLL_SECONDS)
        for run in missing:
            self._runs.pop(run)
            run.failed(database.taken_over())


class _Writers:
    """The writers of this process, one for each journal. Each is ended with its last user."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[tuple[int, PostgresAddress], PostgresWriter] = {}

    def borrow(self, address: PostgresAddress) -> PostgresWriter:
        """Return the writer of a journal."""
        key = (os.getpid(), address)  # after a fork, the thread and the connection are the parent's
        with self._lock:
            writer = self._open.get(key)
            if writer is None:
                writer = self._open[key] = PostgresWriter(address)
            writer.users += 1
            return writer

    def give_back(self, address: PostgresAddress, writer: PostgresWriter) -> Future[None]:
        """Note that a user has gone; return when the connection is closed, if it was the last."""
        with self._lock:
            writer.users -= 1
            if not writer.users:
                self._open.pop((os.getpid(), address), None)
                return writer.end()
        done: Future[None] = Future()
        done.set_result(None)
        return done


WRITERS = _Writers()
"""The connections that runs at work share. One is closed with the last of its runs."""
