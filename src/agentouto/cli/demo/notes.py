"""What the tools have found so far: the one place the report takes its figures from.

Asking twice changes nothing: everything is kept by what it is about. Who asked is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from agentouto.cli.demo.folder import Folder, is_within
from agentouto.cli.demo.repeats import Repeat, find_repeats_in

REPEATS = "Repeated passages"


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
    """A line that was searched for: where it is, as ``file:line``, and what it says."""

    place: str
    text: str


@dataclass
class Notes:
    """What is known about the files of one folder.

    Attributes:
        folder: The files.
        sizes: How long files are, by name: of those that were counted.
        searches: What was found, by what it is called in the report.
        compared: The files in which repeated passages were looked for.
        left_aside: Where they were not looked for, because somebody said so.
        read: The files that were read.
        summary: What the report says before the figures.
        first: What the report shows first.
    """

    folder: Folder
    sizes: dict[str, Size] = field(default_factory=dict[str, Size])
    searches: dict[str, list[Match]] = field(default_factory=dict[str, list[Match]])
    compared: set[str] = field(default_factory=set[str])
    left_aside: set[str] = field(default_factory=set[str])
    read: set[str] = field(default_factory=set[str])
    summary: str = ""
    first: str = ""
    _repeats: tuple[list[str], list[Repeat], int] = field(default_factory=lambda: ([], [], 0))

    def count(self, names: Iterable[str]) -> None:
        """Count what is not counted yet."""
        for name in names:
            if name not in self.sizes:
                self.sizes[name] = size_of(self.folder.texts[name], self.folder.bytes[name])

    def total(self, names: Iterable[str]) -> Size:
        """Return how long the files are together."""
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
        """Return the repeated passages, and how many files were too many to compare."""
        names = [
            name
            for name in sorted(self.compared)
            if not any(is_within(name, place) for place in self.left_aside)
        ]
        if self._repeats[0] != names:
            texts = {name: self.folder.texts[name] for name in names}
            found, compared = find_repeats_in(texts)
            self._repeats = names, found, len(names) - compared
        return self._repeats[1:]

    def findings(self) -> dict[str, int]:
        """Return how much there is of everything that was looked for, the most first."""
        found = {title: len(matches) for title, matches in list(self.searches.items())}
        if self.compared:
            found[REPEATS] = len(self.repeats()[0])
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def type_of(name: str) -> str:
    """Return the type of a file: its ending."""
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    return f".{ending.lower()}" if dot and stem and ending else "(no ending)"


def size_of(text: str, size: int) -> Size:
    """Return how long ``text`` is, which takes ``size`` bytes."""
    lines = text.count("\n") + (not text.endswith("\n") and text != "")
    return Size(lines, len(text.split()), size)
