"""Looks again and again at what becomes of runs in a journal, over one connection.

Workers look several times a second: which runs wait for one, and which have ended. A connection for
each look would cost more than the look.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from agentouto._domain.errors import JournalError
from agentouto._domain.event import Event
from agentouto._journal.database import Database, JournalSite
from agentouto._journal.run_inbox import RunInbox
from agentouto._journal.store import Store

T = TypeVar("T")

MOST_LOOKED_AT = 500
"""How many runs that nobody works on are returned at once: more than a worker begins at once."""

RUNS_NOT_ENDED = "select id from runs where status = 'running' order by started, no"
"""An index of both databases has these runs only: a journal may hold millions that have ended."""

_CHUNK = 500
"""Ids in one query. SQLite takes 999 values in the oldest versions that are in use."""


class RunWatch:
    """What workers look at in a journal, from any thread.

    Args:
        site: Where the journal is.
    """

    def __init__(self, site: JournalSite) -> None:
        self._site = site
        self._database: Database | None = None
        self._lock = threading.Lock()

    def make(self) -> None:
        """Make the journal if it is not there.

        Raises:
            JournalError: It cannot be used.
        """
        self._site.open_run().close()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._disconnect()

    def statuses(self, ids: Collection[str]) -> dict[str, str]:
        """Return the states of these runs, as they are written."""
        every = list(ids)

        def look(store: Store) -> dict[str, str]:
            found: dict[str, str] = {}
            for start in range(0, len(every), _CHUNK):
                some = every[start : start + _CHUNK]
                marks = ", ".join("?" * len(some))
                query = f"select id, status from runs where id in ({marks})"  # noqa: S608
                with store.database.errors("cannot be read"):
                    found.update(dict(store.database.execute(query, some).fetchall()))
            return found

        return self._do(look)

    def waiting_runs(self, besides: Collection[str]) -> list[str]:
        """Return the runs that have not ended, and that no process works on, oldest first."""

        def look(store: Store) -> list[str]:
            with store.database.errors("cannot be read"):
                found = store.database.execute(RUNS_NOT_ENDED).fetchall()
            every = [str(id_) for (id_,) in found]
            others = [id_ for id_ in every if id_ not in besides]
            at_work = store.database.at_work(others) if others else set[str]()
            return [id_ for id_ in others if id_ not in at_work][:MOST_LOOKED_AT]

        return self._do(look)

    def is_at_work(self, run_id: str) -> bool:
        """Whether a process works on a run."""
        return self._do(lambda store: store.database.is_at_work(run_id))

    def events(self, run_id: str) -> Sequence[Event] | None:
        """Return the events of a run; ``None`` if there is no such run."""

        def read(store: Store) -> Sequence[Event] | None:
            row = store.run(run_id)
            return None if row is None else store.events(row)

        return self._do(read)

    def pass_on(self, run_id: str, address: str, id_: str, letter: str) -> str:
        """Write to a call of a run, as another participant does; return the name of its receiver.

        Raises:
            RoutingError: There is no such call, or it has ended.
        """
        return RunInbox(self._site, run_id).pass_on(address, id_, letter)

    def _do(self, work: Callable[[Store], T]) -> T:
        with self._lock:
            if self._database is None:
                self._database = self._site.connect()
            try:
                return work(Store(self._database))
            except JournalError:
                self._disconnect()
                raise

    def _disconnect(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()
