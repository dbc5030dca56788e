"""The smallest things a model stream says. Every wire format decodes to these.

A stream that was not cut short ends with a ``StopDelta``; whatever misses it is no reply.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from agentouto._domain.content import Stop, Usage


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """A few more words."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """A little more thinking."""

    text: str


class ToolCallDelta(msgspec.Struct, frozen=True, gc=False):
    """The beginning of a tool call, or more of it.

    ``slot`` tells the calls of one reply apart while they are incomplete; ``id`` and ``name`` are
    given once, with the first delta of the slot, ``arguments`` are pieces of JSON text.
    """

    slot: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class UsageDelta(msgspec.Struct, frozen=True, gc=False):
    """What has been counted so far; a later count replaces an earlier one."""

    usage: Usage


class NativeDelta(msgspec.Struct, frozen=True, gc=False):
    """The reply's own items, complete, for whoever speaks to the same model again."""

    origin: str
    data: object


class RetryDelta(msgspec.Struct, frozen=True, gc=False):
    """Nothing was heard yet; the request will be made after a wait of ``wait`` seconds.

    ``attempt`` is the try that is about to be made: 2 or more after a failure, 1 if somebody else
    with the same key was told to wait.
    """

    attempt: int
    wait: float
    error: str


class StopDelta(msgspec.Struct, frozen=True, gc=False):
    """The last word of a stream."""

    reason: Stop


Delta: TypeAlias = (
    TextDelta | ReasoningDelta | ToolCallDelta | UsageDelta | NativeDelta | RetryDelta | StopDelta
)
