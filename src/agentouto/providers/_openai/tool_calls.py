"""Assembles the tool calls of one Chat Completions reply, however the server numbers them.

Source: OpenAI's API reference, "Chat Completions streaming" (``delta.tool_calls``): a call is
streamed in pieces with one ``index``; id and name are in the first. Servers leave the index out,
use one for all calls, change ids, send arguments before the name, or send everything once more at
the end. This module finds the call that a piece may belong to, and ``call_pieces`` decides how the
piece relates to it. Each call has a slot, in the order of arrival.

A call is delivered as soon as it has a name, and its arguments as they come. They are provisional:
if they are replaced, the slot is delivered again, whole. A call is never delivered before the one
in front of it, so that slots stay in order.
"""

from __future__ import annotations

from collections.abc import Sequence

from agentouto._domain.delta import Delta, ToolCallDelta
from agentouto.providers._format.call_pieces import (
    CallPiece,
    PartialCall,
    Relation,
    final_arguments,
    is_empty,
)
from agentouto.providers._format.json import (
    Json,
    as_count,
    as_list,
    as_object,
    as_str,
    dump,
    parse,
)
from agentouto.providers._openai.chat_chunks import PlainToolCall

_READ_FIELDS = frozenset({"index", "id", "type", "function"})
"""Fields of a call that are read here. All others, such as Gemini's ``extra_content`` with the
signature of a call, are sent back with it."""


class _Slot(PartialCall):
    """One tool call, and how much of it has been delivered.

    Attributes:
        number: Its slot.
        stand_in: The name of the call before, used if this one gets none.
        delivered: Whether its beginning has been delivered.
    """

    __slots__ = ("delivered", "number", "stand_in")

    def __init__(self, number: int, stand_in: str) -> None:
        super().__init__()
        self.number = number
        self.stand_in = stand_in
        self.delivered = False


class ToolCallReader:
    """Takes the pieces of tool calls as they come and delivers them in order."""

    __slots__ = ("_by_id", "_by_index", "_calls", "_extras", "_next_to_deliver")

    def __init__(self) -> None:
        self._calls: list[_Slot] = []
        self._by_index: dict[int, _Slot] = {}
        self._by_id: dict[str, _Slot] = {}
        self._extras: dict[int, Json] = {}  # by the number of the call
        self._next_to_deliver = 0

    def __bool__(self) -> bool:
        return bool(self._calls)

    @property
    def whole(self) -> bool:
        """Whether the arguments of every call are complete; empty ones are not."""
        return all(_is_json(final_arguments(call.written.text)) for call in self._calls)

    def feed(self, pieces: list[object], deltas: list[Delta]) -> None:
        """Take the pieces of one chunk."""
        beside = len(pieces) > 1
        for item in pieces:
            fields = as_object(item)
            piece = _call_piece(fields, beside=beside)
            index = as_count(fields.get("index"))
            call, relation = self._locate(piece, index)
            if call is None and not any(piece[:3]):
                continue  # an empty piece, such as `[null]`
            if call is None or relation is Relation.ANOTHER:
                call = self._begin_call(call, deltas)
            if index is not None:
                self._by_index[index] = call
            self._take(call, piece, relation, deltas)
            self._keep_extra(call, fields)

    def take_whole(self, message: list[object], deltas: list[Delta]) -> None:
        """Take the calls of a whole message: each entry is one call, streamed before or not.

        Arguments that were streamed completely stay. Others are completed or replaced.
        """
        streamed = len(self._calls)
        for place, item in enumerate(message):
            fields = as_object(item)
            piece = _call_piece(fields, beside=True)
            call = self._repeated_call(piece, place) if place < streamed else None
            if call is None:
                if any(piece[:3]):
                    call = self._begin_call(None, deltas)
                    self._take(call, piece, Relation.ANOTHER, deltas)
                    self._keep_extra(call, fields)
                continue
            written, arguments = call.written, piece.arguments
            if written.begins(arguments):
                rest = piece._replace(arguments=arguments[written.length :])
                self._take(call, rest, Relation.MORE, deltas)
            elif written.is_empty or (not written.is_complete and _is_json(arguments)):
                self._take(call, piece, Relation.INSTEAD, deltas)
            self._keep_extra(call, fields)

    def start(self, starts: Sequence[PlainToolCall], deltas: list[Delta]) -> bool:
        """Take the starts of calls.

        Returns ``False``, and takes nothing, if one has no id or no name, or if an index or an id
        has come before.
        """
        by_index, by_id = dict[int, PlainToolCall](), dict[str, PlainToolCall]()
        for start in starts:
            index, id_ = start.index, start.id
            if not id_ or not start.function.name or index in by_index or id_ in by_id:
                return False
            if index in self._by_index or id_ in self._by_id:
                return False
            by_index[index] = by_id[id_] = start
        for id_, start in by_id.items():
            call = self._begin_call(None, deltas)
            call.id, call.name = id_, start.function.name or ""
            self._by_index[start.index] = self._by_id[id_] = call
            if arguments := start.function.arguments:
                call.written.pieces.append(arguments)
                self._deliver(call, arguments, deltas)
        return True

    def extend(self, index: int, arguments: str, deltas: list[Delta]) -> bool:
        """Take more arguments of a call; return ``False`` if they may be something else."""
        call = self._by_index.get(index)
        if call is None or not call.delivered:
            return False
        pieces, first = call.written.pieces, arguments.lstrip()[:1]
        if first == "{" or (first == '"' and len(pieces) == 1):  # it may stand for a placeholder
            return False
        pieces.append(arguments)
        deltas.append(ToolCallDelta(call.number, "", "", arguments))
        return True

    def end(self, deltas: list[Delta], *, cut: bool = False) -> None:
        """Deliver calls that were held back, and arguments that differ from their pieces.

        In a reply that was ``cut`` short, the last call without arguments is not complete.
        """
        for call in self._calls:
            written = call.written.text
            arguments = final_arguments(written)
            if cut and call is self._calls[-1] and (not arguments.strip() or is_empty(arguments)):
                arguments = "{"  # no JSON, so that the call is not carried out with none
            if not call.delivered:
                name = call.name or call.stand_in
                deltas.append(ToolCallDelta(call.number, call.id, name, arguments))
            elif arguments != written:
                deltas.append(ToolCallDelta(call.number, "", "", arguments, again=True))

    def extras(self) -> list[Json]:
        """Return the fields of each call that are only sent back; empty if no call has any."""
        extras = self._extras
        return [extras.get(call.number, {}) for call in self._calls] if extras else []

    def _keep_extra(self, call: _Slot, fields: Json) -> None:
        for key, value in fields.items():
            if key not in _READ_FIELDS and value is not None:
                self._extras.setdefault(call.number, {})[key] = value

    def _locate(self, piece: CallPiece, index: int | None) -> tuple[_Slot | None, Relation]:
        """Return the call that a piece may belong to, and how it relates to that call."""
        if index is None:
            call = self._call_without_index(piece)
        elif (call := self._by_index.get(index)) is None:
            return self._call_at_new_index(piece)
        # A server that gives all calls the index 0 tells them apart by their ids only.
        elif piece.id and call.id and piece.id != call.id:
            by_id = self._by_id.get(piece.id)
            call = by_id if by_id is not None and piece.name in ("", by_id.name) else call
        return call, Relation.ANOTHER if call is None else call.relation(piece)

    def _call_without_index(self, piece: CallPiece) -> _Slot | None:
        """Return the call that a piece without an index may belong to: by its id, else the last.

        Ollama before 0.4.7 and Databricks leave the index out.
        """
        last = self._calls[-1] if self._calls else None
        if piece.id and (by_id := self._by_id.get(piece.id)) is not None:
            return by_id
        if last is None or not piece.name:
            return last
        if piece.id:
            return None if last.id else last
        return None if piece.beside else last

    def _call_at_new_index(self, piece: CallPiece) -> tuple[_Slot | None, Relation]:
        """Return the call that had another index so far, if the piece may belong to one.

        LocalAI sends one call, with one id, at several indexes; opencode2api sends the arguments,
        without id and name, at an index of their own.
        """
        if piece.id:
            call = self._by_id.get(piece.id)
        else:
            call = self._calls[-1] if self._calls and not piece.name else None
        if call is None or not any(piece[:3]) or piece.name not in ("", call.name):
            return None, Relation.ANOTHER
        relation = call.relation(piece._replace(beside=True))
        with_arguments = bool(piece.arguments), bool(call.written.pieces)
        may_begin = not any(with_arguments) or (all(with_arguments) and piece.opens)
        if relation is Relation.MORE and may_begin:
            return (call if not piece.name else None), Relation.ANOTHER
        return call, relation

    def _repeated_call(self, piece: CallPiece, place: int) -> _Slot | None:
        """Return the call that an entry of a whole message repeats: by id, else by place."""
        call = self._by_id.get(piece.id) if piece.id else None
        call = call or self._calls[place]
        same_id = not (piece.id and call.id) or piece.id == call.id
        same_name = not (piece.name and call.name) or piece.name == call.name
        return call if same_id and same_name else None

    def _begin_call(self, before: _Slot | None, deltas: list[Delta]) -> _Slot:
        """Begin a call. If it gets no name, it has that of the call ``before`` it."""
        stand_in = "" if before is None else before.name or before.stand_in
        call = _Slot(len(self._calls), stand_in)
        if self._calls and not self._calls[-1].delivered:
            self._deliver(self._calls[-1], "", deltas)
        self._calls.append(call)
        return call

    def _take(self, call: _Slot, piece: CallPiece, relation: Relation, deltas: list[Delta]) -> None:
        if piece.id and not call.id:
            call.id = piece.id
            self._by_id[piece.id] = call
        # A name may come in pieces as well; once it has been delivered, it cannot grow any more.
        if piece.name != call.name and not call.delivered:
            call.name += piece.name
        arguments = piece.arguments
        if not arguments or relation is Relation.AGAIN:
            return
        if relation is Relation.INSTEAD:
            call.replace(arguments)
            if call.delivered:
                deltas.append(ToolCallDelta(call.number, "", "", arguments, again=True))
                return
        else:
            call.written.add(arguments)
        self._deliver(call, arguments, deltas)

    def _deliver(self, call: _Slot, arguments: str, deltas: list[Delta]) -> None:
        """Deliver ``arguments``, and first the call; nothing before it has a name and its turn."""
        if call.delivered:
            if arguments:
                deltas.append(ToolCallDelta(call.number, "", "", arguments))
        elif call.name and call.number == self._next_to_deliver:
            call.delivered = True
            self._next_to_deliver += 1
            deltas.append(ToolCallDelta(call.number, call.id, call.name, call.written.text))


def _call_piece(fields: Json, *, beside: bool) -> CallPiece:
    function = as_object(fields.get("function"))
    id_, name = as_str(fields.get("id")), as_str(function.get("name"))
    return CallPiece(id_, name, _as_json(function.get("arguments")), beside)


def _is_json(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _as_json(arguments: object) -> str:
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else dump(arguments).decode()


def pieces_of(delta: Json) -> list[object]:
    """Return the pieces of tool calls in ``delta``; ``function_call`` is the deprecated field."""
    if single := as_object(delta.get("tool_calls")):
        return [single]
    pieces = as_list(delta.get("tool_calls"))
    if not pieces and (function := as_object(delta.get("function_call"))):
        return [{"function": function}]
    return pieces
