"""Who is at work on what: the calls of a run, folded from its lines.

Identity is the id of a call, never the name of an agent, which may be at work three times at once.
Nothing here knows terminals, colours or widths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

from agentouto import BUILTIN_TOOL_NAMES as BUILTIN
from agentouto.cli._text import in_one_line, listed, seconds

USER = "user"
RETURNED, FAILED, STOPPED = "returned", "failed", "stopped"
ENDED = frozenset({RETURNED, FAILED, STOPPED})
TAIL = 240
"""How many of the last characters an agent has written are kept."""

Line = Mapping[str, object]


@dataclass
class Card:
    """One call, as far as it has come.

    Attributes:
        name: Who answers it.
        began: Seconds since the run began.
        ended: Likewise; ``None`` while it is open.
        outcome: One of ``ENDED``, once it has ended.
        background: Whether its caller went on without waiting.
        children: The calls made from it, in order.
        tools: The tools of its own that are at work.
        question: What it has asked the user, until there is an answer.
        wait: What it waits for before it asks its model again.
        note: What is to be said about it besides its state.
    """

    name: str
    began: float
    background: bool = False
    ended: float | None = None
    outcome: str = ""
    children: list[Card] = field(default_factory=list["Card"])
    tools: list[str] = field(default_factory=list[str])
    question: str = ""
    wait: str = ""
    note: str = ""

    @property
    def state(self) -> str:
        """How it stands, in words."""
        if self.outcome:
            return self.outcome
        if self.question:
            return "waits for you"
        if self.wait:
            return "rate limit"
        if self.tools:
            return "tool"
        return "waits for peers" if self._waits() else "writing"

    @property
    def detail(self) -> str:
        """What it is doing, or what came of it."""
        match self.state:
            case "waits for you":
                return self.question
            case "rate limit":
                return self.wait
            case "tool":
                return listed(self.tools, 3)
            case _:
                return self.note

    def family(self) -> Iterator[Card]:
        """Yield it and everything below it, however deep that is."""
        todo = [self]
        while todo:
            card = todo.pop()
            yield card
            todo += card.children

    def _waits(self) -> bool:
        return any(not card.outcome and not card.background for card in self.children)


class Board:
    """Every call of a run. ``feed`` it with the lines of the run."""

    def __init__(self) -> None:
        self.message = ""
        self.now = 0.0
        self.usage: tuple[int | None, int | None] = (None, None)
        self.over = False
        self.roots: list[Card] = []
        self._cards: dict[str, Card] = {}
        self._askers: dict[str, Card] = {}
        self._writing: dict[str, str] = {}

    @property
    def cards(self) -> list[Card]:
        """Every call, in the order they began."""
        return list(self._cards.values())

    def settled(self) -> set[int]:
        """Return the ``id()`` of every call that has ended with everything below it."""
        done: set[int] = set()
        for card in reversed(self._cards.values()):  # what is below began later
            if card.outcome in ENDED and all(id(below) in done for below in card.children):
                done.add(id(card))
        return done

    def feed(self, line: Line) -> None:
        """Take in what happened."""
        self.now = max(self.now, cast("float", line["t"]))
        type_ = str(line["type"])
        if type_ == "run.start":
            self.message = _one(line, "text")
        elif type_ == "run.end":
            self._close(line)
        elif type_ == "forward":
            self._open(line)
        elif type_ == "ask":
            self._ask(line)
        elif type_ == "message":
            self._post(line)
        elif line.get("agent") == USER:
            self._answered(line)
        elif (card := self._cards.get(str(line.get("call")))) is not None:
            self._go_on(card, type_, line)

    def _open(self, line: Line) -> None:
        id_ = str(line["call"])
        apart = line.get("background") is True
        card = Card(str(line["agent"]), cast("float", line["t"]), apart)
        card.note = _one(line, "text")
        self._cards[id_] = card
        parent = self._cards.get(str(line.get("parent")))
        (self.roots if parent is None else parent.children).append(card)

    def _ask(self, line: Line) -> None:
        asker = self._cards.get(str(line.get("parent")))
        if asker is not None:
            asker.question = _one(line, "text") or "(an empty question)"
            self._askers[str(line["call"])] = asker

    def _answered(self, line: Line) -> None:
        asker = self._askers.pop(str(line.get("call")), None)
        if asker is not None:
            asker.question = ""

    def _post(self, line: Line) -> None:
        receiver = self._cards.get(str(line.get("to")))
        if receiver is not None:
            receiver.note = f"message from {line['sender']}: {_one(line, 'text')}"

    def _go_on(self, card: Card, type_: str, line: Line) -> None:
        id_ = str(line["call"])
        if type_ != "retry":
            card.wait = ""
        if type_ not in {"token", "thinking"}:
            self._writing.pop(id_, None)
        match type_:
            case "token" | "thinking":
                said = self._writing.get(id_, "") + str(line["text"])
                self._writing[id_] = said[-TAIL:]
                card.note = in_one_line(said[-TAIL:])
            case "tool.start":
                card.tools += _own_tool(line)
            case "tool.end":
                _put_away(card.tools, line)
                if line.get("failed"):
                    card.note = f"{line['tool']}: {_one(line, 'result')}"
            case "retry":
                wait = seconds(cast("float", line["wait"]))
                card.wait = f"wait {wait}, then try {line['attempt']}: {_one(line, 'error')}"
            case "summarized":
                card.note = "sums up what came before"
            case "return":
                _end(card, RETURNED, _one(line, "text"), line)
            case "error":
                stopped = str(line.get("error")).startswith("cancelled")
                _end(card, STOPPED if stopped else FAILED, _one(line, "error"), line)
            case _:
                return

    def _close(self, line: Line) -> None:
        self.over = True
        used = line.get("usage")
        if isinstance(used, Mapping):
            tokens = cast("Mapping[str, int | None]", used)
            self.usage = tokens.get("input"), tokens.get("output")


def _end(card: Card, outcome: str, note: str, line: Line) -> None:
    card.outcome, card.ended = outcome, cast("float", line["t"])
    card.note = "" if outcome == STOPPED else note
    card.tools.clear()


def _put_away(tools: list[str], line: Line) -> None:
    if line["tool"] in tools:
        tools.remove(str(line["tool"]))


def _own_tool(line: Line) -> list[str]:
    name = str(line["tool"])
    return [] if name in BUILTIN else [name]


def _one(line: Line, name: str) -> str:
    return in_one_line(str(line.get(name, "")))
