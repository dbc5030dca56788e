"""Event loops of our own: where plain code starts a run, and nobody has brought one.

``uvloop`` makes them where it is installed, else Python does. What runs in a loop is not known
here, and a loop that somebody else has made is left as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")


def run_in_own_loop(main: Coroutine[object, object, T]) -> T:
    """Run ``main`` to its end in a new event loop and return its result."""
    with asyncio.Runner(loop_factory=maker()) as runner:
        return runner.run(main)


def maker() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the fastest event loops there are; ``None`` leaves it to Python."""
    try:
        import uvloop  # noqa: PLC0415 - only plain code needs it, and it may not be there
    except ImportError:
        return None
    return uvloop.new_event_loop
