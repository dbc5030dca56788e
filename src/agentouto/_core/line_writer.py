"""Numbers the lines of one run.

A line's address is ``seq`` and ``part``, unique and rising. ``seq`` is the number of the fact:
every event but the pieces of a reply, which are not kept. ``part`` counts the further lines of a
fact and the pieces that come after it, and is left out where it is 0. So a line has the same
address for every reader, whether it heard a reply word by word or got it whole.

A reader that goes on from some fact gets the pieces that come after the fact before it: they are of
replies whose end it has not read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from agentouto._core.event_fields import LineState
from agentouto._core.event_table import LINE_VERSION
from agentouto._core.rendering import FORMS, with_reply_text
from agentouto._domain.event import Broken, Event, Replied, RunStarted
from agentouto._domain.event_pieces import Drafted, ReplySoFar, Thinking, Token, ToolProgress

PIECES = (Token, Thinking, Drafted, ReplySoFar, ToolProgress)
"""Events that are passed on and not kept."""

_WITH_TEXT = (Replied, Broken)
"""Events that a reader gets the text of first."""


class LineWriter:
    """Turns the events of a run into lines. It has to get all of them, from the first on.

    Args:
        start: Facts with a smaller ``seq`` are left out, and so are the pieces before them.
    """

    def __init__(self, start: int = 0) -> None:
        self._start = start
        self._seq = -1
        self._part = 0
        self._began = 0.0
        self._run = ""
        self._state = LineState()

    def lines(self, event: Event) -> list[dict[str, object]]:
        """Return the next event as lines: mostly one, or none."""
        is_piece = isinstance(event, PIECES)
        if not is_piece:
            self._seq += 1
            self._part = 0
            if isinstance(event, RunStarted):
                self._began, self._run = event.at, event.stamp.call_id
        forms = FORMS[type(event)].line(event, self._state)
        if self._seq + is_piece < self._start:
            deque(forms, maxlen=0)  # they note what later lines need
            return []
        stamp, lines = event.stamp, list[dict[str, object]]()
        for type_, fields in forms:
            if lines or is_piece:
                self._part += 1
            line: dict[str, object] = {"v": LINE_VERSION, "run": self._run, "seq": self._seq}
            if self._part:
                line["part"] = self._part
            line["t"] = round(event.at - self._began, 3)
            line["type"] = type_
            if not type_.startswith("run."):
                line["agent"] = stamp.agent_name
                line["call"] = stamp.call_id
                line["parent"] = stamp.parent_call_id
            line.update(fields)
            lines.append(line)
        return lines


def all_lines(events: Iterable[Event], start: int = 0) -> list[dict[str, object]]:
    """Return the lines of a run that has ended, each reply in one piece."""
    writer, lines = LineWriter(start), list[dict[str, object]]()
    for event in events:
        if isinstance(event, _WITH_TEXT):
            for each in with_reply_text(event):
                lines += writer.lines(each)
        else:
            lines += writer.lines(event)
    return lines
