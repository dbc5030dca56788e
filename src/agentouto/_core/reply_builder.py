"""Folds a stream of deltas into a reply, for all providers alike.

Text is collected in lists and joined once: adding each token to a string would copy all tokens
before it. A stream that ends without a ``StopDelta`` was cut short and is no reply.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

import msgspec

from agentouto._domain.content import (
    Native,
    Part,
    Reasoning,
    Reply,
    Stop,
    Text,
    ToolCall,
    Usage,
)
from agentouto._domain.delta import (
    Delta,
    DraftDelta,
    NativeDelta,
    ReasoningDelta,
    RetryDelta,
    StopDelta,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)
from agentouto._domain.errors import ProtocolViolation


class _OpenPart(msgspec.Struct, eq=False):
    """A part of the reply that may still grow."""

    kind: type[Part]
    id: str = ""
    name: str = ""
    pieces: list[str] = []

    def build(self) -> Part:
        text = "".join(self.pieces)
        self.pieces = [text]  # a long reply that breaks off is looked at more than once
        if self.kind is ToolCall:
            return ToolCall(self.id, self.name, text)
        return Text(text) if self.kind is Text else Reasoning(text)


class ReplyBuilder:
    """Collects the deltas of one stream. Deltas may be added until ``finish`` is called.

    Attributes:
        complete: Whether the last piece of the reply has arrived.
    """

    __slots__ = ("_native", "_parts", "_provider_name", "_slots", "_stop", "_usage", "complete")

    def __init__(self, provider_name: str) -> None:
        self._provider_name = provider_name
        self._parts: list[_OpenPart] = []
        self._slots: dict[int, _OpenPart] = {}
        self._usage: Usage | None = None
        self._native: Native | None = None
        self._stop: Stop | None = None
        self.complete: bool = False

    def add(self, delta: Delta) -> None:
        """Add one delta, in stream order."""
        if isinstance(delta, TextDelta):  # by far the most frequent delta: it skips the match
            self._extend(Text, delta.text)
            return
        match delta:
            case ReasoningDelta(text):
                self._extend(Reasoning, text)
            case ToolCallDelta():
                self._extend_call(delta)
            case UsageDelta(usage):
                self._usage = usage
            case NativeDelta(origin, data):
                self._native = Native(origin, data)
            case StopDelta(reason):
                self._stop = reason
                self.complete = True
            case RetryDelta():
                self._parts, self._slots = [], {}
                self._usage = self._native = self._stop = None
                self.complete = False
            case DraftDelta():
                pass
            case _:
                assert_never(delta)

    @property
    def begun(self) -> bool:
        """Whether any part of the reply has arrived."""
        return bool(self._parts)

    def parts(self) -> tuple[Part, ...]:
        """Return the parts that have arrived so far."""
        return tuple(part.build() for part in self._parts)

    def text(self) -> str:
        """Return the text so far, without reasoning."""
        return "".join("".join(part.pieces) for part in self._parts if part.kind is Text)

    def thinking(self) -> str:
        """Return the reasoning so far."""
        return "".join("".join(part.pieces) for part in self._parts if part.kind is Reasoning)

    def calls_so_far(self) -> Iterator[tuple[int, str, str]]:
        """Yield the slot, the name and the arguments so far of each tool call."""
        for slot, part in self._slots.items():
            yield slot, part.name, "".join(part.pieces)

    def finish(self) -> Reply:
        """Return the reply.

        Raises:
            ProtocolViolation: The stream ended without a ``StopDelta``.
        """
        if self._stop is None:
            raise ProtocolViolation(self._provider_name, "the reply was cut short")
        usage = Usage(complete=False) if self._usage is None else self._usage
        return Reply(self.parts(), self._stop, usage, self._native)

    def _extend(self, kind: type[Part], text: str) -> None:
        parts = self._parts
        if not parts or parts[-1].kind is not kind:
            parts.append(_OpenPart(kind))
        parts[-1].pieces.append(text)

    def _extend_call(self, delta: ToolCallDelta) -> None:
        part = self._slots.get(delta.slot)
        if part is None:
            part = self._slots[delta.slot] = _OpenPart(ToolCall, delta.id, delta.name)
            self._parts.append(part)
        if delta.again:
            part.pieces.clear()
        part.pieces.append(delta.arguments)
