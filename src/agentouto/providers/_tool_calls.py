"""The tool calls of one reply, told apart although servers number them in their own ways.

Chat Completions streams a call in pieces with an index. Servers leave the index out, use one for
all, repeat names, change ids, or send arguments as an object or as JSON within JSON. What comes out
is orderly: one slot for each call, in order of arrival. What the arguments mean is not asked here.
"""

from __future__ import annotations

from agentouto._domain.delta import Delta, ToolCallDelta
from agentouto.providers._json import (
    Json,
    as_count,
    as_list,
    as_object,
    as_text,
    dump,
    parse,
    parse_object,
    unwrapped,
)

_KNOWN = frozenset({"index", "id", "type", "function"})


class _Call:
    """One tool call that is still being written."""

    __slots__ = ("extra", "id", "name", "pieces", "quoted", "slot", "told")

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.id = ""
        self.name = ""
        self.pieces: list[str] = []
        self.quoted = False
        self.told = False
        self.extra: Json = {}

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)

    def complete(self) -> bool:
        """Return whether the arguments are a whole object already."""
        last = self.pieces[-1].rstrip() if self.pieces else ""
        return last.endswith("}") and parse_object(self.arguments) is not None

    def take(self, id_: str, name: str, arguments: str, heard: list[Delta]) -> None:
        """Take one more piece, and tell it unless the name may still grow."""
        self.id = self.id or id_
        if name != self.name and not self.told:
            self.name += name
        if not arguments:
            return
        if not self.pieces:
            self.quoted = arguments.lstrip().startswith('"')
        self.pieces.append(arguments)
        if not self.quoted:
            self.begin(heard, arguments)

    def begin(self, heard: list[Delta], arguments: str = "") -> None:
        """Tell ``arguments``, with id and name if they have not been told yet."""
        if not self.told:
            self.told = True
            heard.append(ToolCallDelta(self.slot, self.id, self.name, arguments))
        elif arguments:
            heard.append(ToolCallDelta(self.slot, arguments=arguments))


class ToolCallReader:
    """Takes the pieces of tool calls as they come and tells them in order."""

    __slots__ = ("_by_index", "_calls")

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    @property
    def whole(self) -> bool:
        """Whether no call was cut off in the middle of its arguments."""
        return all(_is_json(call.arguments or "{}") for call in self._calls)

    def feed(self, pieces: list[object], heard: list[Delta], *, whole: bool) -> None:
        """Take the pieces of one chunk; ``whole`` says that each of them is an entire call."""
        several = len(pieces) > 1
        for place, item in enumerate(pieces):
            piece = as_object(item)
            function = as_object(piece.get("function"))
            id_, name = as_text(piece.get("id")), as_text(function.get("name"))
            arguments = _as_json(function.get("arguments"))
            index = place if whole else as_count(piece.get("index"))
            if index is None:
                call = self._unnumbered(id_, name, several=several)
            else:
                call = self._by_index.get(index)
            if call is not None and id_ == call.id != "" and _said_again(call, name, arguments):
                continue
            if call is None or _begins_another(call, id_, name, arguments):
                call = self._another(heard)
            if index is not None:
                self._by_index[index] = call
            call.extra.update(
                (key, value)
                for key, value in piece.items()
                if key not in _KNOWN and value is not None
            )
            call.take(id_, name, arguments, heard)

    def begins(self, index: int, id_: str, name: str, arguments: str, heard: list[Delta]) -> bool:
        """Take the start of a call, if its number is a new one."""
        if index in self._by_index:
            return False
        call = self._by_index[index] = self._another(heard)
        call.take(id_, name, arguments, heard)
        return True

    def goes_on(self, index: int, arguments: str, heard: list[Delta]) -> bool:
        """Take more arguments of a call that is well under way, if that is what they must be."""
        call = self._by_index.get(index)
        if call is None or not call.told or call.quoted or "{" in arguments:
            return False
        call.pieces.append(arguments)
        heard.append(ToolCallDelta(call.slot, "", "", arguments))
        return True

    def end(self, heard: list[Delta]) -> None:
        """Tell what was held back: nothing more will come."""
        for call in self._calls:
            call.begin(heard)
            if call.quoted:
                heard.append(ToolCallDelta(call.slot, arguments=unwrapped(call.arguments)))

    def extras(self) -> list[Json]:
        """Return the fields of each call that we do not know; none at all if no call has any."""
        extras = [call.extra for call in self._calls]
        return extras if any(extras) else []

    def _unnumbered(self, id_: str, name: str, *, several: bool) -> _Call | None:
        """Return the call that a piece without an index goes on with, if it does."""
        last = self._calls[-1] if self._calls else None
        if last is None or not id_:
            return None if several and name else last
        if not last.id or last.id == id_:
            return last
        known = (call for call in self._calls if call.id == id_)
        return next(known, None if name else last)

    def _another(self, heard: list[Delta]) -> _Call:
        if self._calls:
            self._calls[-1].begin(heard)
        self._calls.append(_Call(len(self._calls)))
        return self._calls[-1]


def _is_json(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _said_again(call: _Call, name: str, arguments: str) -> bool:
    """Return whether a server sums up a call that it has already streamed."""
    return name == call.name and arguments == call.arguments and call.complete()


def _begins_another(call: _Call, id_: str, name: str, arguments: str) -> bool:
    """Return whether a piece that claims to belong to ``call`` is really the start of the next."""
    if id_ and call.id and id_ != call.id:
        return bool(name) or call.complete()
    if arguments.lstrip().startswith("{") or (name and name != call.name):
        return call.complete()
    return False


def _as_json(arguments: object) -> str:
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else dump(arguments).decode()


def pieces_of(delta: Json) -> list[object]:
    """Return the pieces of tool calls in ``delta``, written in the new way or the old."""
    pieces = as_list(delta.get("tool_calls"))
    if not pieces and (function := as_object(delta.get("function_call"))):
        return [{"function": function}]
    return pieces
