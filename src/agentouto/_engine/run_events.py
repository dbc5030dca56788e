"""Reads the log of a run as stream events, while the run goes on or later."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

from agentouto._core.stream_writer import StreamWriter
from agentouto._domain.event import CallCancelled, CallFailed, CallReturned, CallStarted, Event
from agentouto._domain.stream_event import AnyStreamEvent
from agentouto._engine.log import Log


class RunEvents:
    """An async iterator over the stream events of a log.

    Args:
        log: The log, which is read from its first event on.
        call_id: Yield the events of this call and of those made from it only, until it ends.
    """

    def __init__(self, log: Log, call_id: str | None = None) -> None:
        self._reader = log.read()
        self._writer = StreamWriter()
        self._pending: deque[AnyStreamEvent] = deque()  # one event may have several public forms
        self._call_id = call_id
        self._call_ids = {call_id}
        self._ended = False

    def __aiter__(self) -> AsyncIterator[AnyStreamEvent]:
        """Return itself: one task reads it, once."""
        return self

    async def __anext__(self) -> AnyStreamEvent:
        """Return the next event."""
        while not self._pending:
            event = None if self._ended else await self._reader.next()
            if event is None:
                self._reader.close()
                raise StopAsyncIteration
            if self._call_id is None or self._is_included(event):
                self._pending.extend(self._writer.events(event))
        return self._pending.popleft()

    async def aclose(self) -> None:
        """Stop reading. The run goes on."""
        self._ended = True
        self._pending.clear()
        self._reader.close()

    def _is_included(self, event: Event) -> bool:
        stamp = event.stamp
        if isinstance(event, CallStarted) and stamp.parent_call_id in self._call_ids:
            self._call_ids.add(stamp.call_id)
        if stamp.call_id == self._call_id and isinstance(
            event, CallReturned | CallFailed | CallCancelled
        ):
            self._ended = True
        return stamp.call_id in self._call_ids
