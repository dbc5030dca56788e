"""The portal: one background thread with an event loop of its own.

It carries out the runs that plain code has started, and owns what lives longer than a run.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from agentouto._engine.event_loops import run_in_own_loop

T = TypeVar("T")

CLOSING_SECONDS = 1.0
"""How long the end of the process waits for what is cancelled to clean up. What takes longer, such
as a tool that has swallowed its cancellation, ends with the process, in its daemon thread."""


class Portal:
    """One event loop in one thread."""

    def __init__(self) -> None:
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._stop: asyncio.Event | None = None
        self.thread: threading.Thread = threading.Thread(
            target=lambda: run_in_own_loop(self._serve), name="agentouto-portal", daemon=True
        )
        self.thread.start()
        atexit.register(self.close)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Its event loop."""
        return self._loop.result()

    def call(self, function: Callable[[], T]) -> T:
        """Call ``function`` in the portal's loop and return what it returns."""
        if threading.current_thread() is self.thread:
            return function()
        result: Future[T] = Future()

        def work() -> None:
            try:
                result.set_result(function())
            except Exception as error:  # noqa: BLE001 - raised again where it was asked for
                result.set_exception(error)

        self.loop.call_soon_threadsafe(work)
        return result.result()

    def close(self) -> None:
        """Cancel what is still running and end the thread."""
        if self.thread.is_alive() and self._stop is not None:
            with suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self._stop.set)
            self.thread.join(CLOSING_SECONDS)

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._loop.set_result(asyncio.get_running_loop())
        await self._stop.wait()
