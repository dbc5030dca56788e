"""What a journal needs of a database: the seam between the tables of runs and where they are.

``store.py``, ``inbox_table.py`` and ``deletion.py`` say what is read and written, in SQL that both
SQLite and Postgres understand, with ``?`` for each value. What the two do differently is here: how
a transaction begins, how events are numbered, and how a process shows that it works on a run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, TypeVar

from agentouto._domain.errors import JournalError
from agentouto._domain.event import Event
from agentouto._engine.durable_run import Keeper
from agentouto._journal.rows import EventRow
from agentouto._journal.saved_run import RunRow

OnLost = Callable[[JournalError], object]
"""Is told why a run cannot be kept any more."""

Done = TypeVar("Done")


class FoundRows(Protocol):
    """What a statement has found."""

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row, if there is one."""
        ...

    def fetchall(self) -> Sequence[tuple[Any, ...]]:
        """Return all rows that are left."""
        ...

    def __iter__(self) -> Iterator[tuple[Any, ...]]: ...


class EventRange(NamedTuple):
    """Which rows of the table ``facts`` are the events of a run from some number on.

    Attributes:
        key: The column that they are ordered by.
        start: What ``key`` is of the first event of the run.
        where: The condition.
        values: Its values.
    """

    key: str
    start: int
    where: str
    values: tuple[int, ...]


class HeldRun(Protocol):
    """The mark that a process works on a run. It goes with the process."""

    def release(self) -> None:
        """Let go of the run."""
        ...


class Database(Protocol):
    """One connection to the tables of a journal.

    Attributes:
        place: The file, or the address without its password, to be shown.
        of_row: What a query ends with that locks the rows it finds until the transaction ends.
    """

    @property
    def place(self) -> str: ...

    @property
    def of_row(self) -> str: ...

    def close(self) -> None:
        """Close the connection."""
        ...

    def errors(self, what: str) -> AbstractContextManager[None]:
        """Raise errors of the database as a ``JournalError`` that says ``what``."""
        ...

    def is_busy(self, error: JournalError, /) -> bool:
        """Whether only another process is in the way, for a moment."""
        ...

    def transaction(self, *, wait: bool = True) -> AbstractContextManager[None]:
        """Do what is inside as a whole, or not at all.

        Args:
            wait: Whether other processes are waited for; else one that writes may be an error.

        Raises:
            JournalError: Nothing was written.
        """
        ...

    def execute(self, query: str, values: Sequence[object] = (), /) -> FoundRows:
        """Execute one statement, with a value for each ``?``."""
        ...

    def insert_events(self, no: int, first: int, rows: Sequence[EventRow]) -> None:
        """Add rows of the run ``no``, the first of which is its event number ``first``."""
        ...

    def events_from(self, no: int, first: int) -> EventRange:
        """Return which rows are the events of the run ``no`` from number ``first`` on."""
        ...

    def check_owner(self, no: int, length: int) -> None:
        """Check, in a transaction, that the run has ``length`` events: no one else went on with it.

        Raises:
            JournalError: It has more.
        """
        ...

    def used_bytes(self) -> int:
        """Return how much the journal has in use."""
        ...

    def hold_run(self, run_id: str) -> HeldRun | None:
        """Return the mark that this process works on a run; ``None`` if one does already."""
        ...

    def is_at_work(self, run_id: str) -> bool:
        """Whether a process works on a run."""
        ...

    def at_work(self, ids: Collection[str]) -> set[str]:
        """Return those of the runs that a process works on."""
        ...


class OpenedRun(NamedTuple):
    """A run that this process works on from now on.

    Attributes:
        row: What the journal says of it.
        held: The mark that this process works on it.
        earlier: Its events so far.
    """

    row: RunRow
    held: HeldRun
    earlier: list[Event]


class RunOpener(Protocol):
    """Opens one run to work on it."""

    def do(self, work: Callable[[Database], Done]) -> Done:
        """Return what ``work`` returns, which gets the connection that the run will be kept by."""
        ...

    def keeper(self, opened: OpenedRun, on_lost: OnLost | None) -> Keeper:
        """Return what keeps the run from now on, and closes the connection."""
        ...

    def close(self) -> None:
        """Close the connection: the run could not be opened."""
        ...


class JournalSite(Protocol):
    """Where a journal is: a file of SQLite, or a database of Postgres."""

    def __str__(self) -> str: ...

    def exists(self) -> bool:
        """Whether there is such a file; a database is expected to be there."""
        ...

    def connect(self) -> Database:
        """Return a connection of its own.

        Raises:
            JournalError: There is no journal, or it cannot be opened.
        """
        ...

    def open_run(self) -> RunOpener:
        """Return what opens a run. The journal is made if it is not there.

        Raises:
            JournalError: It cannot be opened.
        """
        ...
