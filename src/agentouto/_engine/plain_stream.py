"""A run that plain code watches while it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Generic, Self

from agentouto._core.result import RunResult
from agentouto._domain.errors import Cancelled
from agentouto._domain.foreign_words import explains_misuse
from agentouto._domain.result_type import Data_co
from agentouto._domain.stream_event import AnyStreamEvent
from agentouto._engine.delivery import Receipt
from agentouto._engine.handle_events import HandleEvents
from agentouto._engine.host import Host, Owner
from agentouto._engine.run import Run

_PLAIN_BLOCK = "write `with`; in async code, `async with async_run_stream(...) as stream`"


@explains_misuse(
    __aenter__=_PLAIN_BLOCK,
    __aexit__=_PLAIN_BLOCK,
    __await__="write `stream.result()`; in async code, `await async_run_stream(...).result()`",
)
class PlainStream(Generic[Data_co]):
    """A run, and its events while it goes on, for plain code.

    Iterate over it for the events, ``stream.result()`` has the result. Leaving the iteration early
    ends the run; inside of ``with stream:`` it goes on until the block is left. The run is in a
    background thread.
    """

    def __init__(self, run: Run, host: Host) -> None:
        self._owner = Owner(run, host)
        self._in_block = False
        self._events = HandleEvents(run.log, lambda: self._owner.loop)
        host.begin_in_portal(self._owner)  # only now: tokens go to readers that are there

    @property
    def id(self) -> str:
        """The id of the run."""
        return self._owner.record.id

    def __iter__(self) -> Iterator[AnyStreamEvent]:
        """Yield the events that were not read yet; at the end, raise what the run raised."""
        ended = False
        try:
            yield from self._events
            ended = True
        finally:
            if not ended and not self._in_block:
                self.close()
        self._raise_failure()

    def result(self) -> RunResult[Data_co]:
        """Wait for the run to end and return its result, or raise what it raised."""
        return self._owner.done.result()

    def send(self, message: str, to: str | None = None, *, id: str | None = None) -> Receipt:  # noqa: A002
        """Send a message to the starting agents that still run, or to the participant at ``to``.

        A message with an ``id`` of yours arrives once, however often it is sent.

        Raises:
            RoutingError: There is no such participant, or it has already returned.
        """
        run = self._owner.record
        if to is not None:
            return run.mail.send(to, message, id)
        return run.mail.send_to_all(run.starters, message, id)

    def cancel(self, reason: str = "") -> None:
        """Stop the run. Iteration ends; ``result`` raises ``Cancelled``."""
        self._owner.cancel(reason)

    def close(self) -> None:
        """Stop the run, if it has not ended, and wait until it has."""
        self._owner.cancel("the stream was closed", for_good=False)
        self._owner.done.exception()

    def __enter__(self) -> Self:
        """Let the run go on until the block is left."""
        self._in_block = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the run, if it has not ended by itself."""
        self.close()

    def _raise_failure(self) -> None:
        error = self._owner.done.exception()
        if error is not None and not (isinstance(error, Cancelled) and self._owner.stopped):
            raise error
