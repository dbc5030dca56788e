"""Shows a run as lines of text for logs and pipes: one line for each message or fault."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO, cast

from agentouto import BUILTIN_TOOL_NAMES
from agentouto.cli._line_editor import UndrawnPrompt
from agentouto.cli._run_state import EventLine, asked_text
from agentouto.cli._terminal_text import fit_terminal, format_seconds, one_line, shorten_at_word

MAX_LINE_TEXT_LENGTH = 160
"""Characters of text in one line: with its head it fits a wide terminal or a log viewer."""

TEXT_COLUMN = 18
"""Where the names of a line begin, behind its time and its type."""

LONG_TOOL_SECONDS = 5.0
"""Seconds after which a tool that still runs gets a line: a reader of a log wonders by then."""


class LineView(UndrawnPrompt):
    """Writes a line for each event; while paused, it keeps the lines until it resumes.

    A rate limit that many calls meet at once is one line. A tool has lines only if it runs long:
    ``feed`` starts a timer in the running event loop. The error with which a run fails has no line
    if nothing follows it, because the command reports it at the end.

    Args:
        out: Where the lines are written.
        long_tool: The seconds after which a running tool gets a line.
    """

    def __init__(self, out: TextIO, long_tool: float = LONG_TOOL_SECONDS) -> None:
        self._out = out
        self._long_tool = long_tool
        self._paused_lines: list[str] | None = None
        self._limits_until: dict[str, float] = {}
        self._starters = 0
        self._last_error: tuple[str, str] | None = None
        self._tools: dict[tuple[str, str], list[RunningTool]] = {}
        self._held_tools: dict[str, EventLine] = {}

    def feed(self, line: EventLine) -> None:
        """Show an event."""
        match line["type"]:
            case "run.start":
                self._starters = 0
            case "forward" if line.get("parent") is None:
                self._starters += 1
            case "error" if self._ends_run(line):
                self._last_error = (str(line["error"]), format_event(line) or "")
                return
            case "run.end":
                self._end(line)
            case "model.wait" if line["why"] != "parallel" and self._is_reported(line):
                return
            case "tool.start" if line["tool"] not in BUILTIN_TOOL_NAMES:
                self._start_tool(line)
            case "tool.end":
                self._end_tool(line)
            case "ask" if line.get("kind") == "approval":
                self._hold_tool(line)
            case "return" if line["call"] in self._held_tools:
                self._start_tool({**self._held_tools.pop(str(line["call"])), "t": line["t"]})
            case _:
                pass
        if (text_line := format_event(line)) is not None:
            self._show(text_line)

    def pause(self) -> None:
        """Stop writing: a prompt uses the terminal."""
        self._paused_lines = []

    def resume(self) -> None:
        """Write the lines that came in the pause, and go on."""
        paused, self._paused_lines = self._paused_lines, None
        for text_line in paused or ():
            self._write(text_line)

    def stop(self) -> None:
        """Write what a pause has kept; the run is over."""
        for running in self._tools.values():
            for each in running:
                each.timer.cancel()
        self._show_last_error()
        self.resume()

    def _ends_run(self, line: EventLine) -> bool:
        """Return whether an error ends the run: the only starting agent failed."""
        failed = line.get("parent") is None and line.get("kind") != "stopped"
        return failed and self._starters == 1

    def _end(self, line: EventLine) -> None:
        """Leave out the error that ended the run: who shows the run reports it."""
        error = cast("Mapping[str, object]", line.get("error") or {})
        if self._last_error is not None and error.get("what") == self._last_error[0]:
            self._last_error = None

    def _show_last_error(self) -> None:
        last, self._last_error = self._last_error, None
        if last is not None:
            self._show(last[1])

    def _is_reported(self, line: EventLine) -> bool:
        """Return whether a line about the same limit was written and its wait is not over.

        The numbers in the texts of one limit differ, such as the seconds to wait.
        """
        limit = re.sub(r"[0-9]+", "0", str(line["error"]))
        t, wait = cast("float", line["t"]), cast("float", line["seconds"])
        if t < self._limits_until.get(limit, 0.0):
            return True
        self._limits_until[limit] = t + wait
        return False

    def _start_tool(self, line: EventLine) -> None:
        agent, tool = one_line(str(line["agent"]), 40), one_line(str(line["tool"]), 40)
        began = cast("float", line["t"])

        def announce() -> None:
            running.announced = True
            at = began + self._long_tool
            self._show(f"{at:7.2f}s tool     {agent}  {tool} still runs")

        timer = asyncio.get_running_loop().call_later(self._long_tool, announce)
        running = RunningTool(timer, began)
        self._tools.setdefault((str(line["call"]), str(line["tool"])), []).append(running)

    def _hold_tool(self, line: EventLine) -> None:
        """Let a tool not run while it waits for approval."""
        started = {"call": line["parent"], "agent": line["sender"], "tool": line["tool"]}
        self._held_tools[str(line["call"])] = started
        if running := self._tools.get((str(line["parent"]), str(line["tool"]))):
            running.pop().timer.cancel()

    def _end_tool(self, line: EventLine) -> None:
        running = self._tools.get((str(line["call"]), str(line["tool"])))
        if not running:
            return
        tool = running.pop(0)
        tool.timer.cancel()
        if tool.announced:
            agent, name = one_line(str(line["agent"]), 40), one_line(str(line["tool"]), 40)
            t, how = cast("float", line["t"]), "failed" if line.get("failed") else "ended"
            took = format_seconds(t - tool.began)
            self._show(f"{t:7.2f}s tool     {agent}  {name} {how} after {took}")

    def _show(self, text_line: str) -> None:
        self._show_last_error()
        if self._paused_lines is None:
            self._write(text_line)
        else:
            self._paused_lines.append(text_line)

    def _write(self, text_line: str) -> None:
        self._out.write(f"{fit_terminal(text_line, self._out, TEXT_COLUMN * ' ')}\n")
        self._out.flush()


@dataclass
class RunningTool:
    """A tool that runs: its timer, when it began, and whether its first line was written."""

    timer: asyncio.TimerHandle
    began: float
    announced: bool = False


def format_event(line: EventLine) -> str | None:
    """Return the line of text for an event, or ``None`` for events that lines do not show."""
    agent = one_line(str(line.get("agent", "")), 40)
    match line["type"]:
        case "forward" | "ask" | "message" | "return":
            sender, receiver = (one_line(str(line[name]), 40) for name in ("sender", "receiver"))
            who, text = f"{sender} -> {receiver}", asked_text(line)
        case "message.returned":
            who = one_line(f"{line['sender']} -> {line['receiver']}", 80)
            text = f"not read, {line['reason']}: {line['text']}"
        case "summarized":
            who = agent
            text = f"about {line['tokens_before']} tokens, now {line['tokens_after']}"
        case "summary.failed":
            who, text = agent, f"no summary: {line['error']}"
        case "repeated":
            who, text = agent, f"asked the same for the {line['times']}. time: {line['text']}"
        case "model.wait" if line["why"] != "parallel":
            wait = format_seconds(cast("float", line["seconds"]))
            who, text = agent, f"{wait}, then try {line['attempt']}: {line['error']}"
        case "model.switch":
            who = agent
            text = f"{line['model']} is asked instead of {line['from']}: {line['error']}"
        case "error" if line.get("kind") != "stopped":  # reported at the end of the run
            who, text = agent, str(line["error"])
        case _:
            return None
    t, type_ = cast("float", line["t"]), str(line["type"]).rpartition(".")[2]
    return f"{t:7.2f}s {type_:<8} {who}  {shorten_at_word(text, MAX_LINE_TEXT_LENGTH)}".rstrip()
