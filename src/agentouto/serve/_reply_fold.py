"""Folds the lines of a run into one reply to the user: words, and the work behind them.

Chat programs show one answer, and fold away what the model thought. So what the starting agents
write is the content, and what happens behind it is the reasoning: thinking, the calls of peers, and
the tools they use. Errors of providers and results of tools stay inside: they may hold anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import NamedTuple, cast

from agentouto.serve._teams import USER_NAME

MOST_SHOWN = 2000
"""Characters of one message between peers. They are for a person who looks on, who reads a page of
it at most."""


class PieceKind(Enum):
    """Where a piece of a reply is shown."""

    CONTENT = auto()
    REASONING = auto()


class Piece(NamedTuple):
    """A piece of a reply."""

    kind: PieceKind
    text: str


class ReplyFold:
    """Folds the lines of one reply.

    Args:
        several: Whether several agents were started. Their words come as a block for each, when it
            has returned, because they write at the same time.

    Attributes:
        input_tokens: Tokens read for this reply.
        output_tokens: Tokens written, reasoning included.
        cached_tokens: How many of the input tokens came from a cache.
        reasoning_tokens: How many of the output tokens were reasoning.
    """

    def __init__(self, *, several: bool) -> None:
        self._several = several
        # By call, the texts of each turn: what an agent returns may be what it has just said.
        self._turns: dict[str, list[list[str]]] = {}
        self._gap = False
        self._has_content = False
        self._thinking = False
        self._content: list[str] = []
        self.input_tokens = 0
        self.output_tokens = 0
        self.cached_tokens = 0
        self.reasoning_tokens = 0

    @property
    def content(self) -> str:
        """All words so far."""
        return "".join(self._content)

    def feed(self, line: Mapping[str, object]) -> Iterator[Piece]:
        """Yield the pieces that ``line`` adds to the reply."""
        starter = line.get("parent") is None
        match line["type"]:
            case "token" if starter and not self._several:
                text = str(line["text"])
                self._turns.setdefault(str(line["call"]), [[]])[-1].append(text)
                yield from self._words(text)
            case "thinking" if starter and not self._several:
                yield from self._thoughts(str(line["text"]), goes_on=True)
            case "model.start" if starter:
                self._turns.setdefault(str(line["call"]), []).append([])
                self._gap = True
            case "model.end" | "spent":
                self._count(line)
            case "return" if starter:
                yield from self._returned(line)
            case "forward" | "return" | "message" if not starter or line["type"] == "message":
                yield from self._passed(line)
            case "error" if not starter and line["agent"] != USER_NAME:
                yield from self._thoughts(f"{line['agent']} could not answer ({line['kind']})")
            case "tool.start" if not line["builtin"]:
                arguments = cast("Mapping[str, object]", line["arguments"])
                shown = ", ".join(f"{name}={value!r:.60}" for name, value in arguments.items())
                yield from self._thoughts(f"{line['agent']} uses {line['tool']}({shown})")
            case _:
                pass

    def question(self, text: str) -> Iterator[Piece]:
        """Yield a question to the user, which ends the reply."""
        self._gap = True
        yield from self._words(text)

    def _returned(self, line: Mapping[str, object]) -> Iterator[Piece]:
        """Yield what a starting agent has returned, if it has not said it as it came."""
        text, call = str(line["text"]), str(line["call"])
        if self._several:
            self._gap = True
            yield from self._words(f"**{line['agent']}:** {text}")
        elif text.strip() not in {"".join(each).strip() for each in self._turns.get(call, ())}:
            self._gap = True
            yield from self._words(text)
        for file in cast("list[Mapping[str, object]]", line.get("files", ())):
            self._gap = True
            yield from self._words(f"(File: {file['name'] or 'unnamed'}, {file['type']})")

    def _passed(self, line: Mapping[str, object]) -> Iterator[Piece]:
        if USER_NAME not in {line["sender"], line["receiver"]}:
            text = str(line["text"])
            text = text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
            yield from self._thoughts(f"{line['sender']} → {line['receiver']}: {text}")

    def _words(self, text: str) -> Iterator[Piece]:
        if not text:
            return
        gap = "\n\n" if self._gap and self._content else ""
        self._gap = False
        self._content.append(gap + text)
        yield Piece(PieceKind.CONTENT, gap + text)

    def _thoughts(self, text: str, *, goes_on: bool = False) -> Iterator[Piece]:
        """Yield ``text`` on lines of its own; thinking that goes on stays on its line."""
        gap = "\n" if self._thinking and not goes_on else ""
        self._thinking = goes_on
        yield Piece(PieceKind.REASONING, gap + (text if goes_on else f"{text}\n"))

    def _count(self, line: Mapping[str, object]) -> None:
        self.input_tokens += cast("int | None", line["input"]) or 0
        self.output_tokens += cast("int | None", line["output"]) or 0
        self.cached_tokens += cast("int | None", line["cached"]) or 0
        self.reasoning_tokens += cast("int | None", line["reasoning"]) or 0
