"""What a run came to, read off its events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from agentouto._core.forms import StreamEvent, all_streamed, logged
from agentouto._core.prompt import tagged
from agentouto._core.trace import EventLog, Trace
from agentouto._domain.content import Usage, total
from agentouto._domain.errors import Output
from agentouto._domain.event import (
    CallReturned,
    CallStarted,
    Event,
    MessagePosted,
    Replied,
    Spent,
)
from agentouto._domain.message import Attachment, Message


@dataclass(frozen=True)
class RunResult:
    """What the user got back, and how it came about.

    Attributes:
        output: What the starting agent returned. With several, one ``[name]text[/name]`` block
            each, in starting order, with a blank line between.
        messages: Every forward and return, in the order they were sent; ``history=`` of a later
            run takes them.
        outputs: What each starting agent returned, as data.
        usage: The tokens the run has used; ``usage.by_call`` has them by call.
        facts: The events of the run as the engine keeps them.
        debug: Whether ``event_log`` tells what was asked of models.
    """

    output: str
    messages: list[Message] = field(default_factory=list[Message])
    outputs: list[Output] = field(default_factory=list[Output])
    usage: Usage = field(default_factory=Usage)
    facts: Sequence[Event] = field(default=(), repr=False, kw_only=True)
    debug: bool = field(default=False, repr=False, kw_only=True)

    @property
    def attachments(self) -> list[Attachment]:
        """The files that starting agents returned."""
        return [file for output in self.outputs for file in output.attachments]

    @property
    def data(self) -> object:
        """The value that ``output_type`` asked for; with several starting agents a list of them."""
        values = [output.data for output in self.outputs]
        return values[0] if len(values) == 1 else values

    @cached_property
    def events(self) -> list[StreamEvent]:
        """What ``async_run_stream`` would have told, each reply's tokens as one."""
        return all_streamed(self.facts)

    @cached_property
    def event_log(self) -> EventLog:
        """What happened, line by line; with ``debug=True`` also what models were asked."""
        lines = (logged(fact, debug=self.debug) for fact in self.facts)
        return EventLog(line for line in lines if line is not None)

    @cached_property
    def trace(self) -> Trace:
        """The tree of calls."""
        return Trace(self.event_log)

    def format_trace(self) -> str:
        """Return the tree of calls as text."""
        return self.trace.print_tree()


def joined(outputs: Sequence[Output], tags: re.Pattern[str]) -> str:
    """Return ``outputs`` as one text: bare for one agent, tagged blocks for several."""
    if len(outputs) == 1:
        return outputs[0].text
    return "\n\n".join(tagged(output.name, output.text, tags) for output in outputs)


def messages_of(events: Iterable[Event]) -> list[Message]:
    """Return every message sent, in order."""
    return [
        event.message
        for event in events
        if isinstance(event, CallStarted | CallReturned | MessagePosted)
    ]


def usage_of(events: Iterable[Event]) -> Usage:
    """Return what all replies together have used, and each call by itself."""
    by_call: dict[str, Usage] = {}
    for event in events:
        if isinstance(event, Replied | Spent):
            call_id = event.stamp.call_id
            used = event.usage if isinstance(event, Spent) else event.reply.usage
            before = by_call.get(call_id)
            by_call[call_id] = used if before is None else before + used
    return replace(total(by_call.values()), by_call=by_call)
