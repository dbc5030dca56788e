"""What a scripted model can say, and what it is shown: frozen words, nothing that plays them.

A script is written in these words with the help of ``agentouto.testing``. Which reply comes when is
decided in ``_core/script.py``, and how it is streamed in ``providers/script.py``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

import msgspec

from agentouto._domain.content import Entry, Incoming, Outcome, Outcomes, Reply
from agentouto._domain.misuse import ConfigurationError, nearest
from agentouto._domain.ports import ToolSpec

Mishap: TypeAlias = Literal[
    "cut", "nonsense", "refused", "out_of_tokens", "context", "quota", "unreachable"
]
"""What can go wrong with a reply, besides an HTTP status."""

MISHAPS: tuple[str, ...] = get_args(Mishap)
ENDINGS = frozenset({"refused", "out_of_tokens"})
"""The mishaps that are answers of the model, so that no other is waited for."""


class Say(msgspec.Struct, frozen=True):
    """Words meant to be read."""

    text: str


class Think(msgspec.Struct, frozen=True):
    """Thinking aloud."""

    text: str


class Ask(msgspec.Struct, frozen=True):
    """A tool call. ``arguments`` is JSON text, sent as it stands."""

    name: str
    arguments: str


class Fail(msgspec.Struct, frozen=True):
    """Something goes wrong: an HTTP status, or one of ``MISHAPS``."""

    how: int | str
    retry_after: float | None = None
    message: str = ""


Word: TypeAlias = Say | Think | Ask | Fail


@dataclass(frozen=True, slots=True, init=False)
class Turn:
    """One reply made of several words, and how it is told.

    Attributes:
        words: What is said, in this order. Only the last may be a failure.
        delay: Seconds before the first word.
        stream: Whether the words come in small pieces.
        pause: Seconds between two pieces.
        usage: Input and output tokens to report; ``None`` reports nothing.

    What is left out is as the script has it.

    Raises:
        ConfigurationError: A word is none, a failure is not the last word, or a number is negative.
    """

    words: tuple[Word, ...]
    delay: float | None
    stream: bool | None
    pause: float | None
    usage: tuple[int, int] | None

    def __init__(
        self,
        *words: Word,
        delay: float | None = None,
        stream: bool | None = None,
        pause: float | None = None,
        usage: tuple[int, int] | None = None,
    ) -> None:
        _check(words)
        if any(isinstance(word, Fail) for word in words[:-1]):
            raise ConfigurationError("fail() ends a reply: nothing can come after it")
        for name, seconds in (("delay", delay), ("pause", pause)):
            if seconds is not None and seconds < 0:
                raise ConfigurationError(f"Turn({name}={seconds!r}): seconds cannot be negative")
        object.__setattr__(self, "words", words)
        object.__setattr__(self, "delay", delay)
        object.__setattr__(self, "stream", stream)
        object.__setattr__(self, "pause", pause)
        object.__setattr__(self, "usage", usage)

    @property
    def fails(self) -> bool:
        """Whether this is no answer, so that whoever asks again hears the next reply."""
        last = self.words[-1] if self.words else None
        return isinstance(last, Fail) and last.how not in ENDINGS


def _check(words: Sequence[object]) -> None:
    for word in words:
        if not isinstance(word, Word):
            raise ConfigurationError(f"{word!r} is no word of a script{_advice(word)}")


def _advice(word: object) -> str:
    return f"; did you mean say({word!r})?" if isinstance(word, str) else ""


def turn_of(line: object) -> Turn:
    """Return ``line``, which a script gives for one reply, as a ``Turn``.

    Raises:
        ConfigurationError: It is neither a word, nor several, nor a ``Turn``.
    """
    if isinstance(line, Turn):
        return line
    if isinstance(line, Word):
        return Turn(line)
    if isinstance(line, Sequence) and not isinstance(line, str | bytes):
        return Turn(*cast("Sequence[Word]", line))
    raise ConfigurationError(f"{line!r} is no reply of a script{_advice(line)}")


@dataclass(frozen=True, slots=True)
class Request:
    """What a scripted model is shown when it has to reply.

    Attributes:
        agent_name: Whose reply it is.
        model: The model the agent names.
        instructions: The agent's instructions.
        system: The whole system prompt.
        entries: What came in, was replied and came of it in this call, oldest first.
        specs: The tools there are.
        call_id: The call it belongs to.
        path: Where in the run that call was made; the same whenever the run is done again.
        turn: How many replies the agent has given in this call already.
        attempt: How often this reply has been asked for: 1, or more after failures.
        summary: Whether not the next reply is asked for but a summary of what was said so far.
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
        """The tools there are, by name."""
        return {spec.name: spec for spec in self.specs}

    @property
    def heard(self) -> list[str]:
        """Everything said to the agent, oldest first: history, the forward, mail."""
        return [entry.text for entry in self.entries if isinstance(entry, Incoming)]

    @property
    def last(self) -> str:
        """The newest thing said to the agent: in its first turn, the forward."""
        return newest(self.entries)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What came of the tool calls of the reply before this one."""
        for entry in reversed(self.entries):
            if isinstance(entry, Outcomes):
                return entry.items
            if isinstance(entry, Reply):
                break
        return ()

    def results(self, tool_name: str) -> list[str]:
        """Return what every use of a tool has given so far, errors included, oldest first."""
        return [o.content for o in self._outcomes() if o.tool_call.name == tool_name]

    def answers(self, agent_name: str) -> list[str]:
        """Return what calls of an agent have returned so far, without its tags, oldest first."""
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
    """Return the text of the newest thing said to the agent, or nothing."""
    return next((entry.text for entry in reversed(entries) if isinstance(entry, Incoming)), "")


def failure(how: int | str, retry_after: float | None, message: str) -> Fail:
    """Return the word for a failure.

    Raises:
        ConfigurationError: There is no such failure.
    """
    if isinstance(how, str) and how not in MISHAPS:
        raise ConfigurationError(
            f"fail({how!r}): there is no such failure; there are: an HTTP status such as 429, "
            f"{', '.join(MISHAPS)}{nearest(how, MISHAPS)}"
        )
    if isinstance(how, int) and not 400 <= how <= 599:
        raise ConfigurationError(f"fail({how}): a status of a failure is 400 to 599")
    return Fail(how, retry_after, message)


Line: TypeAlias = Word | Turn | Sequence[Word]
"""One reply: a word, several, or a ``Turn``."""

Decide: TypeAlias = Callable[[Request], Line | Awaitable[Line]]
"""A function that decides on a reply by what the agent sees."""

Lines: TypeAlias = Sequence[Line | Decide] | Word | Turn | Decide
"""What one agent says in a call: replies in order, a single one, or a function."""
