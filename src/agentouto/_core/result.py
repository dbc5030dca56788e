"""The result of a run, and how its messages, usage and cost are read from the run's events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic

from agentouto._core.figures import Figures
from agentouto._core.line_writer import all_lines
from agentouto._core.prompt import tag_pattern, tagged
from agentouto._core.rendering import log_entry
from agentouto._core.stream_writer import all_stream_events
from agentouto._domain.content import Usage, sum_usage
from agentouto._domain.cost import Cost
from agentouto._domain.errors import Partial
from agentouto._domain.event import (
    CallReturned,
    CallStarted,
    Event,
    MessagePosted,
    MessageRead,
    MessageReturned,
    Replied,
    Spent,
)
from agentouto._domain.message import Attachment, Message
from agentouto._domain.output import Output
from agentouto._domain.result_type import Data_co
from agentouto._domain.stream_event import AnyStreamEvent
from agentouto._domain.trace import EventLog, Trace


@dataclass(frozen=True)
class RunResult(Generic[Data_co]):
    """What the starting agents returned, and everything that happened on the way.

    The type of ``data`` follows from ``output_type``: ``output_type=Report`` gives a
    ``RunResult[Report]``.

    Attributes:
        output: What the starting agent returned. With several, one ``[name]text[/name]`` block
            each, in starting order, with a blank line between.
        messages: Every forward and return, in the order they were sent and as they were read;
            ``history=`` of a later run takes them. Those that a hook refused are left out.
        outputs: What each starting agent returned, as data.
        usage: The tokens the run has used; ``usage.by_call`` has them by call.
        facts: The events of the run as the engine keeps them.
        debug: Whether ``event_log`` has the requests to models and their replies.
    """

    output: str
    messages: list[Message] = field(default_factory=list[Message])
    outputs: list[Output[Data_co]] = field(default_factory=list[Output[Data_co]])
    usage: Usage = field(default_factory=Usage)
    facts: Sequence[Event] = field(default=(), repr=False, kw_only=True)
    debug: bool = field(default=False, repr=False, kw_only=True)

    @property
    def run_id(self) -> str:
        """The id of the run, by which a journal knows it."""
        return next((fact.stamp.call_id for fact in self.facts[:1]), "")

    @property
    def attachments(self) -> list[Attachment]:
        """The files that starting agents returned."""
        return [file for output in self.outputs for file in output.attachments]

    @property
    def data(self) -> Data_co:
        """The value that ``output_type`` asked for, if one agent was started.

        Raises:
            ValueError: Several agents were started; ``outputs`` has the value of each.
        """
        if len(self.outputs) != 1:
            raise ValueError(
                f"RunResult.data is the value of one starting agent, and {len(self.outputs)} have "
                "returned: use result.outputs[i].data"
            )
        return self.outputs[0].data

    @cached_property
    def cost(self) -> Cost:
        """What the run has cost: in US dollars, by agent, and which models have no known cost."""
        return cost_of(self.facts)

    @cached_property
    def events(self) -> list[AnyStreamEvent]:
        """The events of ``async_run_stream``, with the text of each reply as one ``token``."""
        return all_stream_events(self.facts)

    def lines(self, start: int = 0) -> list[dict[str, object]]:
        """Return the run as lines: those of ``RunStream.lines()``, each reply in one piece.

        Args:
            start: Leave out facts with a smaller ``seq``, and the pieces before them.
        """
        return all_lines(self.facts, start)

    @cached_property
    def event_log(self) -> EventLog:
        """What happened, one entry an event; with ``debug=True`` also requests and replies."""
        return _event_log(self.facts, debug=self.debug)

    @cached_property
    def trace(self) -> Trace:
        """The tree of calls; a notebook shows it as a diagram of the messages."""
        return Trace(self.event_log, lambda: _diagram(self.facts))

    def format_trace(self) -> str:
        """Return the tree of calls as text."""
        return self.trace.print_tree()

    def figures(self) -> Figures:
        """Return what can be counted of the run; ``docs/figures.md`` says what the figures mean."""
        from agentouto._core.run_figures import count_figures  # noqa: PLC0415
        from agentouto._core.run_history import RunHistory  # noqa: PLC0415

        return count_figures(RunHistory(self.lines()))

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Return what a notebook shows: the answer, what it took, and a picture."""
        from agentouto._core.pictures.notebook import result_bundle  # noqa: PLC0415

        return result_bundle(self.lines(), self.output)


@dataclass(frozen=True, slots=True)
class PartialRecord(Partial):
    """A ``Partial`` with the events that led to it.

    It is apart because errors are below the module that renders events.

    Attributes:
        facts: The events of the run as the engine keeps them.
        debug: Whether ``event_log`` has the requests to models and their replies.
    """

    facts: Sequence[Event] = field(default=(), repr=False, kw_only=True)
    debug: bool = field(default=False, repr=False, kw_only=True)

    @property
    def events(self) -> list[AnyStreamEvent]:
        """The events of ``async_run_stream`` until then."""
        return all_stream_events(self.facts)

    def lines(self, start: int = 0) -> list[dict[str, object]]:
        """Return the run until then as lines."""
        return all_lines(self.facts, start)

    @property
    def event_log(self) -> EventLog:
        """What happened until then."""
        return _event_log(self.facts, debug=self.debug)

    @property
    def trace(self) -> Trace:
        """The tree of calls; those that had not returned have no end."""
        return Trace(self.event_log, lambda: _diagram(self.facts))

    def __reduce__(self) -> tuple[object, ...]:
        """Copy and pickle what was rendered: facts have exceptions and values of the user's."""
        from agentouto._core.copied_partial import CopiedPartial  # noqa: PLC0415

        plain = self.outputs, self.messages, self.usage, self.text, self.cost
        return CopiedPartial, (*plain, self.events, self.lines(), self.event_log)


def _diagram(facts: Iterable[Event]) -> str:
    from agentouto._core.pictures.notebook import mermaid_of  # noqa: PLC0415

    return mermaid_of(all_lines(facts))


def _event_log(facts: Iterable[Event], *, debug: bool) -> EventLog:
    lines = (log_entry(fact, debug=debug) for fact in facts)
    return EventLog(line for line in lines if line is not None)


def join_outputs(outputs: Sequence[Output], names: Iterable[str]) -> str:
    """Return ``outputs`` as one text: bare for one agent, tagged blocks for several.

    ``names`` are those of all participants.
    """
    if len(outputs) == 1:
        return outputs[0].text
    tags = tag_pattern(names)
    return "\n\n".join(tagged(output.name, output.text, tags) for output in outputs)


_ABOUT_MESSAGES = frozenset(
    {CallStarted, CallReturned, MessagePosted, MessageRead, MessageReturned}
)
_ABOUT_USAGE = frozenset({Replied, Spent})


def messages_of(events: Iterable[Event]) -> list[Message]:
    """Return every message, in the order they were sent and as their receivers read them.

    What a hook has not let pass is left out; what it has changed stands as it was changed. These
    messages become the history of later runs, whose models would otherwise read what the hook has
    kept from them.
    """
    messages: list[Message | None] = []
    mail: dict[str, int] = {}  # by the id of a message, its index
    for event in events:
        if type(event) not in _ABOUT_MESSAGES:  # most events, and a long run has many
            continue
        if isinstance(event, CallStarted | CallReturned):
            withheld = isinstance(event, CallStarted) and event.withheld
            messages.append(None if withheld else event.message)
        elif isinstance(event, MessagePosted):
            mail[event.message.call_id] = len(messages)
            messages.append(event.message)
        elif isinstance(event, MessageRead | MessageReturned):
            index = mail.get(event.message.call_id)
            if index is not None:
                withheld = isinstance(event, MessageReturned) and event.withheld
                messages[index] = None if withheld else event.message
    return [message for message in messages if message is not None]


def usage_of(events: Iterable[Event]) -> Usage:
    """Return the usage of all replies together, and by call."""
    used_in: dict[str, list[Usage]] = {}
    for event in events:
        if type(event) in _ABOUT_USAGE and isinstance(event, Replied | Spent):
            used = event.usage if isinstance(event, Spent) else event.reply.usage
            used_in.setdefault(event.stamp.call_id, []).append(used)
    by_call = {
        call_id: sum_usage(usages) if len(usages) > 1 else usages[0]
        for call_id, usages in used_in.items()
    }
    return sum_usage(by_call.values(), by_call)


def cost_of(events: Iterable[Event]) -> Cost:
    """Return what all replies, summaries and reports together have cost, and by participant."""
    by_agent: dict[str, float | None] = {}
    unknown: set[str] = set()
    for event in events:
        if isinstance(event, Replied | Spent):
            before = by_agent.get(event.stamp.agent_name, 0.0)
            sum_ = None if before is None or event.cost is None else before + event.cost
            by_agent[event.stamp.agent_name] = None if sum_ is None else round(sum_, 9)
            if event.cost is None and event.model:
                unknown.add(event.model)
    known = [cost for cost in by_agent.values() if cost is not None]
    dollars = round(sum(known, 0.0), 9) if len(known) == len(by_agent) else None
    return Cost(dollars, by_agent, tuple(sorted(unknown)))
