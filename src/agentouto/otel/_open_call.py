"""A call whose spans are open, and what it has used by now."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.trace import Span, set_span_in_context

from agentouto._core.run_history import Line


class OpenCall:
    """A call whose spans are open.

    ``span`` is its own; of a question, the one of the tool call that asks it. ``handover`` is the
    tool call that it came from.
    """

    def __init__(self, agent: str, span: Span | None, handover: Span | None) -> None:
        self.agent = agent
        self.span = span
        self.handover = handover
        self.chat: Span | None = None
        self.chat_began = 0.0
        self.texts: list[str] = []  # of the reply that is being written
        self.tools: dict[str, Span] = {}
        self.tokens = [0, 0]
        self.cost: float | None = None  # no price is known, which is not a cost of zero
        self.model = ""

    @property
    def context(self) -> Context:
        """The context that makes spans children of the call's."""
        # A question to a person has no span of its own.
        span = self.span or self.handover
        return Context() if span is None else set_span_in_context(span, Context())

    def count(self, line: Line) -> None:
        """Add the tokens and the cost of a reply."""
        for place, field in enumerate(("input", "output")):
            tokens = line.get(field)
            self.tokens[place] += tokens if isinstance(tokens, int) else 0
        cost = line.get("cost")
        if isinstance(cost, int | float):
            self.cost = (self.cost or 0.0) + cost


def set_number(span: Span, name: str, value: object) -> None:
    """Set an attribute, if its value is known."""
    if isinstance(value, int | float):
        span.set_attribute(name, value)
