"""A reply while a model writes it: its tool calls, and the text of ``finish``."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import msgspec

from agentouto._core.builtin_tools import FINISH
from agentouto._core.reply_builder import ReplyBuilder
from agentouto._core.tool_arguments import BadArguments, parse_arguments
from agentouto._domain.content import Reply
from agentouto._domain.delta import DraftDelta, ToolCallDelta

_BEGINNING = re.compile(r'\s*\{\s*"message"\s*:\s*"')
"""What stands before the text, e.g. ``{"message": "``."""

_COMPLETE = re.compile(r'(?:[^"\\]+|\\u[0-9a-fA-F]{4}|\\[^u])*')
"""The part of a JSON string up to its end, or to an escape that was cut (RFC 8259 §7)."""

_HALF_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\Z")
"""The first half of a surrogate pair, e.g. ``\\ud83d``: a character only with its other half."""

_MOST_BEFORE = 1_000
"""After so many characters without ``{"message": "``, the arguments are something else. They are
``finish``'s only argument and in its description, so models begin with them."""


class FinishText:
    """Reads the text of one ``finish`` out of pieces of its arguments.

    Arguments that do not begin with ``{"message": "`` give nothing: their text is there when the
    tool call is complete.
    """

    __slots__ = ("_inside", "_over", "_unread")

    def __init__(self) -> None:
        self._unread = ""
        self._inside = False
        self._over = False

    def feed(self, piece: str) -> str:
        """Return the text that ``piece`` adds."""
        if self._over:
            return ""
        self._unread += piece
        if not self._inside and not self._find_beginning():
            return ""
        found = _COMPLETE.match(self._unread)
        part = "" if found is None else found[0]
        rest = self._unread[len(part) :]
        if rest.startswith('"'):
            self._over, self._unread = True, ""
        else:
            half = _HALF_PAIR.search(part)
            part = part if half is None else part[: half.start()]
            self._unread = self._unread[len(part) :]
        try:
            text: str = json.loads(f'"{part}"', strict=False)
        except ValueError:  # an escape that JSON does not have
            self._over = True
            return ""
        return text

    def _find_beginning(self) -> bool:
        found = _BEGINNING.match(self._unread)
        if found is None:
            self._over = len(self._unread) > _MOST_BEFORE
            return False
        self._inside, self._unread = True, self._unread[found.end() :]
        return True


def finish_text(reply: Reply) -> str:
    """Return the text of the first ``finish`` in ``reply``; empty if there is none."""
    written = next((one.arguments for one in reply.tool_calls if one.name == FINISH), None)
    if written is None:
        return ""
    try:
        message = parse_arguments(written).get("message")
    except BadArguments:
        return ""
    if message is None:
        return ""
    return message if isinstance(message, str) else msgspec.json.encode(message).decode()


class DraftPiece(NamedTuple):
    """What a delta adds to a tool call.

    Attributes:
        tool: The name of the tool.
        text: The next piece of the arguments.
        words: The next piece of the text that ``finish`` returns.
    """

    tool: str
    text: str
    words: str


class WrittenSoFar(NamedTuple):
    """What has been written of a reply that has not ended.

    Attributes:
        text: Its text.
        thinking: Its thinking.
        drafts: Of each tool call its slot, the name of the tool, and the arguments.
        words: The text that ``finish`` returns.
    """

    text: str
    thinking: str
    drafts: tuple[tuple[int, str, str], ...]
    words: str


class ReplyProgress:
    """How far a reply is. Tool calls are kept in pieces only while there are readers.

    A wire format that has the arguments in pieces tells them as ``ToolCallDelta`` or, where it
    gives the whole call at the end, as ``DraftDelta``. A call is shown once: of a slot with drafts,
    the whole call at the end is nothing new, and neither are arguments that stand for earlier ones.
    Of a call whose beginning no reader could see, nothing is shown.

    Args:
        builder: Has the text, the thinking and the complete tool calls.
        finish_is_text: Whether what ``finish`` returns is text.
    """

    __slots__ = ("_builder", "_drafted", "_finish", "_finish_is_text", "_pieces", "_words")

    def __init__(self, builder: ReplyBuilder, *, finish_is_text: bool) -> None:
        self._builder = builder
        self._finish_is_text = finish_is_text
        self._pieces: dict[int, tuple[str, list[str]]] | None = None
        self._drafted = False
        self._finish: tuple[int, FinishText] | None = None
        self._words: list[str] | None = None

    def follow(self) -> None:
        """Keep tool calls in pieces from now on, because there is a reader."""
        if self._pieces is None:
            self._pieces = {}
            for slot, name, arguments in self._builder.calls_so_far():
                self._add(slot, name, arguments)

    def restart(self) -> None:
        """Begin from nothing: the reply broke off, and the request is made again."""
        self._pieces = None if self._pieces is None else {}
        self._drafted, self._finish, self._words = False, None, None

    def add(self, delta: ToolCallDelta | DraftDelta) -> DraftPiece | None:
        """Return what ``delta`` adds to what was shown, if anything. ``follow`` was called."""
        if isinstance(delta, DraftDelta):
            self._drafted = True
        elif self._drafted or delta.again:
            return None
        return self._add(delta.slot, delta.name, delta.arguments)

    def so_far(self) -> WrittenSoFar:
        """Return what has been written, and do what ``follow`` does."""
        self.follow()
        drafts = tuple(
            (slot, name, "".join(pieces)) for slot, (name, pieces) in (self._pieces or {}).items()
        )
        builder = self._builder
        return WrittenSoFar(builder.text(), builder.thinking(), drafts, "".join(self._words or ()))

    def _add(self, slot: int, name: str, arguments: str) -> DraftPiece | None:
        pieces = self._pieces
        if pieces is None:
            return None
        known = pieces.get(slot)
        if known is None:
            if not name:
                return None
            known = pieces[slot] = name, []
            if name == FINISH and self._finish_is_text and self._finish is None:
                self._finish = slot, FinishText()
        if not arguments:
            return None
        known[1].append(arguments)
        words = ""
        if self._finish is not None and self._finish[0] == slot:
            words = self._finish[1].feed(arguments)
            if words:
                self._words = self._words or []
                self._words.append(words)
        return DraftPiece(known[0], arguments, words)
