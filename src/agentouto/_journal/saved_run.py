"""``SavedRun``: a run in a journal, as it was written. It never asks a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from agentouto._core.line_writer import all_lines
from agentouto._core.prompt import tag_pattern
from agentouto._core.result import RunResult, join_outputs, messages_of, usage_of
from agentouto._core.stream_writer import all_stream_events
from agentouto._domain.event import CallReturned, Event, RunStarted
from agentouto._domain.output import Output
from agentouto._domain.stream_event import AnyStreamEvent

ENDED = ("returned", "failed", "cancelled")
"""The states of a run that has ended for good."""

REMOVED = "removed"
"""In the file, the state of a run that is being removed; readers do not get it."""

STATUSES = ("running", "waiting", "interrupted", *ENDED)
"""All states of a run."""

TEAM = "team"
"""What the marks of a run say of its team, beside the hashes of agents and tools."""


class RunRow(NamedTuple):
    """What the file says of a run, besides its events."""

    no: int
    id: str
    status: str
    message: str
    marks: str
    started: float
    ended: float | None
    error: str
    owner: str
    forked_from: str | None
    kept: int


class SavedCall(msgspec.Struct, frozen=True):
    """A call of a saved run.

    Attributes:
        id: Its id.
        name: The participant that answers it.
        path: Names and places from the starting agent down to it.
        parent: The id of the call it was made from; ``None`` for a starting agent's.
        status: ``pending``, ``running``, ``completed``, ``failed`` or ``cancelled``.
        turns: How many replies it has.
    """

    id: str
    name: str
    path: str
    parent: str | None
    status: str
    turns: int


class RunFile(Protocol):
    """What a saved run needs of the file that it is in."""

    def events_of(self, row: RunRow) -> Sequence[Event]:
        """Return the events of a run."""
        ...

    def calls_of(self, row: RunRow) -> list[SavedCall]:
        """Return the calls of a run."""
        ...

    def fork(self, row: RunRow, before: tuple[str, int] | None, run_id: str | None) -> SavedRun:
        """Add a run that goes on from an earlier point of another."""
        ...

    def keep(self, row: RunRow, *, keep: bool) -> None:
        """Mark a run as one that is never deleted for its age."""
        ...

    def delete_run(self, row: RunRow) -> None:
        """Remove a run."""
        ...


class SavedRun:
    """A run in a journal. What is read is what has been written by then.

    Attributes:
        id: Its id.
        status: ``running``, ``waiting`` for people, ``interrupted`` (its process has ended before
            the run), ``returned``, ``failed`` or ``cancelled``.
        message: What it was asked.
        started: When it began, in seconds since the epoch.
        ended: When it ended; ``None`` if it has not.
        error: Why it has failed; empty if it has not.
        forked_from: The id of the run that it was forked from, if it was.
        kept: Whether it is marked as one that is never removed for its age.
        team: The team that it was begun with, as ``Journal(team=)`` said; empty if it did not.
        folder: The folder that it was begun in, if there is a ``team``.
    """

    def __init__(self, file: RunFile, row: RunRow, status: str) -> None:
        self._file = file
        self._row = row
        self.id: str = row.id
        self.status: str = status
        self.message: str = row.message
        self.started: float = row.started
        self.ended: float | None = row.ended
        self.error: str = row.error
        self.forked_from: str | None = row.forked_from
        self.kept: bool = bool(row.kept)
        begun_with = msgspec.json.decode(row.marks, type=dict[str, dict[str, str]]).get(TEAM, {})
        self.team: str = begun_with.get("name", "")
        self.folder: str = begun_with.get("folder", "")

    def __repr__(self) -> str:
        return f"SavedRun({self.id!r}, {self.status!r})"

    def result(self) -> RunResult:
        """Return the result; of a run that has not returned, what there is of it.

        ``data`` is ``None``: it takes the type that the run was asked for, and ``run`` with the
        same ``run_id`` returns it.
        """
        events = self._facts()
        outputs = [
            Output(event.stamp.agent_name, event.stamp.call_id, event.message.content)
            for event in events
            if isinstance(event, CallReturned) and event.stamp.parent_call_id is None
        ]
        started = next((event for event in events if isinstance(event, RunStarted)), None)
        names = [] if started is None else _participants_of(started)
        return RunResult(
            join_outputs(outputs, tag_pattern(names)) if outputs else "",
            messages_of(events),
            outputs,
            usage_of(events),
            facts=events,
        )

    def events(self) -> list[AnyStreamEvent]:
        """Return its stream events, with the text of each reply as one ``token``."""
        return all_stream_events(self._facts())

    def lines(self, start: int = 0) -> list[dict[str, object]]:
        """Return its event lines with a ``seq`` of at least ``start``: see ``docs/events.md``."""
        return all_lines(self._facts(), start)

    @property
    def calls(self) -> list[SavedCall]:
        """Its calls, in the order in which they were opened."""
        return self._file.calls_of(self._row)

    def fork(self, before: tuple[str, int] | None = None, run_id: str | None = None) -> SavedRun:
        """Return a new run that goes on from an earlier point of this one, which stays as it is.

        ``run(..., run_id=fork.id)`` then goes on with it. Tools that had ended before that point
        keep their outcome; those that were at work are settled by their ``on_restart=``.

        Args:
            before: The id of a call, and the number of the turn that is done again. Left out, the
                new run goes on from before the failure of this one.
            run_id: The id of the new run. Left out, one is drawn.

        Raises:
            ConfigurationError: There is no such turn, or a run of that id; or ``before`` is left
                out, and the run has not failed.
        """
        return self._file.fork(self._row, before, run_id)

    def keep(self, *, keep: bool = True) -> None:
        """Mark the run as one that is never deleted for its age, or take the mark away."""
        self._file.keep(self._row, keep=keep)

    def delete(self) -> None:
        """Remove the run.

        Raises:
            ConfigurationError: It is at work.
        """
        self._file.delete_run(self._row)

    def _facts(self) -> list[Event]:
        return list(self._file.events_of(self._row))


def _participants_of(started: RunStarted) -> list[str]:
    return [*(agent[0] for agent in started.agents), *(peer[0] for peer in started.peers)]
