"""``kind="script"``: a backend that plays a script in place of a model.

Parts of a reply become the deltas that a real stream would have, and failures the errors that a
real wire would raise. Attempts, retries and slots are those of HTTP providers, so that a test of a
failing model tries the same code. ``script.py`` decides which reply comes next.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import cast

from msgspec.structs import replace

from agentouto._domain.content import Stop, Usage
from agentouto._domain.delta import (
    Delta,
    ReasoningDelta,
    StopDelta,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)
from agentouto._domain.errors import (
    AuthError,
    ConfigurationError,
    ContextOverflow,
    ProtocolViolation,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import Backend, ModelRequest
from agentouto.providers._script.replies import Ask, Decide, Fail, Say, ScriptedReplies, Think, Turn
from agentouto.providers._script.script import Script
from agentouto.providers._transport.retry import (
    RateGate,
    RetryBudget,
    RetryPolicy,
    admission,
    with_retries,
)

STOPS: Mapping[int | str, Stop] = MappingProxyType(
    {"refused": Stop.REFUSED, "out_of_tokens": Stop.OUT_OF_TOKENS}
)
"""Endings that are answers of a model, and how it stopped."""

RATE_LIMITED = frozenset({429})
UNAUTHORIZED = frozenset({401, 403})
RETRYABLE = frozenset({408, 409})
"""Statuses that become the same errors as at a real provider (``_format/errors.py``)."""

CUT_ENDINGS = frozenset({"cut", "out_of_tokens"})
"""Failures that cut the arguments of the tool call before them in half."""

TEXT_BEFORE_CUT = "This reply breaks off he"
"""Text before a ``"cut"`` that would come first: only a stream that has begun can be cut."""

FIRST_WAIT = 0.01
"""Seconds before the second try: no server has to recover, so tests need not wait. A
``retry_after`` of the script is waited for."""

PIECE = re.compile(r"\s*\S{1,8}|\s+")
"""A piece of a stream: up to eight letters, about the length of a token, with white space
before."""


def open_script(provider: Provider, _: Memory | None = None) -> Backend:
    """Return the backend that plays ``provider.script``.

    Raises:
        ConfigurationError: There is no script, or it is not valid.
    """
    script = provider.script
    if script is None:
        raise ConfigurationError(
            f"Provider {provider.name!r} has kind 'script' and no script=; give it "
            "agentouto.testing.Script({...}), such a mapping, or a function from a request to "
            "a reply"
        )
    if not isinstance(script, Script):
        # ``Script`` refuses all other types.
        script = Script(cast("Mapping[str, ScriptedReplies] | Decide", script))
    return _ScriptBackend(provider, script)


class _ScriptBackend:
    """Plays one script."""

    def __init__(self, provider: Provider, script: Script) -> None:
        self._provider_name = provider.name
        self._script = script
        self._policy = replace(RetryPolicy.of(provider.retry), first=FIRST_WAIT)
        self._gate = RateGate()
        self._budget = RetryBudget(self._policy)

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta], None]:
        """Yield the reply of the script, with retries after failures as for a server."""
        return with_retries(
            self._provider_name,
            self._policy,
            self._gate,
            self._budget,
            lambda: self._attempt(request),
            repeatable=request.repeatable,
        )

    def window(self, agent: Agent) -> int | None:
        """Return the agent's setting: a script has no context window."""
        return agent.context_window

    async def find_window(self, agent: Agent) -> None:
        """Return at once: a script has no server to ask."""

    async def _attempt(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta], None]:
        async with admission(request):
            script = self._script
            turn = await script.reply(request, self._provider_name)
            stream = script.stream if turn.stream is None else turn.stream
            pause = script.pause if turn.pause is None else turn.pause
            usage = script.usage if turn.usage is None else turn.usage
            await asyncio.sleep(script.delay if turn.delay is None else turn.delay)
            if stream:
                for place, delta in enumerate(deltas_for(turn, in_words)):
                    if place:
                        await asyncio.sleep(pause)
                    yield (delta,)
            elif deltas := tuple(deltas_for(turn, in_one_piece)):
                yield deltas
            last = turn.words[-1] if turn.words else None
            if isinstance(last, Fail) and turn.fails:
                raise error_for_failure(last, self._provider_name)
            stop = STOPS[last.how] if isinstance(last, Fail) else Stop.COMPLETE
            yield tuple(end_deltas(stop, usage))


def deltas_for(turn: Turn, pieces: Callable[[str], list[str]]) -> Iterator[Delta]:
    """Yield the deltas of ``turn``, each text in ``pieces``, up to its end or failure."""
    words = turn.words
    last = words[-1] if words else None
    broken = -1
    if isinstance(last, Fail) and last.how in CUT_ENDINGS:
        if last.how == "cut" and len(words) == 1:
            words = (Say(TEXT_BEFORE_CUT), last)
        broken = len(words) - 2
    for slot, word in enumerate(words):
        match word:
            case Say(text):
                yield from map(TextDelta, pieces(text))
            case Think(text):
                yield from map(ReasoningDelta, pieces(text))
            case Ask(name, arguments):
                yield ToolCallDelta(slot, f"call_{slot + 1}", name)
                half = arguments[: len(arguments) // 2] if slot == broken else arguments
                yield from (ToolCallDelta(slot, arguments=piece) for piece in pieces(half))
            case Fail():
                return


def end_deltas(stop: Stop, usage: tuple[int, int] | None) -> Iterator[Delta]:
    """Yield the last deltas of a stream."""
    if usage is not None:
        yield UsageDelta(Usage(*usage))
    yield StopDelta(stop)


def in_one_piece(text: str) -> list[str]:
    """Return ``text`` in one piece, or in none if it is empty."""
    return [text] if text else []


def in_words(text: str) -> list[str]:
    """Return ``text`` in pieces of at most a word."""
    return PIECE.findall(text)


def error_for_failure(fail: Fail, provider_name: str) -> ProviderError | AuthError:
    """Return the error that a real wire would raise for ``fail``."""
    how, text = fail.how, fail.message
    match how:
        case "cut":
            return ProtocolViolation(provider_name, text or "the reply was cut short")
        case "nonsense":
            return ProtocolViolation(provider_name, text or "the answer cannot be read: '<!doctyp'")
        case "context":
            text = text or "the request does not fit into the model's context window"
            return ContextOverflow(provider_name, text, status=400)
        case "quota":
            return QuotaExhausted(provider_name, text or "no credit is left", status=429)
        case int():
            return _error_of_status(how, text or f"HTTP {how}", fail.retry_after, provider_name)
        case _:
            return ProviderUnavailable(provider_name, text or "the server does not answer")


def _error_of_status(
    status: int, text: str, retry_after: float | None, provider_name: str
) -> ProviderError | AuthError:
    if status in RATE_LIMITED:
        return RateLimited(provider_name, text, status=status, retry_after=retry_after)
    if status in UNAUTHORIZED:
        return AuthError(provider_name, text)
    if status >= 500 or status in RETRYABLE:
        return ProviderUnavailable(provider_name, text, status=status)
    return ProviderError(provider_name, text, status=status)
