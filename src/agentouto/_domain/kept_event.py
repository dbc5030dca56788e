"""The events that only a run with a journal records: what it takes to go on after a crash.

Together with the events of every run they say everything that was decided, read and paid for. What
follows from them is not recorded: prompts, ids, nudges. Their names and the order of their fields
are those of the rows of journals (``_journal/rows.py``): fields are only added, at the end and with
a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from agentouto._domain.content import Entry, Incoming
from agentouto._domain.event_pieces import Stamp
from agentouto._domain.message import Message

RestartPolicy: TypeAlias = Literal["report", "run", "ask", "check"]
"""What becomes of a tool or a peer that was at work when the process ended: its agent is told, it
is used again, the user is asked, or a function looks whether it had happened."""


class SavedError(msgspec.Struct, frozen=True, gc=False):
    """An error as it is kept: the name of its class, its text, and its plain attributes."""

    kind: str = ""
    text: str = ""
    details: Mapping[str, object] = {}


class CallOpened(msgspec.Struct, frozen=True, gc=False):
    """A call exists from now on, and can be found and written to.

    ``message`` is the forward as it was sent, before a hook has seen it. ``place`` is where in the
    caller's call it was made; empty for a starting agent's.
    """

    stamp: Stamp
    at: float
    message: Message
    place: str = ""
    history: tuple[Message, ...] = ()
    background: bool = False


class InputRead(msgspec.Struct, frozen=True, gc=False):
    """An agent has read these entries at the beginning of a turn: mail, notes, warnings.

    ``ids`` are those of the messages and of the notes among them. A message is read when it is in
    such an event, not before.
    """

    stamp: Stamp
    at: float
    turn: int
    ids: tuple[str, ...] = ()
    entries: tuple[Incoming, ...] = ()


class Compacted(msgspec.Struct, frozen=True, gc=False):
    """A transcript was made shorter, or it was found out how short it has to be.

    ``entries`` are those of the new transcript: the index of an entry that stays, -1 minus the
    index of a reply that stays without its native items, or a new entry.
    """

    stamp: Stamp
    at: float
    turn: int
    entries: tuple[int | Entry, ...]
    most_read: int = 0
    window_bound: int | None = None
    failed_at: int = 0


class Overflowed(msgspec.Struct, frozen=True, gc=False):
    """The provider has said that the transcript does not fit."""

    stamp: Stamp
    at: float
    turn: int
    error: SavedError = SavedError()


class ToolBegun(msgspec.Struct, frozen=True, gc=False):
    """A function of the user's is about to begin: of a tool, or of a peer if ``place`` is empty."""

    stamp: Stamp
    at: float
    place: str


class ReturnRefused(msgspec.Struct, frozen=True, gc=False):
    """A hook has refused the return before ``turn``; the agent is told ``text``."""

    stamp: Stamp
    at: float
    turn: int
    text: str


class HookReplaced(msgspec.Struct, frozen=True, gc=False):
    """The hook of the model has passed the reply number ``which`` of those of ``turn``."""

    stamp: Stamp
    at: float
    turn: int
    which: int


class ResultsCleared(msgspec.Struct, frozen=True, gc=False):
    """The messages of the call at ``address`` were read for good, by the tool call at ``place``."""

    stamp: Stamp
    at: float
    address: str
    place: str


class RunResumed(msgspec.Struct, frozen=True, gc=False):
    """The run goes on in another process. ``turns`` is how many replies it has already."""

    stamp: Stamp
    at: float
    turns: int


class TurnRestarted(msgspec.Struct, frozen=True, gc=False):
    """The reply of ``turn`` had begun when the process ended. It is asked for again."""

    stamp: Stamp
    at: float
    turn: int


class ToolInterrupted(msgspec.Struct, frozen=True, gc=False):
    """A function had begun when the process ended; ``policy`` says what becomes of it.

    ``place`` is that of the tool call, empty for a peer.
    """

    stamp: Stamp
    at: float
    place: str
    tool: str
    policy: RestartPolicy


HiddenEvent: TypeAlias = (
    CallOpened
    | InputRead
    | Compacted
    | Overflowed
    | ToolBegun
    | ReturnRefused
    | HookReplaced
    | ResultsCleared
)
"""Events that no reader gets."""

KeptEvent: TypeAlias = HiddenEvent | RunResumed | TurnRestarted | ToolInterrupted
