"""Collects the text and fields of a streamed answer in pieces that are joined once.

Reading an answer takes time in proportion to its length, whatever a server sends: nothing here
joins, copies or searches everything so far for each new piece.
``tests/wire/test_linear_reading.py`` tries it with servers that send the worst there is.
"""

from __future__ import annotations

from typing import cast

import msgspec

from agentouto.providers._format.json import Json, as_list, as_object, as_str

_STREAMED = frozenset({"text", "summary", "data"})
"""Fields that are streamed in pieces within an item of ``reasoning_details`` (OpenRouter,
"Reasoning tokens"); all others come whole."""


class StreamedText(msgspec.Struct, eq=False):
    """Text that is streamed in pieces, and may come once more as a whole."""

    pieces: list[str] = []
    _counted: int = 0
    _length: int = 0
    _summed: str = ""
    _streamed: bool = False

    def add(self, piece: str) -> None:
        """Add a piece."""
        self.pieces.append(piece)

    @property
    def text(self) -> str:
        """All pieces, joined."""
        return "".join(self.pieces)

    def new_in(self, whole: str) -> str:
        """Return what ``whole`` adds to the pieces so far, and add it to them.

        A whole that does not begin with the pieces adds nothing, because the pieces stand for it.
        Without pieces, wholes that do not begin with each other are themselves pieces.
        """
        if not whole:
            return ""
        # Each piece is measured once, and the text is joined only if ``whole`` is as long as it.
        only_wholes = self._counted == len(self.pieces)
        self._length += sum(map(len, self.pieces[self._counted :]))
        self._streamed = self._streamed or not only_wholes
        new = ""
        if len(whole) >= self._length and whole.startswith(self.text):
            new = whole[self._length :]
        elif not self._streamed and not self._summed.startswith(whole):
            new = whole
        self._summed = whole
        if new:
            self.pieces.append(new)
            self._length += len(new)
        self._counted = len(self.pieces)
        return new


class ExtraFields(msgspec.Struct, eq=False):
    """Fields of a reply that are only sent back: they are joined from pieces and not read."""

    _fields: dict[str, object] = {}

    def add(self, name: str, value: object) -> None:
        """Add one more piece of a field: text and lists grow, anything else is replaced."""
        earlier = self._fields.get(name)
        if isinstance(value, str):
            if isinstance(earlier, GrowingText):
                earlier.add(value)
            else:
                self._fields[name] = GrowingText(value)
        elif isinstance(value, list):
            more = as_list(cast("object", value))
            items = earlier if isinstance(earlier, _Items) else _Items()
            self._fields[name] = items
            for item in more:
                items.add(item)
        else:
            self._fields[name] = value

    def put(self, name: str, value: object) -> None:
        """Set a field to ``value``, whatever pieces there are."""
        self._fields.pop(name, None)
        self.add(name, value)

    def whole(self) -> Json:
        """Return all fields, joined."""
        return {
            name: value.whole() if isinstance(value, GrowingText | _Items) else value
            for name, value in self._fields.items()
        }


class GrowingText:
    """Text that grows by pieces. The same text sent once more, as a whole, is not added."""

    __slots__ = ("_length", "_pieces")

    def __init__(self, text: str = "") -> None:
        self._pieces = [text]
        self._length = len(text)

    def add(self, text: str) -> None:
        """Add ``text``, unless it repeats all of the text so far."""
        if len(text) == self._length and text == self.whole():
            return
        self.grow(text)

    def grow(self, text: str) -> None:
        """Add ``text``."""
        self._pieces.append(text)
        self._length += len(text)

    def whole(self) -> str:
        """Return all text."""
        return "".join(self._pieces)


class _Items:
    """The items of a list such as ``reasoning_details``; those with an index come in pieces."""

    __slots__ = ("_grown", "_items")

    def __init__(self) -> None:
        self._items: list[object] = []
        self._grown: dict[int, dict[str, GrowingText]] = {}

    def add(self, item: object) -> None:
        """Add ``item``, or let it continue the last one if it has the same index and type."""
        place = len(self._items) - 1
        last, more = as_object(self._items[-1] if self._items else None), as_object(item)
        if "index" not in more or any(last.get(key) != more.get(key) for key in ("index", "type")):
            self._items.append(item)
            return
        for key, value in more.items():
            if key in _STREAMED:
                grown = self._grown.setdefault(place, {})
                if key not in grown:
                    grown[key] = GrowingText(as_str(last.get(key)))
                grown[key].grow(as_str(value))
            elif value is not None:
                last[key] = value
            else:
                last.setdefault(key, None)

    def whole(self) -> list[object]:
        """Return the items, joined."""
        for place, fields in self._grown.items():
            as_object(self._items[place]).update(
                (key, text.whole()) for key, text in fields.items()
            )
        return self._items
