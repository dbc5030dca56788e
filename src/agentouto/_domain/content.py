"""What a model reads and what it says.

A *transcript* is a system prompt and a tuple of entries, oldest first: what came in, what the model
replied, what came of its tool calls. Entries are never edited; a longer transcript begins with the
shorter one. Arguments of a tool call stay the JSON text that the model wrote until somebody acts
on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import msgspec

from agentouto._domain.message import Attachment


class Text(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Words meant to be read."""

    text: str


class Reasoning(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Thinking aloud: shown to those who watch, kept out of every answer."""

    text: str


class ToolCall(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Something the model asks to be done.

    ``arguments`` is JSON exactly as the model wrote it. ``place`` says which tool call of which
    turn this is (``"3.0"``); ids follow from it.
    """

    id: str
    name: str
    arguments: str
    place: str = ""


Part: TypeAlias = Text | Reasoning | ToolCall


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as providers have counted them.

    Attributes:
        input_tokens: Tokens read, cached ones included; ``None`` if no provider reported any.
        output_tokens: Tokens written, reasoning included; ``None`` likewise.
        cached_tokens: How many of the input tokens came out of a cache.
        reasoning_tokens: How many of the output tokens were reasoning.
        complete: ``False`` if some reply came without a count, so that the sums are lower bounds.
        by_call: For a run, what each call has used, by call id. Empty for a single reply.
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
        return _plus(self.input_tokens, self.output_tokens)

    def __add__(self, other: Usage) -> Usage:
        """Return the sum; what one of the two does not know is left out, never taken for zero."""
        return Usage(
            _plus(self.input_tokens, other.input_tokens),
            _plus(self.output_tokens, other.output_tokens),
            _plus(self.cached_tokens, other.cached_tokens),
            _plus(self.reasoning_tokens, other.reasoning_tokens),
            complete=self.complete and other.complete,
        )


def _plus(one: int | None, other: int | None) -> int | None:
    if one is None:
        return other
    return one if other is None else one + other


def total(usages: Iterable[Usage]) -> Usage:
    """Return the sum of ``usages``; of none at all, the usage that knows nothing."""
    sum_ = Usage()
    for usage in usages:
        sum_ += usage
    return sum_


class Stop(StrEnum):
    """Why a model stopped talking."""

    COMPLETE = "complete"
    OUT_OF_TOKENS = "out_of_tokens"
    REFUSED = "refused"
    PAUSED = "paused"
    """The provider is busy with tools of its own and wants to be asked again."""


class Native(msgspec.Struct, frozen=True, gc=False):
    """A reply's own items, as its provider wrote them, to be sent back unread.

    ``origin`` tells which provider and model made them; to any other they are not sent.
    """

    origin: str
    data: object


class Incoming(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Something said to the agent: the forward, mail, history, or a note from the engine."""

    text: str
    attachments: tuple[Attachment, ...] = ()


class Reply(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Everything the model said in one turn."""

    parts: tuple[Part, ...]
    stop: Stop = Stop.COMPLETE
    usage: Usage = Usage(complete=False)
    native: Native | None = None

    @property
    def text(self) -> str:
        """The words of the reply, without reasoning."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """What the model asked to be done."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What came of one tool call."""

    tool_call: ToolCall
    content: str
    attachments: tuple[Attachment, ...] = ()
    is_error: bool = False
    returns: bool = False
    """Whether this is what the agent returns: what came of ``finish``."""
    data: object = None
    """What the text stands for, where the agent returns data of a type."""


class Returned(msgspec.Struct, frozen=True, gc=False):
    """What an agent returns. ``data`` is what the text stands for, where a type was asked for."""

    content: str
    attachments: tuple[Attachment, ...] = ()
    data: object = None


class Outcomes(msgspec.Struct, frozen=True, tag=True, gc=False):
    """What came of every tool call of one reply, in the order they were asked for."""

    items: tuple[Outcome, ...]


Entry: TypeAlias = Incoming | Reply | Outcomes


class Transcript(msgspec.Struct, frozen=True, gc=False):
    """One agent's view of one call, oldest entry first."""

    system: str
    entries: tuple[Entry, ...] = ()

    def plus(self, *entries: Entry) -> Transcript:
        """Return a transcript that goes on with ``entries``."""
        return Transcript(self.system, (*self.entries, *entries)) if entries else self
