"""Decodes bytes to text, names the encoding, and encodes text in the same encoding.

No character is replaced silently: bytes that are neither Unicode nor plausible in the fallback
encoding count as binary.
"""

from __future__ import annotations

import codecs
from typing import NamedTuple

_BYTE_ORDER_MARKS = (  # the longer first: the mark of UTF-32-LE begins with that of UTF-16-LE
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Without those that texts have: tab, line ends, form feed, backspace, and the escape of colours.
_CONTROL_CHARACTERS = bytes(set(range(32)) - set(b"\t\n\r\f\b\x1b")) + b"\x7f"
_MOST_CONTROL_CHARACTERS = 0.02
"""The share of control characters up to which bytes count as text. Text has almost none; of
compressed data, one byte in nine is such a character."""


class DecodedText(NamedTuple):
    """A text and its encoding.

    Attributes:
        text: The text, without a byte order mark.
        encoding: The name of its encoding.
        mark: The byte order mark it began with.
        guessed: Whether the encoding is a guess.
    """

    text: str
    encoding: str
    mark: bytes = b""
    guessed: bool = False

    @property
    def described(self) -> str:
        """The encoding in words."""
        if self.guessed:
            return f"read as {self.encoding}, which is a guess: it is not UTF-8"
        return f"{self.encoding.upper()}{' with a byte order mark' if self.mark else ''}"

    def encode(self, text: str) -> bytes:
        """Return ``text`` in the same encoding.

        Raises:
            UnicodeEncodeError: It has characters that the encoding does not have.
        """
        return self.mark + text.encode(self.encoding)


def decode_bytes(content: bytes, fallback: str, *, whole: bool = True) -> DecodedText | None:
    """Return ``content`` as text, or ``None`` if it is binary.

    Args:
        content: The bytes.
        fallback: The encoding of text that is not Unicode.
        whole: Whether the content is complete; otherwise its last character may be cut.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            text = _decode_as(content[len(mark) :], encoding, whole=whole)
            return None if text is None else DecodedText(text, encoding, mark)
    if b"\0" in content:  # also UTF-16 without a mark, whose byte order would be a guess
        return None
    text = _decode_as(content, "utf-8", whole=whole)
    if text is not None:
        return DecodedText(text, "utf-8")
    controls = len(content) - len(content.translate(None, _CONTROL_CHARACTERS))
    if controls > len(content) * _MOST_CONTROL_CHARACTERS:
        return None
    for encoding in (fallback, "latin-1"):  # the last has a character for every byte
        text = _decode_as(content, encoding, whole=whole)
        if text is not None:
            return DecodedText(text, encoding, guessed=True)
    return None


def _decode_as(content: bytes, encoding: str, *, whole: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(content, whole)
    except UnicodeDecodeError:
        return None
