"""Tracks who reads a run, and ends the run when the last reader has left.

Theory of operation. Python calls nothing when an ``async for`` is left by ``break`` or an
exception: it only drops the iterator. So iterating over a stream gives an ``Iteration``, which no
variable of the user's holds, and its finalizer reports that it was dropped.

* A run is held by its iterations, by pending ``result()`` calls and by an ``async with`` block. It
  ends when the last of them goes. One that was never held is not ended here.
* The finalizer takes no lock, because the garbage collector may call it in any thread: it asks the
  loop of the run to call ``end_if_left``, see ``finalizers.py``.
* That happens a little later. So whatever begins to hold the run calls ``end_if_left`` first.
  Otherwise it would depend on chance whether ``result()`` after a ``break`` finds the run alive.
* The traceback of an exception keeps the frames that it passed through, and so what their variables
  hold. ``next_item`` therefore lets go of the ``Iteration`` before an exception leaves it: a task
  that is cancelled while it waits for an event would otherwise keep the run alive with its
  traceback. The frame of an async comprehension holds its iterator too, and a task may read with
  ``anext`` alone. So the end of a task that was cancelled while it read is watched as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Generic, Self, TypeVar
from weakref import ref

from agentouto._domain.errors import Cancelled
from agentouto._engine.finalizers import defer_to
from agentouto._engine.host import Owner

Item = TypeVar("Item")

READER_GRACE_SECONDS = 0.02
"""How long a run goes on after a task that read it was cancelled, so that another may go on
reading: a few turns of a busy loop, and much less than any reply takes."""

SINGLE_READS = frozenset({"__anext__", "next_item"})
"""Names of coroutines that read one item. ``asyncio.wait_for`` makes a task of one in Python 3.11;
such a task ends after every item, and its end says nothing about the reader."""

LEFT = "its stream was left before the end; inside of 'async with stream:' it would have gone on"
"""The reason of a run that ends because its last reader has left."""


class RunReaders:
    """The readers of one run.

    Args:
        owner: Owns the run.
    """

    def __init__(self, owner: Owner) -> None:
        self.owner: Owner = owner
        self._iterations: tuple[ref[Iteration[Any]], ...] = ()
        self._other_holds = 0
        self._was_held = False
        self._begun = False
        self._direct_reads = 0

    def begin(self) -> None:
        """Begin the run, if it has not begun."""
        self._begun = True
        if self.owner.task is None and not self.owner.done.done():
            self.owner.start()

    def iterate(self, source: AsyncIterator[Item], stream: object) -> Iteration[Item]:
        """Return an iteration over ``source``, which holds the run and keeps ``stream``."""
        self.end_if_left()
        iteration = Iteration(self, source, stream)
        live = tuple(each for each in self._iterations if each() is not None)
        self._iterations = (*live, ref(iteration))
        return iteration

    def hold(self) -> None:
        """Begin the run, and hold it until ``release`` is called as often as this."""
        self.end_if_left()
        self.begin()
        self._was_held = True
        self._other_holds += 1

    def release(self) -> None:
        """Hold the run no more."""
        self._other_holds -= 1
        self.end_if_left()

    async def next_item(
        self, source: AsyncIterator[Item], iteration: Iteration[Item] | None = None
    ) -> Item:
        """Return the next item of ``source``; at the end, raise what the run raised.

        Args:
            source: The iterator to read.
            iteration: The iteration that reads; ``None`` where ``anext(stream)`` does.
        """
        if not self._begun:
            self.begin()
        if iteration is None:
            self._direct_reads += 1
        else:
            iteration.reads += 1
            self._was_held = True
        try:
            return await source.__anext__()
        except StopAsyncIteration:
            await self._raise_failure()
            raise
        except asyncio.CancelledError:
            self._leave_with_task(iteration)
            raise
        finally:
            del iteration

    def end_if_left(self) -> None:
        """End the run if it was held, and is not any more."""
        if self._was_held and not self._is_held():
            self.owner.cancel(LEFT, for_good=False)

    def drop(self) -> None:
        """End the run of a stream that was dropped."""
        self.owner.cancel("the stream was dropped", for_good=False)

    def _is_held(self) -> bool:
        iterations = (iteration() for iteration in self._iterations)
        return self._other_holds > 0 or any(
            iteration is not None and iteration.holds for iteration in iterations
        )

    def _leave_with_task(self, iteration: Iteration[Any] | None) -> None:
        """Leave ``iteration`` when the current task has ended and no other one reads it.

        A task that was made for a single read, as ``asyncio.wait_for`` makes them, is no reader.
        """
        task = asyncio.current_task()
        if task is None or getattr(task.get_coro(), "__name__", "") in SINGLE_READS:
            return
        reader = None if iteration is None else ref(iteration)
        reads = self._direct_reads if iteration is None else iteration.reads

        def leave() -> None:
            if reader is None:
                if self._direct_reads != reads:
                    return
            elif (found := reader()) is not None and found.reads == reads:
                found.holds = False
            else:
                return
            self._was_held = True
            self.end_if_left()

        task.add_done_callback(lambda task: task.get_loop().call_later(READER_GRACE_SECONDS, leave))

    async def _raise_failure(self) -> None:
        """Raise what the run raised, unless it was stopped by its reader."""
        try:
            await self.owner.ended()
        except Cancelled:
            if not self.owner.stopped:
                raise


class Iteration(Generic[Item]):
    """An iterator over a stream that ends the run when it is dropped or closed.

    Args:
        readers: The readers of the run.
        source: What the items come from.
        stream: The stream, which is dropped no sooner than this.

    Attributes:
        reads: How many items were asked for.
        holds: Whether it holds the run.
    """

    __slots__ = ("__weakref__", "_closed", "_readers", "_source", "_stream", "holds", "reads")

    def __init__(self, readers: RunReaders, source: AsyncIterator[Item], stream: object) -> None:
        self._readers = readers
        self._source = source
        self._stream = stream
        self._closed = False
        self.reads: int = 0
        self.holds: bool = True

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    def __anext__(self) -> Coroutine[object, object, Item]:
        """Return the next item; at the end, raise what the run raised."""
        if self._closed:
            raise StopAsyncIteration
        return self._readers.next_item(self._source, self)

    async def aclose(self) -> None:
        """End the run and wait for its end, unless another reader holds it."""
        self._closed, self.holds = True, False
        self._readers.end_if_left()
        owner = self._readers.owner
        if owner.stopped and owner.task is not None:
            await asyncio.wait([owner.task])

    def __del__(self) -> None:
        """End the run of an iteration that was left."""
        owner = self._readers.owner
        if owner.task is not None:
            defer_to(self._readers.end_if_left, owner.loop)
