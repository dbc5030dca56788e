"""Finds out whether a run with a journal waits for people only, from its events.

A run may end while it waits, and lose nothing, if all that is under way are questions to people,
approvals, and uses of tools that only wait for such. A tool or a peer whose function has begun is
more than that: to end it would interrupt it. One with ``on_restart="run"`` is used again, and finds
the answers to what it has asked, so it may wait.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from agentouto._domain.event import (
    CallCancelled,
    CallFailed,
    CallReturned,
    CallStarted,
    Event,
    Replied,
    ToolFinished,
)
from agentouto._domain.kept_event import CallOpened, HookReplaced, ToolBegun, ToolInterrupted
from agentouto._domain.message import Message


class _OpenCall:
    """A call that has not ended.

    Attributes:
        parent: The call in which it was made; empty if none waits for it.
        place: Where in it.
        is_person: Whether a person answers.
        tools: The places of the tool calls that have not ended.
        begun: The places at which a function has begun.
    """

    def __init__(self, parent: str, place: str) -> None:
        self.parent = parent
        self.place = place
        self.is_person = False
        self.tools: set[str] = set()
        self.begun: set[str] = set()
        self._replies: list[Replied] = []

    def only_waits(self, id_: str, waiting: Container[tuple[str, str]]) -> bool:
        """Whether each of its tools, or the peer itself, is among those that wait for others."""
        tools = self.tools or ("",)  # a peer; an agent without an open tool is not in ``waiting``
        return all((id_, tool) in waiting and tool not in self.begun for tool in tools)

    def take(self, event: Event) -> None:
        """Add the next event of the call."""
        match event:
            case Replied():
                same_turn = self._replies and self._replies[0].turn == event.turn
                self._replies = [*self._replies, event] if same_turn else [event]
                self._use_tools_of(event)
            case HookReplaced():
                self._use_tools_of(self._replies[event.which])
            case ToolFinished():
                self.tools.discard(str(event.outcome.tool_call.place))
            case ToolBegun():
                self.begun.add(event.place)
            case ToolInterrupted():  # what becomes of it is being settled
                self.begun.discard(event.place)
            case _:
                pass

    def _use_tools_of(self, replied: Replied) -> None:
        self.tools = {str(tool_call.place) for tool_call in replied.reply.tool_calls}


class OpenWork:
    """What is under way in a run.

    Args:
        events: The events of earlier processes.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._calls: dict[str, _OpenCall] = {}
        self._approvals: dict[str, tuple[str, str]] = {}
        self._asked: dict[str, Message] = {}
        for event in events:
            self.take(event)

    def waits_for(self, people: Container[str]) -> bool:
        """Whether all that is under way waits for the questions and approvals ``people``.

        A call that waits for another one does so as well, since that one is under way, too.
        """
        if not self._calls or any(id_ not in people for id_ in self._approvals):
            return False
        awaited = [(call.parent, call.place) for call in self._calls.values()]
        awaited += self._approvals.values()
        waiting = {(parent, _tool_at(place)) for parent, place in awaited}
        return all(
            id_ in people if call.is_person else call.only_waits(id_, waiting)
            for id_, call in self._calls.items()
        )

    def asked(self, people: Iterable[str]) -> list[Message]:
        """Return the forwards of these questions and approvals, oldest first."""
        wanted = set(people)
        return [forward for id_, forward in self._asked.items() if id_ in wanted]

    def take(self, event: Event) -> None:
        """Add the next event."""
        id_ = event.stamp.call_id
        match event:
            case CallOpened():
                parent = "" if event.background else event.stamp.parent_call_id or ""
                self._calls[id_] = _OpenCall(parent, event.place)
            case CallReturned() | CallFailed() | CallCancelled():
                for found in (self._calls, self._approvals, self._asked):
                    found.pop(id_, None)
            case CallStarted() if event.message.approval is not None:
                self._approvals[id_] = event.stamp.parent_call_id or "", event.tool_call
                self._asked[id_] = event.message
            case CallStarted() if event.person:
                self._calls[id_].is_person = True
                self._asked[id_] = event.message
            case _ if id_ in self._calls:
                self._calls[id_].take(event)
            case _:
                pass


def _tool_at(place: str) -> str:
    """Return the place of the tool call that ``place`` is in; empty for one in a peer.

    Places are ``TURN.INDEX`` and what follows: ``3.0``, ``3.0.here1``; in a peer ``here1``.
    """
    turn, _, rest = place.partition(".")
    return f"{turn}.{rest.partition('.')[0]}" if turn.isdecimal() else ""
