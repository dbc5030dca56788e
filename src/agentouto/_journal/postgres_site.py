"""A database of Postgres, as a place that runs are kept in."""

from __future__ import annotations

from collections.abc import Callable

from agentouto._journal.database import Database, Done, OnLost, OpenedRun
from agentouto._journal.inbox_table import open_items
from agentouto._journal.postgres_address import PostgresAddress
from agentouto._journal.postgres_database import PostgresDatabase
from agentouto._journal.postgres_keeper import PostgresKeeper
from agentouto._journal.postgres_writer import WRITERS


class PostgresSite:
    """A database.

    Args:
        address: Where it is.
    """

    def __init__(self, address: PostgresAddress) -> None:
        self._address = address

    def __str__(self) -> str:
        return self._address.shown

    def exists(self) -> bool:
        """Say yes: whether the database is there is found out when it is connected to."""
        return True

    def connect(self) -> PostgresDatabase:
        """Connect, and make the tables if they are not there."""
        return PostgresDatabase(self._address)

    def open_run(self) -> PostgresRunOpener:
        """Return what opens a run by the connection that all runs of this process share."""
        return PostgresRunOpener(self._address)


class PostgresRunOpener:
    """Opens one run.

    Args:
        address: Where the journal is.
    """

    def __init__(self, address: PostgresAddress) -> None:
        self._address = address
        self._writer = WRITERS.borrow(address)
        self._opened: OpenedRun | None = None

    def do(self, work: Callable[[Database], Done]) -> Done:
        """Return what ``work`` returns; the thread of the connection does it."""
        return self._writer.do(work).result()

    def keeper(self, opened: OpenedRun, on_lost: OnLost | None) -> PostgresKeeper:
        """Return what keeps the run from now on."""
        self._opened = opened
        items = self.do(lambda database: open_items(database, opened.row.no, taken=True))
        return PostgresKeeper(self._address, self._writer, opened, items, on_lost)

    def close(self) -> None:
        """Let go of the connection: the run could not be opened."""
        opened = self._opened
        if opened is not None:
            self._writer.do(lambda _: opened.held.release())
        WRITERS.give_back(self._address, self._writer).exception()
