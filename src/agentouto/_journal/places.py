"""Finds out what a journal is kept in, and imports what that takes."""

from __future__ import annotations

from pathlib import Path

from agentouto._domain.errors import JournalError
from agentouto._journal.database import JournalSite
from agentouto._journal.postgres_address import PostgresAddress

NO_SQLITE = "a journal needs SQLite, and this Python was built without it"


def site_of(place: Path | PostgresAddress, *, power_loss: bool) -> JournalSite:
    """Return the place that ``Journal`` was given.

    Raises:
        JournalError: This Python cannot read what is there.
    """
    if not isinstance(place, Path):
        from agentouto._journal.postgres_site import PostgresSite  # noqa: PLC0415 - few need it

        return PostgresSite(place)
    try:
        from agentouto._journal.sqlite_file import SqliteFile  # noqa: PLC0415 - imports SQLite
    except ImportError as error:
        raise JournalError(NO_SQLITE) from error
    return SqliteFile(place, power_loss=power_loss)
