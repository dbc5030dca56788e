"""Turns the lines of a run into notes on its progress, each a sentence for a person.

They have no total (MCP, "Progress"), because no one knows how many steps a run will have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from agentouto.serve._teams import USER_NAME

MOST_NOTED = 200
"""Characters of a message in a note: clients show one line of it."""


class Note(NamedTuple):
    """A note: its number, which rises (MCP, "Progress"), and its text."""

    number: int
    text: str


class ProgressNotes:
    """Makes the notes of one call."""

    def __init__(self) -> None:
        self._number = 0

    def of(self, line: Mapping[str, object]) -> Note | None:
        """Return the note on ``line``; ``None`` if there is nothing to say of it."""
        text = _note(line)
        if text is None:
            return None
        self._number += 1
        return Note(self._number, text)


def _note(line: Mapping[str, object]) -> str | None:
    match line["type"]:
        case "forward" if line["sender"] != USER_NAME:
            return f"{line['sender']} → {line['receiver']}: {_one_line(line['text'])}"
        case "forward":
            return f"{line['receiver']} begins"
        case "return" if line["agent"] != USER_NAME:
            return f"{line['agent']} has returned"
        case "tool.start" if not line["builtin"]:
            return f"{line['agent']} uses {line['tool']}"
        case "error" if line["agent"] != USER_NAME:
            return f"{line['agent']} could not return"
        case _:
            return None


def _one_line(text: object) -> str:
    whole = " ".join(str(text).split())
    return whole if len(whole) <= MOST_NOTED else f"{whole[: MOST_NOTED - 1]}…"
