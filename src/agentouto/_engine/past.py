"""Reads what a run has done in earlier processes from its events: call by call and turn by turn.

A run that was killed is a prefix of its events, and every prefix is a consistent cut: whatever an
event depends on stands before it. So a run goes on from any prefix. ``restore.py`` makes the calls
and the mail of the run from it, and the effects of a call (``durable_effects.py``) take from it
what was done before they do anything themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from agentouto._domain.content import Outcome
from agentouto._domain.event import (
    CallCancelled,
    CallFailed,
    CallReturned,
    CallStarted,
    Event,
    LimitNeared,
    MailAwaited,
    MailWaitEnded,
    MessagePosted,
    MessageRead,
    MessageReturned,
    ModelAsked,
    ModelSwitched,
    Noted,
    Replied,
    RunEnded,
    RunStarted,
    Spent,
    ToolFinished,
    ToolStarted,
)
from agentouto._domain.kept_event import (
    CallOpened,
    Compacted,
    HookReplaced,
    InputRead,
    Overflowed,
    ReturnRefused,
    RunResumed,
    ToolBegun,
)

CallEnd: TypeAlias = CallReturned | CallFailed | CallCancelled
"""The last event of a call."""


_OF_TURNS = (ToolFinished, ToolStarted, Replied, ModelAsked, ToolBegun)
"""Events of a call that say nothing of the run. A long run has little else."""

_ENDS = (CallReturned, CallFailed, CallCancelled)


class PastTurn:
    """What was done in one turn of a call.

    Attributes:
        input: What the agent has read, if it has read anything.
        steps: What has shortened its transcript, oldest first, and what has shown it is too long.
        summaries: Summaries that are paid for, and that no step has used yet.
        switches: How many models have proved to be unavailable.
        replies: The replies, of models and of the hook.
        chosen: The number of the reply that the hook has passed.
        is_noted: Whether the note of the turn before is on record.
    """

    __slots__ = ("chosen", "input", "is_noted", "replies", "steps", "summaries", "switches")

    def __init__(self) -> None:
        self.input: InputRead | None = None
        self.steps: list[Compacted | Overflowed] = []
        self.summaries: list[str] = []
        self.switches = 0
        self.replies: list[Replied] = []
        self.chosen: int | None = None
        self.is_noted = False

    @property
    def is_read(self) -> bool:
        """Whether the mail of the turn was read, so that more of it belongs to the next."""
        return self.input is not None or bool(self.steps or self.replies)

    def settled(self, *, hooked: bool) -> Replied | None:
        """Return the reply that the turn has acted on; with a hook, one that the hook has passed.

        A reply without a model was written by the hook itself.
        """
        if self.chosen is not None:
            return self.replies[self.chosen]
        if not self.replies:
            return None
        last = self.replies[-1]
        return last if not hooked or not last.model else None


class PastCall:
    """What was done in one call.

    Attributes:
        opened: How it was opened; ``None`` for a request for approval, which is no call.
        started: Its first event for readers.
        end: Its last event; ``None`` if it was at work.
        turns: Its turns by their numbers.
        turn: The number of the turn that is under way.
        is_asked: Whether its model was asked, and has not replied.
        started_tools: The places of tool calls that have started.
        begun: The places at which a function of the user's has begun.
        outcomes: What has come of tool calls, by their places.
        refusals: What a hook has said about returns, by the turns that came after them.
        warned: The limits that the agent was warned of.
        read: The ids of what it has read.
        waits: The waits for mail that have not ended, by the sender.
    """

    def __init__(self) -> None:
        self.opened: CallOpened | None = None
        self.started: CallStarted | None = None
        self.end: CallEnd | None = None
        self.turns: dict[int, PastTurn] = {}
        self.turn = 0
        self.is_asked = False
        self.started_tools: set[str] = set()
        self.begun: set[str] = set()
        self.outcomes: dict[str, Outcome] = {}
        self.refusals: dict[int, str] = {}
        self.warned: set[str] = set()
        self.read: set[str] = set()
        self.waits: dict[str, MailAwaited] = {}

    def at(self, turn: int) -> PastTurn | None:
        """Return what was done in ``turn``, if anything."""
        return self.turns.get(turn)

    def take(self, event: Event) -> None:
        """Add the next event of the call."""
        match event:  # what there is most of comes first
            case ToolFinished():
                self.outcomes[str(event.outcome.tool_call.place)] = event.outcome
            case ToolStarted():
                self.started_tools.add(str(event.tool_call.place))
            case Replied():
                self._turn(event.turn).replies.append(event)
                self.turn, self.is_asked = event.turn + 1, False
            case ModelAsked():
                self.is_asked = True
            case ToolBegun():
                self.begun.add(event.place)
            case CallOpened():
                self.opened = event
            case CallStarted():
                self.started = event
            case CallReturned() | CallFailed() | CallCancelled():
                self.end = event
            case MailAwaited():
                self.waits[event.sender] = event
            case MailWaitEnded():
                self.waits.pop(event.sender, None)
            case LimitNeared() if not event.reached:
                self.warned.add(event.limit)
            case _:
                self._take_of_turn(event)

    def _take_of_turn(self, event: Event) -> None:
        match event:
            case InputRead():
                self._turn(event.turn).input = event
                self.read.update(event.ids)
            case Compacted():
                turn = self._turn(event.turn)
                turn.steps.append(event)
                turn.summaries.clear()
            case Overflowed():
                self._turn(event.turn).steps.append(event)
            case Spent() if event.text:
                self._turn(event.turn).summaries.append(event.text)
            case ModelSwitched():
                self._turn(event.turn).switches += 1
            case HookReplaced():
                self._turn(event.turn).chosen = event.which
            case ReturnRefused():
                self.refusals[event.turn] = event.text
            case Noted() if event.kind != "limit":
                self._turn(self.turn).is_noted = True
            case _:
                pass

    def _turn(self, number: int) -> PastTurn:
        turn = self.turns.get(number)
        if turn is None:
            turn = self.turns[number] = PastTurn()
        return turn


class Past:
    """What a run has done in earlier processes.

    Attributes:
        events: All its events.
        calls: Its calls by their ids, in the order in which they were opened.
        posted: Every message that was sent, by its id.
        returned: Those that were given back to their senders.
        approvals: The answers to requests for approval, by their ids; ``None`` if one still waits.
        started: Its first event.
        ended: Its last event, if it has ended.
        seconds: How long it was at work, without the time in which it waited for people.
    """

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self.events: Sequence[Event] = events
        self.calls: dict[str, PastCall] = {}
        self.posted: dict[str, MessagePosted] = {}
        self.returned: dict[str, MessageReturned] = {}
        self.read: set[str] = set()
        self.approvals: dict[str, str | None] = {}
        self.started: RunStarted | None = None
        self.ended: RunEnded | None = None
        for event in events:
            self._take(event)
        self._sessions = _sessions(events)
        self.seconds: float = self.seconds_since(0.0)

    @property
    def turns(self) -> int:
        """How many replies there are."""
        return sum(
            len(turn.replies) for call in self.calls.values() for turn in call.turns.values()
        )

    def seconds_since(self, at: float) -> float:
        """Return how long the run was at work after the time ``at``."""
        return sum(max(0.0, end - max(begin, at)) for begin, end in self._sessions)

    def _take(self, event: Event) -> None:
        id_ = event.stamp.call_id
        if isinstance(event, _OF_TURNS):
            if id_ in self.calls:
                self.calls[id_].take(event)
            return
        match event:
            case RunStarted():
                self.started = event
                return
            case RunEnded():
                self.ended = event
                return
            case MessagePosted():
                self.posted[event.message.call_id] = event
                return
            case MessageReturned():
                self.returned[event.message.call_id] = event
                return
            case MessageRead():
                self.read.add(event.message.call_id)
                return
            case CallStarted() if event.message.approval is not None:
                self.approvals.setdefault(id_, None)
                return
            case CallReturned() if event.message.approval is not None:
                self.approvals[id_] = event.message.content
                return
            case CallOpened():
                self.calls.setdefault(id_, PastCall())
            case _:
                pass
        call = self.calls.get(id_)
        if call is not None:
            call.take(event)


def _sessions(events: Iterable[Event]) -> list[tuple[float, float]]:
    """Return when the run was at work: from when to when, without waits for people."""
    sessions: list[tuple[float, float]] = []
    begin: float | None = None
    last = 0.0
    people: set[str] = set()

    def close(at: float) -> None:
        nonlocal begin
        if begin is not None:
            sessions.append((begin, max(begin, at)))
        begin = None

    for event in events:
        if isinstance(event, RunResumed):
            close(last)
            people.clear()
        elif isinstance(event, CallStarted):
            if event.person or event.message.approval is not None:
                people.add(event.stamp.call_id)
                close(event.at)
        elif people and isinstance(event, _ENDS):
            people.discard(event.stamp.call_id)
        last = event.at
        if begin is None and not people:
            begin = event.at
    close(last)
    return sessions
