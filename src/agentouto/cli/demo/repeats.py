"""Passages that stand in more than one place. Knows lines, not what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SHORTEST = 5
"""How many lines, blank ones not counted, make a passage."""

FEWEST_LETTERS = 80
MOST_LINES = 400_000
"""How many lines are compared at most."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A passage, where it stands first and where it stands again: ``file:line``."""

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
    """Return the repeated passages of ``texts``, the longest first, and how many were compared.

    Blank lines and the space around words make no difference. Each passage is told once, with the
    first place it stands in, and no two of the places where it stands again overlap.
    """
    known: dict[str, int] = {}
    files: list[_Lines] = []
    left = MOST_LINES
    for name, text in texts.items():
        file = _lines_of(name, text, known)
        left -= len(file.ids)
        if left < 0:
            break
        files.append(file)
    seen: dict[tuple[int, ...], tuple[_Lines, int]] = {}
    found: list[Repeat] = []
    for file in files:
        place = 0
        while place + SHORTEST <= len(file.ids):
            window = tuple(file.ids[place : place + SHORTEST])
            source, start = seen.setdefault(window, (file, place))
            length = _common(source, start, file, place)
            if length < SHORTEST or _letters(file.texts[place : place + length]) < FEWEST_LETTERS:
                place += 1
                continue
            found.append(_told(source, start, file, place, length))
            place += length
    found.sort(key=lambda repeat: (-repeat.lines, repeat.first, repeat.again))
    return found, len(files)


def _lines_of(name: str, text: str, known: dict[str, int]) -> _Lines:
    file = _Lines(name, [], [], [])
    for number, line in enumerate(text.split("\n"), 1):
        if words := " ".join(line.split()):
            file.numbers.append(number)
            file.ids.append(known.setdefault(words, len(known)))
            file.texts.append(words)
    return file


def _common(one: _Lines, start: int, other: _Lines, place: int) -> int:
    """Return how many lines from the two places on are the same, without running into itself."""
    most = min(len(one.ids) - start, len(other.ids) - place)
    if one is other:
        most = min(most, place - start)
    length = 0
    while length < most and one.ids[start + length] == other.ids[place + length]:
        length += 1
    return length


def _letters(lines: list[str]) -> int:
    return sum(sign.isalnum() for line in lines for sign in line)


def _told(one: _Lines, start: int, other: _Lines, place: int, length: int) -> Repeat:
    first, again = (
        f"{file.name}:{file.numbers[at]}" for file, at in ((one, start), (other, place))
    )
    return Repeat(length, first, again, one.texts[start])
