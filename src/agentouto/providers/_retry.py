"""When a request is made again, and who has to wait for whom.

One policy for all providers. Nothing is tried again once the caller has heard a word of the reply:
it would hear the beginning twice. How a request is made is not known here.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeAlias

from agentouto._domain.delta import Delta, RetryDelta
from agentouto._domain.errors import ProviderError, RateLimited
from agentouto._domain.ports import ModelRequest
from agentouto._domain.world import chance

Attempt: TypeAlias = Callable[[], AsyncGenerator[Sequence[Delta], None]]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, how long, how far apart.

    Attributes:
        tries: How many times a request is made at most.
        total: Seconds from the first try after which no other is begun. A server that asks for a
            longer wait is not waited for.
        first: Seconds before the second try; they double from then on.
        longest: Seconds before any try at most, unless the server asks for more.
        spread: How much longer than asked those wait who share a key, as a part of the wait, so
            that they do not all come back at once.
        spare: How many tries more than requests one run may make. A run in which nearly everything
            fails stops asking: its fan-out would only add to what the provider suffers from.
        chance: A number from 0 to 1, different each time.
    """

    tries: int = 4
    total: float = 60.0
    first: float = 0.5
    longest: float = 8.0
    spread: float = 0.5
    spare: int = 100
    chance: Callable[[], float] = chance

    def pause(self, tried: int) -> float:
        """Return how long to wait after ``tried`` tries if the server does not say."""
        longest = min(self.longest, self.first * 2.0 ** (tried - 1))
        return longest * (0.75 + 0.25 * self.chance())


class Gate:
    """Where all who share a key wait when one of them was told to."""

    __slots__ = ("opens", "until", "why")

    def __init__(self) -> None:
        self.opens = 0.0
        self.until = 0.0
        self.why = ""

    def close(self, until: float, why: str, latest: float) -> None:
        """Let nobody through before ``until``, or ``latest`` if that is earlier.

        ``until`` is what those are told, and go by, who come before.
        """
        if (opens := min(until, latest)) > self.opens:
            self.opens, self.until, self.why = opens, until, why


class Budget:
    """How often one run may ask one provider again: as often as it has asked, and some more."""

    __slots__ = ("left",)

    def __init__(self, policy: RetryPolicy) -> None:
        self.left = policy.spare

    def earn(self) -> None:
        """A request is made for the first time."""
        self.left += 1

    def spend(self) -> bool:
        """Take one more try, if there is one left; say whether there was."""
        if self.left < 1:
            return False
        self.left -= 1
        return True


def _too_long(error: RateLimited, wait: float, most: float) -> RateLimited:
    """Return ``error`` with the reason why it is not waited for."""
    longer = copy.copy(error)
    longer.args = (f"{error} (it asks to wait {wait:g} s; no more than {most:g} s are waited)",)
    return longer


def _not_yet(provider_name: str, gate: Gate, asked: float | None = None) -> RateLimited:
    """Return what those are told who come to a closed gate and cannot wait so long."""
    why = gate.why.removeprefix(f"[{provider_name}] ")
    return RateLimited(provider_name, why, retry_after=asked)


_FREE = nullcontext()
"""Can be entered by any number at once."""


def admitted(request: ModelRequest) -> AbstractAsyncContextManager[None]:
    """Return what a try to reach a model is made inside of: entering it may wait, or raise."""
    return _FREE if request.admit is None else request.admit()


async def with_retries(
    provider_name: str, policy: RetryPolicy, gate: Gate, budget: Budget, attempt: Attempt
) -> AsyncGenerator[Sequence[Delta], None]:
    """Yield what ``attempt`` yields, trying again while it fails and nothing has been heard."""
    budget.earn()
    clock = asyncio.get_running_loop()
    deadline = clock.time() + policy.total
    tried, heard = 0, False
    while True:
        while (closed := gate.opens - clock.time()) > 0:
            left = deadline - clock.time()
            if (asked := gate.until - clock.time()) > left:
                raise _not_yet(provider_name, gate, asked)
            latest = min(closed + min(closed * policy.spread, policy.longest), left)
            wait = closed + (latest - closed) * policy.chance()
            yield [RetryDelta(tried + 1, wait, gate.why)]
            await asyncio.sleep(wait)
            if clock.time() >= deadline:
                raise _not_yet(provider_name, gate)
        tried += 1
        answer = attempt()
        try:
            async for deltas in answer:
                heard = True
                yield deltas
        except ProviderError as error:
            limited = error if isinstance(error, RateLimited) else None
            wait, now = policy.pause(tried), clock.time()
            if limited and limited.retry_after is not None:
                wait = limited.retry_after
                gate.close(now + wait, str(error), now + policy.total)
            if heard or not error.retryable or tried >= policy.tries:
                raise
            if limited and wait > policy.total:
                raise _too_long(limited, wait, policy.total) from error
            if now + wait > deadline or not budget.spend():
                raise
            if limited:
                gate.close(now + wait, str(error), now + policy.total)
                continue
            yield [RetryDelta(tried + 1, wait, str(error))]
            await asyncio.sleep(wait)
            if clock.time() >= deadline:
                raise
        else:
            return
        finally:
            await answer.aclose()
