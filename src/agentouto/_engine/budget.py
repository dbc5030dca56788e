"""The budget of a run: what its limits still allow, reserved before it is spent.

How it works, and what depends on which order:

A run that a tool of another run begins has a budget of its own, and spends from the budgets of the
outer runs as well. ``chain`` is this budget and those, from the inside out. All budgets of a chain
share one lock, since each run may have a thread of its own.

1. Calls and requests are reserved: checked and counted in one step, under the lock. All budgets of
   the chain are checked before any is counted. If each were counted right after its own check, a
   refusal by an outer run would leave the inner one with a call that was never made.
2. A limit that is reached is remembered in ``reached``, and checked first. Otherwise a call that
   was refused for one limit could go on to spend what the other limits still allow.
3. Tokens and costs are not known before a reply is there. A request is sent while their sums are
   below the limit; so they may exceed it by the replies that are in flight, and by no more.
4. A run does not end while requests are in flight: they are paid for. ``in_flight`` counts them,
   those of inner runs too. ``_limit_reached`` sets ``reached`` before it looks whether something is
   in flight, and ``release_request`` removes its request before it looks at ``reached``, so that
   one of two threads always sees both. With either pair swapped, both could look too early. Then
   only the next call, request or release would end the run; while there is none, for example
   because all agents wait for their tools, it would go on.
5. A reply is recorded, then its usage, then its request is released. If it were released first, the
   run could end without the reply in its messages, and another run's thread could send one more
   request with tokens that are not counted yet.
6. A request waits for its slots (``Limits(parallel=)``), then it is reserved. In the other order,
   requests that wait for a slot would count as sent: one that is cancelled there would be lost, and
   a run that has reached a limit would wait for its whole queue. Slots are taken from the inside
   out, by all runs in the same order, so that no two can wait for each other.
7. Time is different: when it is over, the run ends at once, replies in flight or not. Each run sets
   a timer for the nearest limit of its chain, since the outer run's loop may be blocked by the very
   function that began the inner run. The clock stands still while a person is asked, in the outer
   runs too; a timer that fires finds out itself whether time is really over.
8. ``release_request`` takes no lock. It also runs when the garbage collector ends a coroutine, in a
   thread that may hold the lock at that moment: with the lock, that thread would wait for itself.
   Deques need none. ``reserve_request`` adds its request under the lock all the same: between its
   check and that step no other thread may find the run idle and end it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext, suppress
from types import TracebackType

from agentouto._domain.content import Usage
from agentouto._domain.errors import ConfigurationError, LimitReached
from agentouto._domain.event_pieces import Stamp
from agentouto._domain.limits import Limits, Price
from agentouto._engine.finalizers import OnExit
from agentouto._engine.run_clock import RunClock
from agentouto._engine.semaphore import SharedSemaphore

_TOLERANCE = 1 - 1e-9
"""A sum of floats this near to a limit has reached it: ten times 0.1 is less than 1.0."""

_SHARED_LIMITS = ("calls", "requests", "tokens", "cost", "seconds")
"""The limits that all calls of a run spend from together."""

_WHOLE_LIMITS = frozenset({"turns", "requests"})
"""The limits of which an agent needs one more after the warning, to return with. The warning comes
before the last one, even where ``warn_at`` of a small limit is rounded down to none."""

_PAUSE_CHECK_SECONDS = 1.0
"""How often a run checks its time while a clock stands still. When its own wait for a person ends,
or one of a run inside it, it checks at once; only the waits of outer runs have to be polled."""


class Budget:
    """What one run may spend, and has spent.

    Args:
        limits: The limits of the run.
        prices: The prices of models, by name, where a cost is limited.
        now: The clock.
        outer: The budget of the run that this one is nested in, if any.
        depth: How many calls of outer runs this run is nested in.
    """

    def __init__(
        self,
        limits: Limits,
        prices: Mapping[str, Price],
        now: Callable[[], float],
        *,
        outer: Budget | None = None,
        depth: int = 0,
    ) -> None:
        self.limits: Limits = limits
        self.reached: LimitReached | None = None
        self.chain: tuple[Budget, ...] = (self,) if outer is None else (self, *outer.chain)
        self.lock: threading.Lock = threading.Lock() if outer is None else outer.lock
        self.depth: int = depth
        own = () if limits.parallel is None else (SharedSemaphore(limits.parallel),)
        shared = () if outer is None else outer.semaphores
        self.semaphores: tuple[SharedSemaphore, ...] = (*own, *shared)
        self._prices = prices
        self.clock: RunClock = RunClock(now)
        self._stopped = False
        self.spent: dict[str, float] = dict.fromkeys(_SHARED_LIMITS, 0)
        self.in_flight: deque[None] = deque()
        self._earlier_seconds = 0.0
        self._end: Callable[[], object] = bool
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def all_limits(self) -> tuple[Limits, ...]:
        """The limits of this run and of those it is nested in."""
        return tuple(budget.limits for budget in self.chain)

    def start_clock(self, end: Callable[[], object]) -> None:
        """Start to count seconds. ``end`` is called when a limit is reached, and ends the run."""
        self._end = end
        self._loop = asyncio.get_running_loop()
        self.clock.restart(self._earlier_seconds)
        self.check_time()
        self.end_if_idle()  # a limit was reached in an earlier process

    def restore(self, spent: Mapping[str, float], reached: LimitReached | None) -> None:
        """Take over what the run has spent in earlier processes, and the limit it has reached."""
        self.spent.update(spent)
        self._earlier_seconds = spent.get("seconds", 0.0)
        self.reached = reached

    def stop_clock(self) -> None:
        """Cancel the timer."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def wait_for_person(self) -> OnExit:
        """Return a block in which this run and the outer ones count no seconds."""
        with self.lock:
            for budget in self.chain:
                budget.clock.pause()
        return OnExit(self._stop_waiting)

    def _stop_waiting(self) -> None:
        with self.lock:
            for budget in self.chain:
                budget.clock.resume()
        for budget in self.chain:
            budget.check_time_soon()

    def check_time_soon(self) -> None:
        """Call ``check_time`` in the loop of the run."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: the run has ended
                self._loop.call_soon_threadsafe(self.check_time)

    def check_time(self) -> None:
        """End the run if its time is over; otherwise set the timer for when it may be."""
        if self._stopped or self._loop is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        delays: list[float] = []
        for budget in self.chain:
            allowed, clock = budget.limits.seconds, budget.clock
            if allowed is None:
                continue
            left = allowed - clock.seconds
            if left <= 0 and not clock.stands_still:
                self._expire(allowed)
                return
            delays.append(max(left, _PAUSE_CHECK_SECONDS) if clock.stands_still else left)
        if delays:
            self._timer = self._loop.call_later(min(delays), self.check_time)

    def reserve_call(self, stamp: Stamp, depth: int, repeats: int) -> None:
        """Reserve a call. ``depth`` counts from the starting agents of its own run.

        Raises:
            LimitReached: The run may make no more calls, none as deep as this, or none that asks
                the same agent the same thing once more.
        """
        with self.lock:
            self._check_open(stamp)
            for budget in self.chain:
                depth_there = depth + self.depth - budget.depth
                for limit, value in (("depth", depth_there), ("repeats", repeats)):
                    allowed = getattr(budget.limits, limit)
                    if allowed is not None and value > allowed:
                        raise self._limit_reached(budget, limit, allowed, stamp)
            self._reserve("calls", stamp)

    def reservation(self, stamp: Stamp) -> Reservation:
        """Return the context manager for the requests that a call makes for one reply."""
        return Reservation(self, stamp)

    def reserve_request(self, stamp: Stamp) -> None:
        """Reserve a request that is about to be sent.

        Raises:
            LimitReached: The run may send no more requests.
        """
        with self.lock:
            self._check_open(stamp)
            for budget in self.chain:
                for limit in ("tokens", "cost"):
                    allowed = getattr(budget.limits, limit)
                    if allowed is not None and budget.spent[limit] >= allowed * _TOLERANCE:
                        raise self._limit_reached(budget, limit, allowed, stamp)
            self._reserve("requests", stamp)
            for budget in self.chain:
                budget.in_flight.append(None)

    def release_request(self) -> None:
        """Note that a request has ended, and that its reply and usage are recorded."""
        for budget in self.chain:
            budget.in_flight.pop()
            budget.end_if_idle()

    def record_usage(self, model: str, usage: Usage, estimated: Callable[[], Usage]) -> None:
        """Add the usage of a reply; ``estimated`` tokens where the provider reported none."""
        costly = any(budget.limits.cost is not None for budget in self.chain)
        if not costly and all(budget.limits.tokens is None for budget in self.chain):
            return
        if usage.total_tokens is None:
            usage = estimated()
        cost = 0.0
        if costly:
            price = self._prices.get(model)
            if price is None:  # a hook has put another model in
                raise ConfigurationError(f"Limits(cost=): the price of {model!r} is unknown")
            cost = price.of(usage)
        with self.lock:
            for budget in self.chain:
                budget.spent["tokens"] += usage.total_tokens or 0
                budget.spent["cost"] += cost

    def add(self, tokens: int, cost: float, calls: float = 0, requests: float = 0) -> None:
        """Add what a peer, a tool or a call elsewhere says that it has used."""
        amounts = {"tokens": tokens, "cost": cost, "calls": calls, "requests": requests}
        with self.lock:
            for budget in self.chain:
                for limit, amount in amounts.items():
                    budget.spent[limit] += amount

    def used_up(self, limit: str, allowed: float, stamp: Stamp) -> LimitReached:
        """Return the error for a limit of which nothing is left, and end the run."""
        with self.lock:
            return self._limit_reached(self, limit, allowed, stamp)

    def warnings(self, warned: set[str], turn: int) -> Iterator[tuple[str, float, float]]:
        """Yield each limit that is nearly reached, with what is spent and allowed.

        Its name is added to ``warned``.
        """
        for budget in self.chain:
            yield from budget.warnings_of_one(warned, turn)

    def warnings_of_one(self, warned: set[str], turn: int) -> Iterator[tuple[str, float, float]]:
        """Yield the limits of this budget alone that are nearly reached."""
        limits = self.limits
        for limit in ("turns", *_SHARED_LIMITS):
            allowed = getattr(limits, limit)
            if allowed is None or limit in warned:
                continue
            spent = turn if limit == "turns" else self.used(limit)
            nearly = allowed * limits.warn_at
            if limit in _WHOLE_LIMITS:
                nearly = max(int(nearly), 1)
            if spent >= nearly:
                warned.add(limit)
                yield limit, spent, allowed

    def used_by_limit(self) -> dict[str, float]:
        """Return what is used of each limit of this run that all calls share."""
        limited = (name for name in _SHARED_LIMITS if getattr(self.limits, name) is not None)
        return {limit: round(self.used(limit), 6) for limit in limited}

    def used(self, limit: str) -> float:
        """Return how much of ``limit`` is used up."""
        return self.clock.seconds if limit == "seconds" else self.spent[limit]

    def _check_open(self, stamp: Stamp) -> None:
        for budget in self.chain:
            if (reached := budget.reached) is not None:  # it may be the limit of an outer run
                raise self._limit_reached(budget, reached.limit, reached.allowed, stamp)

    def _reserve(self, limit: str, stamp: Stamp) -> None:
        for budget in self.chain:
            allowed = getattr(budget.limits, limit)
            if allowed is not None and budget.spent[limit] >= allowed:
                raise self._limit_reached(budget, limit, allowed, stamp)
        for budget in self.chain:
            budget.spent[limit] += 1

    def _limit_reached(
        self, budget: Budget, limit: str, allowed: float, stamp: Stamp
    ) -> LimitReached:
        """Return the error for a limit of ``budget``; end its run and the runs inside that one."""
        for one in self.chain[: self.chain.index(budget) + 1]:
            if one.reached is None:
                one.reached = _error(limit, allowed, stamp)
            one.end_if_idle()
        return _error(limit, allowed, stamp)

    def end_if_idle(self) -> None:
        """End the run, in its own loop, if a limit is reached and no request is in flight."""
        if self.reached is None or self.in_flight:
            return
        if self._loop is None or _is_current(self._loop):
            self._end()
            return
        with suppress(RuntimeError):  # its loop is closed: it has ended
            self._loop.call_soon_threadsafe(self.end_if_idle)

    def _expire(self, allowed: float) -> None:
        """End the run at once, replies in flight or not."""
        self._stopped = True
        self.reached = self.reached or _error("seconds", allowed, Stamp("user", "", None))
        self._end()


def clock_stopped(budget: Budget | None) -> AbstractContextManager[None]:
    """Return a block in which ``budget``, if there is one, counts no seconds."""
    return nullcontext() if budget is None else budget.wait_for_person()


def _error(limit: str, allowed: float, stamp: Stamp) -> LimitReached:
    return LimitReached(stamp.agent_name, limit, allowed, call_id=stamp.call_id)


def _is_current(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether ``loop`` runs in this thread."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


class Reservation(AbstractAsyncContextManager[None]):
    """The requests that a call makes for one reply: entered for each try, ended by ``release``."""

    __slots__ = ("_budget", "_stamp", "in_flight")

    def __init__(self, budget: Budget, stamp: Stamp) -> None:
        self._budget = budget
        self._stamp = stamp
        self.in_flight: bool = False

    def __call__(self) -> Reservation:
        """Return itself, so that it can be entered again for the next try."""
        return self

    @property
    def has_to_wait(self) -> bool:
        """Whether no slot is free now."""
        return any(semaphore.is_busy for semaphore in self._budget.semaphores)

    async def __aenter__(self) -> None:
        """Wait for a slot, then reserve a request."""
        taken: list[SharedSemaphore] = []
        try:
            for semaphore in self._budget.semaphores:
                await semaphore.acquire()
                taken.append(semaphore)
            self._budget.reserve_request(self._stamp)
        except BaseException:
            for semaphore in taken:
                semaphore.release()
            raise
        self.in_flight = True

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the slots. A request that got its reply is in flight until that is recorded."""
        for semaphore in self._budget.semaphores:
            semaphore.release()
        if kind is not None:
            self.release()

    def release(self) -> None:
        """Note that no request is in flight any more. It may be called more than once."""
        if self.in_flight:
            self.in_flight = False
            self._budget.release_request()
