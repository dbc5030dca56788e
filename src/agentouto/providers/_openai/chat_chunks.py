"""The chunks of a Chat Completions stream that nearly all are, as structs: the fast path.

Source: OpenAI's API reference, "Chat Completions streaming". A delta with any other field, or with
a value of another type, fits none of them: it takes the slow path of ``chat_decoder.py``.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from agentouto._domain.content import Usage
from agentouto.providers._format.json import MOST_TOKENS, Json

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]


class _PlainFunction(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    arguments: str
    name: str | None = None


class PlainToolCall(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The start of a call, or more of its arguments."""

    index: int
    function: _PlainFunction
    id: str | None = None
    type: str | None = None


class PlainDelta(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A delta with no other fields than these."""

    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[PlainToolCall] | None = None
    role: str | None = None
    refusal: None = None
    function_call: None = None


class _PlainChoice(msgspec.Struct, gc=False):
    delta: PlainDelta
    index: Literal[0] = 0
    finish_reason: str | None = None
    error: None = None
    usage: None = None


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: _Count | msgspec.UnsetType | None = msgspec.UNSET


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: _Count | None = None


class PlainUsage(msgspec.Struct, gc=False):
    """Counts of tokens with the names of this API: ``msgspec.convert`` refuses all others."""

    prompt_tokens: _Count
    completion_tokens: _Count
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: _Count | None = None  # DeepSeek's

    @property
    def usage(self) -> Usage:
        """The tokens that the server has counted."""
        prompt, completion = self.prompt_tokens_details, self.completion_tokens_details
        cached = msgspec.UNSET if prompt is None else prompt.cached_tokens
        return Usage(
            self.prompt_tokens,
            self.completion_tokens,
            self.prompt_cache_hit_tokens if cached is msgspec.UNSET else cached,
            None if completion is None else completion.reasoning_tokens,
        )


class _PlainChunk(msgspec.Struct, gc=False):
    """A chunk with one piece, the starts of calls, or the end: the fast path."""

    choices: Annotated[list[_PlainChoice], msgspec.Meta(max_length=1)]
    usage: Json | None = None
    x_groq: None = None
    error: None = None


read_plain_chunk = msgspec.json.Decoder(_PlainChunk).decode
"""Parses a chunk of the fast path; ``msgspec.DecodeError`` for every other chunk."""
