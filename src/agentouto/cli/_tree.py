"""The live tree: what ``_board.py`` knows, drawn again and again at the bottom of a terminal.

One line for one call, never wider or higher than the terminal. Text goes in as ``Text``, so that
nothing a model says is taken for markup. What an event means is not known here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TypeAlias

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from agentouto.cli._board import FAILED, RETURNED, STOPPED, Board, Card
from agentouto.cli._text import in_one_line

FRAMES = 10
"""Pictures a second."""

STYLES = {
    "writing": "cyan",
    "tool": "magenta",
    "waits for peers": "blue",
    "waits for you": "bold yellow",
    "rate limit": "yellow",
    "returned": "green",
    "failed": "bold red",
    "stopped": "red",
}
GUIDES = {"utf-8": ("├── ", "└── ", "│   "), "ascii": ("|-- ", "`-- ", "|   ")}
KEEP = (None, 3, 1, 0)
"""How many ended calls of one caller are shown before the rest is folded: tried in this order."""

Row: TypeAlias = tuple[str, Card | str]
"""The lines before it, and a call or what is said instead of several."""


class TreeView:
    """Draws a run while it happens. Feeding and drawing may happen in different threads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._board = Board()
        self._lock = threading.Lock()
        self._offset = time.monotonic()
        self._live: Live | None = None

    def feed(self, line: Mapping[str, object]) -> None:
        """Take in what happened."""
        with self._lock:
            self._board.feed(line)
        if line["type"] == "run.start":
            self._offset = time.monotonic()
            self.go_on()

    def hold(self) -> None:
        """Leave the terminal to somebody else; what was drawn last stays above."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def go_on(self) -> None:
        """Draw below whatever the terminal shows now."""
        self._live = Live(
            console=self._console,
            get_renderable=self._picture,
            refresh_per_second=FRAMES,
            vertical_overflow="crop",
        )
        self._live.start(refresh=True)

    def stop(self) -> None:
        """Draw a last time and stop for good."""
        self.hold()

    def _picture(self) -> Group:
        size = self._console.size
        guides = GUIDES["ascii" if self._console.options.ascii_only else "utf-8"]
        with self._lock:
            now = self._board.now if self._board.over else time.monotonic() - self._offset
            return Group(*picture(self._board, now, size.width, size.height, guides))


def picture(
    board: Board,
    now: float,
    width: int,
    height: int,
    guides: tuple[str, str, str] = GUIDES["utf-8"],
) -> list[Text]:
    """Return the lines to show at second ``now``: at most ``height`` - 2, none too wide."""
    room = max(1, height - 4)  # for the tree itself, between the first line and the last
    rows = _fitting(board, room, guides, deepest=max(2, width // 8))
    lines = [Text.assemble(("you", "bold"), " ", in_one_line(board.message))]
    lines += [_line(before, what, now) for before, what in rows]
    lines = [*lines, _foot(board, now)][-max(1, height - 2) :]
    for line in lines:
        line.no_wrap = True
        line.truncate(max(1, width - 1), overflow="ellipsis")
    return lines


def _fitting(board: Board, room: int, guides: tuple[str, str, str], deepest: int) -> list[Row]:
    settled = board.settled()
    for keep in KEEP:
        rows = list(islice(_rows(board, settled, keep, guides, deepest), room + 1))
        if len(rows) <= room:
            return rows
    every = list(_rows(board, settled, KEEP[-1], guides, deepest))
    left = sum(isinstance(what, Card) for _, what in every[room - 1 :])
    return [*every[: room - 1], (guides[1], f"and {left} more")]


def _rows(
    board: Board, settled: set[int], keep: int | None, guides: tuple[str, str, str], deepest: int
) -> Iterator[Row]:
    """Yield the lines of the tree. A chain of calls may be deeper than Python can call itself."""
    branch, last_branch, line = guides
    todo: list[tuple[str, int, list[Card | str]]] = [("", 1, _split(board.roots, settled, keep))]
    while todo:
        before, depth, level = todo[-1]
        if not level:
            todo.pop()
            continue
        what = level.pop(0)
        told = "" if depth <= deepest else f"({depth} deep) "
        yield before + told + (branch if level else last_branch), what
        if isinstance(what, Card):
            below = before + (line if level else " " * len(line))
            children = _split(what.children, settled, keep)
            todo.append((below if depth < deepest else before, depth + 1, children))


def _split(cards: list[Card], settled: set[int], keep: int | None) -> list[Card | str]:
    """Return what is shown of the calls of one caller, and what is said of the others."""
    ended = [card for card in cards if id(card) in settled]
    if keep is None or len(ended) <= keep:
        return [*cards]
    folded = ended[: len(ended) - keep]
    hidden = {id(card) for card in folded}
    return [*(card for card in cards if id(card) not in hidden), _tally(folded)]


def _tally(cards: list[Card]) -> str:
    every = [card for top in cards for card in top.family()]
    counts = [
        f"{number} {outcome}"
        for outcome in (RETURNED, FAILED, STOPPED)
        if (number := sum(card.outcome == outcome for card in every))
    ]
    return f"and {', '.join(counts)}"


def _line(before: str, what: Card | str, now: float) -> Text:
    if isinstance(what, str):
        return Text.assemble((before, "dim"), (what, "dim"))
    state = what.state
    took = (now if what.ended is None else what.ended) - what.began
    name = in_one_line(what.name, 40) + (" (background)" if what.background else "")
    return Text.assemble(
        (before, "dim"),
        (name, "bold"),
        " ",
        (state, STYLES[state]),
        f" {max(0.0, took):.1f}s ",
        (what.detail, "dim"),
    )


def _foot(board: Board, now: float) -> Text:
    cards = board.cards
    open_ = sum(not card.outcome for card in cards)
    counts = [f"{open_} running"] if open_ else []
    counts += [
        f"{number} {outcome}"
        for outcome in (RETURNED, FAILED, STOPPED)
        if (number := sum(card.outcome == outcome for card in cards))
    ]
    parts = [f"{now:.1f}s", ", ".join(counts)]
    if board.usage != (None, None):
        read, written = ("?" if tokens is None else f"{tokens:,}" for tokens in board.usage)
        parts.append(f"{read} in / {written} out")
    if not board.over:
        parts.append("Ctrl+C stops")
    return Text("   ".join(part for part in parts if part), style="dim")
