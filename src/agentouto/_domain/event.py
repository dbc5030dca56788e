"""Everything that happens in a run, as it happens.

``Event`` is a union of frozen facts, each with the call it belongs to and the time. This module
does not know who reads them or in which form; ``_core/forms.py`` does.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from agentouto._domain.content import Outcome, Part, Reply, ToolCall, Usage
from agentouto._domain.message import Message


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """Whose work an event belongs to. One object serves all events of a call."""

    agent_name: str
    call_id: str
    parent_call_id: str | None


class CallStarted(msgspec.Struct, frozen=True, gc=False):
    """A participant has received a forward and begins to work on it."""

    stamp: Stamp
    at: float
    message: Message
    background: bool = False


class ModelAsked(msgspec.Struct, frozen=True, gc=False):
    """The agent's transcript is put to its model."""

    stamp: Stamp
    at: float
    model: str


class Token(msgspec.Struct, frozen=True, gc=False):
    """The model said a few more words. Told to those who listen, not kept."""

    stamp: Stamp
    at: float
    text: str


class Thinking(msgspec.Struct, frozen=True, gc=False):
    """The model thought a little more. Told to those who listen, not kept."""

    stamp: Stamp
    at: float
    text: str


class Retried(msgspec.Struct, frozen=True, gc=False):
    """A request will be made after ``wait`` seconds; ``attempt`` is the try to come."""

    stamp: Stamp
    at: float
    attempt: int
    wait: float
    error: str


class Replied(msgspec.Struct, frozen=True, gc=False):
    """The model has finished one reply."""

    stamp: Stamp
    at: float
    reply: Reply


class Broken(msgspec.Struct, frozen=True, gc=False):
    """A reply broke off; ``parts`` had been said."""

    stamp: Stamp
    at: float
    parts: tuple[Part, ...]


class ToolStarted(msgspec.Struct, frozen=True, gc=False):
    """A tool call begins."""

    stamp: Stamp
    at: float
    tool_call: ToolCall
    builtin: bool


class ToolFinished(msgspec.Struct, frozen=True, gc=False):
    """A tool call has ended, well or badly."""

    stamp: Stamp
    at: float
    outcome: Outcome
    builtin: bool


class MessagePosted(msgspec.Struct, frozen=True, gc=False):
    """Somebody wrote to a participant at work. ``stamp`` is the sender's, where it has a call."""

    stamp: Stamp
    at: float
    message: Message
    address: str


class CallReturned(msgspec.Struct, frozen=True, gc=False):
    """A participant has answered its forward."""

    stamp: Stamp
    at: float
    message: Message
    background: bool = False


class CallFailed(msgspec.Struct, frozen=True, gc=False):
    """A participant could not answer its forward."""

    stamp: Stamp
    at: float
    error: str


class CallCancelled(msgspec.Struct, frozen=True, gc=False):
    """A call was cancelled before it could return."""

    stamp: Stamp
    at: float
    reason: str = ""


class MessageRead(msgspec.Struct, frozen=True, gc=False):
    """A message was put before its reader, whose ``stamp`` it is, in the given turn."""

    stamp: Stamp
    at: float
    message: Message
    turn: int


class MessageReturned(msgspec.Struct, frozen=True, gc=False):
    """A message was not read: its reader, whose ``stamp`` it is, has ended or would not have it."""

    stamp: Stamp
    at: float
    message: Message
    reason: str


class Repeated(msgspec.Struct, frozen=True, gc=False):
    """An agent is asked the same thing by a descendant of a call that was asked it."""

    stamp: Stamp
    at: float
    message: Message
    times: int


class Summarized(msgspec.Struct, frozen=True, gc=False):
    """The older part of a transcript was replaced by a summary."""

    stamp: Stamp
    at: float
    summary: str
    tokens_before: int
    tokens_after: int


class Spent(msgspec.Struct, frozen=True, gc=False):
    """A model was asked for something besides a reply, and this is what it took."""

    stamp: Stamp
    at: float
    usage: Usage


Event: TypeAlias = (
    CallStarted
    | ModelAsked
    | Token
    | Thinking
    | Retried
    | Replied
    | Broken
    | ToolStarted
    | ToolFinished
    | MessagePosted
    | CallReturned
    | CallFailed
    | CallCancelled
    | MessageRead
    | MessageReturned
    | Repeated
    | Summarized
    | Spent
)
