"""What Gemini answers, read chunk by chunk.

Each chunk is an answer of its own with the next few parts in it. A few more words take a short way:
their chunk is read straight into a struct that allows for nothing else. Whatever does not fit there
takes the long way, where every field may be missing, null or of another type.

Parts are kept as they came, because a signature belongs to its part and to no other; only words
without a signature are joined. A reply is complete when a finish reason has been seen.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from agentouto.providers._answer import Answer, Refuse
from agentouto.providers._gemini_calls import written_arguments
from agentouto.providers._json import (
    Json,
    as_count,
    as_list,
    as_object,
    as_text,
)
from agentouto.providers._refusal import read_fault, short

STOPS = {
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
}
_BROKEN = {
    "MALFORMED_FUNCTION_CALL": "the model wrote a tool call that nobody can read",
    "MALFORMED_RESPONSE": "the model wrote an answer that nobody can read",
    "UNEXPECTED_TOOL_CALL": "the model called a tool where it has none",
    "TOO_MANY_TOOL_CALLS": "the model made too many tool calls",
    "MISSING_THOUGHT_SIGNATURE": "a tool call was sent back without its signature",
    "OTHER": "the server broke off the reply",
}
_NOT_BY_CHANCE = frozenset({"MISSING_THOUGHT_SIGNATURE"})


class _Counts(msgspec.Struct, rename="camel", gc=False):
    """Tokens counted so far. Later chunks count on, but may leave out what has not changed."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None
    total_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None


_COUNTED = tuple((field.name, field.encode_name) for field in msgspec.structs.fields(_Counts))


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
    """A chunk that says a few words and nothing else."""

    candidates: tuple[_PlainCandidate]
    usage_metadata: _Counts | None = None
    prompt_feedback: _PlainFeedback | None = None
    error: None = None


_read_plain = msgspec.json.Decoder(_PlainChunk).decode
_read_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class GeminiDecoder(Answer):
    """Reads one answer. Only the end of the stream is the end."""

    __slots__ = (
        "_calls",
        "_counts",
        "_parts",
        "_raw",
        "_thinking",
        "_words",
    )

    _called = "no content of Gemini"

    def __init__(self, provider_name: str, origin: str, refuse: Refuse) -> None:
        super().__init__(provider_name, origin, refuse)
        self._parts: list[Json] = []
        self._words: list[str] = []
        self._raw = b""
        self._thinking = False
        self._calls = 0
        self._counts: _Counts | None = None

    def feed(self, events: Sequence[bytes]) -> list[Delta]:
        """Take the data of events that arrived together; return what they say."""
        heard: list[Delta] = []
        for event in events:
            if self._plain:
                try:
                    chunk = _read_plain(event)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    self._missed()
                else:
                    if (counts := chunk.usage_metadata) is not None:
                        self._counts = _counted_on(self._counts, counts)
                    part = chunk.candidates[0].content.parts[0]
                    self._say(part.text, heard, thought=part.thought)
                    continue
            if self._over:
                break
            self._read(event, heard)
        return heard

    def whole(self, body: bytes) -> list[Delta]:
        """Read an answer that came in one piece although a stream was asked for."""
        heard: list[Delta] = []
        try:
            chunks = list(map(bytes, _read_list(body))) if body.lstrip()[:1] == b"[" else [body]
        except (msgspec.DecodeError, RecursionError):
            chunks = [body]
        for chunk in chunks:
            self._take(chunk, heard)
        if self._stop is None:
            if not (self._parts or self._words):
                raise self._unreadable(body)
            self._stop = Stop.COMPLETE
        return heard + self.end()

    def end(self) -> list[Delta]:
        """Return what is left to say; ``ProtocolViolation`` if the answer was cut short."""
        stop = self._ended()
        self._close()
        heard: list[Delta] = []
        if (usage := _usage(self._counts)) is not None:
            heard.append(UsageDelta(usage))
        if any(part.keys() != {"text"} for part in self._parts):
            heard.append(NativeDelta(self._origin, {"parts": self._parts}))
        heard.append(StopDelta(stop))
        return heard

    def _say(self, text: str, heard: list[Delta], *, thought: bool) -> None:
        """Tell words that have no signature, and keep them with those before."""
        if not text:
            return
        if thought is not self._thinking:
            self._close()
            self._thinking = thought
        self._words.append(text)
        heard.append(ReasoningDelta(text) if thought else TextDelta(text))

    def _close(self) -> None:
        """End the part that is being said: what comes now belongs to another."""
        if self._words:
            part: Json = {"text": "".join(self._words)}
            self._parts.append(part | {"thought": True} if self._thinking else part)
            self._words = []

    def _done(self) -> None:
        """Go on reading: what some servers say at the end is not a word of this API."""

    def _take(self, event: bytes, heard: list[Delta]) -> None:
        self._raw = event
        super()._take(event, heard)

    def _event(self, event: Json, heard: list[Delta]) -> None:
        if event.get("error") or ("candidates" not in event and "message" in event):
            raise self._refuse(read_fault(event))
        usage = as_object(event.get("usageMetadata"))
        counts = _Counts(**{name: as_count(usage.get(key)) for name, key in _COUNTED})
        self._counts = _counted_on(self._counts, counts)
        candidates = as_list(event.get("candidates"))
        candidate = as_object(candidates[0] if candidates else None)
        if not as_count(candidate.get("index")):
            parts = as_list(as_object(candidate.get("content")).get("parts"))
            written = written_arguments(self._raw, parts)
            for part in parts:
                self._part(as_object(part), written, heard)
            self._finished(candidate, heard)
        feedback = as_object(event.get("promptFeedback"))
        if reason := as_text(feedback.get("blockReason")):
            why = as_text(feedback.get("blockReasonMessage"))
            self._blocked(why or f"(the request was blocked: {reason})", heard)

    def _part(self, part: Json, written: list[str], heard: list[Delta]) -> None:
        text, thought = as_text(part.get("text")), part.get("thought") is True
        if part.keys() <= {"text", "thought"}:
            self._say(text, heard, thought=thought)
            return
        self._close()
        self._parts.append(part)
        if text:
            heard.append(ReasoningDelta(text) if thought else TextDelta(text))
        if "functionCall" in part:
            call = as_object(part["functionCall"])
            id_, name = as_text(call.get("id")), as_text(call.get("name"))
            heard.append(ToolCallDelta(self._calls, id_, name, written.pop(0)))
            self._calls += 1

    def _finished(self, candidate: Json, heard: list[Delta]) -> None:
        reason = as_text(candidate.get("finishReason"))
        said = as_text(candidate.get("finishMessage"))
        if why := _BROKEN.get(reason):
            text = f"{why} ({reason})" + (f": {short(said)}" if said else "")
            error = ProtocolViolation(self._provider_name, text)
            error.retryable = reason not in _NOT_BY_CHANCE
            raise error
        if STOPS.get(reason) is Stop.REFUSED:
            self._blocked(said or f"(the answer was blocked: {reason})", heard)
        elif reason:
            self._stop = self._stop or STOPS.get(reason, Stop.COMPLETE)

    def _blocked(self, why: str, heard: list[Delta]) -> None:
        """Stop as refused; where the model has said nothing but thoughts, say why."""
        self._stop = Stop.REFUSED
        self._close()
        if all(part.get("thought") or not part.get("text") for part in self._parts):
            self._say(why, heard, thought=False)


def _counted_on(before: _Counts | None, now: _Counts) -> _Counts:
    """Return ``now`` with what only ``before`` knew."""
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
    """Return the tokens the server has counted, or ``None`` if it has not.

    Thoughts are not among the candidates' tokens; what was read from a cache is in the prompt's.
    """
    if counts is None:
        return None
    read, thoughts = counts.prompt_token_count, counts.thoughts_token_count
    if read is not None:
        read += counts.tool_use_prompt_token_count or 0
    written = counts.candidates_token_count
    if thoughts is not None:
        written = (written or 0) + thoughts
    if written is None and read is not None and counts.total_token_count is not None:
        written = max(0, counts.total_token_count - read)
    if read is None and written is None:
        return None
    complete = read is not None and written is not None
    return Usage(read, written, counts.cached_content_token_count, thoughts, complete=complete)
