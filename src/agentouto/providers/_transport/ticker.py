"""One timer of an event loop for all that has to be looked at while it waits.

A timer for each request would be four objects, and a place in a heap of thousands.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class Watched(Protocol):
    """Something that waits."""

    def look(self) -> float | None:
        """Look at it; return when to look again, by the clock of the loop, ``None`` for never."""
        ...


class Ticker:
    """Looks at all that waits in one event loop: the one that runs when it is made.

    Attributes:
        loop: That loop. To ask for the running one is a system call in Python 3.11.
    """

    __slots__ = ("__weakref__", "_timer", "_watched", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._watched: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, one: Watched, at: float) -> None:
        """Look at ``one`` at that time of the loop or earlier, and then as it says."""
        self._watched.add(one)
        self._look_at(at)

    def remove(self, one: Watched) -> None:
        """Look at ``one`` no more. The timer stays: most often another request follows soon."""
        self._watched.discard(one)

    def _look_at(self, at: float) -> None:
        timer = self._timer
        if timer is not None:
            if timer.when() <= at:
                return
            timer.cancel()
        self._timer = self.loop.call_at(at, self._look)

    def _look(self) -> None:
        self._timer = None
        soonest: float | None = None
        for one in tuple(self._watched):
            at = one.look()
            if at is None:
                self._watched.discard(one)
            elif soonest is None or at < soonest:
                soonest = at
        if soonest is not None:
            self._look_at(soonest)
