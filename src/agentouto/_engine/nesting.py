"""Ties a run to the run, call and function in which it was begun.

Code of the user's that a run calls may begin another run: a plain tool calls ``run()``. The inner
run spends from the limits of the outer one. It ends when the outer run ends, and when the outer run
abandons the function that began it, for example because its time limit is over.

Two context variables carry what ``run()`` has to find: ``_CALL_SITE`` says which call of which run
is at work, ``_FUNCTION`` which plain function is running. Threads start with a copy of the context
of the code that starts them, so ``run()`` finds both there. A thread that the function itself has
started has an empty context, and runs begun there are independent.

The outer run ends an inner one from another thread. So each ``Scope`` holds functions that are safe
to call from any thread, and it needs no lock: to add, remove and copy are single operations on a
dictionary. ``add`` stores its function before it looks at ``closed``, and ``close`` sets ``closed``
before it copies the functions. In the other order, both could look first, and a run that begins at
that moment would never be ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from types import TracebackType

import msgspec

from agentouto._domain.limits import Limits, Price
from agentouto._engine.budget import Budget
from agentouto._engine.call import Call
from agentouto._engine.finalizers import end_block


class Scope:
    """A run, or one use of a plain function, during which other runs may begin."""

    __slots__ = ("_ends", "closed")

    def __init__(self) -> None:
        self._ends: dict[object, Callable[[], object]] = {}
        self.closed: bool = False

    def add(self, key: object, end: Callable[[], object]) -> None:
        """Have ``end`` called when the scope is closed, from any thread, possibly twice."""
        self._ends[key] = end
        if self.closed:
            end()

    def remove(self, key: object) -> None:
        """Forget the function that was added under ``key``."""
        self._ends.pop(key, None)

    def close(self) -> None:
        """Close the scope, and end the runs that began in it."""
        self.closed = True
        for end in self._ends.copy().values():
            end()


class CallSite(msgspec.Struct, frozen=True):
    """Where the user's code is called from: the run, its event loop, and the call, if any."""

    nest: Nesting
    loop: asyncio.AbstractEventLoop
    call: Call | None = None


class Enclosing(msgspec.Struct, frozen=True):
    """What a run was begun in.

    Attributes:
        site: Where the code that began it was called from; ``None`` outside of all runs.
        function: The use of a plain function that began it, if one did.
    """

    site: CallSite | None
    function: Scope | None

    @property
    def call(self) -> Call | None:
        """The call that was at work."""
        return None if self.site is None else self.site.call

    @property
    def depth(self) -> int:
        """How many calls the run is nested in, ``call`` included."""
        return 0 if self.site is None else self.site.nest.depth_of(self.site.call)

    @property
    def budget(self) -> Budget | None:
        """The budget of the outer run."""
        return None if self.site is None else self.site.nest.budget

    @property
    def limits(self) -> tuple[Limits, ...]:
        """The limits of all outer runs."""
        return () if self.budget is None else self.budget.all_limits

    def tightened(self, own: Limits) -> Limits:
        """Return ``own``, with the limits of single calls and replies no looser than outside."""
        if not self.limits:
            return own
        every = (own, *self.limits)
        return replace(
            own,
            turns=_least(one.turns for one in every),
            tool_calls=_least(one.tool_calls for one in every),
        )

    def new_budget(
        self, own: Limits, prices: Mapping[str, Price], now: Callable[[], float]
    ) -> Budget | None:
        """Return the budget of a run that is begun here, if anything is limited."""
        limits = self.tightened(own)
        if not limits.limits_run and self.budget is None:
            return None
        return Budget(limits, prices, now, outer=self.budget, depth=self.depth)

    def scopes(self, loop: asyncio.AbstractEventLoop) -> tuple[Scope, ...]:
        """Return the scopes whose end ends a run in ``loop``.

        In the loop of the outer run, the task of the inner run is cancelled with the tool that
        awaits it, and needs no scope.
        """
        found = [] if self.function is None else [self.function]
        if self.site is not None and self.site.loop is not loop:
            found.append(self.site.nest)
        return tuple(found)


def _least(allowed: Iterable[int | None]) -> int | None:
    return min((number for number in allowed if number is not None), default=None)


TOP_LEVEL = Enclosing(None, None)
"""For a run that is begun outside of all runs, or that the host owns."""

_CALL_SITE: ContextVar[CallSite | None] = ContextVar("agentouto_call_site", default=None)
_FUNCTION: ContextVar[Scope | None] = ContextVar("agentouto_function", default=None)


def enclosing() -> Enclosing:
    """Return what a run that is begun now is nested in."""
    site, function = _CALL_SITE.get(), _FUNCTION.get()
    if site is not None and site.nest.closed:
        site = None  # a run that has ended has no limits left to keep
    return TOP_LEVEL if site is None and function is None else Enclosing(site, function)


def enter_function(function: Scope) -> None:
    """Note in the current context, which is that of a plain function, that its use begins."""
    _FUNCTION.set(function)


def leave_call_site() -> None:
    """Note, in a process made by a fork, that its runs are not inside of one of the parent."""
    _CALL_SITE.set(None)
    _FUNCTION.set(None)


class Nesting(Scope):
    """A run as its inner runs see it, and what the run itself is nested in."""

    __slots__ = ("_enclosing", "_site", "budget")

    def __init__(self, enclosing: Enclosing, budget: Budget | None) -> None:
        super().__init__()
        self._enclosing = enclosing
        self._site: CallSite | None = None
        self.budget: Budget | None = budget

    def depth_of(self, call: Call | None) -> int:
        """Return the depth of ``call``, counted from the outermost run."""
        return self._enclosing.depth + (0 if call is None else call.depth)

    def count_repeats(self, call: Call) -> int:
        """Return how many of ``call`` and the calls above it ask the same agent the same thing."""
        name, content, times = call.name, call.forward.content, 1
        for above in (call.parent, self._enclosing.call):
            while above is not None:
                times += above.name == name and above.forward.content == content
                above = above.parent
        return times

    def attached(self, close: Callable[[], object]) -> AttachedRun:
        """Tie the current task, which carries out this run, to what the run is nested in.

        ``close`` is called when the run ends.

        Raises:
            asyncio.CancelledError: The outer run or the function has already ended.
        """
        return AttachedRun(self, self._enclosing, close)

    def attach(self, loop: asyncio.AbstractEventLoop) -> CallSite:
        """Note that the current task, in ``loop``, carries out this run; return where that is."""
        self._site = site = CallSite(self, loop)
        _CALL_SITE.set(site)
        if _FUNCTION.get() is not None:
            _FUNCTION.set(None)
        return site

    def detach(self) -> None:
        """Note that the run has ended. Its site refers to it, and it no longer to its site."""
        self._site = None

    def working_on(self, call: Call) -> tuple[CallSite | None, CallSite | None]:
        """Note that the current task works on ``call``; return where it is now and was before."""
        run, before = self._site, _CALL_SITE.get()
        if run is None:
            return None, before
        site = CallSite(self, run.loop, call)
        _CALL_SITE.set(site)
        return site, before


def leave(site: CallSite | None, before: CallSite | None) -> None:
    """Note that the work at ``site`` has ended, and that the current task is where it was."""
    if site is not None and _CALL_SITE.get() is site:
        _CALL_SITE.set(before)  # otherwise it is being collected, in a foreign context


class AttachedRun:
    """Ties the task that enters it, which carries out a run, to what the run is nested in.

    When it is left, ``close`` is called.
    """

    __slots__ = (
        "_at_work",
        "_before",
        "_close",
        "_function",
        "_loop",
        "_nest",
        "_scopes",
        "_site",
        "_task",
    )

    def __init__(self, nest: Nesting, enclosing: Enclosing, close: Callable[[], object]) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._nest = nest
        self._close = close
        self._scopes = enclosing.scopes(loop)
        self._task = asyncio.current_task(loop)
        self._at_work = True
        for scope in self._scopes:
            if scope.closed:
                close()  # it is not entered, and so not left
                raise asyncio.CancelledError

    def __enter__(self) -> None:
        """Begin the run."""
        for scope in self._scopes:
            scope.add(self, self._end)
        self._before, self._function = _CALL_SITE.get(), _FUNCTION.get()
        self._site = self._nest.attach(self._loop)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the run."""
        self._at_work = False
        for scope in self._scopes:
            scope.remove(self)
        self._nest.detach()
        if _CALL_SITE.get() is self._site:  # else it is being collected, in a foreign context
            _CALL_SITE.set(self._before)
            if self._function is not None:
                _FUNCTION.set(self._function)
        end_block(self._close, self._loop, kind)

    def _end(self) -> None:
        self._nest.close()  # from this thread: the loop may be blocked by a plain function
        with suppress(RuntimeError):  # the loop is closed: the run has ended
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._at_work and self._task is not None:
            self._task.cancel()
