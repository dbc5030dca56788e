"""The pot of a run: what its user allows it to spend, and what of it is left.

Everything that can be counted is reserved before it is spent, so that any number of calls at once
cannot spend one too many. When something has run out, nobody is let through any more; replies that
are on their way still arrive, and then the run is ended. What ending means is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from agentouto._core.prompt import nearly_spent
from agentouto._domain.content import Usage
from agentouto._domain.errors import ConfigurationError, LimitReached
from agentouto._domain.event import Stamp
from agentouto._domain.limits import Limits, Price

_NEARLY_ALL = 1 - 1e-9
"""Ten times a tenth of a dollar is not quite a dollar."""

_POOLED = ("calls", "requests", "tokens", "cost", "seconds")
_ONE_BY_ONE = frozenset({"turns", "requests"})


class Pot:
    """What one run may spend, and has spent."""

    def __init__(
        self, limits: Limits, prices: Mapping[str, Price], now: Callable[[], float]
    ) -> None:
        self.limits = limits
        self.reached: LimitReached | None = None
        self.places: asyncio.Semaphore | None = None
        if limits.parallel is not None:
            self.places = asyncio.Semaphore(limits.parallel)
        self._prices = prices
        self._now = now
        self._began = now()
        self._spent: dict[str, float] = dict.fromkeys(_POOLED, 0)
        self._under_way = 0
        self._end: Callable[[], object] = bool
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, end: Callable[[], object]) -> None:
        """Start the clock. ``end`` is called, once, when something has run out."""
        self._end = end
        self._began = self._now()
        if self.limits.seconds is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self.limits.seconds, self._expire)

    def close(self) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()

    def open_call(self, stamp: Stamp, depth: int, repeats: int) -> None:
        """Reserve a call.

        Raises:
            LimitReached: There may be no more, or none that deep, or none that is asked this again.
        """
        self._check(stamp)
        for limit, wanted in (("depth", depth), ("repeats", repeats)):
            allowed = getattr(self.limits, limit)
            if allowed is not None and wanted > allowed:
                raise self._reach(limit, stamp)
        self._reserve("calls", stamp)

    def admission(self, stamp: Stamp) -> Admission:
        """Return what a call has to pass with each request for one reply."""
        return Admission(self, stamp)

    def enter(self, stamp: Stamp) -> None:
        """Reserve a request that is about to be sent.

        Raises:
            LimitReached: Nothing may be sent any more.
        """
        self._check(stamp)
        for limit in ("tokens", "cost"):
            allowed = getattr(self.limits, limit)
            if allowed is not None and self._spent[limit] >= allowed * _NEARLY_ALL:
                raise self._reach(limit, stamp)
        self._reserve("requests", stamp)
        self._under_way += 1

    def leave(self) -> None:
        """Note that a request has come to its end, and what it brought is written down."""
        self._under_way -= 1
        self._end_if_quiet()

    def spend(self, model: str, usage: Usage, estimated: Callable[[], Usage]) -> None:
        """Note what a reply has cost; ``estimated`` tokens where nobody has counted them."""
        if self.limits.tokens is None and self.limits.cost is None:
            return
        if usage.total_tokens is None:
            usage = estimated()
        self._spent["tokens"] += usage.total_tokens or 0
        if self.limits.cost is not None:
            price = self._prices.get(model)
            if price is None:  # a hook has put another model in
                raise ConfigurationError(f"Limits(cost=): nobody knows what {model!r} costs")
            self._spent["cost"] += price.of(usage)

    def warnings(self, told: set[str], turn: int) -> Iterator[str]:
        """Yield a word on each limit that is nearly reached, and add it to ``told``."""
        limits = self.limits
        for limit in ("turns", *_POOLED):
            allowed = getattr(limits, limit)
            if allowed is None or limit in told:
                continue
            spent = turn if limit == "turns" else self._spent_of(limit)
            nearly = allowed * limits.warn_at
            if limit in _ONE_BY_ONE:  # of few, the last one is left to end with
                nearly = max(int(nearly), 1)
            if spent >= nearly:
                told.add(limit)
                yield nearly_spent(limit, spent, allowed)

    def _spent_of(self, limit: str) -> float:
        return self._now() - self._began if limit == "seconds" else self._spent[limit]

    def _check(self, stamp: Stamp) -> None:
        if self.reached is not None:
            raise self._error(self.reached.limit, stamp)

    def _reserve(self, limit: str, stamp: Stamp) -> None:
        allowed = getattr(self.limits, limit)
        if allowed is not None and self._spent[limit] >= allowed:
            raise self._reach(limit, stamp)
        self._spent[limit] += 1

    def _reach(self, limit: str, stamp: Stamp) -> LimitReached:
        error = self._error(limit, stamp)
        self.reached = self.reached or error
        self._end_if_quiet()
        return error

    def _error(self, limit: str, stamp: Stamp) -> LimitReached:
        allowed = getattr(self.limits, limit)
        return LimitReached(stamp.agent_name, limit, allowed, call_id=stamp.call_id)

    def _end_if_quiet(self) -> None:
        if self.reached is not None and not self._under_way:
            self._end()

    def _expire(self) -> None:
        """End the run: time does not wait for replies."""
        self.reached = self.reached or self._error("seconds", Stamp("user", "", None))
        self._end()


class Admission(AbstractAsyncContextManager[None]):
    """One call's way to its model: entered for each try, left for good with ``land``."""

    __slots__ = ("_pot", "_stamp", "_under_way")

    def __init__(self, pot: Pot, stamp: Stamp) -> None:
        self._pot = pot
        self._stamp = stamp
        self._under_way = False

    def __call__(self) -> Admission:
        """Return itself, so that it can be entered again for the next try."""
        return self

    async def __aenter__(self) -> None:
        """Wait for a place, and reserve a request."""
        places = self._pot.places
        if places is not None:
            await places.acquire()
        try:
            self._pot.enter(self._stamp)
        except LimitReached:
            self._release()
            raise
        self._under_way = True

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the place to the next. A reply that came is under way until it is written down."""
        self._release()
        if kind is not None:
            self.land()

    def land(self) -> None:
        """Note that nothing is under way any more."""
        if self._under_way:
            self._under_way = False
            self._pot.leave()

    def _release(self) -> None:
        if self._pot.places is not None:
            self._pot.places.release()
