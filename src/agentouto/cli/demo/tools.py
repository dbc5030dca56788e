"""What the peers can do: list, read, count, search, find repeated passages, write the report.

Every tool says how much it leaves out, and notes what it has found for the report. Who uses a tool,
and what for, is not known here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from agentouto.cli._text import counted
from agentouto.cli.demo.notes import Match, Notes
from agentouto.cli.demo.repeats import find_repeats_in
from agentouto.cli.demo.report import write

SHOWN_FILES = 200
SHOWN_PLACES = 40
SHOWN_LINES = 120
SHOWN_SIGNS = 8_000
LONGEST_LINE = 2_000
"""How much of a line is searched and shown."""

EXPLOSIVE = re.compile(r"[+*}]\)[+*{]|\\\d")
"""Patterns that can take for ever: repeated repetitions, and references back."""


class Toolbox:
    """The tools for one folder, and one report."""

    def __init__(self, notes: Notes, report: Path) -> None:
        self._notes = notes
        self._folder = notes.folder
        self._report = report

    def functions(self) -> list[Callable[..., object]]:
        """Return what the team is given as tools."""
        return [
            self.list_files,
            self.read_file,
            self.count,
            self.search,
            self.find_repeats,
            self.findings,
            self.write_report,
        ]

    def list_files(self, folder: str = ".") -> dict[str, object]:
        """List the text files under a folder, how many each folder holds, and what was left out.

        Args:
            folder: Where to look; "." is everything.
        """
        names = sorted(self._folder.within([folder]), key=lambda name: (name.count("/"), name))
        return {
            "files_in_all": len(names),
            "folders": dict(Counter(top_of(name) for name in names).most_common(SHOWN_PLACES)),
            "files": names[:SHOWN_FILES],
            "files_not_shown": max(0, len(names) - SHOWN_FILES),
            "left_out": {why: those.number for why, those in self._folder.left_out.items()},
        }

    def read_file(self, file: str, start: int = 1, lines: int = SHOWN_LINES) -> str:
        """Read part of a file, with line numbers.

        Args:
            file: Its name, as listed.
            start: The first line to read.
            lines: How many lines to read.
        """
        text = self._folder.texts.get(file)
        if text is None:
            raise ValueError(f"There is no file {file!r}. list_files tells what there is.")
        self._notes.read.add(file)
        every = text.removesuffix("\n").split("\n")
        first = max(1, start)
        part = every[first - 1 : first - 1 + max(1, min(lines, SHOWN_LINES))]
        shown = "\n".join(f"{first + n:5} {line[:LONGEST_LINE]}" for n, line in enumerate(part))
        left = len(every) - len(part)
        cut = "\n(cut here)" if len(shown) > SHOWN_SIGNS else ""
        rest = f"{counted(left, 'other line')} of {file} {'is' if left == 1 else 'are'} not shown"
        return f"{shown[:SHOWN_SIGNS]}{cut}\n({rest})"

    def count(self, places: list[str]) -> dict[str, object]:
        """Count the files, lines, words and bytes in some places.

        Args:
            places: Files, folders or patterns such as "*.md"; "." is everything.
        """
        names = self._folder.within(places)
        self._notes.count(names)
        longest = self._notes.longest(names, 5)
        return {
            "files": len(names),
            **asdict(self._notes.total(names)),
            "longest": {name: self._notes.sizes[name].lines for name in longest},
        }

    def search(
        self,
        text: str,
        title: str,
        regex: bool = False,  # noqa: FBT001, FBT002 - a model names its arguments
        places: list[str] | None = None,
    ) -> dict[str, object]:
        """Find the lines that have something in them.

        Args:
            text: What to look for, as it is written.
            title: What the report calls it, for example "Open markers".
            regex: Whether ``text`` is a regular expression.
            places: Where to look; everywhere if left out.
        """
        if regex and EXPLOSIVE.search(text):
            raise ValueError("Such a pattern can take for ever. Use one without nested repetition.")
        pattern = re.compile(text if regex else re.escape(text))
        names = self._folder.within(places or ["."])
        matches = [
            Match(f"{name}:{number}", line.strip()[:LONGEST_LINE])
            for name in names
            for number, line in enumerate(self._folder.texts[name].split("\n"), 1)
            if pattern.search(line[:LONGEST_LINE])
        ]
        self._notes.searches[title] = matches
        return {
            "matches": len(matches),
            "by_file": dict(Counter(file_of(match.place) for match in matches).most_common(20)),
            "places": [f"{match.place} {match.text[:160]}" for match in matches[:SHOWN_PLACES]],
            "places_not_shown": max(0, len(matches) - SHOWN_PLACES),
        }

    def find_repeats(
        self, places: list[str] | None = None, leave_out: list[str] | None = None
    ) -> dict[str, object]:
        """Find passages of five lines or more that stand in more than one place.

        Args:
            places: Where to look; everywhere if left out.
            leave_out: Files, folders or patterns not to look at, from now on.
        """
        self._notes.left_aside.update(leave_out or ())
        names = [
            name
            for name in self._folder.within(places or ["."], self._notes.left_aside)
            if self._folder.texts[name]
        ]
        self._notes.compared.update(names)
        found, compared = find_repeats_in({name: self._folder.texts[name] for name in names})
        return {
            "files_compared": compared,
            "files_too_many": len(names) - compared,
            "repeats": len(found),
            "lines": sum(repeat.lines for repeat in found),
            "longest": [asdict(repeat) for repeat in found[:10]],
        }

    def findings(self) -> dict[str, int]:
        """Tell how much of everything that was looked for has been found so far, by anyone."""
        return self._notes.findings()

    def write_report(self, summary: str, first: str = "") -> str:
        """Write the report. Its figures are put in from what the tools have found.

        Args:
            summary: What the reader should know, in a few sentences.
            first: Which of the findings to show first, by its title.
        """
        self._notes.summary, self._notes.first = summary, first
        write(self._notes, self._report)
        return f"Written to {self._report}."


def top_of(name: str) -> str:
    """Return the topmost folder of a file, or "." for one that lies in none."""
    return name.partition("/")[0] if "/" in name else "."


def file_of(place: str) -> str:
    """Return the file of ``file:line``."""
    return place.rpartition(":")[0]
