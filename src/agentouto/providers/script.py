"""``kind="script"``: a model that is a script.

Plays words as the deltas a real stream would bring, and failures as the errors a real wire would
raise, through the same doors. Which words come next is the script's business, not known here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from typing import cast

from agentouto._core.script import Script
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
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import Backend, ModelRequest
from agentouto._domain.script import Ask, Decide, Fail, Lines, Say, Think, Turn
from agentouto.providers._retry import Budget, Gate, RetryPolicy, admitted, with_retries

STOPS: Mapping[int | str, Stop] = {"refused": Stop.REFUSED, "out_of_tokens": Stop.OUT_OF_TOKENS}
SLOW_DOWN = frozenset({429})
NO_ENTRY = frozenset({401, 403})
TRY_AGAIN = frozenset({408, 409})
BREAKS = frozenset({"cut", "out_of_tokens"})
"""What breaks off the arguments of the tool call before it."""

BREAKS_OFF = "This reply breaks off he"
"""What is said before a ``"cut"`` that nothing stands before: a stream is cut once it runs."""

PATIENCE = RetryPolicy(first=0.01)
"""As for any provider, but a wait that no script asks for is short."""

PIECE = re.compile(r"\s*\S{1,8}|\s+")


def open_script(provider: Provider) -> Backend:
    """Return the backend that plays ``provider.script``.

    Raises:
        ConfigurationError: There is no script, or it is none.
    """
    script = provider.script
    if script is None:
        raise ConfigurationError(
            f"Provider {provider.name!r} has kind 'script' and no script=; give it "
            "agentouto.testing.Script({...}), such a mapping, or a function from a request to "
            "a reply"
        )
    if not isinstance(script, Script):
        script = Script(cast("Mapping[str, Lines] | Decide", script))  # which refuses all else
    return _ScriptBackend(provider.name, script)


class _ScriptBackend:
    """Plays one script."""

    def __init__(self, provider_name: str, script: Script) -> None:
        self._provider_name = provider_name
        self._script = script
        self._gate = Gate()
        self._budget = Budget(PATIENCE)

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta], None]:
        """Yield the reply of the script, asking again after failures as one asks a server."""
        name, gate, budget = self._provider_name, self._gate, self._budget
        return with_retries(name, PATIENCE, gate, budget, lambda: self._attempt(request))

    def window(self, agent: Agent) -> int | None:
        """Return what the agent says: a script has no window of its own."""
        return agent.context_window

    async def find_window(self, agent: Agent) -> None:
        """Return at once: there is nobody to ask."""

    async def _attempt(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta], None]:
        async with admitted(request):
            script = self._script
            turn = await script.reply(request, self._provider_name)
            stream = script.stream if turn.stream is None else turn.stream
            pause = script.pause if turn.pause is None else turn.pause
            usage = script.usage if turn.usage is None else turn.usage
            await asyncio.sleep(script.delay if turn.delay is None else turn.delay)
            if stream:
                for place, delta in enumerate(said(turn, cut_up)):
                    if place:
                        await asyncio.sleep(pause)
                    yield (delta,)
            elif deltas := tuple(said(turn, whole)):
                yield deltas
            last = turn.words[-1] if turn.words else None
            if isinstance(last, Fail) and turn.fails:
                if last.how == "cut":
                    return
                raise error_of(last, self._provider_name)
            stop = STOPS[last.how] if isinstance(last, Fail) else Stop.COMPLETE
            yield tuple(ending(stop, usage))


def said(turn: Turn, pieces: Callable[[str], list[str]]) -> Iterator[Delta]:
    """Yield what ``turn`` says, each text in ``pieces``, up to where it ends or fails."""
    words = turn.words
    last = words[-1] if words else None
    broken = -1
    if isinstance(last, Fail) and last.how in BREAKS:
        if last.how == "cut" and len(words) == 1:
            words = (Say(BREAKS_OFF), last)
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


def ending(stop: Stop, usage: tuple[int, int] | None) -> Iterator[Delta]:
    """Yield the last words of a stream."""
    if usage is not None:
        yield UsageDelta(Usage(*usage))
    yield StopDelta(stop)


def whole(text: str) -> list[str]:
    """Return ``text`` in one piece, or in none if it is empty."""
    return [text] if text else []


def cut_up(text: str) -> list[str]:
    """Return ``text`` in pieces of at most a word."""
    return PIECE.findall(text)


def error_of(fail: Fail, provider_name: str) -> ProviderError | AuthError:
    """Return the error a real wire would raise for ``fail``."""
    how, told = fail.how, fail.message
    match how:
        case "nonsense":
            return ProtocolViolation(provider_name, told or "the answer cannot be read: '<!doctyp'")
        case "context":
            told = told or "the request does not fit into the model's context window"
            return ContextOverflow(provider_name, told, status=400)
        case "quota":
            return QuotaExhausted(provider_name, told or "no credit is left", status=429)
        case int():
            return _error_of_status(how, told or f"HTTP {how}", fail.retry_after, provider_name)
        case _:
            return ProviderUnavailable(provider_name, told or "nobody answers")


def _error_of_status(
    status: int, told: str, retry_after: float | None, provider_name: str
) -> ProviderError | AuthError:
    if status in SLOW_DOWN:
        return RateLimited(provider_name, told, status=status, retry_after=retry_after)
    if status in NO_ENTRY:
        return AuthError(provider_name, told)
    if status >= 500 or status in TRY_AGAIN:
        return ProviderUnavailable(provider_name, told, status=status)
    return ProviderError(provider_name, told, status=status)
