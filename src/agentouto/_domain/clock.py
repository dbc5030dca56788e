"""The clock, the source of ids and the source of randomness: the only module that asks for any.

A run is given a ``Clock``, so that the same run with the same clock has the same times and ids.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import msgspec


def new_id() -> str:
    """Return a random id of 32 hex digits, as long as a UUID without its dashes."""
    return os.urandom(16).hex()


def monotonic() -> float:
    """Return seconds that never go back, to measure a time limit with."""
    return time.monotonic()


def pause(seconds: float) -> None:
    """Block this thread."""
    time.sleep(seconds)


def random_fraction() -> float:
    """Return a random number from 0 up to, but not including, 1."""
    return int.from_bytes(os.urandom(7)) / (1 << 56)


class Clock(msgspec.Struct, frozen=True):
    """Where a run gets its times and its id from.

    Attributes:
        now: Returns seconds since the epoch.
        new_id: Returns the random id of a run, from which those of its calls are derived.
    """

    now: Callable[[], float] = time.time
    new_id: Callable[[], str] = new_id


SYSTEM_CLOCK = Clock()
"""The clock of the machine and the random numbers of its operating system."""
