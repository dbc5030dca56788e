"""Collects what the demo tools find; the report takes all its figures from here.

Results are stored by file name or title, so that a repeated tool call replaces its result instead
of counting it twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from agentouto.cli.demo.folder import Folder, is_within
from agentouto.cli.demo.repeats import Repeat, find_repeats_in

REPEATS = "Repeated passages"
"""The title of the repeated passages in the report; searches have titles of the models' choice."""


@dataclass(frozen=True, slots=True)
class Size:
    """How long a file is: in lines, in words between white space, in bytes on the disk."""

    lines: int = 0
    words: int = 0
    bytes: int = 0

    def __add__(self, other: Size) -> Size:
        """Return the sum."""
        return Size(self.lines + other.lines, self.words + other.words, self.bytes + other.bytes)


@dataclass(frozen=True, slots=True)
class Match:
    """A line that a search found: its place as ``file:line``, and its text."""

    place: str
    text: str


@dataclass
class Findings:
    """Figures and matches for the files of one folder.

    Attributes:
        folder: The files.
        sizes: The sizes of the counted files, by name.
        searches: The matches of each search, by its title in the report.
        compared: The files that were searched for repeated passages.
        excluded: Files, folders and patterns that a peer excluded from that search.
        read: The files that were read.
        summary: The text before the figures in the report.
        first: The title of the section that the report shows first.
    """

    folder: Folder
    sizes: dict[str, Size] = field(default_factory=dict[str, Size])
    searches: dict[str, list[Match]] = field(default_factory=dict[str, list[Match]])
    compared: set[str] = field(default_factory=set[str])
    excluded: set[str] = field(default_factory=set[str])
    read: set[str] = field(default_factory=set[str])
    summary: str = ""
    first: str = ""
    _repeats: tuple[list[str], list[Repeat], int] = field(default_factory=lambda: ([], [], 0))

    def count(self, names: Iterable[str]) -> None:
        """Count the files that are not counted yet."""
        for name in names:
            if name not in self.sizes:
                self.sizes[name] = size_of(self.folder.texts[name], self.folder.bytes[name])

    def total(self, names: Iterable[str]) -> Size:
        """Return the sum of the sizes of the files."""
        return sum((self.sizes[name] for name in names), Size())

    def by_type(self) -> dict[str, list[str]]:
        """Return the files that were counted, by type, those with the most files first."""
        types: dict[str, list[str]] = {}
        for name in sorted(self.sizes):
            types.setdefault(type_of(name), []).append(name)
        return dict(sorted(types.items(), key=lambda item: (-len(item[1]), item[0])))

    def longest(self, names: Iterable[str], most: int) -> list[str]:
        """Return the longest of the files."""
        return sorted(names, key=lambda name: (-self.sizes[name].lines, name))[:most]

    def repeats(self) -> tuple[list[Repeat], int]:
        """Return the repeated passages, and the number of files beyond the bound."""
        names = [
            name
            for name in sorted(self.compared)
            if not any(is_within(name, place) for place in self.excluded)
        ]
        if self._repeats[0] != names:
            texts = {name: self.folder.texts[name] for name in names}
            found, compared = find_repeats_in(texts)
            self._repeats = names, found, len(names) - compared
        return self._repeats[1:]

    def counts(self) -> dict[str, int]:
        """Return the number of matches by title, the highest first."""
        found = {title: len(matches) for title, matches in list(self.searches.items())}
        if self.compared:
            found[REPEATS] = len(self.repeats()[0])
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def type_of(name: str) -> str:
    """Return the type of a file, which is its ending."""
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    return f".{ending.lower()}" if dot and stem and ending else "(no ending)"


def size_of(text: str, size: int) -> Size:
    """Return the size of ``text``, which takes ``size`` bytes on the disk."""
    lines = text.count("\n") + (not text.endswith("\n") and text != "")
    return Size(lines, len(text.split()), size)
