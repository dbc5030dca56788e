"""What a Chat Completions server answers, read piece by piece.

``ChatDecoder`` takes the data of events as they come and says what they mean. An ordinary word
takes a short way: its chunk is read straight into a struct that allows for nothing else. Whatever
does not fit there takes the long way, where every field may be missing, null or of another type.

A reply is complete when a finish reason has been seen, or ``[DONE]`` behind something whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, cast

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
from agentouto.providers._answer import DONE, Answer, Refuse
from agentouto.providers._json import (
    Json,
    as_count,
    as_list,
    as_object,
    as_text,
    parse,
)
from agentouto.providers._refusal import Fault, read_fault
from agentouto.providers._think import ThinkSplitter
from agentouto.providers._tool_calls import ToolCallReader, pieces_of

STOPS = {
    "length": Stop.OUT_OF_TOKENS,
    "max_tokens": Stop.OUT_OF_TOKENS,
    "model_length": Stop.OUT_OF_TOKENS,
    "content_filter": Stop.REFUSED,
    "refusal": Stop.REFUSED,
    "safety": Stop.REFUSED,
}
_BROKEN = frozenset({"error", "insufficient_system_resource"})
_THOUGHTS = ("reasoning", "reasoning_content")
_READ = frozenset({"role", "content", "refusal", "tool_calls", "function_call", *_THOUGHTS})
_NOT_KEPT = frozenset({"annotations", "audio", "obfuscation"})
"""What OpenAI's own server adds and does not want back."""

_STREAMED = frozenset({"text", "summary", "data"})
"""What comes in pieces within an item of ``reasoning_details``."""


class _Written(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    arguments: str
    name: str | None = None


class _Piece(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    index: int
    function: _Written
    id: str | None = None
    type: str | None = None


class _PlainDelta(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: tuple[_Piece] | None = None
    role: str | None = None
    refusal: None = None
    function_call: None = None


class _PlainChoice(msgspec.Struct, gc=False):
    delta: _PlainDelta
    index: Literal[0] = 0
    finish_reason: str | None = None
    error: None = None
    usage: None = None


class _PlainChunk(msgspec.Struct, gc=False):
    """A chunk that says, thinks or writes one thing more, or ends what was said."""

    choices: Annotated[list[_PlainChoice], msgspec.Meta(max_length=1)]
    usage: Json | None = None
    x_groq: None = None
    error: None = None


_read_plain = msgspec.json.Decoder(_PlainChunk).decode


class ChatDecoder(Answer):
    """Reads one answer."""

    __slots__ = (
        "_calls",
        "_keepsake",
        "_refused",
        "_think",
        "_thought_in",
        "_thoughts",
        "_usage",
    )

    _called = "not a chat completion"

    def __init__(self, provider_name: str, origin: str, refuse: Refuse) -> None:
        super().__init__(provider_name, origin, refuse)
        self._think = ThinkSplitter()
        self._calls = ToolCallReader()
        self._keepsake: Json = {}
        self._thought_in = ""
        self._thoughts: list[str] = []
        self._usage: Json = {}
        self._refused = False

    def feed(self, events: Sequence[bytes]) -> list[Delta]:
        """Take the data of events that arrived together; return what they say."""
        heard: list[Delta] = []
        for event in events:
            if self._over:
                break
            if event == DONE or not (self._plain and self._goes_on(event, heard)):
                self._read(event, heard)
        return heard

    def _goes_on(self, event: bytes, heard: list[Delta]) -> bool:
        """Read one event the short way; return whether it could be read so."""
        try:
            chunk = _read_plain(event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._missed()
            return False
        for choice in chunk.choices:
            reason = choice.finish_reason
            if reason in _BROKEN or not self._says_more(choice.delta, heard):
                return False
            if reason:
                self._finished(reason)
        if chunk.usage:
            self._usage = chunk.usage
        return True

    def _says_more(self, delta: _PlainDelta, heard: list[Delta]) -> bool:
        """Take what an ordinary delta says, if it is one; else nothing of it."""
        word, pieces = delta.content, delta.tool_calls
        thought = delta.reasoning or delta.reasoning_content
        if pieces:
            (piece,) = pieces
            written = piece.function
            if word or thought:
                return False
            if piece.id or written.name:
                told = piece.id or "", written.name or "", written.arguments
                return self._calls.begins(piece.index, *told, heard)
            if not self._calls.goes_on(piece.index, written.arguments, heard):
                return False
            self._misfits = 0
        elif thought:
            if word or not self._thought_in:
                return False
            self._thoughts.append(thought)
            heard.append(ReasoningDelta(thought))
        elif word:
            if not self._think.over:
                return False
            heard.append(TextDelta(word))
        return True

    def whole(self, body: bytes) -> list[Delta]:
        """Read an answer that came in one piece although a stream was asked for."""
        heard: list[Delta] = []
        try:
            answer = parse(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or not self._chunk(cast("Json", answer), heard):
            raise self._unreadable(body)
        if self._stop is None:
            self._stop = Stop.COMPLETE
        return heard + self.end()

    def end(self) -> list[Delta]:
        """Return what is left to say; ``ProtocolViolation`` if the answer was cut short."""
        stop = self._ended()
        heard: list[Delta] = []
        self._think.end(heard)
        self._calls.end(heard)
        if (usage := _counted(self._usage)) is not None:
            heard.append(UsageDelta(usage))
        if (native := self._native()) or self._calls:  # ids go back to where they come from
            heard.append(NativeDelta(self._origin, native))
        heard.append(StopDelta(Stop.REFUSED if self._refused else stop))
        return heard

    def _done(self) -> None:
        """Take it that nothing more will come: without a reason, half a call is not complete."""
        self._over = True
        said = self._calls.whole if self._calls else self._think.begun or self._thoughts
        if said or self._refused:
            self._stop = self._stop or Stop.COMPLETE

    def _event(self, event: Json, heard: list[Delta]) -> None:
        self._chunk(event, heard)

    def _chunk(self, chunk: Json, heard: list[Delta]) -> bool:
        """Read one chunk the long way; return whether it was one."""
        choice = as_object(next(iter(as_list(chunk.get("choices"))), None))
        if chunk.get("error") or choice.get("error") or _complains(chunk):
            raise self._refuse(read_fault(choice if choice.get("error") else chunk))
        usage = chunk.get("usage") or as_object(chunk.get("x_groq")).get("usage")
        self._usage = as_object(usage or choice.get("usage")) or self._usage
        if not choice or as_count(choice.get("index")):
            return False
        message = choice.get("message")
        delta = as_object(choice.get("delta") or message)
        self._delta(delta, heard, whole=bool(message))
        self._finished(as_text(choice.get("finish_reason")))
        return True

    def _delta(self, delta: Json, heard: list[Delta], *, whole: bool) -> None:
        self._think_aloud(delta, heard)
        if text := _joined(delta.get("content")):
            self._think.feed(text, heard)
        if refusal := as_text(delta.get("refusal")):
            heard.append(TextDelta(refusal))
            self._refused = True
        if pieces := pieces_of(delta):
            self._calls.feed(pieces, heard, whole=whole)
        for key, value in delta.items():
            if key not in _READ and key not in _NOT_KEPT and value is not None:
                self._keepsake[key] = _grown(self._keepsake.get(key), value)

    def _think_aloud(self, delta: Json, heard: list[Delta]) -> None:
        """Tell thinking that has a field of its own; some servers send it twice, in both."""
        for field in (self._thought_in,) if self._thought_in else _THOUGHTS:
            if thought := as_text(delta.get(field)):
                self._thought_in = field
                heard.append(ReasoningDelta(thought))
                self._thoughts.append(thought)
                return

    def _finished(self, reason: str) -> None:
        if reason in _BROKEN:
            raise self._refuse(Fault(f"the server broke off the reply ({reason})"))
        if reason:
            self._stop = self._stop or STOPS.get(reason, Stop.COMPLETE)

    def _native(self) -> Json:
        """Return what has to go back with this reply and has no place in its parts."""
        if self._thoughts:
            self._keepsake[self._thought_in] = "".join(self._thoughts)
        kept = {
            "think": self._think.verbatim,
            "message": self._keepsake,
            "calls": self._calls.extras(),
        }
        return {key: value for key, value in kept.items() if value}


def _complains(chunk: Json) -> bool:
    """Return whether ``chunk`` is an error without a wrapping: no choices, but a message."""
    return "choices" not in chunk and ("message" in chunk or "detail" in chunk)


def _joined(content: object) -> str:
    """Return the text of a content, which some servers send as a list of parts."""
    if isinstance(content, str):
        return content
    parts = (as_object(part) for part in as_list(content))
    return "".join(as_text(part.get("text")) for part in parts)


def _grown(known: object, more: object) -> object:
    """Return a field that we do not know, after one more piece of it."""
    if isinstance(known, str) and isinstance(more, str):
        return known if known == more else known + more
    if isinstance(known, list) and isinstance(more, list):
        items = [*cast("list[object]", known)]
        for item in cast("list[object]", more):
            _add_item(items, item)
        return items
    return more


def _add_item(items: list[object], item: object) -> None:
    """Add ``item``, or let it continue the last one if it has the same index and type."""
    last, more = as_object(items[-1] if items else None), as_object(item)
    if "index" not in more or any(last.get(key) != more.get(key) for key in ("index", "type")):
        items.append(item)
        return
    for key, value in more.items():
        if key in _STREAMED:
            value = as_text(last.get(key)) + as_text(value)
        last[key] = last.get(key) if value is None else value


def _counted(usage: Json) -> Usage | None:
    """Return the tokens a server has counted, or ``None`` if it has not."""
    read = as_count(usage.get("prompt_tokens", usage.get("input_tokens")))
    written = as_count(usage.get("completion_tokens", usage.get("output_tokens")))
    if read is None and written is None:
        return None
    prompt = as_object(usage.get("prompt_tokens_details"))
    completion = as_object(usage.get("completion_tokens_details"))
    return Usage(
        read,
        written,
        as_count(prompt.get("cached_tokens", usage.get("prompt_cache_hit_tokens"))),
        as_count(completion.get("reasoning_tokens")),
        complete=read is not None and written is not None,
    )
