"""Makes a request again after a temporary failure, and lets requests wait together.

Theory of operation. A *request* is what an agent asks once; a *try* is one attempt to have it
answered. ``with_retries`` makes the tries of one request, one after the other:

1.  It waits at the ``RateGate`` while that is closed.
2.  It makes a try and yields what arrives.
3.  If the try fails, it raises the error, or waits and begins again at 1.

What must hold, and what breaks otherwise:

*   A part of a reply is delivered once. So nothing is tried again after something was yielded,
    unless the request is ``repeatable``: then its consumer drops what it has when it receives a
    ``RetryDelta``. Otherwise a reader would see the beginning of the reply twice. A reader may come
    in the middle of a reply, so this is asked when the try has failed.
*   A failure is an event. Every wait is yielded as a ``RetryDelta`` before it begins, so that a run
    that stands still says why.
*   A request has one deadline, ``RetryPolicy.total`` after it began. No wait goes beyond it. A
    server that asks for more is not waited for: an error now is worth more than one in an hour.
*   All requests of one account for one model share a gate, because they share its rate limit
    (OpenAI, Anthropic and Gemini count per model). The server tells one of them how long to wait;
    if the others did not wait as well, each would spend a try on hearing the same, and a server
    that counts refused requests too would never open again. Requests for other models pass.
*   If the server says how long to wait (``retry_after``), the gate is closed before the failed
    request decides what to do itself, so that the others learn of the limit even if that request
    has no tries left. Otherwise the wait is a guess of that request: the gate is closed after the
    decision, and only if the request waits for another try.
*   Requests that waited at a gate leave it one after another, within ``spread`` of the wait. All
    at once, they would meet the limit again.
*   A gate closed for longer than ``total`` opens after ``total`` all the same: the time may have
    been meant for one request only, and no request would notice that the limit is gone.
*   A run has a ``RetryBudget``. Without it, and when nearly everything fails, a run with a
    hundred agents would send up to ``RetryPolicy.tries`` times the requests of a healthy one (four
    times, by the default in ``Retry``), which is what an overloaded server needs least.
*   Only the gate delays others. A failure without a rate limit (a broken connection, an error 503)
    concerns one request, and is waited for by that one.

A gate and a budget belong to one event loop and one run, so nothing here takes a lock. What a try
is, is the caller's: HTTP in ``http_backend``, a script in tests.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypeAlias

import msgspec

from agentouto._domain.clock import random_fraction
from agentouto._domain.delta import Delta, DraftDelta, RetryDelta
from agentouto._domain.errors import AuthError, ProviderError, RateLimited
from agentouto._domain.ports import ModelRequest, never
from agentouto._domain.retry import Retry
from agentouto._domain.secret import HiddenFrames

Attempt: TypeAlias = Callable[[], AsyncGenerator[Sequence[Delta], None]]
"""Makes one try, and yields what arrives."""


class RetryPolicy(msgspec.Struct, frozen=True):
    """How often a request is made, and how long the waits are. Times are in seconds."""

    tries: int = Retry().tries
    """How often a request is made at most."""

    total: float = Retry().seconds
    """Time from the first try after which no other one begins."""

    first: float = 0.5
    """The wait before the second try; each further wait is twice as long. Most broken connections
    are back at once."""

    longest: float = 8.0
    """The longest wait, unless the server asks for another. More would leave too few tries within
    the usual minute."""

    spread: float = 0.5
    """How much later than the gate opens the last request leaves it, as a part of the wait."""

    spare: int = 100
    """How many tries more than requests a run may make: enough for a bad minute of a large one."""

    chance: Callable[[], float] = random_fraction
    """Returns a number from 0 to 1, another one each time."""

    @classmethod
    def of(cls, retry: Retry) -> RetryPolicy:
        """Return the policy for a user's setting."""
        return cls(tries=retry.tries, total=retry.seconds)

    def pause(self, tried: int) -> float:
        """Return how long to wait after ``tried`` tries if the server does not say.

        It is random by a quarter, so that requests that failed together do not return together.
        """
        longest = min(self.longest, self.first * 2.0 ** (tried - 1))
        return longest * (0.75 + 0.25 * self.chance())


class RateGate:
    """Where requests that share a rate limit wait until it is over.

    Attributes:
        opens: When requests may pass again, by the clock of the event loop.
        until: When the limit ends, as far as the server says. It may be later than ``opens``, and
            is what a request that cannot wait is told.
        why: The text of the error that closed the gate.
    """

    __slots__ = ("opens", "until", "why")

    def __init__(self) -> None:
        self.opens = 0.0
        self.until = 0.0
        self.why = ""

    def close(self, until: float, why: str, latest: float) -> None:
        """Let no request pass before ``until``, or before ``latest`` if that is earlier."""
        if (opens := min(until, latest)) > self.opens:
            self.opens, self.until, self.why = opens, until, why


class RetryBudget:
    """How many more tries one run may make at one provider: one for each request, and some more."""

    __slots__ = ("left",)

    def __init__(self, policy: RetryPolicy) -> None:
        self.left = policy.spare

    def earn(self) -> None:
        """Add one try, for a request that is made for the first time."""
        self.left += 1

    def spend(self) -> bool:
        """Take one try; return whether there was one left."""
        if self.left < 1:
            return False
        self.left -= 1
        return True


_UNLIMITED = nullcontext()
"""The admission where nothing is limited. It has no state, so any number may enter it at once."""


def admission(request: ModelRequest) -> AbstractAsyncContextManager[None]:
    """Return the context of one try: entering it waits for a slot, or raises ``LimitReached``."""
    return _UNLIMITED if request.admit is None else request.admit()


_HIDING_FRAMES = HiddenFrames(ProviderError, AuthError)
"""It has no state either, so any number of requests may be in it at once."""


def _is_draft(delta: Delta) -> bool:
    """Whether ``delta`` is no part of the reply, so that another try may begin from nothing."""
    return isinstance(delta, DraftDelta)


async def with_retries(
    provider_name: str,
    policy: RetryPolicy,
    gate: RateGate,
    budget: RetryBudget,
    attempt: Attempt,
    *,
    repeatable: Callable[[], bool] = never,
) -> AsyncGenerator[Sequence[Delta], None]:
    """Yield what ``attempt`` yields, and make the tries of one request; see above.

    Raises:
        ProviderError: The last try failed, or the gate stays closed for too long.
    """
    budget.earn()
    tries = _Tries(provider_name, policy, gate, budget)
    delivered = False
    while True:
        while (wait := tries.wait_at_gate()) > 0:
            yield [tries.wait_delta(wait, gate.why)]
            await asyncio.sleep(wait)
            tries.check_deadline_at_gate()
        tries.made += 1
        answer = attempt()
        try:
            with _HIDING_FRAMES:
                async for deltas in answer:
                    if not delivered:
                        delivered = not all(map(_is_draft, deltas))
                    yield deltas
        except ProviderError as error:
            if delivered and repeatable():
                delivered = False
            pause = tries.pause_after(error, delivered=delivered)
            if pause is None:
                raise
            if pause:
                yield [tries.wait_delta(pause, str(error))]
                await asyncio.sleep(pause)
                if tries.are_late:
                    raise
        else:
            return
        finally:
            await answer.aclose()


class _Tries:
    """The tries of one request: how many were made, and when the next one is."""

    __slots__ = (
        "_budget",
        "_clock",
        "_deadline",
        "_gate",
        "_last_error",
        "_policy",
        "_provider_name",
        "made",
    )

    def __init__(
        self, provider_name: str, policy: RetryPolicy, gate: RateGate, budget: RetryBudget
    ) -> None:
        self._provider_name = provider_name
        self._policy = policy
        self._gate = gate
        self._budget = budget
        self._clock = asyncio.get_running_loop().time
        self._deadline = self._clock() + policy.total
        self._last_error: ProviderError | None = None
        self.made = 0

    @property
    def are_late(self) -> bool:
        """Whether it is too late for another try."""
        return self._clock() >= self._deadline

    def wait_at_gate(self) -> float:
        """Return how long to wait at the gate now; 0 if it is open.

        Raises:
            RateLimited: The limit ends after the deadline.
        """
        gate, policy, now = self._gate, self._policy, self._clock()
        closed, left = gate.opens - now, self._deadline - now
        if closed <= 0:
            return 0.0
        if (asked := gate.until - now) > left:
            raise self._refused_at_gate(asked)
        latest = min(closed + min(closed * policy.spread, policy.longest), left)
        return closed + (latest - closed) * policy.chance()

    def check_deadline_at_gate(self) -> None:
        """Raise ``RateLimited`` if the request has waited at the gate until its deadline."""
        if self.are_late:
            raise self._refused_at_gate(None)

    def wait_delta(self, wait: float, why: str) -> RetryDelta:
        """Return the delta of a wait: after a failed try, or at a gate that others have closed."""
        error = self._last_error
        if error is None:
            return RetryDelta(self.made + 1, wait, why, "gate", most=self._policy.tries)
        return RetryDelta(self.made + 1, wait, why, "retry", error.status, self._policy.tries)

    def pause_after(self, error: ProviderError, *, delivered: bool) -> float | None:
        """Return how long to wait after ``error``, 0 for a wait at the gate; ``None`` to give up.

        Raises:
            RateLimited: The server asks for a longer wait than any request may have.
        """
        self._last_error = error
        policy, gate, now = self._policy, self._gate, self._clock()
        wait = policy.pause(self.made)
        limited = isinstance(error, RateLimited)
        if isinstance(error, RateLimited) and error.retry_after is not None:
            wait = error.retry_after
            gate.close(now + wait, str(error), now + policy.total)
        if delivered or not error.retryable or self.made >= policy.tries:
            return None
        if isinstance(error, RateLimited) and wait > policy.total:
            raise _asks_too_much(error, wait, policy.total) from error
        if now + wait > self._deadline or not self._budget.spend():
            return None
        if limited:
            gate.close(now + wait, str(error), now + policy.total)
            return 0.0
        return wait

    def _refused_at_gate(self, retry_after: float | None) -> RateLimited:
        """Return the error for a request that cannot wait until the rate limit ends."""
        why = self._gate.why.removeprefix(f"[{self._provider_name}] ")
        return RateLimited(self._provider_name, why, retry_after=retry_after)


def _asks_too_much(error: RateLimited, wait: float, most: float) -> RateLimited:
    """Return ``error`` with the reason why its wait is not kept."""
    longer = copy.copy(error)
    longer.args = (f"{error} (it asks to wait {wait:g} s; no more than {most:g} s are waited)",)
    return longer
