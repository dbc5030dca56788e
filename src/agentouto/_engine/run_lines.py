"""Reads the log of a run as event lines, while the run goes on or later."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

from agentouto._core.line_writer import LineWriter
from agentouto._engine.log import Log


class RunLines:
    """An async iterator over the lines of a log.

    Args:
        log: The log, which is read from its first event on.
        start: The ``seq`` of the first fact that is not left out.
    """

    def __init__(self, log: Log, start: int = 0) -> None:
        self._reader = log.read()
        self._writer = LineWriter(start)
        self._pending: deque[dict[str, object]] = deque()
        self._ended = False

    def __aiter__(self) -> AsyncIterator[dict[str, object]]:
        """Return itself: one task reads it, once."""
        return self

    async def __anext__(self) -> dict[str, object]:
        """Return the next line."""
        while not self._pending:
            event = None if self._ended else await self._reader.next()
            if event is None:
                self._reader.close()
                raise StopAsyncIteration
            self._pending.extend(self._writer.lines(event))
        return self._pending.popleft()

    async def aclose(self) -> None:
        """Stop reading. The run goes on."""
        self._ended = True
        self._pending.clear()
        self._reader.close()
