"""Decodes answers of servers of the Responses API, event by event.

Source: OpenAI's API reference, "Responses streaming events". The ``type`` of an event decides what
it is; unknown types are ignored. An event with a piece of text takes the fast path, one struct for
all deltas. A finished item (``response.output_item.done``) counts for more than the pieces in which
it was streamed. Calls are delivered at the end, in the order of the output, because items may be
finished in another order and a call may be corrected until then. Items are kept unchanged, to be
sent back. A reply is complete with one of ``_END_TYPES``, and not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import msgspec

from agentouto._domain.content import Stop, Usage
from agentouto._domain.delta import (
    Delta,
    DraftDelta,
    NativeDelta,
    ReasoningDelta,
    StopDelta,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)
from agentouto._domain.errors import ProtocolViolation
from agentouto.providers._format.call_pieces import is_empty, most_complete
from agentouto.providers._format.decoder import (
    DecoderBase,
    MakeError,
    abort_details,
    reported_usage,
    stop_reason,
)
from agentouto.providers._format.errors import ErrorDetails, holds_error, parse_error
from agentouto.providers._format.json import (
    Json,
    as_count,
    as_list,
    as_object,
    as_str,
    as_tokens,
    parse_object,
)
from agentouto.providers._openai.responses_encoder import text_of
from agentouto.providers._openai.responses_items import (
    OutputItem,
    arguments_of,
    arguments_text_of,
    call_id_of,
    is_other_call,
    is_same_call,
)

STOPS = MappingProxyType(
    {
        "content_filter": Stop.REFUSED,
        "steered": Stop.COMPLETE,
        "max_messages": Stop.COMPLETE,
    }
)
"""Reasons of an incomplete response, as in ``IncompleteDetails`` of the package ``openai``; with
any other reason, the model ran out of tokens."""

_TEXT_DELTA = "response.output_text.delta"
_REFUSAL_DELTA = "response.refusal.delta"
_ARGUMENTS_DELTA = "response.function_call_arguments.delta"
_REASONING_DELTAS = frozenset(
    {"response.reasoning_summary_text.delta", "response.reasoning_text.delta"}
)
"""Deltas of reasoning: a summary at OpenAI, the reasoning itself at servers of open models."""

_DELTA_TYPES = frozenset({_TEXT_DELTA, _REFUSAL_DELTA, _ARGUMENTS_DELTA, *_REASONING_DELTAS})
"""All events of the fast path."""

_END_TYPES = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.cancelled",
        "response.done",
    }
)
"""Events that end the stream. ``response.done`` is that of servers that imitate the realtime
API."""

_CALL_FIELDS = ("call_id", "name")
"""Fields of a call that some servers send only with its beginning."""

_UNFINISHED_STATUSES = frozenset({"queued", "in_progress"})
"""Statuses of a response that runs in the background (``background: true``): it is no answer
yet."""


class _DeltaEvent(msgspec.Struct, gc=False):
    """An event that adds a piece to an item: the fast path. Others have no ``delta``."""

    type: str
    delta: str = ""
    output_index: int = -1
    summary_index: int = 0
    item_id: str = ""


_read_delta_event = msgspec.json.Decoder(_DeltaEvent).decode


class ResponsesDecoder(DecoderBase):
    """Reads one answer."""

    __slots__ = (
        "_by_id",
        "_by_index",
        "_items",
        "_refused",
        "_text_index",
        "_usage",
    )

    _expected = "no response"

    def __init__(self, provider_name: str, origin: str, make_error: MakeError) -> None:
        super().__init__(provider_name, origin, make_error)
        self._items: list[OutputItem] = []
        self._by_index: dict[int, OutputItem] = {}
        self._by_id: dict[str, OutputItem] = {}
        self._text_index: int | None = None
        self._usage: Json = {}
        self._refused = False

    def feed(self, events: Sequence[bytes]) -> list[Delta]:
        """Take the data of events that arrived together; return what they say."""
        deltas: list[Delta] = []
        for event in events:
            if self._over:
                break
            try:
                piece = _read_delta_event(event)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self._read(event, deltas)
                continue
            if not piece.delta or piece.type not in _DELTA_TYPES:
                self._read(event, deltas)
            elif piece.type == _TEXT_DELTA and piece.output_index == self._text_index:
                deltas.append(TextDelta(piece.delta))
            else:
                self._take_delta(piece, deltas)
        return deltas

    def whole(self, body: bytes) -> list[Delta]:
        """Read an answer that came in one piece although a stream was asked for."""
        answer = parse_object(body)
        if answer is None:
            raise self._unreadable(body)
        if _is_untyped_error(answer):
            raise self._make_error(parse_error(answer))
        if "output" not in answer:
            raise self._unreadable(body)
        deltas: list[Delta] = []
        self._take_end(answer, deltas)
        return deltas + self.end()

    def end(self) -> list[Delta]:
        """Return what is left to say; ``ProtocolViolation`` if the answer was cut short."""
        stop = self._ended()
        deltas: list[Delta] = []
        if (usage := _responses_usage(self._usage)) is not None:
            deltas.append(UsageDelta(usage))
        self._items.sort(key=_item_index)  # they are finished in any order
        native = [item.whole for item in self._items if item.whole]
        calls = (item for item in native if item.get("type") == "function_call")
        deltas += (_call_delta(call, slot) for slot, call in enumerate(calls))
        cut = self._cut_call() if stop is Stop.OUT_OF_TOKENS else None
        if cut is not None:
            deltas.append(_call_delta(cut, len(self._items)))
        while native and native[-1].get("type") == "reasoning":
            native.pop()  # the API refuses reasoning without the item that follows it
        if native and cut is None and all(item.closed for item in self._items):
            deltas.append(NativeDelta(self._origin, native))
        deltas.append(StopDelta(Stop.REFUSED if self._refused else stop))
        return deltas

    def _cut_call(self) -> Json | None:
        """Return the call in which the model ran out of tokens, as far as it came."""
        for item in self._items:
            if not item.whole and item.started.get("type") == "function_call":
                arguments = arguments_of(item.started, item)
                return item.started | {"arguments": "" if is_empty(arguments) else arguments}
        return None

    def _event(self, event: Json, deltas: list[Delta]) -> None:
        type_ = as_str(event.get("type"))
        if type_ in _DELTA_TYPES:
            self._take_delta(_delta_event_of(type_, event), deltas)
        elif type_ == "response.output_item.added":
            self._open_item(as_object(event.get("item")), as_count(event.get("output_index")))
        elif type_ == "response.output_item.done":
            item = as_object(event.get("item"))
            self._close_item(self._item_of(event, item), item, deltas)
        elif type_ == "response.function_call_arguments.done":
            earlier = self._by_id.get(as_str(event.get("item_id")))
            if earlier is None or not earlier.closed:  # else the finished item has them
                self._item_of(event, {}).arguments = arguments_text_of(event.get("arguments"))
        elif type_ in _END_TYPES:
            self._take_end({"status": type_[9:]} | as_object(event.get("response")), deltas)
            self._over = True
        elif type_ == "error" or _is_untyped_error(event):
            raise self._make_error(parse_error(event))
        elif (details := abort_details(type_.removeprefix("response."))) is not None:
            has_text = event.keys() & {"error", "message"}
            raise self._make_error(parse_error(event) if has_text else details)
        elif not type_:
            self._no_shape(event)

    # Items ----------------------------------------------------------------------------------------

    def _add_item(self, started: Json, index: int | None) -> OutputItem:
        item = OutputItem(started, len(self._items) if index is None else index)
        self._items.append(item)
        self._text_index = None
        if index is not None:
            self._by_index[index] = item
        if id_ := as_str(started.get("id")):
            self._by_id[id_] = item
        return item

    def _open_item(self, started: Json, index: int | None) -> None:
        """Take the beginning of an item; a call that begins twice is one call."""
        item = self._by_index.get(-1 if index is None else index)
        if item is None or item.closed or not is_same_call(item.started, started):
            self._add_item(started, index)
        else:
            item.started = item.started | {key: value for key, value in started.items() if value}

    def _item_of(self, event: Json, item: Json) -> OutputItem:
        """Return the item of an event: by its id, else by its index, which all servers keep."""
        id_ = as_str(item.get("id")) or as_str(event.get("item_id"))
        return self._item_at(as_count(event.get("output_index")), id_)

    def _item_at(self, index: int | None, id_: str) -> OutputItem:
        item = self._by_id.get(id_)
        if item is None or item.closed:
            item = self._by_index.get(-1 if index is None else index)
        if item is None or item.closed:
            item = self._add_item({"id": id_} if id_ else {}, index)
        return item

    def _take_delta(self, piece: _DeltaEvent, deltas: list[Delta]) -> None:
        type_, words = piece.type, piece.delta
        if type_ not in _DELTA_TYPES or not words:
            return
        index = piece.output_index
        item = self._item_at(index if index >= 0 else None, piece.item_id)
        if type_ == _ARGUMENTS_DELTA:
            item.pieces.append(words)
            deltas.append(DraftDelta(item.index, as_str(item.started.get("name")), words))
        elif type_ in _REASONING_DELTAS:
            if (
                item.reasoning_type or type_
            ) == type_:  # some servers send the reasoning and a summary
                if item.streamed and piece.summary_index != item.summary_index:
                    words = f"\n\n{words}"
                item.streamed, item.reasoning_type, item.summary_index = (
                    True,
                    type_,
                    piece.summary_index,
                )
                deltas.append(ReasoningDelta(words))
        else:
            item.streamed = True
            self._refused = self._refused or type_ == _REFUSAL_DELTA
            self._text_index = index if index >= 0 else None
            deltas.append(TextDelta(words))

    def _close_item(self, item: OutputItem, whole: Json, deltas: list[Delta]) -> None:
        """Take a finished item; add what has not been streamed of it, except for a call."""
        item.closed = True
        match whole.get("type"):
            case "function_call":
                if whole.get("status") == "incomplete":
                    return
                missing = {
                    key: item.started[key]
                    for key in _CALL_FIELDS
                    if item.started.get(key) and not whole.get(key)
                }
                whole = whole | missing | {"arguments": arguments_of(whole, item)}
            case "message":
                parts = as_list(whole.get("content"))
                if any(as_object(part).get("type") == "refusal" for part in parts):
                    self._refused = True
                if not item.streamed and (text := text_of(whole)):
                    deltas.append(TextDelta(text))
            case "reasoning":
                if not item.streamed and (thoughts := _reasoning_text(whole)):
                    deltas.append(ReasoningDelta(thoughts))
            case _:
                pass
        item.whole = whole

    def _take_end(self, response: Json, deltas: list[Delta]) -> None:
        """Take the end of a response, and the items that no event has brought before."""
        status = stop_reason(response.get("status"))
        if response.get("error"):
            raise self._make_error(parse_error({"error": response["error"]}))
        details = as_object(response.get("incomplete_details"))
        for end in (response.get("status"), details.get("reason")):
            if abort_details(end) is not None or stop_reason(end) in _UNFINISHED_STATUSES:
                why = f"the server ended the response as {stop_reason(end)}"
                raise self._make_error(ErrorDetails(why))
        self._usage = as_object(response.get("usage"))
        output = [as_object(item) for item in as_list(response.get("output"))]
        self._deduplicate()
        items = list(self._items)
        by_call = {call_id_of(item): item for item in reversed(items)}
        for place, whole in enumerate(output):
            item = by_call.pop(as_str(whole.get("call_id")) or None, None)
            if item is None and place < len(items) and not is_other_call(items[place], whole):
                item = items[place]
            item = item or self._add_item(whole, None)
            if not item.closed:
                self._close_item(item, whole, deltas)
        reason = stop_reason(details.get("reason"))
        if status == "incomplete" or reason:
            self._stop = STOPS.get(reason, Stop.OUT_OF_TOKENS)
        else:
            self._close_open_calls(deltas)
            self._stop = Stop.COMPLETE

    def _deduplicate(self) -> None:
        """Order the items, and keep one of each call that was finished more than once."""
        once: dict[object, OutputItem] = {}
        for item in sorted(self._items, key=_item_index):
            call_id = call_id_of(item)
            key = (item.index, call_id, as_str(item.whole.get("name"))) if call_id else id(item)
            if (first := once.setdefault(key, item)) is not item:
                versions = item.whole.get("arguments"), first.whole.get("arguments")
                first.whole = item.whole | {"arguments": most_complete(map(as_str, versions))}
        self._items = list(once.values())

    def _close_open_calls(self, deltas: list[Delta]) -> None:
        """Finish calls without an end event, although the response is complete.

        A call of which only the beginning came has lost its arguments: backends of the Codex
        service announce one and complete the response without it.
        """
        for item in self._items:
            if item.closed or item.started.get("type") != "function_call":
                continue
            has_arguments = item.arguments is not None or bool(item.pieces)
            if not has_arguments and is_empty(arguments_of(item.started, item) or "{}"):
                why = "the reply was cut short: a tool call came without its arguments"
                raise ProtocolViolation(self._provider_name, why)
            self._close_item(item, item.started, deltas)


def _item_index(item: OutputItem) -> int:
    return item.index


def _call_delta(call: Json, slot: int) -> ToolCallDelta:
    id_ = as_str(call.get("call_id")) or as_str(call.get("id"))
    return ToolCallDelta(slot, id_, as_str(call.get("name")), as_str(call["arguments"]))


def _delta_event_of(type_: str, event: Json) -> _DeltaEvent:
    index, summary = as_count(event.get("output_index")), as_count(event.get("summary_index"))
    id_, delta = as_str(event.get("item_id")), as_str(event.get("delta"))
    return _DeltaEvent(type_, delta, -1 if index is None else index, summary or 0, id_)


def _reasoning_text(item: Json) -> str:
    """Return the summary of a reasoning item, else its content."""
    parts = as_list(item.get("summary")) or as_list(item.get("content"))
    return "\n\n".join(filter(None, (as_str(as_object(part).get("text")) for part in parts)))


def _is_untyped_error(event: Json) -> bool:
    """Return whether ``event`` is an error without a type that says so."""
    if as_str(event.get("type")).startswith("response."):
        return False
    unlike_others = not (event.keys() & {"type", "output", "object"})
    return holds_error(event) or (unlike_others and bool(event.keys() & {"message", "detail"}))


def _responses_usage(usage: Json) -> Usage | None:
    """Return the tokens that the server has counted, or ``None``."""
    read, written = as_tokens(usage.get("input_tokens")), as_tokens(usage.get("output_tokens"))
    return reported_usage(
        read,
        written,
        as_tokens(as_object(usage.get("input_tokens_details")).get("cached_tokens")),
        as_tokens(as_object(usage.get("output_tokens_details")).get("reasoning_tokens")),
    )
