"""Decodes answers of Chat Completions servers, chunk by chunk.

Source: OpenAI's API reference, "Chat Completions streaming" (the chat completion chunk object). The
fields ``reasoning`` and ``reasoning_content`` are those of compatible servers: vLLM's "Reasoning
Outputs", DeepSeek's "Thinking Mode", OpenRouter's "Reasoning tokens".

A chunk with nothing but one piece of text, reasoning or arguments, or the starts of calls, takes
the fast path: it is parsed straight into a struct that forbids other fields in its delta. Every
other chunk takes the slow path, in which any field may be missing, null or of another type. The
fast path delivers a piece only after the slow path has seen its beginning, so that both agree about
which field has reasoning and whether tags may come. A reply is complete with a finish reason, or
with ``[DONE]`` after something that is complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import cast

import msgspec

from agentouto._domain.content import Stop, Usage
from agentouto._domain.delta import (
    Delta,
    NativeDelta,
    ReasoningDelta,
    StopDelta,
    TextDelta,
    UsageDelta,
)
from agentouto.providers._format.accumulate import ExtraFields, StreamedText
from agentouto.providers._format.decoder import (
    DONE,
    DecoderBase,
    MakeError,
    abort_details,
    reported_usage,
    stop_reason,
)
from agentouto.providers._format.errors import holds_error, parse_error
from agentouto.providers._format.json import (
    Json,
    as_count,
    as_list,
    as_object,
    as_str,
    as_tokens,
    parse,
)
from agentouto.providers._format.think_tags import ThinkSplitter
from agentouto.providers._openai.chat_chunks import PlainDelta, PlainUsage, read_plain_chunk
from agentouto.providers._openai.tool_calls import ToolCallReader, pieces_of

STOPS = MappingProxyType(
    {
        "length": Stop.OUT_OF_TOKENS,
        "max_tokens": Stop.OUT_OF_TOKENS,
        "model_length": Stop.OUT_OF_TOKENS,
        "content_filter": Stop.REFUSED,
        "refusal": Stop.REFUSED,
        "safety": Stop.REFUSED,
    }
)
"""Finish reasons: ``length`` and ``content_filter`` are OpenAI's; ``model_length`` is Mistral's,
the others come from gateways to Claude and Gemini. All other reasons end a complete reply."""

_REASONING_FIELDS = ("reasoning", "reasoning_content")
"""Fields of reasoning. The first that has content is read for the whole reply: vLLM sends both."""

_FIELDS_READ = frozenset(
    {"role", "content", "refusal", "tool_calls", "function_call", *_REASONING_FIELDS}
)
"""Fields of a delta or message that are read here. All others are sent back to their server."""

_CHUNK_FIELDS = frozenset({"choices", "usage", "x_groq", "id", "object", "model", "type"})
"""Fields of a chunk that may have no choices: usage, Azure's filter results, notes of gateways.
Groq sends usage in ``x_groq``."""

_NOT_SENT_BACK = frozenset({"annotations", "audio", "obfuscation"})
"""Fields of a message that OpenAI sends and does not take back. ``obfuscation`` only hides the
length of a chunk (API reference, ``include_obfuscation``)."""


class ChatDecoder(DecoderBase):
    """Reads one answer."""

    __slots__ = (
        "_calls",
        "_extra",
        "_reasoning",
        "_reasoning_field",
        "_refusal",
        "_refused",
        "_splitter",
        "_text",
        "_usage",
    )

    _expected = "not a chat completion"

    def __init__(self, provider_name: str, origin: str, make_error: MakeError) -> None:
        super().__init__(provider_name, origin, make_error)
        self._splitter = ThinkSplitter()
        self._calls = ToolCallReader()
        self._extra = ExtraFields()
        self._reasoning_field = ""
        self._reasoning = StreamedText()
        self._text = StreamedText()
        self._refusal = StreamedText()
        self._usage: Json = {}
        self._refused = False

    @property
    def over(self) -> bool:
        """Whether nothing more is to come: ``[DONE]``, or both a finish reason and the usage.

        Some servers send no ``[DONE]`` and keep the connection open.
        """
        return self._over or (self.complete and _chat_usage(self._usage) is not None)

    def feed(self, events: Sequence[bytes]) -> list[Delta]:
        """Take the data of events that arrived together; return what they say."""
        deltas: list[Delta] = []
        for event in events:
            if self._over:
                break
            if event == DONE:
                self._done()
            elif not (self._fast and self._read_fast(event, deltas)):
                self._read(event, deltas)
        return deltas

    def _read_fast(self, event: bytes, deltas: list[Delta]) -> bool:
        """Read one event on the fast path; return whether it fitted."""
        try:
            chunk = read_plain_chunk(event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._count_misfit()
            return False
        for choice in chunk.choices:
            reason = choice.finish_reason
            if reason and abort_details(reason):
                return False
            if not self._take_plain_delta(choice.delta, deltas):
                return False
            if reason:
                self._stop = self._stop or STOPS.get(reason, Stop.COMPLETE)
        if chunk.usage:
            self._usage = chunk.usage
        return True

    def _take_plain_delta(self, delta: PlainDelta, deltas: list[Delta]) -> bool:
        """Take a delta of the fast path; return ``False``, and take nothing, if it is another."""
        word, pieces = delta.content, delta.tool_calls
        thought = delta.reasoning or delta.reasoning_content
        if pieces:
            piece = pieces[0]
            if word or thought:
                return False
            if piece.id or piece.function.name or len(pieces) > 1:
                return self._calls.start(pieces, deltas)
            if not self._calls.extend(piece.index, piece.function.arguments, deltas):
                return False
            self._misfits = 0
        elif thought:
            if word or not self._reasoning_field:
                return False
            self._reasoning.pieces.append(thought)
            deltas.append(ReasoningDelta(thought))
        elif word:
            if not self._splitter.over:
                return False
            self._text.pieces.append(word)
            deltas.append(TextDelta(word))
        return True

    def whole(self, body: bytes) -> list[Delta]:
        """Read an answer that came in one piece although a stream was asked for."""
        deltas: list[Delta] = []
        try:
            answer = parse(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or not self._take_chunk(cast("Json", answer), deltas):
            raise self._unreadable(body)
        if self._stop is None:
            self._stop = Stop.COMPLETE
        return deltas + self.end()

    def end(self) -> list[Delta]:
        """Return what is left to say; ``ProtocolViolation`` if the answer was cut short."""
        stop = self._ended()
        deltas: list[Delta] = []
        self._splitter.end(deltas)
        self._calls.end(deltas, cut=stop is Stop.OUT_OF_TOKENS)
        if (usage := _chat_usage(self._usage)) is not None:
            deltas.append(UsageDelta(usage))
        if (native := self._native()) or self._calls:  # ids are sent back to their server
            deltas.append(NativeDelta(self._origin, native))
        deltas.append(StopDelta(Stop.REFUSED if self._refused else stop))
        return deltas

    def _done(self) -> None:
        """Handle ``[DONE]``: without a finish reason, a reply with half a call is not complete."""
        self._over = True
        if self._stop is not None or self._unknown:
            return
        has_content = (
            self._calls.whole if self._calls else self._splitter.begun or self._reasoning.pieces
        )
        if has_content or self._refused:
            self._stop = Stop.COMPLETE

    def _event(self, event: Json, deltas: list[Delta]) -> None:
        self._take_chunk(event, deltas)

    def _take_chunk(self, chunk: Json, deltas: list[Delta]) -> bool:
        """Read one chunk on the slow path; return whether it had a choice."""
        choice = as_object(next(iter(as_list(chunk.get("choices"))), None))
        if holds_error(chunk) or choice.get("error") or _is_bare_error(chunk):
            raise self._make_error(parse_error(choice if choice.get("error") else chunk))
        usage = chunk.get("usage") or as_object(chunk.get("x_groq")).get("usage")
        self._usage = as_object(usage or choice.get("usage")) or self._usage
        if not choice and not chunk.keys() & _CHUNK_FIELDS:
            self._no_shape(chunk)
        if not choice or as_count(choice.get("index")):
            return False
        if delta := as_object(choice.get("delta")):
            self._take_delta(delta, deltas)
        elif message := as_object(choice.get("message")):
            self._take_message(message, deltas)
        self._take_finish_reason(choice.get("finish_reason"))
        return True

    def _take_delta(self, delta: Json, deltas: list[Delta]) -> None:
        field, thought = self._reasoning_in(delta)
        if thought:
            self._reasoning_field = field
            deltas.append(ReasoningDelta(thought))
            self._reasoning.add(thought)
        if thought := _reasoning_parts(delta.get("content")):
            self._reasoning.add(thought)
            deltas.append(ReasoningDelta(thought))
        if text := _text_in(delta.get("content")):
            self._text.add(text)
            self._splitter.feed(text, deltas)
        if refusal := as_str(delta.get("refusal")):
            self._take_refusal(refusal, deltas)
        if pieces := pieces_of(delta):
            self._calls.feed(pieces, deltas)
        for key, value in _unknown_fields(delta):
            self._extra.add(key, value)

    def _take_message(self, message: Json, deltas: list[Delta]) -> None:
        """Take a whole message: only what has not been streamed is new.

        An answer without a stream has one, so has the last chunk of some gateways, and every chunk
        of Perplexity's older format, in which it grows.
        """
        field, thought = self._reasoning_in(message)
        if thought := self._reasoning.new_in(thought):
            self._reasoning_field = field
            deltas.append(ReasoningDelta(thought))
        if thought := self._reasoning.new_in(_reasoning_parts(message.get("content"))):
            deltas.append(ReasoningDelta(thought))
        if text := self._text.new_in(_text_in(message.get("content"))):
            self._splitter.feed(text, deltas)
        if refusal := self._refusal.new_in(as_str(message.get("refusal"))):
            deltas.append(TextDelta(refusal))
            self._refused = True
        if pieces := pieces_of(message):
            self._calls.take_whole(pieces, deltas)
        for key, value in _unknown_fields(message):
            self._extra.put(key, value)

    def _reasoning_in(self, delta: Json) -> tuple[str, str]:
        """Return the field that has reasoning, and the reasoning in it."""
        for field in (self._reasoning_field,) if self._reasoning_field else _REASONING_FIELDS:
            if thought := as_str(delta.get(field)):
                return field, thought
        return "", ""

    def _take_refusal(self, refusal: str, deltas: list[Delta]) -> None:
        deltas.append(TextDelta(refusal))
        self._refusal.add(refusal)
        self._refused = True

    def _take_finish_reason(self, finish_reason: object) -> None:
        if (details := abort_details(finish_reason)) is not None:
            raise self._make_error(details)
        if reason := stop_reason(finish_reason):
            self._stop = self._stop or STOPS.get(reason, Stop.COMPLETE)

    def _native(self) -> Json:
        """Return what has to be sent back with this reply and has no place in its parts."""
        kept: Json = {}
        if think := self._splitter.verbatim:
            kept["think"] = think
        message = self._extra.whole()
        if self._reasoning.pieces and self._reasoning_field:
            message[self._reasoning_field] = self._reasoning.text
        if message:
            kept["message"] = message
        if calls := self._calls.extras():
            kept["calls"] = calls
        return kept


def _is_bare_error(chunk: Json) -> bool:
    """Return whether ``chunk`` is an error without an ``error`` object around it."""
    return "choices" not in chunk and ("message" in chunk or "detail" in chunk)


def _unknown_fields(delta: Json) -> list[tuple[str, object]]:
    """Return the fields that are not read here: they are sent back to their server."""
    return [
        (key, value)
        for key, value in delta.items()
        if key not in _FIELDS_READ and key not in _NOT_SENT_BACK and value is not None
    ]


def _text_in(content: object) -> str:
    """Return the text of a content, which some servers send as a list of parts."""
    if isinstance(content, str):
        return content
    parts = (as_object(part) for part in as_list(content))
    return "".join(as_str(part.get("text")) for part in parts)


def _reasoning_parts(content: object) -> str:
    """Return the reasoning in a content that is a list.

    Mistral's reasoning models send ``{"type": "thinking", "thinking": [{"type": "text", ...}]}``
    beside the parts of text (docs.mistral.ai, Reasoning).
    """
    thoughts: list[str] = []
    for part in map(as_object, as_list(content)):
        thinking = part.get("thinking")
        if part.get("type") == "thinking" and isinstance(thinking, str):
            thoughts.append(thinking)
        elif part.get("type") == "thinking":
            thoughts += (as_str(as_object(each).get("text")) for each in as_list(thinking))
    return "".join(thoughts)


def _chat_usage(usage: Json) -> Usage | None:
    """Return the tokens that the server has counted, or ``None``."""
    if not usage:
        return None
    try:
        return msgspec.convert(usage, PlainUsage).usage
    except msgspec.ValidationError:
        return _odd_usage(usage)


def _odd_usage(usage: Json) -> Usage | None:
    """Return the tokens in ``usage``, in which any field may be missing or of another type.

    Some servers use the names of the Responses API; ``prompt_cache_hit_tokens`` is DeepSeek's.
    """
    read = as_tokens(usage.get("prompt_tokens", usage.get("input_tokens")))
    written = as_tokens(usage.get("completion_tokens", usage.get("output_tokens")))
    prompt = as_object(usage.get("prompt_tokens_details"))
    completion = as_object(usage.get("completion_tokens_details"))
    return reported_usage(
        read,
        written,
        as_tokens(prompt.get("cached_tokens", usage.get("prompt_cache_hit_tokens"))),
        as_tokens(completion.get("reasoning_tokens")),
    )
