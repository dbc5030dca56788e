"""Where the journals of these tests are: files, and a server of Postgres for all of a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from durable.scenes import Shelf
from postgres import Postgres, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Return a server."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def address(postgres: Postgres) -> str:
    """Return the address of a database without a journal."""
    return postgres.emptied()


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return where a journal may be: the test is for each of both."""
    if request.param == "sqlite":
        return str(tmp_path / "runs.db")
    return str(request.getfixturevalue("address"))


@pytest.fixture
def shelf(place: str) -> Iterator[Shelf]:
    """Return a journal whose run has come as far as a test says."""
    shelf = Shelf(place)
    yield shelf
    shelf.close()
