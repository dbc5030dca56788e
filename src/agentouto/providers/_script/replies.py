"""The parts of which scripted replies are made, and the request that a script sees.

``agentouto.testing`` has the functions that make them. ``script.py`` decides which reply comes
when, and ``backend.py`` streams it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

import msgspec

from agentouto._domain.configuration_error import ConfigurationError, did_you_mean
from agentouto._domain.content import Entry, Incoming, Outcome, Outcomes, Reply
from agentouto._domain.foreign_words import explains_keywords
from agentouto._domain.ports import ToolSpec

Mishap: TypeAlias = Literal[
    "cut", "nonsense", "refused", "out_of_tokens", "context", "quota", "unreachable"
]
"""What can go wrong with a reply, besides an HTTP status."""

MISHAPS: tuple[str, ...] = get_args(Mishap)
"""The same, to check names with."""

ENDINGS = frozenset({"refused", "out_of_tokens"})
"""The mishaps that are answers of the model, so that they are not retried."""


class Say(msgspec.Struct, frozen=True):
    """Text of a reply."""

    text: str


class Think(msgspec.Struct, frozen=True):
    """Reasoning of a reply."""

    text: str


class Ask(msgspec.Struct, frozen=True):
    """A tool call. ``arguments`` is JSON as text, sent unchanged."""

    name: str
    arguments: str


class Fail(msgspec.Struct, frozen=True):
    """A failure: an HTTP status, or one of ``MISHAPS``."""

    how: int | str
    retry_after: float | None = None
    message: str = ""


ReplyPart: TypeAlias = Say | Think | Ask | Fail


@explains_keywords()
@dataclass(frozen=True, slots=True, init=False)
class Turn:
    """One reply made of several parts, and how it is streamed.

    Attributes:
        words: The parts of the reply, in order. Only the last may be a failure.
        delay: Seconds before the first part.
        stream: Whether texts come in small pieces.
        pause: Seconds between two pieces.
        usage: Input and output tokens to report; ``None`` reports nothing.

    Settings that are left out are those of the script.

    Raises:
        ConfigurationError: A part is not valid, a failure is not the last one, or a number is
            negative.
    """

    words: tuple[ReplyPart, ...]
    delay: float | None
    stream: bool | None
    pause: float | None
    usage: tuple[int, int] | None

    def __init__(
        self,
        *words: ReplyPart,
        delay: float | None = None,
        stream: bool | None = None,
        pause: float | None = None,
        usage: tuple[int, int] | None = None,
    ) -> None:
        _check_parts(words)
        if any(isinstance(word, Fail) for word in words[:-1]):
            raise ConfigurationError("fail() ends a reply: nothing can come after it")
        for name, seconds in (("delay", delay), ("pause", pause)):
            if seconds is not None and seconds < 0:
                raise ConfigurationError(f"Turn({name}={seconds!r}): seconds cannot be negative")
        # The class is frozen, and its ``__init__`` its own, because parts are positional.
        object.__setattr__(self, "words", words)
        object.__setattr__(self, "delay", delay)
        object.__setattr__(self, "stream", stream)
        object.__setattr__(self, "pause", pause)
        object.__setattr__(self, "usage", usage)

    @property
    def fails(self) -> bool:
        """Whether this is a failure, so that the next attempt gets the next reply."""
        last = self.words[-1] if self.words else None
        return isinstance(last, Fail) and last.how not in ENDINGS


def _check_parts(words: Sequence[object]) -> None:
    for word in words:
        if not isinstance(word, ReplyPart):
            raise ConfigurationError(f"{word!r} is no word of a script{_advice(word)}")
        if isinstance(word, Say | Think) and not isinstance(cast("object", word.text), str):
            raise ConfigurationError(f"{word!r}: its text is no text; write {str(word.text)!r}")


def _advice(word: object) -> str:
    return f"; did you mean say({word!r})?" if isinstance(word, str) else ""


def turn_of(line: object) -> Turn:
    """Return ``line``, a script's entry for one reply, as a ``Turn``.

    Raises:
        ConfigurationError: It is neither a part, nor several, nor a ``Turn``.
    """
    if isinstance(line, Turn):
        return line
    if isinstance(line, ReplyPart):
        return Turn(line)
    if isinstance(line, Sequence) and not isinstance(line, str | bytes):
        return Turn(*cast("Sequence[ReplyPart]", line))
    raise ConfigurationError(f"{line!r} is no reply of a script{_advice(line)}")


@dataclass(frozen=True, slots=True)
class Request:
    """The request that a scripted model replies to.

    Attributes:
        agent_name: Whose reply it is.
        model: The model the agent names.
        instructions: The agent's instructions.
        system: The whole system prompt.
        entries: Messages, replies and results of this call, oldest first.
        specs: The tools of the request.
        call_id: The call it belongs to.
        path: Where in the run that call was made; the same whenever the run is done again.
        turn: How many replies the agent has given in this call already.
        attempt: How often this reply has been asked for: 1, or more after failures.
        summary: Whether it asks for a summary of the conversation instead of the next reply.
    """

    agent_name: str
    model: str
    instructions: str
    system: str
    entries: tuple[Entry, ...]
    specs: tuple[ToolSpec, ...]
    call_id: str
    path: str
    turn: int
    attempt: int = 1
    summary: bool = False

    @property
    def tools(self) -> Mapping[str, ToolSpec]:
        """The tools of the request, by name."""
        return {spec.name: spec for spec in self.specs}

    @property
    def heard(self) -> list[str]:
        """All texts that the agent has received, oldest first: history, forward, messages."""
        return [entry.text for entry in self.entries if isinstance(entry, Incoming)]

    @property
    def last(self) -> str:
        """The newest text that the agent has received: in its first turn, the forward."""
        return newest(self.entries)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The results of the tool calls of the reply before this one."""
        for entry in reversed(self.entries):
            if isinstance(entry, Outcomes):
                return entry.items
            if isinstance(entry, Reply):
                break
        return ()

    def results(self, tool_name: str) -> list[str]:
        """Return all results of a tool so far, errors included, oldest first."""
        return [o.content for o in self._outcomes() if o.tool_call.name == tool_name]

    def answers(self, agent_name: str) -> list[str]:
        """Return what calls of an agent have returned so far, without its tags, oldest first."""
        # The result of ``call_agent`` is in tags with the name: models see who has returned.
        opening, closing = f"[{agent_name}]", f"[/{agent_name}]"
        return [
            o.content.removeprefix(opening).removesuffix(closing)
            for o in self._outcomes()
            if not o.is_error and o.content.startswith(opening) and o.content.endswith(closing)
        ]

    def _outcomes(self) -> Iterator[Outcome]:
        for entry in self.entries:
            if isinstance(entry, Outcomes):
                yield from entry.items


def newest(entries: Sequence[Entry]) -> str:
    """Return the newest text that the agent has received, or an empty one."""
    return next((entry.text for entry in reversed(entries) if isinstance(entry, Incoming)), "")


def failure(how: int | str, retry_after: float | None, message: str) -> Fail:
    """Return the part of a reply for a failure.

    Raises:
        ConfigurationError: There is no such failure.
    """
    if isinstance(how, str) and how not in MISHAPS:
        raise ConfigurationError(
            f"fail({how!r}): there is no such failure; there are: an HTTP status such as 429, "
            f"{', '.join(MISHAPS)}{did_you_mean(how, MISHAPS)}"
        )
    if isinstance(how, int) and not 400 <= how <= 599:
        raise ConfigurationError(f"fail({how}): a status of a failure is 400 to 599")
    return Fail(how, retry_after, message)


ScriptedReply: TypeAlias = ReplyPart | Turn | Sequence[ReplyPart]
"""One reply: a part, several, or a ``Turn``."""

Decide: TypeAlias = Callable[[Request], ScriptedReply | Awaitable[ScriptedReply]]
"""A function that chooses a reply for a request."""

ScriptedReplies: TypeAlias = Sequence[ScriptedReply | Decide] | ReplyPart | Turn | Decide
"""The replies of one agent in a call: several in order, a single one, or a function."""
