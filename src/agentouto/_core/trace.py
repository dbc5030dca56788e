"""The event log, and the tree of calls read off it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

from agentouto._core.forms import AgentEvent, cut

VALUE_SHOWN = 120
FAILED = "failed: "


class EventLog:
    """What happened in a run, line by line.

    Args:
        events: Lines to begin with.
    """

    def __init__(self, events: Iterable[AgentEvent] = ()) -> None:
        self._events = list(events)

    @property
    def events(self) -> list[AgentEvent]:
        """A copy of all lines, oldest first."""
        return list(self._events)

    def record(self, event: AgentEvent) -> None:
        """Add a line."""
        self._events.append(event)

    def filter(
        self, agent_name: str | None = None, event_type: str | None = None
    ) -> list[AgentEvent]:
        """Return the lines of an agent, of a type, or of both."""
        return [
            event
            for event in self._events
            if agent_name in (None, event.agent_name) and event_type in (None, event.event_type)
        ]

    def format(self) -> str:
        """Return the log as text: one line an event, its details indented below."""
        lines: list[str] = []
        for event in self._events:
            lines.append(
                f"{f'[{event.agent_name}]':<20} {event.event_type:<16} cid={event.call_id[:8]}"
            )
            lines += [
                f"    {key}={cut(str(value), VALUE_SHOWN)}" for key, value in event.details.items()
            ]
        return "\n".join(lines)

    def __str__(self) -> str:
        """Return the log as text."""
        return self.format()

    def __iter__(self) -> Iterator[AgentEvent]:
        """Iterate over the lines, oldest first."""
        return iter(self.events)

    def __len__(self) -> int:
        """Return how many lines there are."""
        return len(self._events)


@dataclass(slots=True)
class Span:
    """One call in the tree. Times are seconds since the epoch, 0.0 where unknown."""

    agent_name: str
    call_id: str
    parent_call_id: str | None = None
    start_time: float = 0.0
    end_time: float = 0.0
    children: list[Span] = field(default_factory=list["Span"])
    tool_calls: list[str] = field(default_factory=list[str])
    result: str | None = None

    @property
    def duration(self) -> float:
        """Seconds from forward to return; 0.0 where one of the two is missing."""
        return self.end_time - self.start_time if self.start_time and self.end_time else 0.0


class Trace:
    """The tree of calls of a run: one root for each starting agent.

    Attributes:
        roots: The starting agents' calls, in the order they began.
    """

    def __init__(self, event_log: EventLog) -> None:
        self.roots: list[Span] = []
        spans: dict[str, Span] = {}
        for event in event_log:
            if event.event_type == "agent_call" and event.call_id not in spans:
                span = Span(event.agent_name, event.call_id, event.parent_call_id, event.timestamp)
                spans[event.call_id] = span
                parent = spans.get(event.parent_call_id or "")
                (self.roots if parent is None else parent.children).append(span)
            elif (span := spans.get(event.call_id)) is not None:
                _note(span, event)

    @property
    def root(self) -> Span | None:
        """The first starting agent's call."""
        return self.roots[0] if self.roots else None

    def __str__(self) -> str:
        """Return the tree as text."""
        return self.print_tree()

    def print_tree(self) -> str:
        """Return the tree as text, with durations and the tools each call used."""
        if not self.roots:
            return "(empty trace)"
        return "\n".join(_branches(self.roots))


def _note(span: Span, event: AgentEvent) -> None:
    details = event.details
    match event.event_type:
        case "tool_exec":
            span.tool_calls.append(cast("str", details["tool_name"]))
        case "finish" | "agent_return":
            span.end_time = event.timestamp
            span.result = cast("str", details["result"])
        case "error":
            span.end_time = event.timestamp
            span.result = f"{FAILED}{details['error']}"
        case _:
            pass


def _branches(roots: list[Span]) -> Iterator[str]:
    """Yield the lines of a tree, however deep it is."""
    left = [(span, "", span is roots[-1]) for span in reversed(roots)]
    while left:
        span, indent, last = left.pop()
        took = f"{span.duration:.2f}s" if span.end_time else "..."
        failed = f" {span.result}" if span.result and span.result.startswith(FAILED) else ""
        yield f"{indent}{'└── ' if last else '├── '}[{span.agent_name}] ({took}){failed}"
        below = indent + ("    " if last else "│   ")
        yield from (f"{below}  ⚡ {tool}" for tool in span.tool_calls)
        inner = span.children
        left += [(child, below, child is inner[-1]) for child in reversed(inner)]
