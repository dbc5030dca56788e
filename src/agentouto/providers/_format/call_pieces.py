"""Decides how a piece of a tool call relates to the pieces before it: one table for all formats.

The APIs say that a call has one index and one id, and that its arguments are the pieces of that
index, joined (OpenAI's "Chat Completions streaming", Anthropic's "Streaming Messages"). Compatible
servers repeat calls, send a placeholder before the arguments, reuse an index, or leave out names.
A tool must never run without the arguments that its model wrote, and never twice. So id, index and
name are compared together, in ``RULES``, and the first row that fits decides: without the order, a
repetition of a whole call would count as a second call. Which call a piece may belong to (by index,
by its place in a list) is decided by the format's decoder.

Arguments are provisional until the reply ends. Then ``final_arguments`` and ``most_complete``
decide what they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import NamedTuple

import msgspec

from agentouto.providers._format.json import parse_object, unquote_string

_EMPTY = frozenset({"{}", "null", '""', '"{}"', '"null"'})
"""Arguments without content, blanks removed: servers send them as placeholders."""

_LONGEST_EMPTY = 64
"""Longer arguments are no placeholder. It bounds the text that is copied for each test; the
longest placeholder has six characters besides blanks."""

_PLACEHOLDERS = re.compile(r'\s*(?:\{\s*\}\s*)+(?=[{"])')
"""Empty objects in front of an object or a string that holds one."""

_MARKS = re.compile(r'["{}\[\]\\]')
"""The characters that open, close or escape something in JSON (RFC 8259 §2 and §7)."""


class PartialArguments(msgspec.Struct, eq=False):
    """Arguments so far. It tells whether they are complete without reading a piece twice."""

    pieces: list[str] = []
    length: int = 0
    _read: int = 0
    _depth: int = 0
    _begun: bool = False
    _quoted: bool = False
    _escaped: bool = False

    def add(self, text: str) -> None:
        """Add a piece."""
        if text:
            self.pieces.append(text)

    @property
    def text(self) -> str:
        """All pieces, joined."""
        return "".join(self.pieces)

    @property
    def is_complete(self) -> bool:
        """Whether every bracket and quote that was opened has been closed."""
        self._catch_up()
        return self._begun and self._depth == 0 and not self._quoted

    @property
    def is_empty(self) -> bool:
        """Whether this is a value without content."""
        self._catch_up()
        return self.length <= _LONGEST_EMPTY and is_empty(self.text)

    def equals(self, text: str) -> bool:
        """Return whether the arguments so far are ``text``."""
        self._catch_up()
        return self.length == len(text) and self.text == text

    def begins(self, text: str) -> bool:
        """Return whether ``text`` begins with the arguments so far."""
        self._catch_up()
        return self.length <= len(text) and text.startswith(self.text)

    def _catch_up(self) -> None:
        """Read the pieces that were added since the last call."""
        pieces = self.pieces
        for place in range(self._read, len(pieces)):
            self._skim(pieces[place])
            self.length += len(pieces[place])
        self._read = len(pieces)

    def _skim(self, piece: str) -> None:
        begin, self._escaped = int(self._escaped), False
        for found in _MARKS.finditer(piece):
            if found.start() < begin:
                continue
            mark = piece[found.start()]
            if self._quoted:
                if mark == "\\":
                    begin = found.end() + 1
                elif mark == '"':
                    self._quoted = False
            elif mark == '"':
                self._begun = self._quoted = True
            elif mark in "{[":
                self._begun = True
                self._depth += 1
            elif mark != "\\":
                self._depth -= 1
        self._escaped = begin > len(piece)


class CallPiece(NamedTuple):
    """One piece of a call; what the server leaves out is empty.

    ``beside`` is whether it stands beside others in one list: servers list calls, not pieces.
    """

    id: str = ""
    name: str = ""
    arguments: str = ""
    beside: bool = False

    @property
    def opens(self) -> bool:
        """Whether its arguments begin as an object does."""
        return self.arguments.lstrip().startswith("{")


class PartialCall:
    """One tool call that is still being streamed."""

    __slots__ = ("id", "name", "written")

    def __init__(self, id_: str = "", name: str = "", arguments: str = "") -> None:
        self.id = id_
        self.name = name
        self.written = PartialArguments([arguments] if arguments else [])

    def replace(self, arguments: str) -> None:
        """Replace the arguments so far."""
        self.written = PartialArguments([arguments] if arguments else [])

    def may_continue(self, piece: CallPiece) -> bool:
        """Return whether ``piece`` has no other id and no other name."""
        return _may_be_same(self, piece)

    def relation(self, piece: CallPiece) -> Relation:
        """Return how ``piece``, which came at the place of this call, relates to it."""
        return next((rule.then for rule in RULES if rule.when(self, piece)), Relation.MORE)


class Relation(Enum):
    """How a piece relates to the call before it."""

    MORE = auto()
    """It continues the call."""
    INSTEAD = auto()
    """Its arguments replace those so far."""
    AGAIN = auto()
    """It repeats the call and is ignored."""
    ANOTHER = auto()
    """It begins the next call, with the same name if it has none of its own."""


class RelationRule(msgspec.Struct, frozen=True):
    """One row of the table, and the servers that do so."""

    what: str
    seen: str
    when: Callable[[PartialCall, CallPiece], bool]
    then: Relation


def _may_be_same(call: PartialCall, piece: CallPiece) -> bool:
    """Return whether the piece has no other id and no other name."""
    return not _other_id(call, piece) and not _other_name(call, piece)


def _other_id(call: PartialCall, piece: CallPiece) -> bool:
    return bool(piece.id and call.id and piece.id != call.id)


def _other_name(call: PartialCall, piece: CallPiece) -> bool:
    return bool(piece.name and call.name and piece.name != call.name)


def _announces(call: PartialCall, piece: CallPiece) -> bool:
    """Return whether it has a name, and not the id of the call, whose name it would repeat."""
    return bool(piece.name) and not (piece.id and piece.id == call.id)


def _fills_a_placeholder(call: PartialCall, piece: CallPiece) -> bool:
    listed = piece.beside and _announces(call, piece)
    opens = piece.arguments.lstrip().startswith(("{", '"'))
    may_fill = opens and not is_empty(piece.arguments) and not listed
    return may_fill and _may_be_same(call, piece) and call.written.is_empty


def _repeats_the_whole(call: PartialCall, piece: CallPiece) -> bool:
    if _announces(call, piece) or not piece.arguments or not _may_be_same(call, piece):
        return False
    return call.written.equals(piece.arguments) and call.written.is_complete


def _empties_the_whole(call: PartialCall, piece: CallPiece) -> bool:
    if _announces(call, piece) or _other_name(call, piece) or not is_empty(piece.arguments):
        return False
    return call.written.is_complete


def _next_by_name_and_id(call: PartialCall, piece: CallPiece) -> bool:
    return bool(piece.name) and _other_id(call, piece)


def _rewrites(call: PartialCall, piece: CallPiece) -> bool:
    same = bool(piece.id) and piece.id == call.id and not _other_name(call, piece)
    return same and not piece.beside and piece.opens and call.written.is_complete


def _next_by_name(call: PartialCall, piece: CallPiece) -> bool:
    return _other_name(call, piece) and call.written.is_complete


def _next_by_arguments(call: PartialCall, piece: CallPiece) -> bool:
    return piece.opens and call.written.is_complete


RULES: tuple[RelationRule, ...] = (
    RelationRule(
        "an empty object first, then the arguments",
        "LiteLLM and Envoy AI Gateway hand on the `input: {}` with which Bedrock begins a call",
        _fills_a_placeholder,
        Relation.INSTEAD,
    ),
    RelationRule(
        "the whole call once more",
        "LocalAI repeats a call under its id, vLLM's GLM parser in the last chunk",
        _repeats_the_whole,
        Relation.AGAIN,
    ),
    RelationRule(
        "an empty object behind the arguments",
        "the placeholder of Bedrock's gateways, where it comes last",
        _empties_the_whole,
        Relation.AGAIN,
    ),
    RelationRule(
        "one index for all calls, each with id and name",
        "Ollama 0.20 and NVIDIA Dynamo number every call 0",
        _next_by_name_and_id,
        Relation.ANOTHER,
    ),
    RelationRule(
        "the same id with other arguments",
        "LocalAI sends what it has parsed so far, and then the call as it is",
        _rewrites,
        Relation.INSTEAD,
    ),
    RelationRule(
        "one index for all calls, each with a name",
        "gateways to Gemini, which has no ids to give, number every call 0",
        _next_by_name,
        Relation.ANOTHER,
    ),
    RelationRule(
        "one index for all calls, with nothing but arguments after the first",
        "gateways that number parallel calls of one tool 0",
        _next_by_arguments,
        Relation.ANOTHER,
    ),
)
"""The first row that fits decides. A piece that fits none continues the call. Placeholders and
repetitions come before the rows that begin a call: in another order, a repeated call would run its
tool twice."""


def is_empty(arguments: str) -> bool:
    """Return whether ``arguments`` are a value without content."""
    if len(arguments) > _LONGEST_EMPTY:
        return False
    return "".join(arguments.split()) in _EMPTY


def final_arguments(arguments: str) -> str:
    """Return the arguments of a call that is complete.

    A placeholder before an object is dropped (sub2api sends ``{}{"a":1}``), and an object that was
    encoded twice, as a JSON string, is decoded.
    """
    if arguments.startswith('{"'):  # as nearly all are: neither an empty object nor a string
        return arguments
    if (found := _PLACEHOLDERS.match(arguments)) is not None:
        arguments = arguments[found.end() :]
    if not arguments.lstrip().startswith('"'):
        return arguments
    inner = unquote_string(arguments)
    if (found := _PLACEHOLDERS.match(inner)) is not None:
        inner = inner[found.end() :]
    return arguments if parse_object(inner) is None else inner


def most_complete(versions: Iterable[str]) -> str:
    """Return the version of a call's arguments that is most complete; of equals, the first.

    Servers send the same arguments more than once (in pieces, after them, in the finished item),
    and some leave a placeholder, or half of them, in one of these places.
    """
    different = filter(None, dict.fromkeys(versions))
    written = [version for each in different if (version := final_arguments(each)).strip()]
    if len(written) <= 1:  # as nearly always: there is nothing to choose
        return "".join(written)
    whole = [each for each in written if parse_object(each) is not None]
    with_content = (each for each in (*whole, *written) if not is_empty(each))
    return next(with_content, written[0])
