"""Time and chance: the only place they come from.

Everything else is told what time it is and gets its ids by reasoning, so a run can be done again
and come out the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import msgspec


def fresh_id() -> str:
    """Return an id nobody has seen before: 32 hex digits."""
    return os.urandom(16).hex()


def chance() -> float:
    """Return a number from 0 up to 1, different each time."""
    return int.from_bytes(os.urandom(7)) / (1 << 56)


class World(msgspec.Struct, frozen=True):
    """The clock and the dice of a run.

    Attributes:
        now: Seconds since the epoch.
        draw: A fresh id of 32 hex digits. Only runs draw one; every other id follows from it.
    """

    now: Callable[[], float] = time.time
    draw: Callable[[], str] = fresh_id


REAL = World()
"""The world outside."""
