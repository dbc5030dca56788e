"""The pieces of a streamed reply, to which every wire format decodes its events.

A complete stream ends with a ``StopDelta``. A stream without one was cut short and is no reply.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from agentouto._domain.content import Stop, Usage


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """The next piece of text."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """The next piece of thinking."""

    text: str


class ToolCallDelta(msgspec.Struct, frozen=True, gc=False):
    """The beginning of a tool call, or the next piece of its arguments.

    ``slot`` tells the calls of one reply apart while they are incomplete; ``id`` and ``name`` are
    given once, with the first delta of the slot, ``arguments`` are pieces of JSON text.
    """

    slot: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    again: bool = False
    """Whether ``arguments`` stand for all that was told of this call, instead of going on."""


class UsageDelta(msgspec.Struct, frozen=True, gc=False):
    """The tokens counted so far. A later count replaces an earlier one."""

    usage: Usage


class NativeDelta(msgspec.Struct, frozen=True, gc=False):
    """The whole reply in its provider's own format, for the next request to the same model."""

    origin: str
    data: object


class RetryDelta(msgspec.Struct, frozen=True, gc=False):
    """The request is made after ``wait`` seconds; what has arrived of the reply is void.

    ``attempt`` is the number of the coming try: 2 or more after a failure, 1 if another request
    of the same account was told to wait.
    """

    attempt: int
    wait: float
    error: str
    why: Literal["retry", "gate"] = "retry"
    """``retry`` after a failure of its own, ``gate`` if another request was told to wait."""
    status: int | None = None
    """The HTTP status of the failure, if there was an answer."""
    most: int | None = None
    """The number of tries there will be at most."""


class DraftDelta(msgspec.Struct, frozen=True, gc=False):
    """The next piece of a tool call's arguments, in a format that gives the call whole at the end.

    It is no part of the reply: it only lets readers see what is being written. ``slot`` tells the
    calls of one reply apart; ``name`` is given with the first piece.
    """

    slot: int
    name: str = ""
    arguments: str = ""


class StopDelta(msgspec.Struct, frozen=True, gc=False):
    """The end of a complete stream."""

    reason: Stop


Delta: TypeAlias = (
    TextDelta
    | ReasoningDelta
    | ToolCallDelta
    | DraftDelta
    | UsageDelta
    | NativeDelta
    | RetryDelta
    | StopDelta
)
