"""Counts the seconds of a run, without those in which it waits for a person."""

from __future__ import annotations

from collections.abc import Callable


class RunClock:
    """A stopwatch that may be paused several times at once.

    It stands still from the first ``pause`` until the last ``resume``: two questions at the same
    time do not count twice. It is not safe for threads; the budget calls it under its lock.
    """

    __slots__ = ("_began", "_now", "_paused", "_paused_at", "_pauses")

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._pauses = 0
        self.restart()

    def restart(self, seconds: float = 0.0) -> None:
        """Count from ``seconds`` on."""
        self._began = self._now() - seconds
        self._paused = 0.0
        self._paused_at = 0.0

    @property
    def stands_still(self) -> bool:
        """Whether the clock is paused."""
        return self._pauses > 0

    @property
    def seconds(self) -> float:
        """How many seconds have been counted."""
        now = self._paused_at if self._pauses else self._now()
        return now - self._began - self._paused

    def pause(self) -> None:
        """Stand still until ``resume`` is called."""
        if self._pauses == 0:
            self._paused_at = self._now()
        self._pauses += 1

    def resume(self) -> None:
        """Take back one ``pause``."""
        self._pauses -= 1
        if self._pauses == 0:
            self._paused += self._now() - self._paused_at
