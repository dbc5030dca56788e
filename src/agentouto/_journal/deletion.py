"""Removes runs from a journal, in steps so small that no other process waits for long.

The first step takes the run away from all readers at once; the others free its space, last rows
first. What is left of a process that ended in between is removed with the next runs.
"""

from __future__ import annotations

from collections.abc import Sequence

from agentouto._domain.clock import monotonic, pause
from agentouto._journal.database import Database
from agentouto._journal.saved_run import ENDED, REMOVED, RunRow
from agentouto._journal.store import Store

STEP_ROWS = 100
"""At most so many rows are removed in one commit: about a millisecond."""

STEP_BYTES = 1_000_000
"""And at most so many bytes, unless one row has more: SQLite reads every page that it frees."""

STEP_PAUSE = 0.01
"""Between two steps, so that a process that has found an SQLite file busy finds it free: two
of its tries."""


def remove_run(store: Store, row: RunRow) -> bool:
    """Remove a run; return whether that was possible: it is not while a process works on it."""
    database = store.database
    held = database.hold_run(row.id)
    if held is None:
        return False
    try:
        with database.transaction():  # no id begins with a dot: see ``RUN_ID``
            database.execute(
                "update runs set id = ?, status = ? where no = ? and id = ?",
                (f".{row.no}", REMOVED, row.no, row.id),
            )
    finally:
        held.release()
    _free_space(store, row.no)
    return True


def finish_removals(store: Store) -> None:
    """Free the space of runs whose removal has been cut off."""
    for no in store.removed_runs():
        _free_space(store, no)


def remove_surplus(
    store: Store, rows: Sequence[RunRow], max_runs: int, max_bytes: int, max_seconds: float
) -> int:
    """Remove the oldest runs that are too many or too large together; return how many.

    Runs that have not ended and those that are kept stay. What is left after ``max_seconds`` is
    left for the next time.
    """
    latest, left, removed = monotonic() + max_seconds, len(rows), 0
    ended = (row for row in rows if row.status in ENDED and not row.kept)
    for row in sorted(ended, key=lambda row: row.ended or row.started):
        if left <= max_runs and store.database.used_bytes() <= max_bytes:
            break
        if monotonic() > latest:
            break
        if remove_run(store, row):
            left, removed = left - 1, removed + 1
    return removed


def _free_space(store: Store, no: int) -> None:
    while _free_some(store, no):
        pause(STEP_PAUSE)


def _free_some(store: Store, no: int) -> bool:
    """Do one step for a run that is removed; return whether there is more to do."""
    database = store.database
    with database.transaction():
        # Another process may have done all of it, and the number may be that of a new run by now.
        query = "select 1 from runs where no = ? and status = ?"
        if database.execute(query, (no, REMOVED)).fetchone() is None:
            return False
        if _free_last_rows(database, no) or _free_one_file(database, no):
            return True
        database.execute("delete from inbox where run = ?", (no,))
        database.execute("delete from runs where no = ?", (no,))
        return False


def _free_last_rows(database: Database, no: int) -> bool:
    """Remove the last rows of a run; return whether there were any."""
    key, _, where, values = database.events_from(no, 0)
    order = f"where {where} order by {key} desc limit {STEP_ROWS}"
    query = f"select {key}, coalesce(length(body), 0) from facts {order}"  # noqa: S608 - our own columns
    found = database.execute(query, values).fetchall()
    if found:
        last = f"delete from facts where {where} and {key} >= ?"  # noqa: S608 - likewise
        database.execute(last, (*values, _first_of_step(found)))
    return bool(found)


def _first_of_step(rows: Sequence[tuple[int, int]]) -> int:
    first, size = -1, 0
    for at, length in rows:
        if first >= 0 and size + length > STEP_BYTES:
            break
        first, size = at, size + length
    return first


def _free_one_file(database: Database, no: int) -> bool:
    """Remove one file that a run has, unless another run has it too; return whether it had one."""
    used = database.execute("select hash from file_uses where run = ? limit 1", (no,)).fetchone()
    if used is None:
        return False
    database.execute("delete from file_uses where hash = ? and run = ?", (*used, no))
    database.execute(
        "delete from files where hash = ? and not exists "
        "(select 1 from file_uses where file_uses.hash = files.hash)",
        used,
    )
    return True
