"""Defers the work of finalizers, so that none of it runs during garbage collection.

The garbage collector runs in any thread and at almost any allocation, also where that thread holds
a lock. A finalizer that waits for the same lock waits for itself, and blocks every other thread. So
a finalizer does one thing: it asks an event loop to do the rest. The same holds for a coroutine
that is collected before its end, because Python then runs its ``finally`` blocks.

Where the loop is closed, the work is kept in a deque, and done when the next run begins or ends or
a run is looked up. It needs no lock: appending to a deque and taking from it are atomic in CPython.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from types import TracebackType

_LEFT_OVER: deque[Callable[[], object]] = deque()


def defer_to(work: Callable[[], object], loop: asyncio.AbstractEventLoop | None) -> None:
    """Call ``work`` in ``loop``; if there is none or it is closed, leave it to another run."""
    if loop is not None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(work)
            return
    _LEFT_OVER.append(work)


def drop_left_over() -> None:
    """Forget what finalizers have left: in a process made by a fork it is the parent's to do."""
    _LEFT_OVER.clear()


def run_left_over() -> None:
    """Do the work that finalizers have left over. The caller must not hold a lock."""
    while _LEFT_OVER:
        try:
            work = _LEFT_OVER.popleft()
        except IndexError:  # another thread was faster
            return
        work()


class OnExit(AbstractContextManager[None]):
    """Calls a function when a block of a coroutine is left.

    It is called at once, unless the coroutine is being collected: then it is deferred. Where
    thousands of coroutines wait in such a block, a class of its own with ``end_block`` is smaller
    than a function with the variables that it needs.
    """

    __slots__ = ("_loop", "_work")

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the block."""
        end_block(self._work, self._loop, kind)


def end_block(
    work: Callable[[], object],
    loop: asyncio.AbstractEventLoop,
    kind: type[BaseException] | None,
) -> None:
    """Do ``work``, for the ``__exit__`` of a context manager of a coroutine in ``loop``.

    It is done at once, unless the coroutine is being collected: then it is deferred.
    """
    # A closed loop runs no coroutine, so this one is being collected. GeneratorExit may have
    # become a RuntimeError on its way here: a task group cannot cancel tasks of a closed loop.
    if kind is GeneratorExit or loop.is_closed():
        defer_to(work, None)
    else:
        work()
