"""Chooses the next reply of a script.

Every call of an agent plays the agent's replies from the start. The turn of the request decides
which one, so any number of calls may play at the same time, and a run that is repeated gets the
same replies. ``backend.py`` streams and retries.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeGuard, cast

from agentouto._domain.configuration_error import closest, did_you_mean
from agentouto._domain.errors import AuthError, BrokenScript, ConfigurationError, ProviderError
from agentouto._domain.ports import ModelRequest
from agentouto.providers._script.replies import (
    Ask,
    Decide,
    ReplyPart,
    Request,
    Say,
    ScriptedReplies,
    ScriptedReply,
    Turn,
    turn_of,
)


class Script:
    """Replies that take the place of models.

    Args:
        lines: For each agent its replies, in order; or a function from a ``Request`` to a reply,
            plain or async, for one agent, for one reply, or in place of the whole mapping.
        delay: Seconds before each reply.
        stream: Whether replies come in small pieces.
        pause: Seconds between two pieces.
        usage: Input and output tokens each reply reports; ``None`` reports nothing.
        summary: The reply to a request for a summary of a call, for all agents, or a function from
            a ``Request`` to one. By default a sentence with the number of entries. Summaries do not
            use up replies of the agent.

    Attributes:
        requests: All requests, in order; one for each attempt.

    Raises:
        ConfigurationError: A part of it is not a reply; the text says where.
    """

    def __init__(
        self,
        lines: Mapping[str, ScriptedReplies] | Decide,
        *,
        delay: float = 0.0,
        stream: bool = False,
        pause: float = 0.0,
        usage: tuple[int, int] | None = None,
        summary: ScriptedReply | Decide | None = None,
    ) -> None:
        Turn(delay=delay, pause=pause)  # refuses what is negative
        self.delay = delay
        self.stream = stream
        self.pause = pause
        self.usage = usage
        self.requests: list[Request] = []
        self._tries: Counter[tuple[str, int, bool]] = Counter()
        self._summary = _default_summary if summary is None else _summary_of(summary)
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
        """Return the texts that an agent has received, call by call, each once."""
        calls: dict[str, Request] = {}
        for request in self.requests:
            # The last request of a call has everything that the call has heard before.
            if request.agent_name == agent_name and not request.summary:
                calls[request.call_id] = request
        return [text for request in calls.values() for text in request.heard]

    async def reply(self, asked: ModelRequest, provider_name: str) -> Turn:
        """Return the reply to ``asked``.

        Raises:
            BrokenScript: The script has no reply, or one of its functions failed.
        """
        if not self.requests:  # its user has cleared them: the tries go too
            self._tries.clear()
        key = (asked.call_id, asked.turn, asked.summary)
        self._tries[key] += 1
        request = script_request(asked, self._tries[key])
        self.requests.append(request)  # also one that the script has no reply to
        line = self._line(request, provider_name)
        if not isinstance(line, Turn):
            line = await _call_function(line, request, provider_name)
        _check_spelling(line, request, provider_name)
        return line

    def _line(self, request: Request, provider_name: str) -> Turn | Decide:
        if request.summary:
            return self._summary
        if self._everyone is not None:
            return self._everyone
        name = request.agent_name
        turns = self._turns.get(name)
        if turns is None:
            raise BrokenScript(
                provider_name,
                f"the script has no agent {name!r}; it has: "
                f"{', '.join(self._turns) or 'none'}{did_you_mean(name, self._turns)}",
            )
        if callable(turns):
            return turns
        if request.turn >= len(turns):
            count = f"{len(turns)} {'reply' if len(turns) == 1 else 'replies'}"
            raise BrokenScript(
                provider_name,
                f"agent {name!r} is in turn {request.turn + 1}, and its script has {count}; "
                f"last it heard: {_last_input(request)}",
            )
        tries = turns[request.turn]
        # A run may try more often than the script says: then the last of its entries is repeated.
        return tries[min(request.attempt, len(tries)) - 1]


TYPING_ERROR = 0.8
"""How alike two names are that differ by a typing error: not ``read_file`` and ``write_file``."""


def _check_spelling(turn: Turn, request: Request, provider_name: str) -> None:
    """Raise for a tool that the agent does not have, and whose name is nearly one that it has.

    Another name stands for a model that invents tools, and is answered as that is.
    """
    names = request.tools
    for word in turn.words:
        if not isinstance(word, Ask) or word.name in names:
            continue
        if (close := closest(word.name, names, TYPING_ERROR)) is not None:
            raise BrokenScript(
                provider_name,
                f"the script of {request.agent_name!r} uses the tool {word.name!r} in turn "
                f"{request.turn + 1}, which the agent does not have. Did you mean {close!r}?",
            )


def script_request(asked: ModelRequest, attempt: int = 1) -> Request:
    """Return ``asked`` as a script sees it."""
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


def _default_summary(request: Request) -> Turn:
    count = len(request.entries)
    return Turn(Say(f"Summary of {count} {'entry' if count == 1 else 'entries'}."))


def _is_function(value: object) -> TypeGuard[Decide]:
    return callable(value)


def _is_mapping(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping)


def _for_agent(name: str, lines: object) -> tuple[tuple[Turn | Decide, ...], ...] | Decide:
    if _is_function(lines):
        return lines
    if isinstance(lines, ReplyPart | Turn):
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
    """Group replies by turn: each failure with the replies to the attempts after it."""
    turns: list[tuple[Turn | Decide, ...]] = []
    tries: list[Turn | Decide] = []
    for line in lines:
        tries.append(line)
        if not (isinstance(line, Turn) and line.fails):
            turns.append(tuple(tries))
            tries = []
    return (*turns, tuple(tries)) if tries else tuple(turns)


async def _call_function(decide: Decide, request: Request, provider_name: str) -> Turn:
    try:
        line = decide(request)
        return turn_of(await line if inspect.isawaitable(line) else line)
    except (ProviderError, AuthError):
        raise  # a function may fail as a provider does
    except Exception as error:
        raise BrokenScript(
            provider_name,
            f"the script of {request.agent_name!r} failed in turn {request.turn + 1}: "
            f"{type(error).__name__}: {error}",
        ) from error


def _last_input(request: Request) -> str:
    outcomes = request.outcomes
    text = outcomes[-1].content if outcomes else request.last
    return repr(text if len(text) <= 80 else f"{text[:80]}...")
