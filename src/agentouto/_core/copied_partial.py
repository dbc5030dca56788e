"""What a ``PartialRecord`` becomes when it is copied, or sent to another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from agentouto._core.event_table import PIECE_TYPES
from agentouto._domain.errors import Partial
from agentouto._domain.stream_event import AnyStreamEvent
from agentouto._domain.trace import EventLog


@dataclass(frozen=True, slots=True)
class CopiedPartial(Partial):
    """A copy of a ``PartialRecord``, as in another process."""

    events_then: list[AnyStreamEvent] = field(default_factory=list[AnyStreamEvent])
    lines_then: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    log_then: EventLog = field(default_factory=EventLog)

    @property
    def events(self) -> list[AnyStreamEvent]:
        """The events of ``async_run_stream`` until then."""
        return self.events_then

    def lines(self, start: int = 0) -> list[dict[str, object]]:
        """Return the run until then as lines."""
        return [
            line
            for line in self.lines_then
            if cast("int", line["seq"]) + (line["type"] in PIECE_TYPES) >= start
        ]

    @property
    def event_log(self) -> EventLog:
        """What happened until then."""
        return self.log_then
