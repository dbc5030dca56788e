"""Tells whether work grows in proportion to its size, on a machine of any speed."""

from __future__ import annotations

import time
from collections.abc import Callable

FACTOR = 4
"""How much larger the second size is: linear work takes 4 times as long, quadratic work 16 times."""

MOST = 9.0
"""Between the two, as far from both as a factor of two."""

TRIES = 6
"""A busy machine disturbs a measurement now and then, and never makes work faster that is slow."""

TOO_SHORT = 0.002
"""Seconds below which nothing is measured: the clock and the caches would decide."""


def is_linear(work: Callable[[int], object], size: int) -> bool:
    """Return whether ``work`` of ``FACTOR`` times ``size`` takes no more than ``MOST`` times as long.

    One try that shows it is enough.
    """
    for _ in range(TRIES):
        small, large = (
            min(_seconds(work, each) for _ in range(2)) for each in (size, FACTOR * size)
        )
        if large <= MOST * max(small, TOO_SHORT):
            return True
    return False


def _seconds(work: Callable[[int], object], size: int) -> float:
    began = time.process_time()
    work(size)
    return time.process_time() - began
