"""Chooses the view that shows a run: tree, lines or none; and writes events as JSON lines."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TextIO

from agentouto import Journal, Limits
from agentouto.cli._line_editor import Prompt, UndrawnPrompt

UNSAFE = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that JSON allows in a string, but that a terminal or a line reader interprets.

C1 controls (ECMA-48), the line separators U+2028 and U+2029, and the bidi controls of Unicode's
UAX #9.
"""


class Progress(StrEnum):
    """How a run is shown.

    ``AUTO`` is a tree at a terminal and lines elsewhere. With ``--jsonl`` nothing is shown if the
    events are on the same terminal, or if no person reads standard error.
    """

    AUTO = "auto"
    TREE = "tree"
    LINES = "lines"
    OFF = "off"


class View(Protocol):
    """Shows a run."""

    def feed(self, line: Mapping[str, object]) -> None:
        """Show an event."""
        ...

    def pause(self) -> None:
        """Leave the terminal to a prompt."""
        ...

    def resume(self) -> None:
        """Use the terminal again."""
        ...

    @property
    def draws_prompts(self) -> bool:
        """Whether it can draw a prompt below its picture."""
        ...

    def start_prompt(self, prompt: Prompt) -> None:
        """Draw ``prompt`` until it ends."""
        ...

    def refresh(self) -> None:
        """Draw now: the prompt has changed."""
        ...

    def end_prompt(self, answer: str | None) -> None:
        """Stop drawing the prompt; ``None`` if there was no answer."""
        ...

    def stop(self) -> None:
        """End: the run is over."""
        ...


class SilentView(UndrawnPrompt):
    """Shows nothing."""

    def feed(self, line: Mapping[str, object]) -> None:
        """Do nothing: nothing is shown."""

    def pause(self) -> None:
        """Do nothing: nothing is shown."""

    def resume(self) -> None:
        """Do nothing: nothing is shown."""

    def stop(self) -> None:
        """Do nothing: nothing is shown."""


@dataclass(frozen=True, kw_only=True)
class CommandOptions:
    """The options that commands share.

    Attributes:
        answers: Answers to questions, by the name of the asking agent.
        approved_tools: Names of tools whose every use is approved.
        limits: Limits for a run of a team that has none; ``None`` for no limits.
        jsonl: Whether the output is the events instead of the answer.
        as_json: Whether the output is one JSON object at the end, the event ``run.end``.
        quiet: Whether only the answer and errors are shown.
        progress: How the run is shown.
        color: Whether colours are allowed.
        verbose: Whether an error is shown with its traceback.
        journal: The journal that the run is kept in, if any.
        run_id: The id of the run there; empty to draw one.
        accepts_changes: Whether a saved run goes on with agents or tools that have changed.
        resume_command: The command that goes on with a run that was stopped, with ``ID`` in it,
            or ``SHORT`` for its beginning.
        team: How the team of the run was named, for the commands that go on with it.
        noted_team: Whether that team comes from the journal, so that it need not be named again.
    """

    answers: Mapping[str, list[str]] = field(default_factory=dict[str, list[str]])
    approved_tools: tuple[str, ...] = ()
    limits: Limits | None = None
    jsonl: bool = False
    as_json: bool = False
    quiet: bool = False
    progress: Progress = Progress.AUTO
    color: bool = True
    verbose: bool = False
    journal: Journal | None = None
    run_id: str = ""
    accepts_changes: bool = False
    resume_command: str = "the same command with --run-id ID"
    team: str = ""
    noted_team: bool = False

    def resolved_progress(self) -> Progress:
        """Return how the run is shown, with ``auto`` replaced by what this terminal can show."""
        if self.quiet:
            return Progress.OFF
        if self.progress is not Progress.AUTO:
            return self.progress
        terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        if self.jsonl and (sys.stdout.isatty() or not terminal):
            return Progress.OFF
        return Progress.TREE if terminal else Progress.LINES

    def make_view(self, clock: Callable[[], float] | None = None) -> View:
        """Return the view for the run; ``clock`` has its seconds, if it is one that is replayed."""
        match self.resolved_progress():
            case Progress.TREE:
                return _tree(clock, color=self.color and "NO_COLOR" not in os.environ)
            case Progress.LINES:
                from agentouto.cli._line_view import LineView  # noqa: PLC0415 - --help needs none

                return LineView(sys.stderr)
            case _:
                return SilentView()


def _tree(clock: Callable[[], float] | None, *, color: bool) -> View:
    from rich.console import Console  # noqa: PLC0415 - importing rich takes longer than --help

    from agentouto.cli._tree_view import TreeView  # noqa: PLC0415

    console = Console(stderr=True, color_system="auto" if color else None, highlight=False)
    return TreeView(console) if clock is None else TreeView(console, clock)


def write_json(line: Mapping[str, object], out: TextIO) -> None:
    """Write ``line`` as one line of JSON without characters that a terminal interprets."""
    narrow = not out.encoding.lower().startswith("utf")
    text = json.dumps(line, ensure_ascii=narrow, separators=(",", ":"), default=str)
    out.write(UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")
    out.flush()
