"""A run told line by line, for logs and pipes: one line for each message. Draws nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO, cast

from agentouto.cli._text import in_one_line, seconds

Line = Mapping[str, object]
MOST = 160
"""How long the text in a line may be."""


class LinesView:
    """Writes what happens to a file as it happens; while it is held, later."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._held: list[str] | None = None

    def feed(self, line: Line) -> None:
        """Take in what happened."""
        told = sentence(line)
        if told is None:
            return
        if self._held is None:
            self._write(told)
        else:
            self._held.append(told)

    def hold(self) -> None:
        """Leave the terminal to somebody else."""
        self._held = []

    def go_on(self) -> None:
        """Take the terminal back."""
        held, self._held = self._held, None
        for told in held or ():
            self._write(told)

    def stop(self) -> None:
        """Stop for good."""
        self.go_on()

    def _write(self, told: str) -> None:
        self._out.write(f"{told}\n")
        self._out.flush()


def sentence(line: Line) -> str | None:
    """Return the line a person reads for ``line``, if it tells of a message or of trouble."""
    agent = in_one_line(str(line.get("agent", "")), 40)
    match line["type"]:
        case "forward" | "ask" | "message" | "return":
            sender, receiver = (in_one_line(str(line[name]), 40) for name in ("sender", "receiver"))
            who, text = f"{sender} -> {receiver}", str(line["text"])
        case "message.returned":
            who = in_one_line(f"{line['sender']} -> {line['receiver']}", 80)
            text = f"not read, {line['reason']}: {line['text']}"
        case "summarized":
            who = agent
            text = f"about {line['tokens_before']} tokens, now {line['tokens_after']}"
        case "repeated":
            who, text = agent, f"asked the same for the {line['times']}. time: {line['text']}"
        case "retry":
            wait = cast("float", line["wait"])
            who, text = agent, f"wait {seconds(wait)}, then try {line['attempt']}: {line['error']}"
        case "error" if line["error"] != "cancelled":  # who stopped the run is told at the end
            who, text = agent, str(line["error"])
        case _:
            return None
    t, type_ = cast("float", line["t"]), str(line["type"]).rpartition(".")[2]
    return f"{t:7.2f}s {type_:<8} {who}  {in_one_line(text, MOST)}".rstrip()
