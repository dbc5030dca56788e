"""The SQLite file of a journal: opens and checks it, and executes statements.

The row ``no * 2**32 + place`` of the table ``facts`` is the event number ``place`` of the run
``no``. Each run is written by one process (``run_lock.py``), and any process may read.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from agentouto._domain.clock import monotonic, pause
from agentouto._domain.errors import JournalError
from agentouto._journal.database import EventRange
from agentouto._journal.file_systems import NETWORK_FILE_SYSTEMS, file_system_of
from agentouto._journal.row_inserts import RUN_SHIFT, insert_few_rows, insert_rows
from agentouto._journal.rows import EventRow
from agentouto._journal.run_lock import RunLock, is_at_work, lock_path, lock_run
from agentouto._journal.saved_run import RunRow

FILE_VERSION = 1
"""``user_version`` of the file. A file of a higher one is refused, and not changed."""

WRITE_SECONDS = 5.0
"""How long other processes that write to the file are waited for. A commit takes milliseconds."""

WRITE_POLL_SECONDS = 0.005
"""Pause between two tries: about one commit of another process."""

_TABLES = """
create table runs(
    no integer primary key,
    id text not null unique,
    status text not null,
    message text not null,
    marks text not null default '{}',
    started real not null,
    ended real,
    error text not null default '',
    owner text not null default '',
    forked_from text,
    forked_at integer,
    kept integer not null default 0
);
create index runs_not_ended on runs(started, no) where status = 'running';
create table facts(at integer primary key, call integer not null, kind text not null, body blob);
create table files(hash blob primary key, data blob not null);
create table file_uses(
    hash blob not null, run integer not null, primary key(hash, run)
) without rowid;
create table inbox(
    no integer primary key,
    run integer not null,
    kind text not null,
    id text not null,
    address text,
    body text not null,
    sent real not null,
    outcome text,
    unique(run, kind, id)
);
"""

_LOOKS = (
    f"select {', '.join(RunRow.__struct_fields__)}, forked_at from runs limit 0",  # noqa: S608 - our own
    "select at, call, kind, body from facts limit 0",
    "select hash, data from files limit 0",
    "select hash, run from file_uses limit 0",
    "select no, run, kind, id, address, body, sent, outcome from inbox limit 0",
)
"""What fails where a table or a column is missing. The first one fails in a file of others."""


class SqliteDatabase:
    """One connection to the file of a journal.

    Args:
        path: The file. It is made if it does not exist.
        power_loss: Whether every commit waits until the disk has it.
        must_exist: Whether it is an error if there is no such file.

    Attributes:
        path: The file.
        place: Its path, as text.
        of_row: Nothing: a transaction that writes has the whole file.
        power_loss: What was given.

    Raises:
        JournalError: The file cannot be opened, is none of a journal, or is of a newer version.
    """

    def __init__(self, path: Path, *, power_loss: bool = False, must_exist: bool = False) -> None:
        self.path = path
        self.place: str = str(path)
        self.of_row: str = ""
        self.power_loss: bool = power_loss
        self._refuse_unusable_places(must_exist=must_exist)
        with self.errors("cannot be opened"):
            if not path.exists():
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(
                path, timeout=WRITE_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._waits = True
            self._file = path.stat()
            try:
                self._open_schema()
                self._use_wal()
                mode = "full" if power_loss else "normal"
                self._connection.execute(f"pragma synchronous = {mode}")
            except BaseException:
                self._connection.close()
                raise

    def leave_sync_to_others(self) -> None:
        """Have commits wait for the disk no more: ``DiskSync`` does."""
        with self.errors("cannot be opened"):
            self._connection.execute("pragma synchronous = normal")

    def close(self) -> None:
        """Close the connection."""
        with suppress(sqlite3.Error):
            self._connection.close()

    @contextmanager
    def errors(self, what: str) -> Generator[None]:
        """Raise what SQLite and the system raise as a ``JournalError`` that says ``what``."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise JournalError(f"the journal {self.path} {what}: {error}") from error

    def is_busy(self, error: JournalError) -> bool:
        """Whether another process writes to the file just now."""
        return isinstance(error.__cause__, sqlite3.OperationalError) and _is_busy(error.__cause__)

    @contextmanager
    def transaction(self, *, wait: bool = True) -> Generator[None]:
        """Do what is inside as a whole, or not at all; see ``Database``."""
        connection, deadline = self._connection, monotonic() + WRITE_SECONDS
        with self.errors("cannot be written"):
            self._stop_waiting()
            while True:
                try:
                    connection.execute("begin immediate")
                    break
                except sqlite3.OperationalError as error:
                    if not wait or not _is_busy(error) or monotonic() > deadline:
                        raise
                    pause(WRITE_POLL_SECONDS)
            try:
                yield
                connection.execute("commit")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("rollback")
                raise

    def _stop_waiting(self) -> None:
        """Have SQLite itself wait for no other process from now on: it would block the loop."""
        if self._waits:
            self._connection.execute("pragma busy_timeout = 0")
            self._waits = False

    def execute(self, query: str, values: Sequence[object] = (), /) -> sqlite3.Cursor:
        """Execute one statement."""
        return self._connection.execute(query, values)

    # ── events ────────────────────────────────────────────────────────────────────────────────

    def insert_events(self, no: int, first: int, rows: Sequence[EventRow]) -> None:
        """Add rows of the run ``no``, the first of which is its event number ``first``."""
        insert_rows(self._connection, no, first, rows)

    def insert_few_events(self, no: int, first: int, rows: Sequence[EventRow]) -> bool:
        """Add a few rows without files, in a transaction of their own; return whether it was done.

        Raises:
            JournalError: Nothing was added. Other processes that write are not waited for.
        """
        try:  # as ``errors`` does, which takes longer
            if self._waits:
                self._stop_waiting()
            return insert_few_rows(self._connection, no, first, rows)
        except (sqlite3.Error, OSError) as error:
            raise JournalError(f"the journal {self.path} cannot be written: {error}") from error

    def events_from(self, no: int, first: int) -> EventRange:
        """Return which rows are the events of the run ``no`` from number ``first`` on."""
        start = no << RUN_SHIFT
        return EventRange("at", start, "at >= ? and at < ?", (start + first, (no + 1) << RUN_SHIFT))

    def check_owner(self, no: int, length: int) -> None:
        """Do nothing: the lock of a run is let go of by its process only."""

    # ── the file ──────────────────────────────────────────────────────────────────────────────

    def check_is_there(self) -> None:
        """Check that the file still has its name: SQLite writes to one that was removed, too.

        Raises:
            JournalError: It has not.
        """
        with self.errors("is lost"):
            try:
                is_there = os.path.samestat(self._file, self.path.stat())
            except FileNotFoundError:
                is_there = False
        if not is_there:
            raise JournalError(
                f"the journal {self.path} was removed or replaced while a run was at work, which "
                "is not kept"
            )

    def commits_of_others(self) -> int:
        """Return a number that is another one after commits of other connections."""
        return self._pragma("data_version")

    def used_bytes(self) -> int:
        """Return how much of the file is in use; the rest is used again before it grows."""
        with self.errors("cannot be read"):
            pages, free, size = map(self._pragma, ("page_count", "freelist_count", "page_size"))
        return (pages - free) * size

    def _pragma(self, name: str) -> int:
        (value,) = self._connection.execute(f"pragma {name}").fetchone()
        return int(value)

    def hold_run(self, run_id: str) -> RunLock | None:
        """Return the lock of a run, unless a process has it."""
        path = lock_path(self.path, run_id)
        try:
            return lock_run(path)
        except OSError as error:
            raise JournalError(f"the run {run_id!r} cannot be locked at {path}: {error}") from error

    def is_at_work(self, run_id: str) -> bool:
        """Whether a process has the lock of a run."""
        return is_at_work(self.path, run_id)

    def at_work(self, ids: Collection[str]) -> set[str]:
        """Return those of the runs whose lock a process has."""
        return {id_ for id_ in ids if is_at_work(self.path, id_)}

    def _refuse_unusable_places(self, *, must_exist: bool) -> None:
        path = self.path
        if path.is_dir():
            raise JournalError(f"the journal {path} is a folder; journal= takes a file")
        if not path.parent.is_dir():
            raise JournalError(f"the journal {path} is in a folder that does not exist")
        if must_exist and not path.exists():
            raise JournalError(f"there is no journal {path}")
        self._refuse_read_only_places()
        kind = file_system_of(path.parent)
        if kind in NETWORK_FILE_SYSTEMS:
            raise JournalError(
                f"the journal {path} is on a network drive ({kind}), where SQLite cannot keep "
                "several processes apart; name a file on a disk of this machine"
            )

    def _refuse_read_only_places(self) -> None:
        path = self.path
        if path.exists() and not os.access(path, os.W_OK):
            raise JournalError(f"the journal {path} is read-only for this process")
        if not os.access(path.parent, os.W_OK):
            raise JournalError(
                f"the journal {path} is in a folder that is read-only for this process, where "
                "SQLite cannot write its log"
            )

    def _open_schema(self) -> None:
        connection = self._connection
        # In this order: who makes the file makes the tables and the version at once.
        (tables,) = connection.execute("select count(*) from sqlite_schema").fetchone()
        (version,) = connection.execute("pragma user_version").fetchone()
        if version > FILE_VERSION:
            raise JournalError(
                f"the journal {self.path} was written by a newer agentouto (version {version} of "
                f"the file; this one reads {FILE_VERSION}); install that, or name another file"
            )
        if version == FILE_VERSION:
            self._check_tables()
            return
        if tables:
            raise self._no_journal()
        self._use_wal()
        connection.execute("begin immediate")
        try:
            (version,) = connection.execute("pragma user_version").fetchone()
            if version == 0:  # no other process was faster
                for statement in _TABLES.split(";"):
                    connection.execute(statement)
                connection.execute(f"pragma user_version = {FILE_VERSION}")
        finally:
            connection.execute("commit")

    def _use_wal(self) -> None:
        """Have the file keep a log beside it, which it does from then on.

        SQLite does not wait for a process that makes the same file at this moment.
        """
        deadline = monotonic() + WRITE_SECONDS
        while True:
            try:
                self._connection.execute("pragma journal_mode = wal")
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or monotonic() > deadline:
                    raise
                pause(WRITE_POLL_SECONDS)
            else:
                return

    def _check_tables(self) -> None:
        for look in _LOOKS:
            try:
                self._connection.execute(look)
            except sqlite3.OperationalError as error:
                missing = str(error)
                if not missing.startswith("no such"):
                    raise
                if missing == "no such table: runs":
                    raise self._no_journal() from error
                raise JournalError(
                    f"the journal {self.path} cannot be used: {missing}. It was written by an "
                    "agentouto that was never released, or another program has changed it; name "
                    "another file"
                ) from error

    def _no_journal(self) -> JournalError:
        return JournalError(f"the file {self.path} is a database, but no journal of runs")


def _is_busy(error: sqlite3.OperationalError) -> bool:
    """Whether it is only another connection that is in the way."""
    code = error.sqlite_errorcode & 0xFF  # the rest of an extended code says in what way
    return code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
