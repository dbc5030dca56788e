"""Tables of patterns on the texts of servers: pattern, server, example.

Servers explain errors in prose, and some decisions depend on that prose. Each pattern stands in a
table with the server that sends the text and one example of it, so that a pattern can be changed or
removed without guessing which server it is for. The tables of a vendor's format stand in its
``server_messages.py``, those for all formats in ``_format/server_messages.py``. A test tries every
pattern on its example and refuses nested repetitions, which a hostile text could make slow.
"""

from __future__ import annotations

import re

import msgspec


class MessagePattern(msgspec.Struct, frozen=True):
    """One text of a server.

    Attributes:
        pattern: A regular expression, searched for anywhere in the text.
        server: Which server sends it.
        example: A text that the pattern matches, as the server sends it.
        about: The path of the field that the text is about, where the table tells fields apart.
    """

    pattern: str
    server: str
    example: str
    about: str = ""


class MessageTable(msgspec.Struct, frozen=True):
    """Texts that mean the same, whichever server sends them."""

    rows: tuple[MessagePattern, ...]
    flags: re.RegexFlag

    @property
    def expression(self) -> re.Pattern[str]:
        """All patterns as alternatives; groups keep the order of the rows.

        Only errors need it, so it is compiled for the first one, and ``re`` keeps it.
        """
        return re.compile("|".join(row.pattern for row in self.rows), self.flags)

    def search(self, text: str) -> re.Match[str] | None:
        """Return where ``text`` matches one of the patterns, or ``None``."""
        return self.expression.search(text)

    def matches(self, text: str) -> bool:
        """Return whether ``text`` matches one of the patterns."""
        return self.expression.search(text) is not None

    def first(self, text: str) -> MessagePattern | None:
        """Return the first row that ``text`` matches, or ``None``."""
        return next((row for row in self.rows if re.search(row.pattern, text, self.flags)), None)


def message_table(*rows: MessagePattern, flags: re.RegexFlag = re.IGNORECASE) -> MessageTable:
    """Return a table of ``rows``. Servers differ in case, so it is ignored by default."""
    return MessageTable(rows, flags)
