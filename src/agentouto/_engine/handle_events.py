"""Reads the events of a run in its loop, or from plain code in a thread beside it.

A log wakes its readers in the loop of the run. So plain code that waits for the next event asks
that loop for it, and blocks. When the loop has ended, so has the run: what is left in the log can
be read without waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress

from agentouto._domain.stream_event import AnyStreamEvent
from agentouto._engine.event_loops import current_loop
from agentouto._engine.log import Log
from agentouto._engine.run_events import RunEvents


class HandleEvents(RunEvents):
    """The events of a background run: for ``async for`` in its loop, or ``for`` in plain code.

    Args:
        log: The log of the run.
        find_loop: Returns the loop of the run, if it has begun.
    """

    def __init__(self, log: Log, find_loop: Callable[[], asyncio.AbstractEventLoop | None]) -> None:
        super().__init__(log)
        self._find_loop = find_loop

    def __iter__(self) -> Iterator[AnyStreamEvent]:
        """Return itself: one thread reads it, once."""
        return self

    def __next__(self) -> AnyStreamEvent:
        """Wait for the next event, and return it.

        Raises:
            RuntimeError: Called in the run's own loop, which would wait for itself.
        """
        loop = self._find_loop()
        if loop is None or not loop.is_running():
            return _without_waiting(self._next_or_none())
        if current_loop() is loop:
            raise RuntimeError(
                "for would stop the event loop that the run needs; use: async for event in ..."
            )
        event = None
        with suppress(CancelledError):  # its loop has ended meanwhile, and the run with it
            event = asyncio.run_coroutine_threadsafe(self._next_or_none(), loop).result()
        if event is None:
            raise StopIteration
        return event

    async def _next_or_none(self) -> AnyStreamEvent | None:
        return await anext(self, None)


def _without_waiting(reading: Coroutine[object, None, AnyStreamEvent | None]) -> AnyStreamEvent:
    """Return what a coroutine returns that need not wait; stop the iteration if it would."""
    try:
        reading.send(None)
    except StopIteration as done:
        event: AnyStreamEvent | None = done.value
        if event is not None:
            return event
    else:
        reading.close()
    raise StopIteration
