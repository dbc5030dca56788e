"""Finds passages that occur in more than one place, comparing line by line.

Lines are numbered by their words, and windows of ``MIN_LINES`` numbers are looked up in a table, so
the time grows with the number of lines and not with its square.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MIN_LINES = 5
"""Lines of the shortest passage, blank lines not counted. Fewer are mostly imports and braces."""

MIN_LETTERS = 80
"""Letters and digits of the shortest passage: five closing brackets are not a passage."""

MAX_COMPARED_LINES = 400_000
"""Lines that are compared: about two seconds and 200 MB."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A repeated passage, with its first and its other place as ``file:line``."""

    lines: int
    first: str
    again: str
    begins: str


@dataclass(frozen=True, slots=True)
class _Lines:
    name: str
    numbers: list[int]
    ids: list[int]
    texts: list[str]


def find_repeats_in(texts: Mapping[str, str]) -> tuple[list[Repeat], int]:
    """Return the repeated passages of ``texts``, longest first, and the number of compared texts.

    Blank lines and the space around words make no difference. Each passage is reported with its
    first place, and the other places do not overlap.
    """
    id_by_words: dict[str, int] = {}
    files: list[_Lines] = []
    left = MAX_COMPARED_LINES
    for name, text in texts.items():
        file = _lines_of(name, text, id_by_words)
        left -= len(file.ids)
        if left < 0:
            break
        files.append(file)
    seen: dict[tuple[int, ...], tuple[_Lines, int]] = {}
    found: list[Repeat] = []
    for file in files:
        place = 0
        while place + MIN_LINES <= len(file.ids):
            window = tuple(file.ids[place : place + MIN_LINES])
            source, start = seen.setdefault(window, (file, place))
            length = _common_length(source, start, file, place)
            if (
                length < MIN_LINES
                or _letter_count(file.texts[place : place + length]) < MIN_LETTERS
            ):
                place += 1
                continue
            found.append(_make_repeat(source, start, file, place, length))
            place += length
    found.sort(key=lambda repeat: (-repeat.lines, repeat.first, repeat.again))
    return found, len(files)


def _lines_of(name: str, text: str, id_by_words: dict[str, int]) -> _Lines:
    file = _Lines(name, [], [], [])
    for number, line in enumerate(text.split("\n"), 1):
        if words := " ".join(line.split()):
            file.numbers.append(number)
            file.ids.append(id_by_words.setdefault(words, len(id_by_words)))
            file.texts.append(words)
    return file


def _common_length(one: _Lines, start: int, other: _Lines, place: int) -> int:
    """Return how many lines after the two places are equal, without overlap in one file."""
    most = min(len(one.ids) - start, len(other.ids) - place)
    if one is other:
        most = min(most, place - start)
    length = 0
    while length < most and one.ids[start + length] == other.ids[place + length]:
        length += 1
    return length


def _letter_count(lines: list[str]) -> int:
    return sum(char.isalnum() for line in lines for char in line)


def _make_repeat(one: _Lines, start: int, other: _Lines, place: int, length: int) -> Repeat:
    first, again = (
        f"{file.name}:{file.numbers[at]}" for file, at in ((one, start), (other, place))
    )
    return Repeat(length, first, again, one.texts[start])
