"""One timer of an event loop for all that has to be looked at while it waits.

A timer for each request would be four objects, and a place in a heap of thousands.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class Watched(Protocol):
    """Something that waits."""

    def look(self) -> float | None:
        """Look at it; return in how many seconds to look again, ``None`` for never."""
        ...


class Ticker:
    """Looks at all that waits in the event loop in which it is first used."""

    __slots__ = ("__weakref__", "_timer", "_watched")

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, one: Watched, seconds: float) -> None:
        """Look at ``one`` after at most so many ``seconds``, and then as it says."""
        self._watched.add(one)
        self._look_in(seconds)

    def remove(self, one: Watched) -> None:
        """Look at ``one`` no more. The timer stays: most often another request follows soon."""
        self._watched.discard(one)

    def _look_in(self, seconds: float) -> None:
        loop, timer = asyncio.get_running_loop(), self._timer
        if timer is not None:
            if timer.when() <= loop.time() + seconds:
                return
            timer.cancel()
        self._timer = loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        soonest: float | None = None
        for one in tuple(self._watched):
            seconds = one.look()
            if seconds is None:
                self._watched.discard(one)
            elif soonest is None or seconds < soonest:
                soonest = seconds
        if soonest is not None:
            self._look_in(soonest)
