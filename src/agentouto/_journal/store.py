"""The SQLite file of a journal: opens and checks it, and reads and writes its tables.

A file has many runs. Each run is written by one process (``run_lock.py``), and any process may
read. Facts are only added: the row ``no * 2**32 + place`` is the event number ``place`` of the run
``no``. A file that was sent is in ``files`` once, until no run uses it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from agentouto._domain.clock import SYSTEM_CLOCK, monotonic, pause
from agentouto._domain.errors import JournalError
from agentouto._domain.event import Event
from agentouto._journal.file_systems import NETWORK_FILE_SYSTEMS, file_system_of
from agentouto._journal.files import marked_files
from agentouto._journal.inbox_table import INBOX_TABLE, refuse_open_items
from agentouto._journal.row_inserts import RUN_SHIFT, are_few, insert_few_rows, insert_rows
from agentouto._journal.rows import EventRow, RowReader, RowWriter, UnreadableRow
from agentouto._journal.saved_run import REMOVED, RunRow

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
create table facts(at integer primary key, call integer not null, kind text not null, body blob);
create table files(hash blob primary key, data blob not null);
create table file_uses(
    hash blob not null, run integer not null, primary key(hash, run)
) without rowid;
"""

_NO_FILES: Mapping[bytes, bytes] = MappingProxyType({})

_COLUMNS = ", ".join(RunRow._fields)


class RunEnd(NamedTuple):
    """How a run has ended: its state in the file, when, and why it has failed."""

    status: str
    at: float
    error: str


class Store:
    """One connection to the file of a journal.

    Args:
        path: The file. It is made if it does not exist.
        power_loss: Whether every commit waits until the disk has it.
        must_exist: Whether it is an error if there is no such file.

    Attributes:
        path: The file.
        power_loss: What was given.

    Raises:
        JournalError: The file cannot be opened, is none of a journal, or is of a newer version.
    """

    def __init__(self, path: Path, *, power_loss: bool = False, must_exist: bool = False) -> None:
        self.path = path
        self.power_loss: bool = power_loss
        self._refuse_unusable_places(must_exist=must_exist)
        with self.errors("cannot be opened"):
            if not path.exists():
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(
                path, timeout=WRITE_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._waits = True
            try:
                self._open_schema()
                self._connection.execute("pragma journal_mode = wal")
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
    def transaction(self, *, wait: bool = True) -> Generator[sqlite3.Connection]:
        """Return the connection inside of a transaction that writes.

        Args:
            wait: Whether other processes are waited for; else one that writes is an error.

        Raises:
            JournalError: Nothing was written.
        """
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
                yield connection
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

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """Return the connection to read from."""
        with self.errors("cannot be read"):
            yield self._connection

    # ── runs ──────────────────────────────────────────────────────────────────────────────────

    def run(self, run_id: str) -> RunRow | None:
        """Return the run ``run_id``, if there is one."""
        with self.errors("cannot be read"):
            query = f"select {_COLUMNS} from runs where id = ?"  # noqa: S608 - our own columns
            row = self._connection.execute(query, (run_id,)).fetchone()
        return None if row is None else RunRow(*row)

    def runs(self) -> list[RunRow]:
        """Return all runs, newest first."""
        with self.errors("cannot be read"):
            order = "where status != ? order by started desc, no desc"
            query = f"select {_COLUMNS} from runs {order}"  # noqa: S608 - our own columns
            return [RunRow(*row) for row in self._connection.execute(query, (REMOVED,))]

    def add_run(self, run_id: str, message: str, marks: str, started: float) -> RunRow:
        """Add a run, and return it."""
        with self.transaction() as connection:
            connection.execute(
                "insert into runs(id, status, message, marks, started) values (?, ?, ?, ?, ?)",
                (run_id, "running", message, marks, started),
            )
        row = self.run(run_id)
        if row is None:
            raise JournalError(f"the journal {self.path} has lost the run {run_id!r}")
        return row

    def add_fork(self, original: RunRow, run_id: str, events: Iterable[Event]) -> None:
        """Add a run with these ``events``, which goes on from them."""
        writer = RowWriter()
        rows = [writer.row(event) for event in events]
        with self.transaction() as connection:
            columns = "id, status, message, marks, started, forked_from, forked_at"
            no = (
                connection.execute(
                    f"insert into runs({columns}) values (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                    (
                        run_id,
                        "running",
                        original.message,
                        original.marks,
                        SYSTEM_CLOCK.now(),
                        original.id,
                        len(rows),
                    ),
                ).lastrowid
                or 0
            )
            insert_rows(connection, no, 0, rows)

    def set_kept(self, no: int, *, kept: bool) -> None:
        """Mark a run as one that is never deleted for its age."""
        with self.transaction() as connection:
            connection.execute("update runs set kept = ? where no = ?", (int(kept), no))

    def set_owner(self, no: int, owner: str) -> None:
        """Note which process works on a run."""
        with self.transaction() as connection:
            connection.execute(
                "update runs set owner = ?, status = 'running' where no = ?", (owner, no)
            )

    def cancel(self, no: int, reason: str = "") -> None:
        """Note that a run is ended for good."""
        with self.transaction() as connection:
            connection.execute(
                "update runs set status = 'cancelled', ended = ?, error = ? where no = ?",
                (SYSTEM_CLOCK.now(), reason, no),
            )
            refuse_open_items(connection, no)

    def removed_runs(self) -> list[int]:
        """Return the numbers of runs that are removed, but for some of their rows."""
        with self.errors("cannot be read"):
            query = "select no from runs where status = ?"
            return [no for (no,) in self._connection.execute(query, (REMOVED,))]

    def used_bytes(self) -> int:
        """Return how much of the file is in use; the rest is used again before it grows."""
        with self.errors("cannot be read"):
            pages, free, size = map(self._pragma, ("page_count", "freelist_count", "page_size"))
        return (pages - free) * size

    def _pragma(self, name: str) -> int:
        (value,) = self._connection.execute(f"pragma {name}").fetchone()
        return int(value)

    # ── events ────────────────────────────────────────────────────────────────────────────────

    def add_rows(
        self,
        no: int,
        first: int,
        rows: Sequence[EventRow],
        end: RunEnd | None = None,
        settle: Callable[[sqlite3.Connection], object] | None = None,
    ) -> None:
        """Add the rows of a run, the first of which is its event number ``first``, and its end.

        ``settle`` is called inside of the transaction.

        Raises:
            JournalError: Nothing was added. Other processes that write are not waited for.
        """
        if end is None and settle is None and are_few(rows):
            try:  # as ``errors`` does, which takes longer
                self._stop_waiting()
                insert_few_rows(self._connection, no, first, rows)
            except (sqlite3.Error, OSError) as error:
                raise JournalError(f"the journal {self.path} cannot be written: {error}") from error
            return
        with self.transaction(wait=False) as connection:
            insert_rows(connection, no, first, rows)
            if settle is not None:
                settle(connection)
            if end is not None:
                connection.execute(
                    "update runs set status = ?, ended = ?, error = ? where no = ?", (*end, no)
                )
                refuse_open_items(connection, no)

    def events(self, run: RunRow) -> list[Event]:
        """Return the events of ``run``.

        Raises:
            JournalError: One of them cannot be read, or is missing.
        """
        reader, events, start = RowReader(), list[Event](), run.no << RUN_SHIFT
        query = "select at, call, kind, body from facts where at >= ? and at < ? order by at"
        with self.errors("cannot be read"):
            found = self._connection.execute(query, (start, (run.no + 1) << RUN_SHIFT))
            for place, (at, call, kind, body) in enumerate(found):
                if at != start + place:
                    raise JournalError(
                        f"the journal {self.path} is damaged: event {place} of the run {run.id!r} "
                        "is missing"
                    )
                try:
                    events.append(reader.event(EventRow(call, kind, body, self._files(body))))
                except UnreadableRow as error:
                    raise JournalError(
                        f"the journal {self.path} is damaged, or of another version: event "
                        f"{place} of the run {run.id!r}: {error}"
                    ) from error
        return events

    def _files(self, body: bytes) -> Mapping[bytes, bytes]:
        """Return the files that the body of a row has marks for, as far as they are there."""
        marked = marked_files(body)
        if not marked:
            return _NO_FILES
        query = "select hash, data from files where hash = ?"
        found = (self._connection.execute(query, (key,)).fetchone() for key in marked)
        return dict(row for row in found if row is not None)

    # ── the file ──────────────────────────────────────────────────────────────────────────────

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
        (version,) = connection.execute("pragma user_version").fetchone()
        if version > FILE_VERSION:
            raise JournalError(
                f"the journal {self.path} was written by a newer agentouto (version {version} of "
                f"the file; this one reads {FILE_VERSION}); install that, or name another file"
            )
        if version == FILE_VERSION:
            return
        (tables,) = connection.execute("select count(*) from sqlite_schema").fetchone()
        if tables:
            raise JournalError(f"the file {self.path} is a database, but no journal of runs")
        connection.execute("pragma journal_mode = wal")
        connection.execute("begin immediate")
        try:
            (version,) = connection.execute("pragma user_version").fetchone()
            if version == 0:  # no other process was faster
                for statement in f"{_TABLES}{INBOX_TABLE}".split(";"):
                    connection.execute(statement)
                connection.execute(f"pragma user_version = {FILE_VERSION}")
        finally:
            connection.execute("commit")


def _is_busy(error: sqlite3.OperationalError) -> bool:
    """Whether it is only another connection that is in the way."""
    code = error.sqlite_errorcode & 0xFF  # the rest of an extended code says in what way
    return code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
