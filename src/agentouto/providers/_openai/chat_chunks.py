"""The chunks of a Chat Completions stream that nearly all are, as structs: the fast path.

Source: OpenAI's API reference, "Chat Completions streaming". A delta with any other field, or with
a value of another type, fits none of them: it takes the slow path of ``chat_decoder.py``.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from agentouto.providers._format.call_pieces import CallPiece
from agentouto.providers._format.json import Json


class _PlainFunction(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    arguments: str
    name: str | None = None


class _PlainToolCall(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    index: int
    function: _PlainFunction
    id: str | None = None
    type: str | None = None

    @property
    def start(self) -> CallPiece:
        """The piece as the start of a call."""
        return CallPiece(self.id or "", self.function.name or "", self.function.arguments)


class PlainDelta(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A delta with no other fields than these."""

    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_PlainToolCall] | None = None
    role: str | None = None
    refusal: None = None
    function_call: None = None


class _PlainChoice(msgspec.Struct, gc=False):
    delta: PlainDelta
    index: Literal[0] = 0
    finish_reason: str | None = None
    error: None = None
    usage: None = None


class _PlainChunk(msgspec.Struct, gc=False):
    """A chunk with one piece, the starts of calls, or the end: the fast path."""

    choices: Annotated[list[_PlainChoice], msgspec.Meta(max_length=1)]
    usage: Json | None = None
    x_groq: None = None
    error: None = None


read_plain_chunk = msgspec.json.Decoder(_PlainChunk).decode
"""Parses a chunk of the fast path; ``msgspec.DecodeError`` for every other chunk."""
