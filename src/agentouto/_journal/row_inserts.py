"""Adds the rows of runs to the SQLite file of a journal, few of them by one statement.

One statement is a transaction of its own. It takes a third of the time of the same one between
``begin`` and ``commit``, and most commits of a run are one or two rows without files.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from agentouto._journal.rows import EventRow

RUN_SHIFT = 32
"""A run has fewer than 2**32 events."""

MOST_AT_ONCE = 8
"""Rows that one statement adds."""

_INSERTS = tuple(
    f"insert into facts values {', '.join(['(?, ?, ?, ?)'] * count)}"  # noqa: S608 - no values
    for count in range(MOST_AT_ONCE + 1)
)


def insert_few_rows(
    connection: sqlite3.Connection, no: int, first: int, rows: Sequence[EventRow]
) -> bool:
    """Add rows of the run ``no``, the first of which is its event number ``first``.

    Returns:
        Whether they were added: not if they are more than one statement takes, or have files.
    """
    if not 0 < len(rows) <= MOST_AT_ONCE:
        return False
    at = (no << RUN_SHIFT) + first
    values: list[object] = []
    for call, kind, body, files in rows:
        if files:
            return False
        values += (at, call, kind, body)
        at += 1
    connection.execute(_INSERTS[len(rows)], values)
    return True


def insert_rows(
    connection: sqlite3.Connection, no: int, first: int, rows: Sequence[EventRow]
) -> None:
    """Add any rows of the run ``no``, inside of a transaction."""
    start = (no << RUN_SHIFT) + first
    values = [(start + n, row.call, row.kind, row.body) for n, row in enumerate(rows)]
    connection.executemany("insert into facts values (?, ?, ?, ?)", values)
