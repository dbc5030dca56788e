"""What the Messages API answers, read piece by piece.

``MessagesDecoder`` takes the data of events as they come, says what they mean, and keeps every
block as it was sent, fields and blocks it does not know included. A piece of text, of thinking or
of arguments takes a short way: its event is read straight into a struct that allows for nothing
else. Whatever does not fit there takes the long way, where every field may be missing.

A reply is complete when a stop reason or the end of the message has been seen, and not before.
"""

from __future__ import annotations

from collections.abc import Sequence

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
from agentouto._domain.errors import ContextOverflow
from agentouto.providers._answer import Answer, Refuse
from agentouto.providers._json import (
    Json,
    as_count,
    as_list,
    as_object,
    as_text,
    dump,
    parse_object,
)
from agentouto.providers._messages_blocks import Argument, Block, Said, Word, read_piece, read_word
from agentouto.providers._refusal import read_fault
from agentouto.providers._think import ThinkSplitter

_FULL = "model_context_window_exceeded"
_STOPS = {
    "max_tokens": Stop.OUT_OF_TOKENS,
    _FULL: Stop.OUT_OF_TOKENS,
    "refusal": Stop.REFUSED,
    "pause_turn": Stop.PAUSED,
}
_CUT = frozenset({Stop.OUT_OF_TOKENS, Stop.REFUSED})
_COUNTED = (
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
)


class MessagesDecoder(Answer):
    """Reads one answer."""

    __slots__ = (
        "_at",
        "_blocks",
        "_calls",
        "_explained",
        "_reason",
        "_think",
        "_usage",
    )

    _called = "no message of this API"

    def __init__(
        self, provider_name: str, origin: str, refuse: Refuse, *, may_tag: bool = True
    ) -> None:
        super().__init__(provider_name, origin, refuse)
        self._think = ThinkSplitter(may_tag=may_tag)
        self._blocks: list[Block] = []
        self._at: dict[int, Block] = {}
        self._calls: list[Block] = []
        self._usage: dict[str, int] = {}
        self._reason = ""
        self._explained = ""

    def feed(self, events: Sequence[bytes]) -> list[Delta]:
        """Take the data of events that arrived together; return what they say."""
        heard: list[Delta] = []
        at = self._at
        for event in events:
            if self._plain:
                try:
                    piece = read_piece(event)
                    block = at[piece.index]
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
                    piece = None
                else:
                    self._more(block, piece.delta, heard)
                    continue
            if self._over:
                break
            self._read(event, heard)
        return heard

    def whole(self, body: bytes) -> list[Delta]:
        """Read an answer that came in one piece although a stream was asked for."""
        heard: list[Delta] = []
        message = parse_object(body) or {}
        if not isinstance(message.get("content"), list):
            raise self._refuse(read_fault(message)) if message else self._unreadable(body)
        for block in as_list(message["content"]):
            self._begin(None, as_object(block), heard)
            self._think.end(heard)
        self._count(as_object(message.get("usage")))
        self._stopped(message)
        self._stop = self._stop or Stop.COMPLETE
        return heard + self.end()

    def end(self) -> list[Delta]:
        """Return what is left to say; ``ProtocolViolation`` if the answer was cut short."""
        stop = self._ended()
        if self._reason == _FULL and not self._calls:
            raise ContextOverflow(
                self._provider_name, "the context window was full before the reply was complete"
            )
        heard: list[Delta] = []
        self._think.end(heard)
        self._end_calls(heard)
        if self._explained and not any(block.spoken for block in self._blocks):
            heard.append(TextDelta(self._explained))
        if (usage := self._counted()) is not None:
            heard.append(UsageDelta(usage))
        if self._blocks:
            heard.append(
                NativeDelta(self._origin, {"content": [block.whole() for block in self._blocks]})
            )
        if stop is Stop.PAUSED and self._calls:
            stop = Stop.COMPLETE  # it goes on with what comes of them
        heard.append(StopDelta(stop))
        return heard

    # Pieces ---------------------------------------------------------------------------------------

    def _more(self, block: Block, word: Word, heard: list[Delta]) -> None:
        """Take one more piece of ``block``: what every token goes through."""
        if isinstance(word, Said):
            text = word.text
            block.words.append(text)
            if not self._think.over:
                self._think.feed(text, heard)
            elif text:
                heard.append(TextDelta(text))
        elif isinstance(word, Argument):
            text = word.partial_json
            block.arguments.append(text)
            if text and block.kind == "tool_use":
                heard.append(ToolCallDelta(block.slot, "", "", text))
        else:
            text = word.thinking
            block.thoughts.append(text)
            if text:
                heard.append(ReasoningDelta(text))

    def _event(self, event: Json, heard: list[Delta]) -> None:
        """Read one event the long way. Those that are not known say nothing."""
        index = as_count(event.get("index"))
        match event.get("type"):
            case "message_start":
                self._count(as_object(as_object(event.get("message")).get("usage")))
            case "content_block_start":
                self._begin(index, as_object(event.get("content_block")), heard)
            case "content_block_delta":
                self._continue(index, as_object(event.get("delta")), heard)
            case "content_block_stop":
                self._think.end(heard)
            case "message_delta":
                self._count(as_object(event.get("usage")))
                self._stopped(as_object(event.get("delta")))
            case "message_stop":
                self._over, self._plain = True, False
                self._stop = self._stop or Stop.COMPLETE
            case _:
                if _complains(event):
                    raise self._refuse(read_fault(event))

    def _begin(self, index: int | None, fields: Json, heard: list[Delta]) -> Block:
        """Open a block. What it says already counts: some servers send blocks whole."""
        block = Block(fields, len(self._calls))
        self._at[len(self._blocks) if index is None else index] = block
        self._blocks.append(block)
        if block.kind == "tool_use":
            self._calls.append(block)
            id_, name = as_text(fields.get("id")), as_text(fields.get("name"))
            heard.append(ToolCallDelta(block.slot, id_, name))
        elif text := block.text:
            self._think.feed(text, heard)
        elif thought := as_text(fields.get("thinking")):
            heard.append(ReasoningDelta(thought))
        return block

    def _continue(self, index: int | None, delta: Json, heard: list[Delta]) -> None:
        """Read more of a block the long way."""
        kind = as_text(delta.get("type"))
        block = self._block(index, kind, heard)
        word = read_word(kind, delta)
        if word is not None:
            self._missed()
            self._more(block, word, heard)
        elif kind == "citations_delta":
            known = as_list(block.fields.get("citations"))
            block.fields["citations"] = [*known, delta.get("citation")]
        else:
            block.grow(delta)

    def _block(self, index: int | None, kind: str, heard: list[Delta]) -> Block:
        """Return the block that is meant, one that nobody has opened included."""
        if index is None and self._blocks:
            return self._blocks[-1]
        if block := self._at.get(index or 0):
            return block
        unopened = {"thinking_delta": "thinking", "input_json_delta": "tool_use"}
        return self._begin(index, {"type": unopened.get(kind, "text")}, heard)

    # The end --------------------------------------------------------------------------------------

    def _done(self) -> None:
        """Take it that nothing more will come: without a reason, half a call is not complete."""
        self._over, self._plain = True, False
        if self._blocks and all(call.is_whole for call in self._calls):
            self._stop = self._stop or Stop.COMPLETE

    def _stopped(self, fields: Json) -> None:
        if reason := as_text(fields.get("stop_reason")):
            self._reason, self._stop = reason, _STOPS.get(reason, Stop.COMPLETE)
        details = as_object(fields.get("stop_details"))
        self._explained = as_text(details.get("explanation")) or self._explained

    def _end_calls(self, heard: list[Delta]) -> None:
        """Tell the arguments of calls that came without pieces."""
        for call in self._calls:
            if not call.arguments:
                given = call.fields.get("input")
                arguments = given if isinstance(given, str) else dump(given or {}).decode()
                if not given and call is self._blocks[-1] and self._stop in _CUT:
                    arguments = "{"  # it was cut off here; nothing is no arguments
                heard.append(ToolCallDelta(call.slot, "", "", arguments))

    def _count(self, usage: Json) -> None:
        """Take a count. Each is a sum so far, and what a later one leaves out still holds."""
        details = as_object(usage.get("output_tokens_details"))
        for name, value in (
            *((name, usage.get(name)) for name in _COUNTED),
            ("thinking_tokens", details.get("thinking_tokens")),
        ):
            if (count := as_count(value)) is not None:
                self._usage[name] = max(count, self._usage.get(name, 0))

    def _counted(self) -> Usage | None:
        """Return the tokens a server has counted, or ``None`` if it has not."""
        usage = self._usage
        fresh, written = usage.get("input_tokens"), usage.get("output_tokens")
        cached = usage.get("cache_read_input_tokens")
        if fresh is None and written is None:
            return None
        stored = usage.get("cache_creation_input_tokens", 0)
        return Usage(
            None if fresh is None else fresh + (cached or 0) + stored,
            written,
            cached,
            usage.get("thinking_tokens"),
            complete=fresh is not None and written is not None,
        )


def _complains(event: Json) -> bool:
    """Return whether ``event`` is an error, whatever its wrapping."""
    bare = "type" not in event and ("message" in event or "detail" in event)
    return bool(event.get("error")) or event.get("type") == "error" or bare
