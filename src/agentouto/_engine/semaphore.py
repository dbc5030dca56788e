"""A semaphore that tasks of several event loops share, each loop in its own thread.

There is no lock, because a slot may be released by a coroutine that is being collected: see
``finalizers``. Free slots and waiters are kept in deques, whose operations are atomic in CPython. A
waiter is added before free slots are looked for, and a slot is freed before waiters are looked for.
In the other order, both could look first, find nothing, and leave a waiter beside a free slot.
"""

from __future__ import annotations

import asyncio
from collections import deque


class SharedSemaphore:
    """Slots that are acquired in the order of the requests for them."""

    __slots__ = ("_free", "_waiting")

    def __init__(self, count: int) -> None:
        self._free = deque([None] * count)
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_busy(self) -> bool:
        """Whether a new request for a slot would wait, as far as can be seen now."""
        return bool(self._waiting) or not self._free

    async def acquire(self) -> None:
        """Wait for a slot and take it."""
        if not self._waiting and self._take():
            return
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._serve_waiters()
        try:
            await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():
                self.release()  # the slot arrived in the same moment as the cancellation
            raise

    def release(self) -> None:
        """Give a slot back."""
        self._free.append(None)
        self._serve_waiters()

    def _serve_waiters(self) -> None:
        while self._free and self._waiting:
            if not self._take():  # another thread did, and serves waiters as well
                continue
            try:
                waiting = self._waiting.popleft()
            except IndexError:
                self._free.append(None)
                continue
            if waiting.done() or not self._give(waiting):
                self._free.append(None)

    def _take(self) -> bool:
        try:
            self._free.pop()
        except IndexError:
            return False
        return True

    def _give(self, waiting: asyncio.Future[None]) -> bool:
        def settle() -> None:
            if waiting.done():  # it was cancelled meanwhile
                self.release()
            else:
                waiting.set_result(None)

        try:
            waiting.get_loop().call_soon_threadsafe(settle)
        except RuntimeError:  # its loop is closed, so it no longer waits
            return False
        return True
