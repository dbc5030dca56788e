"""The SQLite file of a journal, as a place that runs are kept in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agentouto._journal.database import Database, Done, OnLost, OpenedRun
from agentouto._journal.sqlite_database import SqliteDatabase
from agentouto._journal.sqlite_keeper import SqliteKeeper


class SqliteFile:
    """A file.

    Args:
        path: Its path.
        power_loss: Whether commits wait for the disk.
    """

    def __init__(self, path: Path, *, power_loss: bool) -> None:
        self._path = path
        self._power_loss = power_loss

    def __str__(self) -> str:
        return str(self._path)

    def exists(self) -> bool:
        """Whether the file is there."""
        return self._path.exists()

    def connect(self) -> SqliteDatabase:
        """Open the file, which has to be there."""
        return SqliteDatabase(self._path, power_loss=self._power_loss, must_exist=True)

    def open_run(self) -> SqliteRunOpener:
        """Open the file, or make it, to work on a run."""
        return SqliteRunOpener(SqliteDatabase(self._path, power_loss=self._power_loss))


class SqliteRunOpener:
    """Opens one run, which has a connection of its own.

    Args:
        database: The connection.
    """

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    def do(self, work: Callable[[Database], Done]) -> Done:
        """Return what ``work`` returns."""
        return work(self._database)

    def keeper(self, opened: OpenedRun, on_lost: OnLost | None) -> SqliteKeeper:
        """Return what keeps the run from now on, and closes the connection."""
        return SqliteKeeper(self._database, opened, on_lost)

    def close(self) -> None:
        """Close the connection."""
        self._database.close()
