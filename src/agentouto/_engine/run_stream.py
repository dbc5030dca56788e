"""Streams a run to its readers, as events or as JSON lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Generic, Self

from agentouto._core.result import RunResult
from agentouto._domain.foreign_words import explains_misuse
from agentouto._domain.result_type import Data_co
from agentouto._domain.stream_event import AnyStreamEvent
from agentouto._engine.delivery import Receipt
from agentouto._engine.finalizers import OnExit, defer_to
from agentouto._engine.host import Host, Owner
from agentouto._engine.run import Run
from agentouto._engine.run_events import RunEvents
from agentouto._engine.run_lines import RunLines
from agentouto._engine.run_readers import Iteration, RunReaders

_ASYNC_BLOCK = "write `async with`; in plain code, `with run_stream(...) as stream`"


@explains_misuse(
    __iter__="write `async for event in stream`; in plain code, `for event in run_stream(...)`",
    __enter__=_ASYNC_BLOCK,
    __exit__=_ASYNC_BLOCK,
    __await__="write `await stream.result()`",
)
class RunStream(Generic[Data_co]):
    """A run, and its events while it goes on.

    Iterate over it for the events, ``await stream.result()`` for the result. The run begins with
    whichever is used first. It ends early when the iteration is left, by ``break``, an exception or
    a cancellation; when ``result()`` is cancelled; when the stream is closed or dropped. Inside of
    ``async with stream:`` it goes on until the block is left. How that works is explained in
    ``run_readers.py``.
    """

    def __init__(self, run: Run, host: Host) -> None:
        self._run = run
        self._owner = Owner(run, host)
        self._readers = RunReaders(self._owner)
        self._events: RunEvents | None = None

    @property
    def id(self) -> str:
        """The id of the run."""
        return self._run.id

    def __aiter__(self) -> AsyncIterator[AnyStreamEvent]:
        """Return an iterator over the events that were not read yet. Dropping it ends the run."""
        return self._readers.iterate(self._unread_events(), self)

    async def __anext__(self) -> AnyStreamEvent:
        """Return the next event; at the end, raise what the run raised."""
        return await self._readers.next_item(self._unread_events())

    def lines(self, start: int = 0) -> Iteration[dict[str, object]]:
        """Return an iterator over what happens as event lines: see ``docs/events.md``.

        The first line is ``run.start``, the last ``run.end``. What the run raises is raised after
        the last line. Dropping the iterator ends the run.

        Args:
            start: Leave out facts with a smaller ``seq``, and the pieces before them.
        """
        return self._readers.iterate(RunLines(self._run.log, start), self)

    async def result(self) -> RunResult[Data_co]:
        """Wait for the run to end and return its result, or raise what it raised."""
        self._readers.hold()
        with OnExit(self._readers.release):
            return await self._owner.ended()

    def send(self, message: str, to: str | None = None, *, id: str | None = None) -> Receipt:  # noqa: A002
        """Send a message to the starting agents that still run, or to the participant at ``to``.

        A message with an ``id`` of yours arrives once, however often it is sent.

        Raises:
            RoutingError: There is no such participant, or it has already returned.
        """
        run = self._run
        return (
            run.mail.send_to_all(run.starters, message, id)
            if to is None
            else run.mail.send(to, message, id)
        )

    def approve(self, approval_id: str, yes: bool, reason: str = "") -> None:  # noqa: FBT001
        """Decide on the use of a tool that waits for approval, from any thread.

        The run needs an ``approve=`` function; this decides in its place while it waits.

        Args:
            approval_id: ``Approval.id``.
            yes: ``True`` lets the tool run, ``False`` refuses.
            reason: Why it is refused; the agent is told.

        Raises:
            RoutingError: No approval with this id is waiting: it has been decided, its call has
                ended, or there never was one.
            ConfigurationError: ``yes`` is neither ``True`` nor ``False``.
        """
        self._run.approvals.decide(approval_id, yes=yes, reason=reason)

    def cancel(self, reason: str = "", *, for_good: bool = True) -> None:
        """Stop the run. Iteration ends; ``result`` raises ``Cancelled``.

        A run with a journal is ended for good. With ``for_good=False`` it can be gone on with.
        """
        self._owner.cancel(reason, for_good=for_good)

    async def aclose(self) -> None:
        """Stop the run, if it has not ended, and wait until it has."""
        self._owner.cancel("the stream was closed", for_good=False)
        if self._owner.task is not None:
            await asyncio.wait([self._owner.task])

    async def __aenter__(self) -> Self:
        """Begin the run."""
        self._readers.hold()
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
        """End the run of a stream that was dropped."""
        if self._owner.begun:
            defer_to(self._readers.drop, self._owner.loop)

    def _unread_events(self) -> RunEvents:
        if self._events is None:
            self._events = RunEvents(self._run.log)
        return self._events
