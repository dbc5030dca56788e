"""Draws the live tree of a run at the bottom of a terminal, from ``RunState``.

One line is one call. The picture is never wider or higher than the terminal: a wrapped line or a
scrolled screen would break the cursor movements that erase the last picture. All text is ``Text``
and never a string, because rich reads ``[name]`` in a string as markup, and models write that.

If there are more open calls than lines, the tree gives way to the calls that act now, each with the
calls that it holds up; if these are still too many, to their number in each state.
"""

from __future__ import annotations

import os
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import TypeAlias

from rich.cells import chop_cells
from rich.console import Console, ConsoleDimensions, Group
from rich.live import Live
from rich.text import Text

from agentouto.cli._acting import Acting, acting_calls, by_state
from agentouto.cli._line_editor import Prompt
from agentouto.cli._run_state import OUTCOMES, CallState, RunState, State
from agentouto.cli._terminal_text import count_names, format_seconds, join_words, one_line, plural

FRAMES_PER_SECOND = 10
"""Redraws per second. More is not visible in text, and costs processor time."""

STATE_STYLES: Mapping[State, str] = MappingProxyType(
    {
        State.ASKS: "bold yellow",
        State.RATE_LIMIT: "yellow",
        State.TOOL: "magenta",
        State.PEERS: "blue",
        State.MODEL: "cyan",
        State.THINKING: "cyan",
        State.WRITING: "cyan",
        State.RETURNED: "green",
        State.FAILED: "bold red",
        State.STOPPED: "red",
    }
)
"""Colours by state. The state is written in words too, so colours carry no information alone."""

GUIDES = MappingProxyType({"utf-8": ("├── ", "└── ", "│   "), "ascii": ("|-- ", "`-- ", "|   ")})
"""Guides of the tree: for a branch, the last branch, and a line that goes on below."""

NAMED_CALLS = 3
"""Calls that are named in one line before the rest is counted."""

SHOWN_ENDED = (None, 3, 1, 0)
"""Ended calls of one caller that are shown; the next number is tried if the tree is too high."""

Row: TypeAlias = tuple[str, CallState | str]
"""The guide characters of a row, and its call or the text that stands for several calls."""


class TreeView:
    """Draws a run while it executes.

    rich draws in a thread of its own, so a lock guards the state.

    Args:
        console: The terminal.
        clock: Returns seconds, as they pass for the run.
    """

    draws_prompts = sys.platform != "win32"  # its consoles cannot deliver single keys to a loop

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._state = RunState()
        self._lock = threading.Lock()
        self._offset = self._clock()
        self._live: Live | None = None
        self._prompt: Prompt | None = None
        self._question_is_above = False
        self._drawn: list[Text] = []
        self._drawn_width = 0
        self._reflows = _reflows_lines(os.environ)

    def feed(self, line: Mapping[str, object]) -> None:
        """Update the state with a line; the first line starts the drawing."""
        begins = line["type"] == "run.start"
        with self._lock:
            self._state.feed(line)
            # A run that goes on begins with the lines that it had before: these come all at once.
            began = self._clock() - self._state.now
            self._offset = began if begins else min(self._offset, began)
        if begins:
            self.resume()

    def pause(self) -> None:
        """Stop drawing: a prompt uses the terminal. The last picture stays above it."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def resume(self) -> None:
        """Draw again, below what the terminal shows now."""
        self._drawn_width = 0
        self._live = Live(
            console=self._console,
            get_renderable=self._render,
            refresh_per_second=FRAMES_PER_SECOND,
            vertical_overflow="crop",
        )
        self._live.start(refresh=True)

    def stop(self) -> None:
        """Draw a last time; the run is over."""
        self.pause()

    def start_prompt(self, prompt: Prompt) -> None:
        """Draw ``prompt`` below the tree, which goes on. A long question is written above it."""
        self._prompt = prompt
        self._question_is_above = not _fits(prompt.question, self._console.size)
        if self._question_is_above:
            self._print_above(prompt.question)
        self.refresh()

    def refresh(self) -> None:
        """Draw now, because the prompt has changed."""
        if self._live is not None:
            self._live.refresh()

    def end_prompt(self, answer: str | None) -> None:
        """Draw the tree alone, and leave the question and its answer above it."""
        prompt, self._prompt = self._prompt, None
        if prompt is not None and answer is not None:
            self.refresh()  # what is written above the tree goes together with the last picture
            asked = "" if self._question_is_above else f"{prompt.question}\n"
            note = prompt.note(answer)
            self._print_above(f"{asked}> {answer}" + (f"\n{note}" if note else ""))

    def _print_above(self, text: str) -> None:
        lines = "\n".join(line.plain for line in _wrapped(text, self._console.width))
        self._console.print(Text(lines), soft_wrap=True)

    def _render(self) -> Group:
        size = self._console.size
        guides = GUIDES["ascii" if self._console.options.ascii_only else "utf-8"]
        prompt = self._prompt
        below = [] if prompt is None else prompt_lines(prompt, size.width, size.height)
        with self._lock:
            now = self._state.now if self._state.over else self._clock() - self._offset
            height = size.height - len(below)
            tree = render_tree(self._state, now, size.width, height, guides)
        if self._reflows and size.width < self._drawn_width:
            self._erase_wrapped(size.width)
        self._drawn, self._drawn_width = [*tree, *below], size.width
        return Group(*self._drawn)

    def _erase_wrapped(self, width: int) -> None:
        """Erase the rows that the last picture takes more, now that the terminal is narrower.

        rich goes up one row for each line that it has drawn.
        """
        more = sum(max(0, line.cell_len - 1) // width for line in self._drawn)
        if more:
            self._console.file.write("\r\x1b[2K" + "\x1b[1A\x1b[2K" * more)


def _reflows_lines(env: Mapping[str, str]) -> bool:
    """Return whether the terminal wraps lines that it shows when it is made narrower.

    Nearly all do. xterm, rxvt, the console of Linux and GNU screen cut them instead.
    """
    cuts = env.get("TERM", "").startswith(("linux", "rxvt"))
    return not (cuts or "XTERM_VERSION" in env or "STY" in env)


def prompt_lines(prompt: Prompt, width: int, height: int) -> list[Text]:
    """Return the lines of ``prompt``: at most half of the terminal.

    What is typed is shown from its end. A question that is longer is cut; it stands above the tree.
    Its last line is kept, which is the question itself where a tool is to be approved.
    """
    room = max(1, height // 2 - 1)
    lines = _wrapped(prompt.heading(), width)
    if len(lines) > room:
        note = Text("(the whole question stands above)", style="dim")
        lines = [*lines[: max(0, room - 2)], note, lines[-1]][-room:]
    typed = Text(f"> {prompt.typed}_")
    while typed.cell_len > max(4, width - 1):
        typed = Text(f"> {typed.plain[3:]}")
    return [*lines, typed]


def _fits(question: str, size: ConsoleDimensions) -> bool:
    """Return whether a prompt shows all of ``question``, also with a number before it."""
    return len(_wrapped(f"(1 of 99) {question}", size.width)) <= max(1, size.height // 2 - 1)


def _wrapped(text: str, width: int) -> list[Text]:
    """Return ``text`` in lines that fit: at words, or inside of one that is too wide."""
    wide = max(4, width - 1)
    lines = [
        line
        for each in text.split("\n")
        for line in textwrap.wrap(each, wide, break_on_hyphens=False) or [""]
    ]
    return [Text(piece) for line in lines for piece in chop_cells(line, wide) or [""]]


def render_tree(
    state: RunState,
    now: float,
    width: int,
    height: int,
    guides: tuple[str, str, str] = GUIDES["utf-8"],
) -> list[Text]:
    """Return the lines to show at second ``now``: at most ``height`` - 2 of them."""
    room = max(1, height - 4)  # without the message, the status line and two free lines
    rows = _rows_that_fit(state, room, guides, deepest=max(2, width // 8))
    if rows is None:
        body = _acting_lines(state, now, width, room)
    else:
        body = [_row_text(before, item, now, width) for before, item in rows]
    lines = [Text.assemble(("you", "bold"), " ", one_line(state.message)), *body]
    lines = [*lines, _status_line(state, now)][-max(1, height - 2) :]
    for line in lines:
        line.no_wrap = True
        line.truncate(max(1, width - 1), overflow="ellipsis")
    return lines


def _rows_that_fit(
    state: RunState, room: int, guides: tuple[str, str, str], deepest: int
) -> list[Row] | None:
    """Return the rows of the tree, or ``None`` if the open calls alone are too many."""
    ended_ids = state.fully_ended()
    for keep in SHOWN_ENDED:
        rows = list(islice(_tree_rows(state, ended_ids, keep, guides, deepest), room + 1))
        if len(rows) <= room:
            return rows
    return None


def _acting_lines(state: RunState, now: float, width: int, room: int) -> list[Text]:
    """Return a line for each call that acts now, or for each state if there are too many."""
    acting = acting_calls(state, now)
    open_calls = sum(call.outcome is None for call in state.calls)
    head = Text(f"{plural(open_calls, 'open call')}; these act now:", style="dim")
    if len(acting) < room:
        return [head, *(_acting_text(each, now, width) for each in acting)]
    asking = [each for each in acting if each.call.question]
    others = [each for each in acting if not each.call.question]
    groups = by_state(others, now)
    places = max(0, room - 1 - len(groups))
    if len(asking) > places:
        places = max(0, places - 1)
        groups = by_state([*asking[places:], *others], now)
    lines = [head, *(_acting_text(each, now, width) for each in asking[:places])]
    lines += [_group_text(each, members, now) for each, members in groups.items()]
    return lines[:room]


def _acting_text(acting: Acting, now: float, width: int) -> Text:
    names = count_names(one_line(call.name, 40) for call in acting.holds_up)
    holds_up = f"holds up {join_words(names, NAMED_CALLS)}" if names else ""
    return _call_text(Text(), acting.call, holds_up, now, width)


def _group_text(state: State, acting: Sequence[Acting], now: float) -> Text:
    held = {id(call) for each in acting for call in each.holds_up}
    parts = [plural(len(acting), "call")]
    if state is State.RATE_LIMIT:
        first = min(each.call.wait_ends for each in acting) - now
        parts.append(f"the next goes on in {format_seconds(max(0.0, first))}")
    if held:
        parts.append(f"hold up {plural(len(held), 'call')}")
    return Text.assemble((state, STATE_STYLES[state]), "  ", ", ".join(parts))


def _tree_rows(
    state: RunState,
    ended_ids: set[int],
    keep: int | None,
    guides: tuple[str, str, str],
    deepest: int,
) -> Iterator[Row]:
    """Yield the rows of the tree, without recursion: chains of calls may be very deep."""
    branch, last_branch, line = guides
    pending: list[tuple[str, int, list[CallState | str]]] = [
        ("", 1, _fold_ended(state.roots, ended_ids, keep))
    ]
    while pending:
        before, depth, level = pending[-1]
        if not level:
            pending.pop()
            continue
        item = level.pop(0)
        depth_note = "" if depth <= deepest else f"({depth} deep) "
        yield before + depth_note + (branch if level else last_branch), item
        if isinstance(item, CallState):
            below = before + (line if level else " " * len(line))
            children = _fold_ended(item.children, ended_ids, keep)
            pending.append((below if depth < deepest else before, depth + 1, children))


def _fold_ended(
    calls: list[CallState], ended_ids: set[int], keep: int | None
) -> list[CallState | str]:
    """Return the calls of one caller that are shown, and a text that counts the others."""
    ended = [call for call in calls if id(call) in ended_ids]
    if keep is None or len(ended) <= keep:
        return [*calls]
    folded = ended[: len(ended) - keep]
    hidden = {id(call) for call in folded}
    return [*(call for call in calls if id(call) not in hidden), _counts_text(folded)]


def _counts_text(calls: list[CallState]) -> str:
    every = [call for top in calls for call in top.descendants()]
    counts = [
        f"{number} {outcome}"
        for outcome in OUTCOMES
        if (number := sum(call.outcome is outcome for call in every))
    ]
    return f"and {', '.join(counts)}"


def _row_text(before: str, item: CallState | str, now: float, width: int) -> Text:
    guide = Text(before, style="dim")
    if isinstance(item, str):
        return guide.append(item)
    return _call_text(guide, item, item.detail(now), now, width)


def _call_text(line: Text, call: CallState, detail: str, now: float, width: int) -> Text:
    """Return ``line`` with a call: its state, how long it lasts, and at the end the call's age."""
    state = call.state(now)
    line.append(one_line(call.name, 40) + (" (background)" if call.background else ""), "bold")
    line.append(" ").append(_state_words(call, state), STATE_STYLES[state])
    if call.ended is None:
        seconds = call.wait_ends - now if state is State.RATE_LIMIT else now - call.since(now)
        line.append(f" {max(0.0, seconds):.1f}s")
    line.append(f" {detail}", "dim")
    age = f" {max(0.0, (now if call.ended is None else call.ended) - call.began):.1f}s"
    room = max(1, width - 1 - len(age))
    line.truncate(room, overflow="ellipsis", pad=True)
    return line.append(age, "dim")


def _state_words(call: CallState, state: State) -> str:
    if state is not State.PEERS:
        return state
    names = count_names(one_line(each.name, 40) for each in call.awaited_peers())
    return f"waits for {join_words(names, NAMED_CALLS)}"


def _status_line(state: RunState, now: float) -> Text:
    calls = state.calls
    open_ = sum(call.outcome is None for call in calls)
    counts = [f"{open_} running"] if open_ else []
    counts += [
        f"{number} {outcome}"
        for outcome in OUTCOMES
        if (number := sum(call.outcome is outcome for call in calls))
    ]
    parts = [f"{now:.1f}s", ", ".join(counts)]
    if state.usage != (None, None):
        read, written = ("?" if tokens is None else f"{tokens:,}" for tokens in state.usage)
        parts.append(f"{read} in / {written} out")
    if not state.over:
        parts.append("Ctrl+C stops")
    return Text("   ".join(part for part in parts if part), style="dim")
