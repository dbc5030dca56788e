"""Parses the front matter of a SKILL.md: the YAML between its two lines of ``---``.

The parser reads a small, strict part of YAML 1.2 (yaml.org/spec/1.2.2): keys at the margin, whose
values are plain scalars, quoted scalars, or blocks (``|`` and ``>``; chapters 7.3 and 8.1). Such
files have no more, and only two texts are needed. Anchors, aliases, tags and merges are refused by
name, so a small file cannot expand into a large one, and every value is text. Whatever is nested
below other keys is skipped unread.

An accepted file means the same to a full YAML parser, except for white space, and except that a
value that looks like a number is text. Everything else is an error with its line.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

MOST_FRONT_MATTER = 16_384
"""Characters of front matter: more than ten times what name and description may have together."""

# ``*+`` and ``++`` give nothing back once they have matched, so a line of blanks takes linear time.
_KEY_LINE = re.compile(
    r"""(?P<key>[A-Za-z_][\w.-]*|"[\w.-]+"|'[\w.-]+')[ \t]*+:(?:[ \t]++(?P<rest>.*))?"""
)
_BLOCK_HEADER = re.compile(r"(?P<style>[|>])(?P<chomp>[+-]?)[ \t]*(?:[ \t]#.*)?")
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_ESCAPED = MappingProxyType(
    {
        **dict(zip("0abtnvfre", "\0\a\b\t\n\v\f\r\x1b", strict=True)),
        **{same: same for same in ' "/\\'},
    }
)
_REFUSED_BEGINNINGS = MappingProxyType(
    {
        "&": "an anchor",
        "*": "an alias",
        "!": "a tag",
        "%": "a directive",
        "@": "the reserved character @",
        "`": "the reserved character `",
        ",": "a comma at the beginning",
        "]": "a bracket at the beginning",
        "}": "a brace at the beginning",
    }
)


class BadFrontMatter(Exception):
    """The front matter cannot be parsed; the text names the line and the reason."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")


class FrontMatter(NamedTuple):
    """A file with front matter.

    Attributes:
        values: The text of each key that was asked for and exists.
        body: The text after the front matter.
    """

    values: Mapping[str, str]
    body: str


class _SourceLine(NamedTuple):
    number: int
    text: str

    @property
    def indent(self) -> int:
        return len(self.text) - len(self.text.lstrip(" "))

    @property
    def is_empty(self) -> bool:
        return not self.text.strip()

    @property
    def is_comment(self) -> bool:
        return self.text.lstrip().startswith("#")


def read_front_matter(text: str, wanted: Sequence[str]) -> FrontMatter:
    """Return the texts of the keys ``wanted``, and the text after the front matter.

    Raises:
        BadFrontMatter: There is no front matter, or it is not of the part of YAML that is parsed.
    """
    # Windows' editors put a byte order mark first, and end lines with two characters.
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if lines[0].rstrip() != "---":
        raise BadFrontMatter(1, "it does not begin with ---, so it has no name and description")
    size = end = 0
    for end, line in enumerate(lines[1:], 1):
        size += len(line) + 1
        if size > MOST_FRONT_MATTER:
            raise BadFrontMatter(
                end + 1, f"the front matter has over {MOST_FRONT_MATTER:,} characters"
            )
        if line.rstrip() in {"---", "..."}:
            break
    else:
        raise BadFrontMatter(len(lines), "the front matter has no end: a second line of ---")
    inside = [_SourceLine(number, line) for number, line in enumerate(lines[1:end], 2)]
    return FrontMatter(_read_values(inside, wanted), "\n".join(lines[end + 1 :]))


def _read_values(lines: Sequence[_SourceLine], wanted: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    seen: set[str] = set()
    place = 0
    while place < len(lines):
        line = lines[place]
        place += 1
        if line.is_empty or line.is_comment:
            continue
        if "\t" in line.text[: len(line.text) - len(line.text.lstrip())]:
            raise BadFrontMatter(line.number, "YAML is not indented with tabs")
        found = _KEY_LINE.fullmatch(line.text.rstrip())
        if found is None:
            raise BadFrontMatter(line.number, f"{line.text[:60]!r} is no 'key: value'")
        key = found["key"].strip("\"'")
        # YAML 1.2.2, 3.2.1.1: keys are unique. Parsers differ in which of two they take.
        if key in seen:
            raise BadFrontMatter(line.number, f"{key!r} is there twice")
        seen.add(key)
        begin = place
        while place < len(lines) and (lines[place].is_empty or lines[place].text[:1] in " \t-#"):
            place += 1
        if key in wanted:
            values[key] = _read_value(
                line.number, (found["rest"] or "").strip(), lines[begin:place]
            )
    return values


def _read_value(number: int, first: str, below: Sequence[_SourceLine]) -> str:
    """Return the text that begins with ``first`` and may continue in the lines ``below``."""
    block = _BLOCK_HEADER.fullmatch(first)
    if block is not None:
        return _block_scalar(block["style"], block["chomp"], below)
    tab = next((line for line in below if line.text.lstrip(" ").startswith("\t")), None)
    if tab is not None:
        raise BadFrontMatter(tab.number, "YAML is not indented with tabs")
    margin = next((line for line in below if line.indent == 0 and not line.is_empty), None)
    if margin is not None and not margin.is_comment:
        raise BadFrontMatter(margin.number, "a list is not read here; write the text in quotes")
    place = next((place for place, line in enumerate(below) if not line.is_empty), None)
    if not first and place is not None:
        number, first, below = below[place].number, below[place].text.strip(), below[place + 1 :]
    if first[:1] in _REFUSED_BEGINNINGS:
        raise BadFrontMatter(
            number, f"{_REFUSED_BEGINNINGS[first[0]]} is not read here; quote the text"
        )
    if first[:1] in {"[", "{", "|", ">"} or first in {"-", "?"} or first.startswith(("- ", "? ")):
        raise BadFrontMatter(number, f"text is expected, not {first[:40]!r}; quote the text")
    if first[:1] in {'"', "'"}:
        return _quoted_scalar(number, first, below)
    return _plain_scalar(number, first, below)


def _plain_scalar(number: int, first: str, below: Sequence[_SourceLine]) -> str:
    pieces: list[_SourceLine] = []
    for line in [_SourceLine(number, first), *below]:
        text, comment = line.text.strip(), False
        if text.startswith("#") or " #" in text:
            text, comment = ("" if text[0] == "#" else text.partition(" #")[0].rstrip()), True
        if text.endswith(":") or ": " in text:
            what = f"{text[:60]!r} has a colon and a space, which begin another value; quote it"
            raise BadFrontMatter(line.number, what)
        pieces.append(_SourceLine(line.number, text))
        if comment:
            break
    after = below[len(pieces) - 1 :]
    more = next((line for line in after if not line.is_empty and not line.is_comment), None)
    if more is not None:
        raise BadFrontMatter(more.number, "a comment ends a text, and more of it follows")
    text = _fold_lines([line.text for line in pieces])
    if text in {"~", "null", "Null", "NULL"}:
        return ""
    return text


def _quoted_scalar(number: int, first: str, below: Sequence[_SourceLine]) -> str:
    mark = first[0]
    whole = "\n".join([first, *(line.text.strip() for line in below)])
    inside = r'"((?:[^"\\]|\\.)*)"' if mark == '"' else r"'((?:[^']|'')*)'"
    found = re.match(inside, whole, re.DOTALL)
    if found is None:
        raise BadFrontMatter(number, f"the quotation has no end: {mark}")
    rest = whole[found.end() :]
    if any(line.strip() and not line.strip().startswith("#") for line in rest.split("\n")):
        raise BadFrontMatter(number, "something follows the end of a quotation")
    if rest.startswith("#"):
        raise BadFrontMatter(number, "a comment needs a space before it")
    text = _fold_lines(found[1].split("\n"))
    if mark == "'":
        return text.replace("''", "'")

    def escaped(one: re.Match[str]) -> str:
        code = one[1]
        if len(code) > 1:
            point = int(code[1:], 16)
            if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
                raise BadFrontMatter(number, f"\\{code} is no character")
            return chr(point)
        if code not in _ESCAPED:
            raise BadFrontMatter(number, f"\\{code} is not read here")
        return _ESCAPED[code]

    return _ESCAPE.sub(escaped, text)


def _fold_lines(lines: Sequence[str]) -> str:
    """Return lines as one text: a line end becomes a space, an empty line a line end (6.5)."""
    text, gap = (lines[0] if lines else ""), 0
    for line in lines[1:]:
        if not line:
            gap += 1
            continue
        text += "\n" * gap if gap else " "
        text, gap = text + line, 0
    return text.strip()


def _block_scalar(style: str, chomp: str, below: Sequence[_SourceLine]) -> str:
    lines = list(below)
    indent = next((line.indent for line in lines if not line.is_empty), 0)
    while lines and lines[-1].text[:1] == "#":  # a comment, because it is at the margin
        lines.pop()
    for line in itertools.takewhile(lambda line: line.is_empty, lines):
        if len(line.text) > indent:
            raise BadFrontMatter(line.number, "an empty line is indented more than the text")
    for line in lines:
        if not line.is_empty and (line.indent < indent or not indent):
            raise BadFrontMatter(line.number, "it is less indented than the text it belongs to")
    texts = [line.text[indent:] for line in lines]
    text = "\n".join(texts) if style == "|" else _folded_block(texts)
    return text.rstrip("\n") if chomp == "-" else text.strip("\n") + ("\n" if text else "")


def _folded_block(lines: Sequence[str]) -> str:
    if any(line[:1] in {" ", "\t"} for line in lines):
        return "\n".join(
            lines
        )  # YAML keeps the line ends of lines that are indented further (8.1.3)
    return _fold_lines(lines)
