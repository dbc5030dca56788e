"""Reads the runs of a journal, and removes, marks and forks them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from agentouto._domain.clock import new_id
from agentouto._domain.configuration_error import ConfigurationError, did_you_mean
from agentouto._domain.event import CallFailed, CallReturned, Event
from agentouto._domain.journal_errors import RunTaken
from agentouto._engine.past import Past, PastCall
from agentouto._journal.database import JournalSite
from agentouto._journal.deletion import finish_removals, remove_run, remove_surplus
from agentouto._journal.forks import cut_before, cut_before_failure, with_run_id
from agentouto._journal.journal import check_run_id
from agentouto._journal.run_inbox import RunInbox
from agentouto._journal.run_watch import RunWatch
from agentouto._journal.saved_run import ENDED, RunRow, SavedCall, SavedRun
from agentouto._journal.store import Store


class JournalRuns:
    """The runs of a journal. Each method connects for a moment.

    Args:
        place: Where the journal is.
    """

    def __init__(self, place: JournalSite) -> None:
        self._place = place

    def runs(self) -> list[SavedRun]:
        """Return all runs, newest first."""
        with self._opened() as store:
            return [self._saved(store, row) for row in store.runs()]

    def run(self, run_id: str) -> SavedRun:
        """Return the run ``run_id``.

        Raises:
            ConfigurationError: There is none.
        """
        with self._opened() as store:
            row = store.run(run_id)
            if row is not None:
                return self._saved(store, row)
            names = [one.id for one in store.runs()]
        raise ConfigurationError(
            f"the journal {self._place} has no run {run_id!r:.80}{did_you_mean(run_id, names)}"
        )

    def has(self, run_id: object) -> bool:
        """Whether there is a run ``run_id``."""
        if not isinstance(run_id, str) or not self._place.exists():
            return False
        with self._opened() as store:
            return store.run(run_id) is not None

    def delete_ended(self, latest: float) -> int:
        """Remove runs that have ended by the time ``latest``, unless they are kept."""
        with self._opened() as store:
            old = [
                row
                for row in store.runs()
                if row.status in ENDED and not row.kept and (row.ended or 0.0) <= latest
            ]
            finish_removals(store)
            return sum(remove_run(store, row) for row in old)

    def trim(self, max_runs: int, max_bytes: int, max_seconds: float) -> int:
        """Remove the oldest runs that are too many or too large together; return how many."""
        with self._opened() as store:
            finish_removals(store)
            return remove_surplus(store, store.runs(), max_runs, max_bytes, max_seconds)

    def watch(self) -> RunWatch:
        """Return what looks at runs again and again."""
        return RunWatch(self._place)

    def events_of(self, row: RunRow) -> Sequence[Event]:
        """Return the events of a run."""
        with self._opened() as store:
            return store.events(row)

    def calls_of(self, row: RunRow) -> list[SavedCall]:
        """Return the calls of a run, in the order in which they were opened."""
        paths: dict[str, str] = {}
        found: list[SavedCall] = []
        starters = 0
        for id_, call in Past(self.events_of(row)).calls.items():
            if call.opened is None:
                continue
            name, parent = call.opened.message.receiver, call.opened.stamp.parent_call_id
            place = str(starters) if parent is None else f"{paths[parent]}/{call.opened.place}"
            starters += parent is None
            paths[id_] = f"{place}:{name}"
            found.append(SavedCall(id_, name, paths[id_], parent, _call_status(call), call.turn))
        return found

    def fork(self, row: RunRow, before: tuple[str, int] | None, run_id: str | None) -> SavedRun:
        """Add a run that goes on from an earlier point of another, and return it.

        Raises:
            ConfigurationError: There is no such point, or a run of that id.
        """
        events = self.events_of(row)
        kept = cut_before_failure(events) if before is None else cut_before(events, *before)
        if kept is None:
            raise ConfigurationError(
                f"the run {row.id!r} has not failed: fork(before=(call, turn)) says where to begin"
                if before is None
                else f"the run {row.id!r} has no turn {before[1]!r} of a call {before[0]!r:.80}"
            )
        name = new_id() if run_id is None else check_run_id(run_id)
        with self._opened() as store:
            if store.run(name) is not None:
                raise ConfigurationError(f"there is a run {name!r} already")
            store.add_fork(row, name, with_run_id(kept, name))
        return self.run(name)

    def keep(self, row: RunRow, *, keep: bool) -> None:
        """Mark a run as one that is never deleted for its age, or take the mark away."""
        with self._opened() as store:
            store.set_kept(row.no, kept=keep)

    def inbox(self, row: RunRow) -> RunInbox:
        """Return what people can answer, and write to, in a run."""
        return RunInbox(self._place, row.id)

    def delete_run(self, row: RunRow) -> None:
        """Remove a run.

        Raises:
            ConfigurationError: It is at work.
        """
        with self._opened() as store:
            if not remove_run(store, row):
                raise RunTaken(f"the run {row.id!r} is at work: stop it before it is removed")
            finish_removals(store)

    @contextmanager
    def _opened(self) -> Generator[Store]:
        database = self._place.connect()
        try:
            yield Store(database)
        finally:
            database.close()

    def _saved(self, store: Store, row: RunRow) -> SavedRun:
        status = row.status
        if status == "running" and not store.database.is_at_work(row.id):
            status = "interrupted"
        return SavedRun(self, row, status)


def _call_status(call: PastCall) -> str:
    match call.end:
        case CallReturned():
            return "completed"
        case CallFailed():
            return "failed"
        case None:
            return "pending" if call.started is None else "running"
        case _:
            return "cancelled"
