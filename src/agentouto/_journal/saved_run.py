"""``SavedRun``: a run in a journal, as it was written. It never asks a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from agentouto._core.line_writer import all_lines
from agentouto._core.result import RunResult, join_outputs, messages_of, usage_of
from agentouto._core.stream_writer import all_stream_events
from agentouto._domain.approval import Approval
from agentouto._domain.errors import JournalError
from agentouto._domain.event import CallReturned, Event, RunStarted
from agentouto._domain.message import Message
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


class RunRow(msgspec.Struct, frozen=True):
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


class Correspondence(Protocol):
    """What people can answer in a run, and write to it."""

    def asked(self) -> list[Message]:
        """Return the questions and the requests for approval that wait, oldest first."""
        ...

    def answer(self, call_id: str, text: str) -> None:
        """Answer a question."""
        ...

    def approve(self, approval_id: str, *, yes: bool, reason: str) -> None:
        """Decide on a request for approval."""
        ...

    def send(self, text: str, to: str | None, id_: str | None) -> str:
        """Send a message to a participant."""
        ...

    def cancel(self, reason: str) -> bool:
        """End the run for good."""
        ...

    def cancel_call(self, call_id: str, reason: str) -> bool:
        """End one call."""
        ...


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

    def inbox(self, row: RunRow) -> Correspondence:
        """Return what people can answer in a run, and write to it."""
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
        begun_with = marks_in(row).get(TEAM, {})
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
            join_outputs(outputs, names) if outputs else "",
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

    # ── people, from any process ──────────────────────────────────────────────────────────────

    def questions(self) -> list[Message]:
        """Return the questions to people that have no answer yet, oldest first.

        ``answer(message.call_id, ...)`` answers one.
        """
        return [one for one in self._file.inbox(self._row).asked() if one.approval is None]

    def approvals(self) -> list[Approval]:
        """Return the uses of tools that wait for approval, oldest first."""
        asked = self._file.inbox(self._row).asked()
        return [one.approval for one in asked if one.approval is not None]

    def answer(self, call_id: str, text: str) -> None:
        """Answer a question, from any process, whether the run is at work or not.

        If the run is at work, its process takes the answer, instead of one from ``ask_user``; else
        ``run`` with the same ``run_id`` goes on with it.

        Args:
            call_id: ``Message.call_id`` of the question.
            text: The answer.

        Raises:
            RoutingError: It is not open: it was answered, it was cancelled, or there never was one;
                or the run has ended.
            JournalError: The file cannot be written.
        """
        self._file.inbox(self._row).answer(call_id, text)

    def approve(self, approval_id: str, yes: bool, reason: str = "") -> None:  # noqa: FBT001
        """Decide on the use of a tool that waits for approval, as ``answer`` answers a question.

        Args:
            approval_id: ``Approval.id``.
            yes: ``True`` lets the tool run, ``False`` refuses.
            reason: Why it is refused; the agent is told.

        Raises:
            RoutingError: It is not waiting: it was decided, its call has ended, or there never was
                one; or the run has ended.
            ConfigurationError: ``yes`` is neither ``True`` nor ``False``.
            JournalError: The file cannot be written.
        """
        self._file.inbox(self._row).approve(approval_id, yes=yes, reason=reason)

    def send(self, message: str, to: str | None = None, *, id: str | None = None) -> str:  # noqa: A002
        """Send a message to the starting agents that still run, or to the participant at ``to``.

        If the run is at work, its process takes the message; else it is read when the run goes on.
        A message with an ``id`` of yours arrives once, however often it is sent. In async code this
        does not wait for the process of the run: a message that comes too late is then refused
        without an error here.

        Returns:
            The id of the message, which ``result().messages`` have as ``call_id``.

        Raises:
            RoutingError: There is no such participant, it has already returned, or the run has
                ended.
            JournalError: The file cannot be written.
        """
        return self._file.inbox(self._row).send(message, to, id)

    def cancel(self, reason: str = "", call_id: str | None = None) -> bool:
        """End the run for good, or one call, also if another process works on it.

        If the run is at work, its process ends the call, whose caller gets an error and goes on;
        else the call is ended when the run goes on.

        Args:
            reason: Why; those who wait are told.
            call_id: The call to end, from ``calls``; ``None`` for the run.

        Returns:
            Whether it had not ended.

        Raises:
            RoutingError: The run has no such call.
            JournalError: The file cannot be written.
        """
        inbox = self._file.inbox(self._row)
        return inbox.cancel(reason) if call_id is None else inbox.cancel_call(call_id, reason)

    def _facts(self) -> list[Event]:
        return list(self._file.events_of(self._row))


def marks_in(row: RunRow) -> dict[str, dict[str, str]]:
    """Return what a run was begun with, by kind and name.

    Raises:
        JournalError: That cannot be read.
    """
    try:
        return msgspec.json.decode(row.marks, type=dict[str, dict[str, str]])
    except msgspec.DecodeError as error:
        raise JournalError(
            f"the journal is damaged: what the run {row.id!r} was begun with: {error}"
        ) from error


def _participants_of(started: RunStarted) -> list[str]:
    return [*(agent[0] for agent in started.agents), *(peer[0] for peer in started.peers)]
