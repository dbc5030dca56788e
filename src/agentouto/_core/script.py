"""Which reply of a script comes next.

Every call of an agent plays the agent's replies from the start. The turn says which one, so any
number of calls may play at once and a run that is done again hears the same. How a reply is
streamed, and who tries again after a failure, is not known here.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeGuard, cast

from agentouto._domain.errors import AuthError, ConfigurationError, ProviderError
from agentouto._domain.misuse import nearest
from agentouto._domain.ports import ModelRequest
from agentouto._domain.script import Decide, Line, Lines, Request, Say, Turn, Word, turn_of


class Script:
    """What models say, instead of models.

    Args:
        lines: For each agent its replies, in order; or a function from a ``Request`` to a reply,
            plain or async, for one agent, for one reply, or in place of the whole mapping.
        delay: Seconds before each reply.
        stream: Whether replies come in small pieces.
        pause: Seconds between two pieces.
        usage: Input and output tokens each reply reports; ``None`` reports nothing.
        summary: What is said when a summary of a call is asked for, by whichever agent: a reply, or
            a function from a ``Request`` to one. Without it, how many entries there are to be
            summarised. Summaries are no replies of the agent: its own go on as if nobody had asked.

    Attributes:
        requests: Every request seen, in order; a request made again after a failure is there again.

    Raises:
        ConfigurationError: Something in it is no reply; the text says where.
    """

    def __init__(
        self,
        lines: Mapping[str, Lines] | Decide,
        *,
        delay: float = 0.0,
        stream: bool = False,
        pause: float = 0.0,
        usage: tuple[int, int] | None = None,
        summary: Line | Decide | None = None,
    ) -> None:
        Turn(delay=delay, pause=pause)  # refuses what is negative
        self.delay = delay
        self.stream = stream
        self.pause = pause
        self.usage = usage
        self.requests: list[Request] = []
        self._tries: Counter[tuple[str, int, bool]] = Counter()
        self._summary = _counted if summary is None else _summary_of(summary)
        self._everyone: Decide | None = None
        self._turns: dict[str, tuple[tuple[Turn | Decide, ...], ...] | Decide] = {}
        if _is_function(lines):
            self._everyone = lines
        elif _is_mapping(lines):
            self._turns = {name: _for_agent(name, own) for name, own in lines.items()}
        else:
            raise ConfigurationError(
                f"Script({lines!r}): a script is a mapping from agent names to replies, or a "
                "function from a request to a reply"
            )

    def heard_by(self, agent_name: str) -> list[str]:
        """Return everything said to an agent, call by call, each thing once."""
        calls: dict[str, Request] = {}
        for request in self.requests:
            if request.agent_name == agent_name and not request.summary:
                calls[request.call_id] = request
        return [text for request in calls.values() for text in request.heard]

    async def reply(self, asked: ModelRequest, provider_name: str) -> Turn:
        """Return what is said to ``asked``.

        Raises:
            ProviderError: The script has nothing to say, or one of its functions failed.
        """
        key = (asked.call_id, asked.turn, asked.summary)
        self._tries[key] += 1
        request = seen(asked, self._tries[key])
        self.requests.append(request)
        line = self._line(request, provider_name)
        return line if isinstance(line, Turn) else await _decided(line, request, provider_name)

    def _line(self, request: Request, provider_name: str) -> Turn | Decide:
        if request.summary:
            return self._summary
        if self._everyone is not None:
            return self._everyone
        name = request.agent_name
        turns = self._turns.get(name)
        if turns is None:
            raise ProviderError(
                provider_name,
                f"the script has no agent {name!r}; it has: "
                f"{', '.join(self._turns) or 'nobody'}{nearest(name, self._turns)}",
            )
        if callable(turns):
            return turns
        if request.turn >= len(turns):
            count = f"{len(turns)} {'reply' if len(turns) == 1 else 'replies'}"
            raise ProviderError(
                provider_name,
                f"agent {name!r} is in turn {request.turn + 1}, and its script has {count}; "
                f"last it heard: {_shortly(request)}",
            )
        tries = turns[request.turn]
        return tries[min(request.attempt, len(tries)) - 1]


def seen(asked: ModelRequest, attempt: int = 1) -> Request:
    """Return ``asked`` as those who write scripts see it."""
    agent, transcript = asked.agent, asked.transcript
    return Request(
        agent.name,
        agent.model,
        agent.instructions,
        transcript.system,
        transcript.entries,
        asked.tools,
        asked.call_id,
        asked.path,
        asked.turn,
        attempt,
        asked.summary,
    )


def _counted(request: Request) -> Turn:
    count = len(request.entries)
    return Turn(Say(f"Summary of {count} {'entry' if count == 1 else 'entries'}."))


def _is_function(value: object) -> TypeGuard[Decide]:
    return callable(value)


def _is_mapping(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping)


def _for_agent(name: str, lines: object) -> tuple[tuple[Turn | Decide, ...], ...] | Decide:
    if _is_function(lines):
        return lines
    if isinstance(lines, Word | Turn):
        lines = (lines,)
    if not isinstance(lines, Sequence) or isinstance(lines, str | bytes):
        raise ConfigurationError(
            f"Script: {lines!r} for agent {name!r} is neither a list of replies nor a function"
        )
    replies = cast("Sequence[object]", lines)
    return _by_turn(_line_of(name, place, reply) for place, reply in enumerate(replies))


def _summary_of(line: object) -> Turn | Decide:
    if _is_function(line):
        return line
    try:
        return turn_of(line)
    except ConfigurationError as error:
        raise ConfigurationError(f"Script(summary=): {error}") from error


def _line_of(name: str, place: int, line: object) -> Turn | Decide:
    if _is_function(line):
        return line
    try:
        return turn_of(line)
    except ConfigurationError as error:
        raise ConfigurationError(f"Script: reply {place + 1} of agent {name!r}: {error}") from error


def _by_turn(lines: Iterable[Turn | Decide]) -> tuple[tuple[Turn | Decide, ...], ...]:
    """Put each failure into one turn with what is said when the agent asks again."""
    turns: list[tuple[Turn | Decide, ...]] = []
    tries: list[Turn | Decide] = []
    for line in lines:
        tries.append(line)
        if not (isinstance(line, Turn) and line.fails):
            turns.append(tuple(tries))
            tries = []
    return (*turns, tuple(tries)) if tries else tuple(turns)


async def _decided(decide: Decide, request: Request, provider_name: str) -> Turn:
    try:
        line = decide(request)
        return turn_of(await line if inspect.isawaitable(line) else line)
    except (ProviderError, AuthError):
        raise
    except Exception as error:
        raise ProviderError(
            provider_name,
            f"the script of {request.agent_name!r} failed in turn {request.turn + 1}: "
            f"{type(error).__name__}: {error}",
        ) from error


def _shortly(request: Request) -> str:
    outcomes = request.outcomes
    told = outcomes[-1].content if outcomes else request.last
    return repr(told if len(told) <= 80 else f"{told[:80]}...")
