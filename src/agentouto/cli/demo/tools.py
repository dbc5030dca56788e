"""The tools of the demo peers: list, read, count, search, find repeated passages, write the report.

Every tool says how much it leaves out, and adds what it found to ``Findings`` for the report.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from agentouto.cli._terminal_text import plural
from agentouto.cli.demo.findings import Findings, Match
from agentouto.cli.demo.repeats import find_repeats_in
from agentouto.cli.demo.report import write_report

MAX_LISTED_FILES = 200
"""File names in one listing: about 2,000 tokens."""

MAX_PLACES = 40
"""Places in one search result: about 2,000 tokens at 160 characters each."""

MAX_READ_LINES = 120
"""Lines in one reading: two screens, enough to see what a file is about."""

MAX_CHARACTERS = 8_000
"""Characters in one reading: about 2,000 tokens, also when the lines are long."""

MAX_LINE_LENGTH = 2_000
"""Characters of a line that are searched and shown; longer lines are generated files."""

SLOW_PATTERN = re.compile(r"[+*}]\)[+*{]|\\\d")
"""Regular expressions that may backtrack without end: nested quantifiers and backreferences.

Python's ``re`` has no time limit, and a model writes the pattern. An example: ``(a+)+$``.
"""


class FolderTools:
    """The tools for one folder and one report."""

    def __init__(self, findings: Findings, report: Path) -> None:
        self._findings = findings
        self._folder = findings.folder
        self._report = report

    def functions(self) -> list[Callable[..., object]]:
        """Return the functions that the team gets as tools."""
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
            "folders": dict(Counter(top_folder(name) for name in names).most_common(MAX_PLACES)),
            "files": names[:MAX_LISTED_FILES],
            "files_not_shown": max(0, len(names) - MAX_LISTED_FILES),
            "left_out": {why: those.number for why, those in self._folder.left_out.items()},
        }

    def read_file(self, file: str, start: int = 1, lines: int = MAX_READ_LINES) -> str:
        """Read part of a file, with line numbers.

        Args:
            file: Its name, as listed.
            start: The first line to read.
            lines: How many lines to read.
        """
        text = self._folder.texts.get(file)
        if text is None:
            raise ValueError(f"There is no file {file!r}. list_files tells what there is.")
        self._findings.read.add(file)
        every = text.removesuffix("\n").split("\n")
        first = max(1, start)
        part = every[first - 1 : first - 1 + max(1, min(lines, MAX_READ_LINES))]
        shown = "\n".join(f"{first + n:5} {line[:MAX_LINE_LENGTH]}" for n, line in enumerate(part))
        left = len(every) - len(part)
        cut = "\n(cut here)" if len(shown) > MAX_CHARACTERS else ""
        rest = f"{plural(left, 'other line')} of {file} {'is' if left == 1 else 'are'} not shown"
        return f"{shown[:MAX_CHARACTERS]}{cut}\n({rest})"

    def count(self, places: list[str]) -> dict[str, object]:
        """Count the files, lines, words and bytes in some places.

        Args:
            places: Files, folders or patterns such as "*.md"; "." is everything.
        """
        names = self._folder.within(places)
        self._findings.count(names)
        longest = self._findings.longest(names, 5)
        return {
            "files": len(names),
            **asdict(self._findings.total(names)),
            "longest": {name: self._findings.sizes[name].lines for name in longest},
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
        if regex and SLOW_PATTERN.search(text):
            raise ValueError("Such a pattern can take for ever. Use one without nested repetition.")
        pattern = re.compile(text if regex else re.escape(text))
        names = self._folder.within(places or ["."])
        matches = [
            Match(f"{name}:{number}", line.strip()[:MAX_LINE_LENGTH])
            for name in names
            for number, line in enumerate(self._folder.texts[name].split("\n"), 1)
            if pattern.search(line[:MAX_LINE_LENGTH])
        ]
        self._findings.searches[title] = matches
        return {
            "matches": len(matches),
            "by_file": dict(
                Counter(file_name_of(match.place) for match in matches).most_common(20)
            ),
            "places": [f"{match.place} {match.text[:160]}" for match in matches[:MAX_PLACES]],
            "places_not_shown": max(0, len(matches) - MAX_PLACES),
        }

    def find_repeats(
        self, places: list[str] | None = None, leave_out: list[str] | None = None
    ) -> dict[str, object]:
        """Find passages of five lines or more that stand in more than one place.

        Args:
            places: Where to look; everywhere if left out.
            leave_out: Files, folders or patterns not to look at, from now on.
        """
        self._findings.excluded.update(leave_out or ())
        names = [
            name
            for name in self._folder.within(places or ["."], self._findings.excluded)
            if self._folder.texts[name]
        ]
        self._findings.compared.update(names)
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
        return self._findings.counts()

    def write_report(self, summary: str, first: str = "") -> str:
        """Write the report. Its figures are put in from what the tools have found.

        Args:
            summary: What the reader should know, in a few sentences.
            first: Which of the findings to show first, by its title.
        """
        self._findings.summary, self._findings.first = summary, first
        write_report(self._findings, self._report)
        return f"Written to {self._report}."


def top_folder(name: str) -> str:
    """Return the topmost folder of a file, or "." for one that lies in none."""
    return name.partition("/")[0] if "/" in name else "."


def file_name_of(place: str) -> str:
    """Return the file of ``file:line``."""
    return place.rpartition(":")[0]
