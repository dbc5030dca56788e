"""Which of the ways to watch a run is used, and the file that takes its lines. Draws nothing."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TextIO

from agentouto.cli._lines import LinesView

UNSAFE = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class Progress(StrEnum):
    """How a run is shown while it happens."""

    AUTO = "auto"
    TREE = "tree"
    LINES = "lines"
    OFF = "off"


class View(Protocol):
    """Somebody who shows a run."""

    def feed(self, line: Mapping[str, object]) -> None:
        """Take in what happened."""
        ...

    def hold(self) -> None:
        """Leave the terminal to somebody else."""
        ...

    def go_on(self) -> None:
        """Take the terminal back."""
        ...

    def stop(self) -> None:
        """Stop for good."""
        ...


class NoView:
    """Shows nothing."""

    def feed(self, line: Mapping[str, object]) -> None:
        """Look away."""

    def hold(self) -> None:
        """Do nothing: nothing is shown."""

    def go_on(self) -> None:
        """Do nothing: nothing is shown."""

    def stop(self) -> None:
        """Do nothing: nothing is shown."""


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a command behaves, whatever it runs.

    Attributes:
        answers: Answers to questions, by the name of the agent that asks.
        jsonl: Whether the events are the output, instead of the answer.
        quiet: Whether nothing but the answer and errors is shown.
        progress: How the run is shown.
        color: Whether there may be colours.
        verbose: Whether an error is shown with its traceback.
    """

    answers: Mapping[str, list[str]]
    jsonl: bool = False
    quiet: bool = False
    progress: Progress = Progress.AUTO
    color: bool = True
    verbose: bool = False

    def way(self) -> Progress:
        """Return how the run is shown, ``auto`` decided."""
        if self.quiet:
            return Progress.OFF
        if self.progress is not Progress.AUTO:
            return self.progress
        terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        if self.jsonl and (sys.stdout.isatty() or not terminal):
            return Progress.OFF
        return Progress.TREE if terminal else Progress.LINES

    def view(self) -> View:
        """Return somebody who shows the run."""
        match self.way():
            case Progress.TREE:
                return _tree(color=self.color and "NO_COLOR" not in os.environ)
            case Progress.LINES:
                return LinesView(sys.stderr)
            case _:
                return NoView()


def _tree(*, color: bool) -> View:
    from rich.console import Console  # noqa: PLC0415 - rich takes longer than all of --help

    from agentouto.cli._tree import TreeView  # noqa: PLC0415

    return TreeView(Console(stderr=True, color_system="auto" if color else None, highlight=False))


def write_json(line: Mapping[str, object], out: TextIO) -> None:
    """Write ``line`` as one line of JSON that no terminal takes for a command."""
    narrow = not out.encoding.lower().startswith("utf")
    text = json.dumps(line, ensure_ascii=narrow, separators=(",", ":"), default=str)
    out.write(UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")
    out.flush()
