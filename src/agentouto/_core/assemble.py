"""A stream of deltas folded into a reply: once, for all providers."""

from __future__ import annotations

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
    NativeDelta,
    ReasoningDelta,
    RetryDelta,
    StopDelta,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)
from agentouto._domain.errors import ProtocolViolation


class _Piecewise:
    """A part that is still being said."""

    __slots__ = ("id", "kind", "name", "pieces")

    def __init__(self, kind: type[Part], id_: str = "", name: str = "") -> None:
        self.kind = kind
        self.id = id_
        self.name = name
        self.pieces: list[str] = []

    def whole(self) -> Part:
        said = "".join(self.pieces)
        if self.kind is ToolCall:
            return ToolCall(self.id, self.name, said)
        return Text(said) if self.kind is Text else Reasoning(said)


class ReplyBuilder:
    """Collects the deltas of one stream. Deltas may be added until ``finish`` is called."""

    def __init__(self, provider_name: str) -> None:
        self._provider_name = provider_name
        self._parts: list[_Piecewise] = []
        self._slots: dict[int, _Piecewise] = {}
        self._usage: Usage | None = None
        self._native: Native | None = None
        self._stop: Stop | None = None

    def add(self, delta: Delta) -> None:
        """Take in one more delta, in stream order."""
        if isinstance(delta, TextDelta):  # by far the most: they do not wait for a match
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
            case RetryDelta():
                pass

    @property
    def begun(self) -> bool:
        """Whether anything of a reply has been said."""
        return bool(self._parts)

    def parts(self) -> tuple[Part, ...]:
        """Return what has been said so far."""
        return tuple(part.whole() for part in self._parts)

    def text(self) -> str:
        """Return the words so far, without reasoning."""
        return "".join("".join(part.pieces) for part in self._parts if part.kind is Text)

    def finish(self) -> Reply:
        """Return the whole reply; a stream without a last word was cut short."""
        if self._stop is None:
            raise ProtocolViolation(self._provider_name, "the reply was cut short")
        usage = Usage(complete=False) if self._usage is None else self._usage
        return Reply(self.parts(), self._stop, usage, self._native)

    def _extend(self, kind: type[Part], text: str) -> None:
        parts = self._parts
        if not parts or parts[-1].kind is not kind:
            parts.append(_Piecewise(kind))
        parts[-1].pieces.append(text)

    def _extend_call(self, delta: ToolCallDelta) -> None:
        part = self._slots.get(delta.slot)
        if part is None:
            part = self._slots[delta.slot] = _Piecewise(ToolCall, delta.id, delta.name)
            self._parts.append(part)
        part.pieces.append(delta.arguments)
