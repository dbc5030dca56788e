"""Decodes answers of Anthropic's Messages API, event by event.

Source: Anthropic's API reference, "Streaming Messages" and "Handling stop reasons"; "Extended
thinking" says that blocks of thinking go back unchanged. ``MessagesDecoder`` turns the data of
events into deltas and keeps every block as it was sent, unknown fields and blocks included.

A piece of text, thinking or arguments takes the fast path: its event is parsed straight into a
struct that forbids other fields. Every other event takes the slow path, in which any field may be
missing. A reply is complete with a stop reason or ``message_stop``, and not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

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
from agentouto.providers._anthropic.blocks import (
    ArgumentsPiece,
    Block,
    BlockPiece,
    TextPiece,
    piece_of,
    read_plain_event,
)
from agentouto.providers._format.call_pieces import is_empty
from agentouto.providers._format.decoder import (
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
    parse_object,
)
from agentouto.providers._format.think_tags import ThinkSplitter

_WINDOW_FULL = "model_context_window_exceeded"
"""The reply has filled the context window ("Handling stop reasons")."""

STOPS = MappingProxyType(
    {
        "max_tokens": Stop.OUT_OF_TOKENS,
        _WINDOW_FULL: Stop.OUT_OF_TOKENS,
        "refusal": Stop.REFUSED,
        "pause_turn": Stop.PAUSED,
    }
)
"""Stop reasons, as in ``StopReason`` of the package ``anthropic``; all others end a complete
reply."""

_STOPS_EARLY = frozenset({Stop.OUT_OF_TOKENS, Stop.REFUSED})
"""After these, a call without arguments may have lost them."""

_FAST_TYPE = b"content_block_delta"
"""In every event of the fast path, so that others are not parsed in vain."""

_USAGE_FIELDS = frozenset(
    {
        "input_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "output_tokens",
    }
)
"""Counts that are read, beside those of ``output_tokens_details``. ``input_tokens`` leaves out what
was read from or written to the cache ("Prompt caching", tracking cache performance)."""


class MessagesDecoder(DecoderBase):
    """Reads one answer."""

    __slots__ = (
        "_blocks",
        "_by_index",
        "_calls",
        "_reason",
        "_refusal_text",
        "_splitter",
        "_usage",
    )

    _expected = "no message of this API"

    def __init__(
        self, provider_name: str, origin: str, make_error: MakeError, *, may_tag: bool = True
    ) -> None:
        super().__init__(provider_name, origin, make_error)
        self._splitter = ThinkSplitter(may_tag=may_tag)
        self._blocks: list[Block] = []
        self._by_index: dict[int, Block] = {}
        self._calls: list[Block] = []
        self._usage: dict[str, int] = {}
        self._reason = ""
        self._refusal_text = ""

    def feed(self, events: Sequence[bytes]) -> list[Delta]:
        """Take the data of events that arrived together; return what they say."""
        deltas: list[Delta] = []
        at = self._by_index
        for event in events:
            if self._fast and _FAST_TYPE in event:
                try:
                    piece = read_plain_event(event)
                    block, delta = at[piece.index], piece.delta
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
                    piece = None
                else:
                    self._take_piece(block, delta, deltas)
                    continue
            if self._over:
                break
            self._read(event, deltas)
        return deltas

    def whole(self, body: bytes) -> list[Delta]:
        """Read an answer that came in one piece although a stream was asked for."""
        deltas: list[Delta] = []
        message = parse_object(body) or {}
        if not isinstance(message.get("content"), list):
            raise self._make_error(parse_error(message)) if message else self._unreadable(body)
        for place, block in enumerate(as_list(message["content"])):
            self._open_block(place, as_object(block), deltas)
            self._splitter.end(deltas)
        self._take_usage(as_object(message.get("usage")))
        self._take_stop_reason(message)
        self._stop = self._stop or Stop.COMPLETE
        return deltas + self.end()

    def end(self) -> list[Delta]:
        """Return what is left to say; ``ProtocolViolation`` if the answer was cut short."""
        stop = self._ended()
        if self._reason == _WINDOW_FULL and not self._calls:
            raise ContextOverflow(
                self._provider_name, "the context window was full before the reply was complete"
            )
        deltas: list[Delta] = []
        self._splitter.end(deltas)
        self._end_calls(deltas)
        if self._refusal_text and not any(block.has_text for block in self._blocks):
            deltas.append(TextDelta(self._refusal_text))
        if (usage := self._messages_usage()) is not None:
            deltas.append(UsageDelta(usage))
        if self._blocks:
            deltas.append(
                NativeDelta(self._origin, {"content": [block.whole() for block in self._blocks]})
            )
        if stop is Stop.PAUSED and self._calls:
            stop = Stop.COMPLETE  # it continues with the results of the calls
        deltas.append(StopDelta(stop))
        return deltas

    # Pieces ---------------------------------------------------------------------------------------

    def _take_piece(self, block: Block, word: BlockPiece, deltas: list[Delta]) -> None:
        """Take one more piece of ``block``. Every token passes here."""
        if isinstance(word, TextPiece):
            text = word.text
            block.texts.append(text)
            if not self._splitter.over:
                self._splitter.feed(text, deltas)
            elif text:
                deltas.append(TextDelta(text))
        elif isinstance(word, ArgumentsPiece):
            text = word.partial_json
            block.streamed_arguments.pieces.append(text)
            if text and block.announced:
                deltas.append(ToolCallDelta(block.slot, "", "", text))
        else:
            text = word.thinking
            block.thoughts.append(text)
            if text:
                deltas.append(ReasoningDelta(text))

    def _event(self, event: Json, deltas: list[Delta]) -> None:
        """Read one event the slow way. Unknown types are ignored, as "Streaming Messages" asks."""
        match event.get("type"):
            case "message_start":
                self._take_usage(as_object(as_object(event.get("message")).get("usage")))
            case "content_block_start":
                index = as_count(event.get("index"))
                self._open_block(index, as_object(event.get("content_block")), deltas)
            case "content_block_delta":
                index = as_count(event.get("index"))
                self._take_delta(index, as_object(event.get("delta")), deltas)
            case "content_block_stop":
                self._splitter.end(deltas)
                index = as_count(event.get("index"))
                if (block := self._by_index.get(-1 if index is None else index)) is not None:
                    block.stopped = True
            case "message_delta":
                self._take_usage(as_object(event.get("usage")))
                self._take_stop_reason(as_object(event.get("delta")))
            case "message_stop":
                self._over, self._fast = True, False
                if all(call.stopped or call.is_complete for call in self._calls):
                    self._stop = self._stop or Stop.COMPLETE
            case _:
                if _is_error(event):
                    raise self._make_error(parse_error(event))
                if "type" not in event:
                    self._no_shape(event)

    def _open_block(self, index: int | None, fields: Json, deltas: list[Delta]) -> Block:
        """Open a block, with the content that it has already: some servers send whole blocks."""
        open_block = self._by_index.get(index) if index is not None else self._last_block()
        if open_block is not None and index is None and fields.get("id") != open_block.id:
            open_block = None
        if open_block is not None and open_block.begins_again(fields):
            self._announce(open_block, deltas)
            return open_block
        block = Block(fields, len(self._calls))
        self._by_index[len(self._blocks) if index is None else index] = block
        self._blocks.append(block)
        if block.kind == "tool_use":
            self._calls.append(block)
            self._announce(block, deltas)
        elif text := block.text:
            self._splitter.feed(text, deltas)
        elif thought := as_str(fields.get("thinking")):
            deltas.append(ReasoningDelta(thought))
        return block

    def _announce(self, call: Block, deltas: list[Delta]) -> None:
        """Add the delta with which a call begins, once it has a name, or begins once more."""
        if call.announced:
            deltas.append(ToolCallDelta(call.slot, again=True))
        elif name := call.name:
            call.announced = True
            deltas.append(ToolCallDelta(call.slot, call.id, name, call.streamed_arguments.text))

    def _last_block(self) -> Block | None:
        return self._blocks[-1] if self._blocks else None

    def _take_delta(self, index: int | None, delta: Json, deltas: list[Delta]) -> None:
        """Take a piece of a block the slow way."""
        kind = as_str(delta.get("type"))
        block = self._block_at(index, kind, deltas)
        word = piece_of(kind, delta)
        if word is not None:
            self._count_misfit()
            self._take_piece(block, word, deltas)
        elif kind == "citations_delta":
            block.cite(delta.get("citation"))
        else:
            block.grow(delta)

    def _block_at(self, index: int | None, kind: str, deltas: list[Delta]) -> Block:
        """Return the block at ``index``, opened if the server has not opened it."""
        if index is None and self._blocks:
            return self._blocks[-1]
        if block := self._by_index.get(index or 0):
            return block
        unopened = {"thinking_delta": "thinking", "input_json_delta": "tool_use"}
        return self._open_block(index, {"type": unopened.get(kind, "text")}, deltas)

    # The end --------------------------------------------------------------------------------------

    def _done(self) -> None:
        """Handle ``[DONE]``: without a stop reason, a reply with half a call is not complete."""
        self._over, self._fast = True, False
        if self._blocks and not self._unknown and all(call.is_complete for call in self._calls):
            self._stop = self._stop or Stop.COMPLETE

    def _take_stop_reason(self, fields: Json) -> None:
        written = fields.get("stop_reason")
        if (details := abort_details(written)) is not None:
            raise self._make_error(details)
        if reason := stop_reason(written):
            self._reason, self._stop = reason, STOPS.get(reason, Stop.COMPLETE)
        if stop_details := as_object(fields.get("stop_details")):
            self._refusal_text = as_str(stop_details.get("explanation")) or self._refusal_text

    def _end_calls(self, deltas: list[Delta]) -> None:
        """Add the arguments of calls that differ from the pieces that were delivered."""
        for call in self._calls:
            delivered, arguments = call.streamed_arguments.text, call.arguments
            if is_empty(arguments) or not arguments.strip():
                # none means an empty object, unless the reply was cut off here
                cut = call is self._blocks[-1] and self._stop in _STOPS_EARLY
                arguments = "{" if cut else "{}"
            if not call.announced:
                deltas.append(ToolCallDelta(call.slot, call.id, call.name, arguments))
            elif arguments != delivered:
                deltas.append(ToolCallDelta(call.slot, "", "", arguments, again=bool(delivered)))

    def _take_usage(self, usage: Json) -> None:
        """Take counts of tokens. They are cumulative, and a later event may leave some out."""
        for name in _USAGE_FIELDS:
            if name in usage:
                self._take_count(name, usage[name])
        if "output_tokens_details" in usage:
            details = as_object(usage["output_tokens_details"])
            self._take_count("thinking_tokens", details.get("thinking_tokens"))

    def _take_count(self, name: str, value: object) -> None:
        count, earlier = as_tokens(value), self._usage.get(name)
        if count is not None and (earlier is None or count > earlier):
            self._usage[name] = count

    def _messages_usage(self) -> Usage | None:
        """Return the tokens that the server has counted, or ``None``."""
        usage = self._usage
        fresh, written = usage.get("input_tokens"), usage.get("output_tokens")
        cached = usage.get("cache_read_input_tokens")
        stored = usage.get("cache_creation_input_tokens", 0)
        read = None if fresh is None else fresh + (cached or 0) + stored
        return reported_usage(read, written, cached, usage.get("thinking_tokens"))


def _is_error(event: Json) -> bool:
    """Return whether ``event`` is an error in one of the shapes that gateways send."""
    bare = "type" not in event and ("message" in event or "detail" in event)
    return holds_error(event) or event.get("type") == "error" or bare
