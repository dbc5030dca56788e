"""Makes event loops for runs that plain code starts, where no loop is running.

``uvloop`` makes them where it is installed, otherwise asyncio does. A loop that the user has made
is used as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

from agentouto._domain.configuration_error import ConfigurationError

T = TypeVar("T")


def run_in_own_loop(main: Callable[[], Coroutine[object, object, T]]) -> T:
    """Run ``main`` to its end in a new event loop and return its result.

    The coroutine is made when there is a loop for it: if Ctrl+C came in between, Python would warn
    that it was never awaited.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.get_loop()
        coroutine: Coroutine[object, object, T] | None = None
        try:
            coroutine = main()
            return runner.run(coroutine)
        finally:
            if coroutine is not None:
                coroutine.close()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the function that makes the fastest loops here; ``None`` stands for asyncio's."""
    try:
        import uvloop  # noqa: PLC0415 - only plain code needs it, and it may not be there
    except ImportError:
        return None
    return uvloop.new_event_loop


def required_loop() -> asyncio.AbstractEventLoop:
    """Return the loop that runs in this thread.

    Raises:
        ConfigurationError: No loop of asyncio does: the caller runs in plain code, or under trio.
    """
    loop = current_loop()
    if loop is None:
        raise ConfigurationError(
            "this needs a running event loop of asyncio, and there is none here: call run(...) "
            "instead, and under trio: await trio.to_thread.run_sync(lambda: run(...))"
        )
    return loop


def current_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
