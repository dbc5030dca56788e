"""What a server says that speaks the Responses API, read event by event.

``ResponsesDecoder`` takes the data of events as they come and says what they mean. An event is what
its ``type`` says, and one of an unknown type is passed over. A finished item counts for more than
the pieces it was streamed in. Calls are told at the end and items kept as they are, to be sent
back: both in their order, in which they need not be finished.

A reply is complete when its response was said to be over, and not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

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
from agentouto.providers._answer import Answer, Refuse
from agentouto.providers._json import (
    Json,
    as_count,
    as_list,
    as_object,
    as_text,
    dump,
    parse_object,
    unwrapped,
)
from agentouto.providers._refusal import Fault, read_fault
from agentouto.providers._responses_entries import text_of

STOPS = {
    "content_filter": Stop.REFUSED,
    "steered": Stop.COMPLETE,
    "max_messages": Stop.COMPLETE,
}
"""What an incomplete response is; one without a reason we know was cut off."""

_TEXT = "response.output_text.delta"
_REFUSAL = "response.refusal.delta"
_ARGUMENTS = "response.function_call_arguments.delta"
_THOUGHTS = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})
_PIECES = frozenset({_TEXT, _REFUSAL, _ARGUMENTS, *_THOUGHTS})
_ENDS = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.cancelled",
        "response.done",
    }
)
_UNFINISHED = frozenset({"queued", "in_progress"})


class _Piece(msgspec.Struct, gc=False):
    """An event that brings a little more of an item."""

    type: str
    delta: str
    output_index: int
    summary_index: int = 0
    item_id: str = ""


_read_piece = msgspec.json.Decoder(_Piece).decode


class _Item:
    """One item of the output while it is being written."""

    __slots__ = (
        "arguments",
        "begun",
        "closed",
        "index",
        "pieces",
        "place",
        "told",
        "voice",
        "whole",
    )

    def __init__(self, begun: Json, index: int) -> None:
        self.begun = begun
        self.index = index
        self.whole: Json = {}
        self.closed = False
        self.told = False
        self.voice = ""
        self.place = 0
        self.pieces: list[str] = []
        self.arguments: object = None


class ResponsesDecoder(Answer):
    """Reads one answer."""

    __slots__ = (
        "_by_id",
        "_by_index",
        "_items",
        "_refused",
        "_speaker",
        "_usage",
    )

    _called = "no response"

    def __init__(self, provider_name: str, origin: str, refuse: Refuse) -> None:
        super().__init__(provider_name, origin, refuse)
        self._items: list[_Item] = []
        self._by_index: dict[int, _Item] = {}
        self._by_id: dict[str, _Item] = {}
        self._speaker = -1
        self._usage: Json = {}
        self._refused = False

    def feed(self, events: Sequence[bytes]) -> list[Delta]:
        """Take the data of events that arrived together; return what they say."""
        heard: list[Delta] = []
        for event in events:
            if self._over:
                break
            try:
                piece = _read_piece(event)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self._read(event, heard)
                continue
            if piece.type == _TEXT and piece.output_index == self._speaker:
                heard.append(TextDelta(piece.delta))
            else:
                self._piece(piece, heard)
        return heard

    def whole(self, body: bytes) -> list[Delta]:
        """Read an answer that came in one piece although a stream was asked for."""
        answer = parse_object(body)
        if answer is None:
            raise self._unreadable(body)
        if _complains(answer):
            raise self._refuse(read_fault(answer))
        if "output" not in answer:
            raise self._unreadable(body)
        heard: list[Delta] = []
        self._end_of(answer, heard)
        return heard + self.end()

    def end(self) -> list[Delta]:
        """Return what is left to say; ``ProtocolViolation`` if the answer was cut short."""
        stop = self._ended()
        heard: list[Delta] = []
        if (usage := _counted(self._usage)) is not None:
            heard.append(UsageDelta(usage))
        self._items.sort(key=_index)  # they may have been finished in any order
        native = [item.whole for item in self._items if item.whole]
        calls = (item for item in native if item.get("type") == "function_call")
        heard += (_told(call, slot) for slot, call in enumerate(calls))
        while native and native[-1].get("type") == "reasoning":
            native.pop()  # thinking is not taken back without what it led to
        if native and all(item.closed for item in self._items):
            heard.append(NativeDelta(self._origin, native))
        heard.append(StopDelta(Stop.REFUSED if self._refused else stop))
        return heard

    def _event(self, event: Json, heard: list[Delta]) -> None:
        type_ = as_text(event.get("type"))
        if type_ in _PIECES:
            self._piece(_as_piece(type_, event), heard)
        elif type_ == "response.output_item.added":
            self._begin(as_object(event.get("item")), as_count(event.get("output_index")))
        elif type_ == "response.output_item.done":
            item = as_object(event.get("item"))
            self._close(self._item_of(event, item), item, heard)
        elif type_ == "response.function_call_arguments.done":
            self._item_of(event, {}).arguments = event.get("arguments")
        elif type_ in _ENDS:
            self._end_of({"status": type_[9:]} | as_object(event.get("response")), heard)
            self._over = True
        elif type_ == "error" or _complains(event):
            raise self._refuse(read_fault(event))

    # Items ----------------------------------------------------------------------------------------

    def _begin(self, begun: Json, index: int | None) -> _Item:
        item = _Item(begun, len(self._items) if index is None else index)
        self._items.append(item)
        self._speaker = -1
        if index is not None:
            self._by_index[index] = item
        if id_ := as_text(begun.get("id")):
            self._by_id[id_] = item
        return item

    def _item_of(self, event: Json, item: Json) -> _Item:
        """Return the item an event is about; its id changes with some servers, its place not."""
        id_ = as_text(item.get("id")) or as_text(event.get("item_id"))
        return self._found(as_count(event.get("output_index")), id_)

    def _found(self, index: int | None, id_: str) -> _Item:
        item = self._by_id.get(id_)
        if item is None or item.closed:
            item = self._by_index.get(-1 if index is None else index)
        if item is None or item.closed:
            item = self._begin({"id": id_} if id_ else {}, index)
        return item

    def _piece(self, piece: _Piece, heard: list[Delta]) -> None:
        type_, words = piece.type, piece.delta
        if type_ not in _PIECES or not words:
            return
        index = piece.output_index
        item = self._found(index if index >= 0 else None, piece.item_id)
        if type_ == _ARGUMENTS:
            item.pieces.append(words)
        elif type_ in _THOUGHTS:
            if (item.voice or type_) == type_:  # some servers say it twice, in full and in short
                if item.told and piece.summary_index != item.place:
                    words = f"\n\n{words}"
                item.told, item.voice, item.place = True, type_, piece.summary_index
                heard.append(ReasoningDelta(words))
        else:
            item.told = True
            self._refused = self._refused or type_ == _REFUSAL
            self._speaker = index
            heard.append(TextDelta(words))

    def _close(self, item: _Item, whole: Json, heard: list[Delta]) -> None:
        """Take an item as it is in the end; tell what of it has not been told, but no call."""
        item.closed = True
        match whole.get("type"):
            case "function_call":
                if whole.get("status") == "incomplete":
                    return
                whole = whole | {"arguments": _arguments(whole, item)}
            case "message":
                parts = as_list(whole.get("content"))
                if any(as_object(part).get("type") == "refusal" for part in parts):
                    self._refused = True
                if not item.told and (text := text_of(whole)):
                    heard.append(TextDelta(text))
            case "reasoning":
                if not item.told and (thoughts := _thoughts(whole)):
                    heard.append(ReasoningDelta(thoughts))
            case _:
                pass
        item.whole = whole

    def _end_of(self, response: Json, heard: list[Delta]) -> None:
        """Take the end of a response, and from it whatever has not been heard before."""
        status = as_text(response.get("status"))
        if response.get("error"):
            raise self._refuse(read_fault({"error": response["error"]}))
        if status in {"failed", "cancelled"} | _UNFINISHED:
            raise self._refuse(Fault(f"the server ended the response as {status}"))
        self._usage = as_object(response.get("usage"))
        output = [as_object(item) for item in as_list(response.get("output"))]
        self._items.sort(key=_index)
        for place, whole in enumerate(output):
            item = self._items[place] if place < len(self._items) else self._begin(whole, None)
            if not item.closed:
                self._close(item, whole, heard)
        reason = as_text(as_object(response.get("incomplete_details")).get("reason"))
        if status == "incomplete" or reason:
            self._stop = STOPS.get(reason, Stop.OUT_OF_TOKENS)
        else:
            self._stop = Stop.COMPLETE
            self._close_the_rest(heard)

    def _close_the_rest(self, heard: list[Delta]) -> None:
        """Take calls as finished whose end was never told, although the response is complete."""
        for item in self._items:
            if not item.closed and item.begun.get("type") == "function_call":
                self._close(item, item.begun, heard)


def _index(item: _Item) -> int:
    return item.index


def _told(call: Json, slot: int) -> ToolCallDelta:
    id_ = as_text(call.get("call_id")) or as_text(call.get("id"))
    return ToolCallDelta(slot, id_, as_text(call.get("name")), as_text(call["arguments"]))


def _as_piece(type_: str, event: Json) -> _Piece:
    index, summary = as_count(event.get("output_index")), as_count(event.get("summary_index"))
    id_, delta = as_text(event.get("item_id")), as_text(event.get("delta"))
    return _Piece(type_, delta, -1 if index is None else index, summary or 0, id_)


def _arguments(whole: Json, item: _Item) -> str:
    """Return the arguments of a call from where they are: the item, their last event, pieces."""
    for written in (whole.get("arguments"), item.arguments):
        if isinstance(written, dict):
            return dump(cast("Json", written)).decode()
        if isinstance(written, str) and written:
            return unwrapped(written)
    return unwrapped("".join(item.pieces))


def _thoughts(item: Json) -> str:
    """Return the thinking of an item, in full or summed up."""
    parts = as_list(item.get("summary")) or as_list(item.get("content"))
    return "\n\n".join(filter(None, (as_text(as_object(part).get("text")) for part in parts)))


def _complains(event: Json) -> bool:
    """Return whether ``event`` is an error that does not say so by its type."""
    if as_text(event.get("type")).startswith("response."):
        return False
    unlike_others = not (event.keys() & {"type", "output", "object"})
    return bool(event.get("error")) or (
        unlike_others and bool(event.keys() & {"message", "detail"})
    )


def _counted(usage: Json) -> Usage | None:
    """Return the tokens a server has counted, or ``None`` if it has not."""
    read, written = as_count(usage.get("input_tokens")), as_count(usage.get("output_tokens"))
    if read is None and written is None:
        return None
    return Usage(
        read,
        written,
        as_count(as_object(usage.get("input_tokens_details")).get("cached_tokens")),
        as_count(as_object(usage.get("output_tokens_details")).get("reasoning_tokens")),
        complete=read is not None and written is not None,
    )
