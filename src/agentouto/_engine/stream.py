"""Reading a run as stream events: while it happens, or later."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

from agentouto._core.forms import StreamEvent, streamed
from agentouto._domain.event import CallCancelled, CallFailed, CallReturned, CallStarted, Event
from agentouto._engine.log import Log


class RunEvents:
    """An async iterator over the stream events of a log.

    Args:
        log: What is read, from its first event on.
        call_id: Only this call and the calls made from it; the end is its end.
    """

    def __init__(self, log: Log, call_id: str | None = None) -> None:
        self._reader = log.read()
        self._told: deque[StreamEvent] = deque()
        self._call_id = call_id
        self._family = {call_id}
        self._over = False

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        """Return itself: a log is read once by one reader."""
        return self

    async def __anext__(self) -> StreamEvent:
        """Return the next event."""
        while not self._told:
            event = None if self._over else await self._reader.next()
            if event is None:
                self._reader.leave()
                raise StopAsyncIteration
            if self._call_id is None or self._is_of_family(event):
                self._told.extend(streamed(event))
        return self._told.popleft()

    async def aclose(self) -> None:
        """Stop reading. The run goes on."""
        self._over = True
        self._told.clear()
        self._reader.leave()

    def __del__(self) -> None:
        """Let nothing pile up for a reader that is gone."""
        self._reader.leave()

    def _is_of_family(self, event: Event) -> bool:
        stamp = event.stamp
        if isinstance(event, CallStarted) and stamp.parent_call_id in self._family:
            self._family.add(stamp.call_id)
        if stamp.call_id == self._call_id and isinstance(
            event, CallReturned | CallFailed | CallCancelled
        ):
            self._over = True
        return stamp.call_id in self._family
