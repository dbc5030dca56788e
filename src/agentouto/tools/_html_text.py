"""Converts HTML to readable text, in linear time for every input.

The standard library's ``html.parser`` takes quadratic time for some inputs (CVE-2025-6069,
CVE-2026-15308), and not every Python in use has the fix. This parser only moves forward: an element
or a comment without an end extends to the end of the page, as in browsers (HTML, 13.2.5:
html.spec.whatwg.org), so no part is read twice. Styles are ignored: text that a browser would hide
is included.
"""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urljoin

TOKENS_BETWEEN_PAUSES = 2_000
"""Tokens between two pauses for other tasks of the event loop: some milliseconds."""

_SPACE = re.compile(r"[\s/]*")
_ATTRIBUTE_NAME = re.compile(r"[^>][^\s/>=]*")
_EQUALS = re.compile(r"\s*=\s*")
_UNQUOTED_VALUE = re.compile(r"[^\s>]*")
_TAG_NAME = re.compile(r"[A-Za-z][^\s/>]*")
_HUGE_REFERENCE = re.compile(r"&#[xX]?[0-9A-Fa-f]{10,};?")
"""A numeric reference to no character. ``html.unescape`` raises for more than 4,300 digits, which
is Python's limit for the conversion of a text to an int (``sys.set_int_max_str_digits``)."""

_ATTRIBUTES_READ = frozenset({"alt", "content", "href"})
_RAW_ELEMENTS = frozenset(
    {"iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"}
)
"""Elements in which other tags are text: only their own end tag ends them (HTML, 13.1.2)."""

_RAW_ELEMENTS_SHOWN = frozenset({"textarea", "xmp"})
"""Those of them whose text a browser shows."""

_HEADINGS = MappingProxyType({f"h{level}": f"{'#' * level} " for level in range(1, 7)})
_BLOCK_ELEMENTS = frozenset(
    {
        *(
            "address",
            "article",
            "aside",
            "blockquote",
            "dd",
            "details",
            "dialog",
            "div",
            "dl",
            "dt",
        ),
        *("fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "main", "nav"),
        *("ol", "p", "pre", "section", "summary", "table", "ul", *_HEADINGS),
    }
)
_LINE_ELEMENTS = frozenset(
    {"br", "caption", "legend", "li", "option", "thead", "tbody", "tfoot", "tr"}
)
_LINKS_IGNORED = ("#", "data:", "javascript:")
"""Beginnings of links that lead to no other page: their text is enough."""


class _Token(NamedTuple):
    """A piece of a page: a text, or the begin or end of an element."""

    kind: str
    value: str
    attributes: Mapping[str, str] = {}


class Page(NamedTuple):
    """The title and the text of a page."""

    title: str
    text: str


async def read_page(source: str, address: str) -> Page:
    """Return the text of the HTML ``source``, whose relative links start at ``address``."""
    writer = _TextWriter(address)
    for count, token in enumerate(_tokenize(source)):
        if count % TOKENS_BETWEEN_PAUSES == TOKENS_BETWEEN_PAUSES - 1:
            await asyncio.sleep(0)
        writer.write(token)
    return Page(" ".join(writer.title.split()), writer.text())


def _tokenize(source: str) -> Iterator[_Token]:
    place = 0
    while True:
        begin = source.find("<", place)
        if begin < 0:
            yield _Token("text", source[place:])
            return
        if begin > place:
            yield _Token("text", source[place:begin])
        after = source[begin + 1 : begin + 2]
        if source.startswith("<!--", begin):
            end = source.find("-->", begin + 2)
            place = end + 3
        elif after in {"!", "?"} or (after == "/" and not source[begin + 2 : begin + 3].isalpha()):
            end = source.find(">", begin)
            place = end + 1
        elif after == "/":
            end = source.find(">", begin)
            place = end + 1
            name = _TAG_NAME.match(source, begin + 2)
            yield _Token("end", name[0].lower() if name else "")
        elif name := _TAG_NAME.match(source, begin + 1):
            end, attributes = _read_attributes(source, name.end())
            if end < 0:
                return
            element = name[0].lower()
            yield _Token("begin", element, attributes)
            place = end
            if element in _RAW_ELEMENTS:
                close = re.compile(f"</{element}(?=[\\s/>])", re.IGNORECASE).search(source, end)
                place = close.start() if close else len(source)
                yield _Token("raw", source[end:place])
        else:
            end, place = begin, begin + 1
            yield _Token("text", "<")
        if end < 0:
            return


def _read_attributes(source: str, place: int) -> tuple[int, dict[str, str]]:
    """Return where a tag ends, or -1 if it has no end, and its attributes that are needed."""
    kept: dict[str, str] = {}
    while True:
        place = _match_end(_SPACE, source, place)
        if place >= len(source):
            return -1, kept
        if source[place] == ">":
            return place + 1, kept
        begin, place = place, _match_end(_ATTRIBUTE_NAME, source, place)
        name = source[begin:place].lower()
        equals = _EQUALS.match(source, place)
        if equals is None:
            continue
        place = equals.end()
        quote = source[place : place + 1]
        if quote in {'"', "'"}:
            end = source.find(quote, place + 1)
            if end < 0:
                return -1, kept
            value, place = source[place + 1 : end], end + 1
        else:
            begin, place = place, _match_end(_UNQUOTED_VALUE, source, place)
            value = source[begin:place]
        if name in _ATTRIBUTES_READ:
            kept.setdefault(name, _unescape(value))


def _match_end(pattern: re.Pattern[str], source: str, place: int) -> int:
    found = pattern.match(source, place)
    return place if found is None else found.end()


def _unescape(text: str) -> str:
    """Return ``text`` with its character references (``&amp;``) replaced."""
    return html.unescape(_HUGE_REFERENCE.sub("\ufffd", text)) if "&" in text else text


class _TextWriter:
    """Collects the text of a page, with headings, lists and links in Markdown."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._pieces: list[str] = []
        self._element = ""
        self._exact = 0
        self._link = ""
        self._link_from = 0
        self.title = ""

    def write(self, token: _Token) -> None:
        """Add the next token of the page."""
        kind, value, attributes = token
        if kind == "text":
            self._text(value)
        elif kind == "raw":
            self._raw(value)
        elif kind == "begin":
            self._element = value
            self._begin(value, attributes)
        elif value == "a":
            self._end_link()
        elif value == "pre":
            self._exact = max(self._exact - 1, 0)
            self._pieces.append("\n\n")
        elif value in _BLOCK_ELEMENTS:
            self._pieces.append("\n\n")
        elif value in _LINE_ELEMENTS:
            self._pieces.append("\n")

    def text(self) -> str:
        """Return the whole text, with at most one empty line between lines."""
        self._end_link()
        lines = (line.rstrip() for line in "".join(self._pieces).split("\n"))
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()

    def _text(self, value: str) -> None:
        text = _unescape(value)
        if not self._exact:
            text = " ".join(f".{text}.".split())[1:-1]
            if self._at_line_begin():
                text = text.lstrip()
        if text:
            self._pieces.append(text)

    def _raw(self, value: str) -> None:
        if self._element == "title":
            self.title = self.title or _unescape(value)
        elif self._element in _RAW_ELEMENTS_SHOWN:
            self._pieces.append(_unescape(value) or " ")

    def _begin(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "a":
            self._end_link()
            self._link, self._link_from = attributes.get("href", "").strip(), len(self._pieces)
        elif name == "base":
            self._address = _absolute_address(self._address, attributes.get("href", ""))
        elif name == "img":
            self._text(attributes.get("alt", ""))
        elif name in {"td", "th"}:
            if not self._at_line_begin():
                self._pieces.append(" | ")
        elif name in _BLOCK_ELEMENTS:
            self._pieces.append(f"\n\n{_HEADINGS.get(name, '')}")
            self._exact += name == "pre"
        elif name in _LINE_ELEMENTS:
            self._pieces.append("\n- " if name == "li" else "\n")

    def _at_line_begin(self) -> bool:
        return not self._pieces or self._pieces[-1].endswith(("\n", "- ", "# ", "| "))

    def _end_link(self) -> None:
        link, self._link = self._link, ""
        if not link or link.lower().startswith(_LINKS_IGNORED):
            return
        text = "".join(self._pieces[self._link_from :])
        words = " ".join(text.split())
        if words:
            begin = text[: len(text) - len(text.lstrip())]
            end = text[len(text.rstrip()) :]
            link = _absolute_address(self._address, link)
            self._pieces[self._link_from :] = [f"{begin}[{words}]({link}){end}"]


def _absolute_address(address: str, link: str) -> str:
    """Return ``link`` relative to ``address``; ``link`` itself if it is not an address."""
    try:
        return urljoin(address, "".join(link.split()))
    except ValueError:
        return link
