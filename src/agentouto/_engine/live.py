"""A run in the hands of whoever reads it: it ends when they let go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import Self

from agentouto._core.forms import LINE_VERSION, StreamEvent, line
from agentouto._core.result import RunResult
from agentouto._domain.errors import Cancelled
from agentouto._engine.host import Owner
from agentouto._engine.letter import Receipt
from agentouto._engine.run import Run
from agentouto._engine.stream import RunEvents

GRACE = 0.02
"""Seconds in which somebody else may go on reading where a reader was cancelled."""


class RunStream:
    """A run that is read while it happens.

    Iterate over it for its events, ``await stream.result()`` for what it came to. It begins with
    whichever is asked first, and it ends early when it is closed, dropped, or left as a context, or
    when the task that reads it is cancelled while it waits for the next event.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._owner = Owner(run)
        self._events: RunEvents | None = None
        self._reads = 0

    @property
    def id(self) -> str:
        """The id of the run."""
        return self._run.id

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        """Return itself: a stream is read once."""
        return self

    async def __anext__(self) -> StreamEvent:
        """Return the next event; at the end, raise what the run raised."""
        events = self._events
        if events is None:
            self._begin()
            events = self._events = RunEvents(self._run.log)
        self._reads += 1
        try:
            return await events.__anext__()
        except StopAsyncIteration:
            await self._close_politely()
            raise
        except asyncio.CancelledError:
            self._end_with_its_reader()
            raise

    async def lines(self) -> AsyncGenerator[dict[str, object], None]:
        """Yield what happens in the form of files and pages, ``run.start`` and ``run.end`` too.

        Every line has ``v``, ``seq``, ``t`` (seconds since the start), ``run`` and ``type``. What
        the run raises is raised after its last line.
        """
        run = self._run
        self._begin()
        reader = run.log.read()
        head: dict[str, object] = {"v": LINE_VERSION, "run": run.id}
        to = [call.name for call in run.starters]
        yield head | {"seq": 0, "t": 0.0, "type": "run.start", "text": run.plan.message, "to": to}
        seq = 1
        try:
            while (event := await reader.next()) is not None:
                if (told := line(event, started=run.started_at)) is not None:
                    yield head | {"seq": seq} | told
                    seq += 1
        finally:
            reader.leave()
        last = {"seq": seq, "t": round(run.world.now() - run.started_at, 3), "type": "run.end"}
        yield head | last | self._ending()
        await self._close_politely()

    async def result(self) -> RunResult:
        """Wait for the run to end and return what it came to, or raise what it raised."""
        self._begin()
        return await self._owner.ended()

    def send(self, message: str, to: str | None = None) -> Receipt:
        """Write to the first starting agent, or to whoever is at work at ``to``.

        Raises:
            RoutingError: Nobody is there, or has already returned.
        """
        return self._run.mail.send(self._run.starters[0].id if to is None else to, message)

    def cancel(self, reason: str = "") -> None:
        """Stop the run. Iteration ends; ``result`` raises ``Cancelled``."""
        self._owner.cancel(reason)

    async def aclose(self) -> None:
        """Stop the run, if it has not ended, and wait until it has."""
        self._owner.cancel("the stream was closed")
        if self._owner.task is not None:
            await asyncio.wait([self._owner.task])

    async def __aenter__(self) -> Self:
        """Begin the run."""
        self._begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the run, if it has not ended by itself."""
        await self.aclose()

    def __del__(self) -> None:
        """End a run that nobody holds any more."""
        self._owner.cancel("the stream was dropped")

    def _begin(self) -> None:
        if self._owner.task is None and not self._owner.done.done():
            self._owner.start()

    def _end_with_its_reader(self) -> None:
        """End the run when the current task has ended and nobody reads on.

        Its traceback keeps the stream alive, so nothing else would tell that it was dropped. A task
        that was made for a single read, as ``asyncio.wait_for`` makes them, is no reader.
        """
        task, reads = asyncio.current_task(), self._reads
        coroutine = None if task is None else task.get_coro()
        if task is None or getattr(coroutine, "cr_code", None) is RunStream.__anext__.__code__:
            return

        def end() -> None:
            if self._reads == reads:
                self._owner.cancel("whoever read the stream was cancelled")

        task.add_done_callback(lambda task: task.get_loop().call_later(GRACE, end))

    async def _close_politely(self) -> None:
        try:
            await self._owner.ended()
        except Cancelled:
            if not self._owner.stopped:
                raise

    def _ending(self) -> dict[str, object]:
        error = self._owner.done.exception()
        if error is None:
            result = self._owner.done.result()
            used = {"input": result.usage.input_tokens, "output": result.usage.output_tokens}
            return {"status": "completed", "output": result.output, "usage": used}
        status = "cancelled" if isinstance(error, Cancelled) else "failed"
        return {"status": status, "error": str(error)}
