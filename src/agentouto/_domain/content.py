"""The transcript of a call: what a model reads, its replies, and the outcomes of its tool calls.

A *transcript* is a system prompt and a tuple of entries, oldest first. Entries are never edited,
and a longer transcript begins with the shorter one, so that backends encode each entry once and
providers can cache the beginning of a prompt. The arguments of a tool call stay the JSON text that
the model wrote until the tool is called, so that they go back to the model unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import msgspec

from agentouto._domain.message import Attachment


class Text(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A part of a reply that is meant for the reader."""

    text: str


class Reasoning(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A part of a reply that is thinking: it is streamed, and never part of an answer."""

    text: str


class Place(msgspec.Struct, frozen=True, gc=False):
    """Which tool call of which turn of a call, both counted from zero. As text: ``3.0``."""

    turn: int = 0
    index: int = 0

    def __str__(self) -> str:
        return f"{self.turn}.{self.index}"


class ToolCall(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A part of a reply that asks for the use of a tool.

    ``arguments`` is JSON text exactly as the model wrote it. ``place`` is set when the reply is
    complete; ids are derived from it.
    """

    id: str
    name: str
    arguments: str
    place: Place = Place()


Part: TypeAlias = Text | Reasoning | ToolCall


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as reported by providers.

    Attributes:
        input_tokens: Tokens read, cached ones included; ``None`` if no provider reported any.
        output_tokens: Tokens written, reasoning included; ``None`` likewise.
        cached_tokens: How many of the input tokens were read from a cache.
        reasoning_tokens: How many of the output tokens were reasoning.
        complete: ``False`` if a reply came without a count, so that the sums are lower bounds.
        by_call: For a run, the usage of each call, by call id. Empty for a single reply.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    complete: bool = True
    by_call: Mapping[str, Usage] = field(
        default_factory=dict[str, "Usage"], compare=False, repr=False
    )

    @property
    def total_tokens(self) -> int | None:
        """Tokens read and written; ``None`` if nothing was reported."""
        return _add_known(self.input_tokens, self.output_tokens)

    def __add__(self, other: Usage) -> Usage:
        """Return the sum. A count that only one of the two has is taken as it is."""
        return Usage(
            _add_known(self.input_tokens, other.input_tokens),
            _add_known(self.output_tokens, other.output_tokens),
            _add_known(self.cached_tokens, other.cached_tokens),
            _add_known(self.reasoning_tokens, other.reasoning_tokens),
            complete=self.complete and other.complete,
        )


def _add_known(one: int | None, other: int | None) -> int | None:
    if one is None:
        return other
    return one if other is None else one + other


def sum_usage(usages: Iterable[Usage], by_call: Mapping[str, Usage] | None = None) -> Usage:
    """Return the sum of ``usages``; of no usages, a ``Usage`` without any count."""
    read: int | None = None
    written: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    complete = True
    for usage in usages:
        read = _add_known(read, usage.input_tokens)
        written = _add_known(written, usage.output_tokens)
        cached = _add_known(cached, usage.cached_tokens)
        reasoning = _add_known(reasoning, usage.reasoning_tokens)
        complete = complete and usage.complete
    return Usage(read, written, cached, reasoning, complete, {} if by_call is None else by_call)


class Stop(StrEnum):
    """Why a model ended its reply."""

    COMPLETE = "complete"
    OUT_OF_TOKENS = "out_of_tokens"
    REFUSED = "refused"
    PAUSED = "paused"
    """The provider works with tools of its own; the same request continues the reply (Anthropic's
    ``pause_turn``)."""


class Native(msgspec.Struct, frozen=True, gc=False):
    """A reply in its provider's own format, which goes back to that provider unchanged.

    ``origin`` names the provider and model. Other models do not get it: signatures and encrypted
    reasoning are refused by any model but the one that wrote them.
    """

    origin: str
    data: object


class Incoming(msgspec.Struct, frozen=True, tag=True, gc=False):
    """An entry that was sent to the agent: the forward, mail, history, or a note of the engine."""

    text: str
    attachments: tuple[Attachment, ...] = ()


class Reply(msgspec.Struct, frozen=True, tag=True, gc=False):
    """An entry that the model wrote: all of one turn."""

    parts: tuple[Part, ...]
    stop: Stop = Stop.COMPLETE
    usage: Usage = Usage(complete=False)
    native: Native | None = None

    @property
    def text(self) -> str:
        """The text of the reply, without reasoning."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls of the reply, in order."""
        return tuple([part for part in self.parts if isinstance(part, ToolCall)])


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The result or the error of one tool call."""

    tool_call: ToolCall
    content: str
    attachments: tuple[Attachment, ...] = ()
    is_error: bool = False
    returns: bool = False
    """Whether the content is the agent's return, as that of ``finish`` is."""
    data: object = None
    """The value that the text stands for, where ``output_type`` asks for one."""
    error: Exception | None = None
    """What was raised, without tracebacks: their frames would keep all that the tool held."""


class Outcomes(msgspec.Struct, frozen=True, tag=True, gc=False):
    """An entry with the outcome of every tool call of one reply, in the order of the calls."""

    items: tuple[Outcome, ...]


Entry: TypeAlias = Incoming | Reply | Outcomes


class Transcript(msgspec.Struct, frozen=True, gc=False):
    """Everything that one agent reads and writes in one call, oldest entry first."""

    system: str
    entries: tuple[Entry, ...] = ()

    def plus(self, *entries: Entry) -> Transcript:
        """Return a transcript that continues with ``entries``."""
        return Transcript(self.system, (*self.entries, *entries)) if entries else self
