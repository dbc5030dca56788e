"""The tables of a journal: reads and writes the runs in them.

Facts are only added. A file that was sent is in ``files`` once, until no run uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.errors import JournalError
from agentouto._domain.event import Event
from agentouto._journal.database import Database
from agentouto._journal.files import MARK_START, marked_files
from agentouto._journal.inbox_table import refuse_open_items, run_status
from agentouto._journal.rows import NO_FILES, EventRow, RowReader, RowWriter, UnreadableRow
from agentouto._journal.saved_run import REMOVED, RunRow

_COLUMNS = ", ".join(RunRow.__struct_fields__)


class RunEnd(NamedTuple):
    """How a run has ended: its state in the journal, when, and why it has failed."""

    status: str
    at: float
    error: str


class Store:
    """The runs in a database.

    Args:
        database: A connection to it.

    Attributes:
        database: What was given.
    """

    def __init__(self, database: Database) -> None:
        self.database: Database = database

    # ── runs ──────────────────────────────────────────────────────────────────────────────────

    def run(self, run_id: str) -> RunRow | None:
        """Return the run ``run_id``, if there is one."""
        with self.database.errors("cannot be read"):
            query = f"select {_COLUMNS} from runs where id = ?"  # noqa: S608 - our own columns
            row = self.database.execute(query, (run_id,)).fetchone()
        return None if row is None else RunRow(*row)

    def runs(self) -> list[RunRow]:
        """Return all runs, newest first."""
        with self.database.errors("cannot be read"):
            order = "where status != ? order by started desc, no desc"
            query = f"select {_COLUMNS} from runs {order}"  # noqa: S608 - our own columns
            return [RunRow(*row) for row in self.database.execute(query, (REMOVED,))]

    def add_run(self, run_id: str, message: str, marks: str, started: float) -> RunRow:
        """Add a run, and return it."""
        with self.database.transaction():
            self.database.execute(
                "insert into runs(id, status, message, marks, started) values (?, ?, ?, ?, ?)",
                (run_id, "running", message, marks, started),
            )
        row = self.run(run_id)
        if row is None:
            raise JournalError(f"the journal {self.database.place} has lost the run {run_id!r}")
        return row

    def add_fork(self, original: RunRow, run_id: str, events: Iterable[Event]) -> None:
        """Add a run with these ``events``, which goes on from them."""
        writer = RowWriter()
        rows = [writer.row(event) for event in events]
        fields = (original.message, original.marks, SYSTEM_CLOCK.now(), original.id, len(rows))
        with self.database.transaction():
            self.database.execute(
                "insert into runs(id, status, message, marks, started, forked_from, forked_at) "
                "values (?, ?, ?, ?, ?, ?, ?)",
                (run_id, "running", *fields),
            )
            found = self.database.execute("select no from runs where id = ?", (run_id,)).fetchone()
            if found is not None:
                self._insert(found[0], 0, rows)

    def set_kept(self, no: int, *, kept: bool) -> None:
        """Mark a run as one that is never deleted for its age."""
        with self.database.transaction():
            self.database.execute("update runs set kept = ? where no = ?", (int(kept), no))

    def set_owner(self, no: int, owner: str) -> None:
        """Note which process works on a run."""
        with self.database.transaction():
            self.database.execute(
                "update runs set owner = ?, status = 'running' where no = ?", (owner, no)
            )

    def cancel(
        self, no: int, reason: str = "", settle: Callable[[Database], object] | None = None
    ) -> None:
        """Note that a run is ended for good, after ``settle`` in the same transaction.

        An item that has ended the run is settled there: what is left in the inbox is refused.
        """
        with self.database.transaction():
            if settle is not None:
                settle(self.database)
            self.database.execute(
                "update runs set status = 'cancelled', ended = ?, error = ? where no = ?",
                (SYSTEM_CLOCK.now(), reason, no),
            )
            refuse_open_items(self.database, no)

    def removed_runs(self) -> list[int]:
        """Return the numbers of runs that are removed, but for some of their rows."""
        with self.database.errors("cannot be read"):
            found = self.database.execute("select no from runs where status = ?", (REMOVED,))
            return [no for (no,) in found]

    # ── events ────────────────────────────────────────────────────────────────────────────────

    def add_rows(
        self,
        no: int,
        first: int,
        rows: Sequence[EventRow],
        end: RunEnd | None = None,
        settle: Callable[[Database], object] | None = None,
    ) -> None:
        """Add the rows of a run, the first of which is its event number ``first``, and its end.

        ``settle`` is called inside of the transaction.

        Raises:
            JournalError: Nothing was added. Other processes that write are not waited for.
        """
        with self.database.transaction(wait=False):
            run_status(self.database, no, lock=True)
            self.database.check_owner(no, first)
            self._insert(no, first, rows)
            if settle is not None:
                settle(self.database)
            if end is not None:
                self.database.execute(
                    "update runs set status = ?, ended = ?, error = ? where no = ?", (*end, no)
                )
                refuse_open_items(self.database, no)

    def note_loss(self, no: int, end: RunEnd) -> None:
        """Mark a run that could not be kept to its end."""
        with self.database.transaction(wait=False):
            self.database.execute(
                "update runs set status = ?, ended = ?, error = ? where no = ?", (*end, no)
            )
            refuse_open_items(self.database, no)

    def events(self, run: RunRow) -> list[Event]:
        """Return the events of ``run``.

        Raises:
            JournalError: One of them cannot be read, or is missing.
        """
        reader, events, place = RowReader(), list[Event](), self.database.place
        key, start, where, values = self.database.events_from(run.no, 0)
        order = f"where {where} order by {key}"
        query = f"select {key}, call, kind, body from facts {order}"  # noqa: S608 - our own
        with self.database.errors("cannot be read"):
            found = self.database.execute(query, values)
            for number, (at, call, kind, body) in enumerate(found):
                if at != start + number:
                    raise JournalError(
                        f"the journal {place} is damaged: event {number} of the run {run.id!r} "
                        "is missing"
                    )
                try:
                    events.append(reader.read(call, kind, body, self._files(body)))
                except UnreadableRow as error:
                    raise JournalError(
                        f"the journal {place} is damaged, or of another version: event "
                        f"{number} of the run {run.id!r}: {error}"
                    ) from error
        return events

    def _insert(self, no: int, first: int, rows: Sequence[EventRow]) -> None:
        """Add rows, and the files that they have, inside of a transaction."""
        self.database.insert_events(no, first, rows)
        for row in rows:
            for key, data in row.files.items():
                self.database.execute(
                    "insert into files values (?, ?) on conflict do nothing", (key, data)
                )
                self.database.execute(
                    "insert into file_uses values (?, ?) on conflict do nothing", (key, no)
                )

    def _files(self, body: object) -> Mapping[bytes, bytes]:
        """Return the files that the body of a row has marks for, as far as they are there."""
        if not isinstance(body, bytes):
            raise UnreadableRow("it has no content")
        if MARK_START not in body:
            return NO_FILES
        marked = marked_files(body)
        query = "select hash, data from files where hash = ?"
        found = (self.database.execute(query, (key,)).fetchone() for key in marked)
        return dict(row for row in found if row is not None)
