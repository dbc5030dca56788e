"""The event log of a run, and the tree of calls that is built from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.visible_text import visible_line

MAX_VALUE = 120
"""How many characters of a detail ``EventLog.format`` shows: one line of a wide terminal."""


MAX_SHOWN = 200
"""How many characters of a text the event log shows: about two lines of a
terminal, enough to recognise a message by."""


@dataclass(frozen=True, slots=True)
class AgentEvent:
    """One line of the event log.

    Attributes:
        event_type: ``agent_call``, ``llm_call``, ``llm_response``, ``tool_exec``, ``agent_return``,
            ``finish`` or ``error``.
        agent_name: The agent at work.
        call_id: The call it is working on.
        parent_call_id: The call that call was made from, if any.
        timestamp: Seconds since the epoch.
        details: The details, by name; texts are shortened.
    """

    event_type: str
    agent_name: str
    call_id: str
    parent_call_id: str | None = None
    timestamp: float = field(default_factory=SYSTEM_CLOCK.now)
    details: Mapping[str, object] = field(default_factory=dict[str, object])


class EventLog:
    """The entries that tell what happened in a run, oldest first.

    Args:
        events: The first entries.
    """

    def __init__(self, events: Iterable[AgentEvent] = ()) -> None:
        self._events = list(events)

    @property
    def events(self) -> list[AgentEvent]:
        """A copy of all entries, oldest first."""
        return list(self._events)

    def record(self, event: AgentEvent) -> None:
        """Add an entry."""
        self._events.append(event)

    def filter(
        self, agent_name: str | None = None, event_type: str | None = None
    ) -> list[AgentEvent]:
        """Return the entries of one agent, of one type, or of both."""
        return [
            event
            for event in self._events
            if agent_name in (None, event.agent_name) and event_type in (None, event.event_type)
        ]

    def format(self) -> str:
        """Return the log as text: one line an entry, its details indented below."""
        lines: list[str] = []
        for event in self._events:
            head = f"{f'[{event.agent_name}]':<20} {event.event_type:<16} cid={event.call_id[:8]}"
            lines.append(visible_line(head))
            lines += [
                f"    {key}={visible_line(shorten(str(value), MAX_VALUE))}"
                for key, value in event.details.items()
            ]
        return "\n".join(lines)

    def __str__(self) -> str:
        """Return the log as text."""
        return self.format()

    def __iter__(self) -> Iterator[AgentEvent]:
        """Iterate over the entries, oldest first."""
        return iter(self.events)

    def __len__(self) -> int:
        """Return the number of entries."""
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
    failed: bool = False

    @property
    def duration(self) -> float:
        """Seconds from forward to return; 0.0 where one of the two is missing."""
        return self.end_time - self.start_time if self.start_time and self.end_time else 0.0


class Trace:
    """The tree of calls of a run: one root for each starting agent.

    Args:
        event_log: What has happened.
        draw: Returns the messages as a Mermaid diagram, for notebooks.

    Attributes:
        roots: The starting agents' calls, in the order they began.
    """

    def __init__(self, event_log: EventLog, draw: Callable[[], str] | None = None) -> None:
        self.roots: list[Span] = []
        self._draw = draw
        spans: dict[str, Span] = {}
        for event in event_log:
            if event.event_type == "agent_call" and event.call_id not in spans:
                span = Span(event.agent_name, event.call_id, event.parent_call_id, event.timestamp)
                spans[event.call_id] = span
                parent = spans.get(event.parent_call_id or "")
                (self.roots if parent is None else parent.children).append(span)
            elif (known := spans.get(event.call_id)) is not None:
                _add_to_span(known, event)

    @property
    def root(self) -> Span | None:
        """The first starting agent's call."""
        return self.roots[0] if self.roots else None

    def __str__(self) -> str:
        """Return the tree as text."""
        return self.print_tree()

    def __getstate__(self) -> dict[str, object]:
        """Copy and pickle the tree: what draws it has the events of the run, with its agents."""
        return {"roots": self.roots, "_draw": None}

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Return what a notebook shows: the tree, and the messages as a diagram."""
        diagram = self._draw() if self._draw is not None else ""
        return {"text/plain": self.print_tree()} | (
            {"text/vnd.mermaid": diagram} if diagram else {}
        )

    def print_tree(self) -> str:
        """Return the tree as text, with durations and the tools each call used."""
        if not self.roots:
            return "(empty trace)"
        return "\n".join(_tree_lines(self.roots))


def _add_to_span(span: Span, event: AgentEvent) -> None:
    details = event.details
    match event.event_type:
        case "tool_exec":
            span.tool_calls.append(cast("str", details["tool_name"]))
        case "finish" | "agent_return":
            span.end_time = event.timestamp
            span.result = cast("str", details["result"])
        case "error":
            span.end_time = event.timestamp
            span.result, span.failed = f"failed: {details['error']}", True
        case _:
            pass


def _tree_lines(roots: list[Span]) -> Iterator[str]:
    """Yield the lines of the tree. A loop with a stack: calls may be nested beyond recursion."""
    left = [(span, "", span is roots[-1]) for span in reversed(roots)]
    while left:
        span, indent, last = left.pop()
        took = f"{span.duration:.2f}s" if span.end_time else "..."
        failed = f" {span.result}" if span.failed else ""
        line = visible_line(f"[{span.agent_name}] ({took}){failed}")
        yield f"{indent}{'└── ' if last else '├── '}{line}"
        below = indent + ("    " if last else "│   ")
        yield from (f"{below}  ⚡ {visible_line(tool)}" for tool in span.tool_calls)
        inner = span.children
        left += [(child, below, child is inner[-1]) for child in reversed(inner)]


def shorten(text: str, most: int = MAX_SHOWN) -> str:
    """Return ``text``, or its beginning and three dots."""
    return text if len(text) <= most else f"{text[:most]}..."
