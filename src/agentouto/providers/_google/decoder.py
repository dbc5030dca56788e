"""Decodes answers of Google's Gemini API, chunk by chunk.

Source: ai.google.dev, "Generating content" (``GenerateContentResponse``, ``FinishReason``,
``UsageMetadata``) and "Thought signatures". Each event of the stream is a whole response with the
next few parts. A chunk with nothing but text takes the fast path: it is parsed straight into a
struct that forbids other fields in its parts. Every other chunk takes the slow path, in which any
field may be missing, null or of another type.

Parts are kept as they came, because a signature belongs to its part: only text without a signature
is joined. A reply is complete with a finish reason. It does not end the stream: counts of tokens
and empty parts may follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Literal

import msgspec

from agentouto._domain.content import Stop, Usage
from agentouto._domain.delta import (
    Delta,
    NativeDelta,
    ReasoningDelta,
    StopDelta,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)
from agentouto._domain.errors import ProtocolViolation
from agentouto.providers._format.call_pieces import (
    CallPiece,
    PartialCall,
    Relation,
    final_arguments,
)
from agentouto.providers._format.decoder import (
    DecoderBase,
    MakeError,
    abort_details,
    reported_usage,
    stop_reason,
)
from agentouto.providers._format.errors import ErrorDetails, holds_error, parse_error, short
from agentouto.providers._format.json import (
    Json,
    as_count,
    as_list,
    as_object,
    as_str,
    as_tokens,
)
from agentouto.providers._google.raw_arguments import written_arguments

STOPS = MappingProxyType(
    {
        "MAX_TOKENS": Stop.OUT_OF_TOKENS,
        "CONTINUATION": Stop.OUT_OF_TOKENS,
        "SAFETY": Stop.REFUSED,
        "RECITATION": Stop.REFUSED,
        "LANGUAGE": Stop.REFUSED,
        "BLOCKLIST": Stop.REFUSED,
        "PROHIBITED_CONTENT": Stop.REFUSED,
        "SPII": Stop.REFUSED,
        "MODEL_ARMOR": Stop.REFUSED,
        "ESCALATION": Stop.REFUSED,
        "IMAGE_SAFETY": Stop.REFUSED,
        "IMAGE_PROHIBITED_CONTENT": Stop.REFUSED,
        "IMAGE_RECITATION": Stop.REFUSED,
        "IMAGE_OTHER": Stop.REFUSED,
        "NO_IMAGE": Stop.REFUSED,
        "PUP_LIMITED_DISABLED": Stop.REFUSED,
    }
)
"""Finish reasons, as in ``FinishReason`` of the package ``google-genai``; all others that are not
failures end a complete reply. ``CONTINUATION`` asks for another request to go on."""

FAILED_REASONS = MappingProxyType(
    {
        "MALFORMED_FUNCTION_CALL": "the model wrote a tool call that cannot be read",
        "MALFORMED_RESPONSE": "the model wrote an answer that cannot be read",
        "UNEXPECTED_TOOL_CALL": "the model called a tool where it has none",
        "TOO_MANY_TOOL_CALLS": "the model made too many tool calls",
        "MISSING_THOUGHT_SIGNATURE": "a tool call was sent back without its signature",
        "OTHER": "the server broke off the reply",
    }
)
"""Finish reasons of the same list that make an error, with its text."""

_RESPONSE_FIELDS = frozenset(
    {"candidates", "usageMetadata", "promptFeedback", "modelVersion", "responseId"}
)
"""The fields of a ``GenerateContentResponse``. An event without any of them is none."""

_NO_REASON = "FINISH_REASON_UNSPECIFIED"
"""The default of the field, which gateways write out (protobuf leaves it out)."""

_PARTIAL_ARGUMENTS = (
    "the arguments of tool calls come in pieces (partialArgs), which cannot be read here; "
    "leave streamFunctionCallArguments out of extra"
)
"""Shown for ``partialArgs``, which the API sends only if ``streamFunctionCallArguments`` is set."""

_NOT_RETRYABLE = frozenset({"MISSING_THOUGHT_SIGNATURE"})
"""Failures that the same request always gets. The others are the model's, and a retry may do
better."""


class _Counts(msgspec.Struct, rename="camel", gc=False):
    """Counts of tokens so far. They are cumulative; a later chunk may leave some out."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None
    total_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None


_COUNT_FIELDS = tuple((field.name, field.encode_name) for field in msgspec.structs.fields(_Counts))
"""Name and JSON name of each count, for the slow path."""


class _PlainPart(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    text: str
    thought: bool = False


class _PlainContent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    parts: tuple[_PlainPart]
    role: str | None = None


class _PlainCandidate(msgspec.Struct, rename="camel", gc=False):
    content: _PlainContent
    index: Literal[0] = 0
    finish_reason: None = None


class _PlainFeedback(msgspec.Struct, rename="camel", gc=False):
    block_reason: None = None


class _PlainChunk(msgspec.Struct, rename="camel", gc=False):
    """A chunk with a piece of text and nothing else that matters: the fast path."""

    candidates: tuple[_PlainCandidate]
    usage_metadata: _Counts | None = None
    prompt_feedback: _PlainFeedback | None = None
    error: None = None


_read_plain = msgspec.json.Decoder(_PlainChunk).decode
_read_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class GeminiDecoder(DecoderBase):
    """Reads one answer. Only the end of the stream ends it."""

    __slots__ = (
        "_by_id",
        "_calls",
        "_counts",
        "_parts",
        "_places",
        "_raw",
        "_text",
        "_thinking",
    )

    _expected = "no content of Gemini"

    def __init__(self, provider_name: str, origin: str, make_error: MakeError) -> None:
        super().__init__(provider_name, origin, make_error)
        self._parts: list[Json] = []
        self._text: list[str] = []
        self._raw = b""
        self._thinking = False
        self._calls: list[PartialCall] = []
        self._by_id: dict[str, int] = {}
        self._places: list[int] = []
        self._counts: _Counts | None = None

    def feed(self, events: Sequence[bytes]) -> list[Delta]:
        """Take the data of events that arrived together; return what they say."""
        deltas: list[Delta] = []
        for event in events:
            if self._fast:
                try:
                    chunk = _read_plain(event)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    self._count_misfit()
                else:
                    if (counts := chunk.usage_metadata) is not None:
                        self._counts = _merged_counts(self._counts, counts)
                    part = chunk.candidates[0].content.parts[0]
                    self._take_text(part.text, deltas, thought=part.thought)
                    continue
            if self._over:
                break
            self._read(event, deltas)
        return deltas

    def whole(self, body: bytes) -> list[Delta]:
        """Read an answer that came in one piece although a stream was asked for."""
        deltas: list[Delta] = []
        try:
            chunks = list(map(bytes, _read_list(body))) if body.lstrip()[:1] == b"[" else [body]
        except (msgspec.DecodeError, RecursionError):
            chunks = [body]
        for chunk in chunks:
            self._take(chunk, deltas)
        if self._stop is None:
            if not (self._parts or self._text):
                raise self._unreadable(body)
            self._stop = Stop.COMPLETE
        return deltas + self.end()

    def end(self) -> list[Delta]:
        """Return what is left to say; ``ProtocolViolation`` if the answer was cut short."""
        stop = self._ended()
        self._close_text()
        deltas: list[Delta] = []
        last_is_call = bool(self._parts) and "functionCall" in self._parts[-1]
        if stop is Stop.OUT_OF_TOKENS and last_is_call and self._calls[-1].written.is_empty:
            cut = "{"  # no arguments, because it was cut off before them
            deltas.append(ToolCallDelta(len(self._calls) - 1, arguments=cut, again=True))
        if (usage := _usage(self._counts)) is not None:
            deltas.append(UsageDelta(usage))
        if any(part.keys() != {"text"} for part in self._parts):
            deltas.append(NativeDelta(self._origin, {"parts": self._parts}))
        deltas.append(StopDelta(stop))
        return deltas

    def _take_text(self, text: str, deltas: list[Delta], *, thought: bool) -> None:
        """Take text without a signature, and join it to the text before."""
        if not text:
            return
        if thought is not self._thinking:
            self._close_text()
            self._thinking = thought
        self._text.append(text)
        deltas.append(ReasoningDelta(text) if thought else TextDelta(text))

    def _close_text(self) -> None:
        """End the text part: what comes now belongs to another part."""
        if self._text:
            part: Json = {"text": "".join(self._text)}
            self._parts.append(part | {"thought": True} if self._thinking else part)
            self._text = []

    def _done(self) -> None:
        """Go on reading: ``[DONE]`` is no part of this API."""

    def _take(self, event: bytes, deltas: list[Delta]) -> None:
        self._raw = event
        super()._take(event, deltas)

    def _event(self, event: Json, deltas: list[Delta]) -> None:
        if holds_error(event) or ("candidates" not in event and "message" in event):
            raise self._make_error(parse_error(event))
        if not event.keys() & _RESPONSE_FIELDS:
            self._no_shape(event)
        usage = as_object(event.get("usageMetadata"))
        counts = _Counts(**{name: as_tokens(usage.get(key)) for name, key in _COUNT_FIELDS})
        self._counts = _merged_counts(self._counts, counts)
        candidates = as_list(event.get("candidates"))
        candidate = as_object(candidates[0] if candidates else None)
        if not as_count(candidate.get("index")):
            parts = as_list(as_object(candidate.get("content")).get("parts"))
            written = iter(written_arguments(self._raw, parts))
            earlier = len(self._calls)
            for part in parts:
                self._part(as_object(part), written, earlier, deltas)
            self._take_finish_reason(candidate, deltas)
        feedback = as_object(event.get("promptFeedback"))
        if reason := as_str(feedback.get("blockReason")):
            why = as_str(feedback.get("blockReasonMessage"))
            self._take_block(why or f"(the request was blocked: {reason})", deltas)

    def _part(self, part: Json, written: Iterator[str], earlier: int, deltas: list[Delta]) -> None:
        text, thought = as_str(part.get("text")), part.get("thought") is True
        if part.keys() <= {"text", "thought"}:
            self._take_text(text, deltas, thought=thought)
            return
        self._close_text()
        if "functionCall" in part:
            self._call(part, final_arguments(next(written)), earlier, deltas)
        else:
            self._parts.append(part)
        if text:
            deltas.append(ReasoningDelta(text) if thought else TextDelta(text))

    def _call(self, part: Json, arguments: str, earlier: int, deltas: list[Delta]) -> None:
        """Take a call, which comes whole; ``earlier`` is how many came before this chunk.

        A gateway may send it more than once: first without arguments, or again in the last chunk.
        """
        function_call = as_object(part["functionCall"])
        if function_call.get("willContinue") or function_call.get("partialArgs"):
            raise self._make_error(ErrorDetails(_PARTIAL_ARGUMENTS, "unsupported_", status=None))
        piece = CallPiece(
            as_str(function_call.get("id")), as_str(function_call.get("name")), arguments
        )
        place = self._by_id.get(piece.id, earlier - 1 if earlier == len(self._calls) else -1)
        relation = Relation.ANOTHER
        if place >= 0 and (piece.id or piece.name):
            call = self._calls[place]
            relation = call.relation(piece._replace(beside=place >= earlier))
            if relation is Relation.INSTEAD and not call.written.is_empty:
                relation = Relation.ANOTHER  # some servers give one id to all calls
        if relation in {Relation.ANOTHER, Relation.MORE}:
            slot = len(self._calls)
            self._calls.append(PartialCall(piece.id, piece.name, arguments))
            self._places.append(len(self._parts))
            self._parts.append(part)
            if piece.id:
                self._by_id[piece.id] = slot
            deltas.append(ToolCallDelta(slot, piece.id, piece.name, arguments))
        elif relation is Relation.INSTEAD:
            self._calls[place].replace(arguments)
            kept = self._parts[self._places[place]]
            made = as_object(kept.get("functionCall")) | function_call
            self._parts[self._places[place]] = kept | part | {"functionCall": made}
            deltas.append(ToolCallDelta(place, arguments=arguments, again=True))

    def _take_finish_reason(self, candidate: Json, deltas: list[Delta]) -> None:
        reason = stop_reason(candidate.get("finishReason"))
        message = as_str(candidate.get("finishMessage"))
        if why := FAILED_REASONS.get(reason):
            text = f"{why} ({reason})" + (f": {short(message)}" if message else "")
            error = ProtocolViolation(self._provider_name, text)
            error.retryable = reason not in _NOT_RETRYABLE
            raise error
        if (details := abort_details(candidate.get("finishReason"))) is not None:
            raise self._make_error(details)
        if STOPS.get(reason) is Stop.REFUSED:
            self._take_block(message or f"(the answer was blocked: {reason})", deltas)
        elif reason and reason != _NO_REASON:
            self._stop = self._stop or STOPS.get(reason, Stop.COMPLETE)

    def _take_block(self, why: str, deltas: list[Delta]) -> None:
        """Stop as refused; ``why`` becomes the text of a reply that has only thoughts."""
        if self._stop is Stop.REFUSED:
            return
        self._stop = Stop.REFUSED
        self._close_text()
        if all(part.get("thought") or not part.get("text") for part in self._parts):
            self._take_text(why, deltas, thought=False)


def _merged_counts(before: _Counts | None, now: _Counts) -> _Counts:
    """Return ``now`` with the counts that only ``before`` has.

    Written out field by field, because it runs for every chunk.
    """
    if before is not None:
        if now.prompt_token_count is None:
            now.prompt_token_count = before.prompt_token_count
        if now.candidates_token_count is None:
            now.candidates_token_count = before.candidates_token_count
        if now.thoughts_token_count is None:
            now.thoughts_token_count = before.thoughts_token_count
        if now.cached_content_token_count is None:
            now.cached_content_token_count = before.cached_content_token_count
        if now.total_token_count is None:
            now.total_token_count = before.total_token_count
        if now.tool_use_prompt_token_count is None:
            now.tool_use_prompt_token_count = before.tool_use_prompt_token_count
    return now


def _usage(counts: _Counts | None) -> Usage | None:
    """Return the tokens that the server has counted, or ``None``.

    Thoughts are not part of ``candidatesTokenCount``; cached tokens are part of
    ``promptTokenCount`` (API reference, ``UsageMetadata``).
    """
    if counts is None:
        return None
    read, thoughts = as_tokens(counts.prompt_token_count), as_tokens(counts.thoughts_token_count)
    if read is not None:
        read += as_tokens(counts.tool_use_prompt_token_count) or 0
    written = as_tokens(counts.candidates_token_count)
    if thoughts is not None:
        written = (written or 0) + thoughts
    if written is None and read is not None and counts.total_token_count is not None:
        written = as_tokens(counts.total_token_count - read)
    cached = as_tokens(counts.cached_content_token_count)
    return reported_usage(read, written, cached, thoughts)
