"""The requests for one reply, admitted one by one: each try waits its turn and is recorded."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType

from agentouto._domain.event import ModelAsked, ModelWaited
from agentouto._engine.budget import Reservation
from agentouto._engine.call import Call


class Admission(AbstractAsyncContextManager[None]):
    """What a backend enters for each try to reach the model.

    Attributes:
        attempt: The number of the try, from 1 on. The function that learns of another try sets it.
        sent_at: When the last request left; ``None`` before the first.
    """

    __slots__ = ("_call", "_model", "_reservation", "attempt", "sent_at")

    def __init__(self, call: Call, model: str, reservation: Reservation | None) -> None:
        self._call = call
        self._model = model
        self._reservation = reservation
        self.attempt = 1
        self.sent_at: float | None = None

    def __call__(self) -> Admission:
        """Return itself, so that it can be entered again for the next try."""
        return self

    async def __aenter__(self) -> None:
        """Wait for a slot, count the request against the limits, and record that it leaves."""
        call, reservation = self._call, self._reservation
        if reservation is not None:
            if reservation.has_to_wait:
                call.log.record(ModelWaited, "parallel", self.attempt)
            await reservation.__aenter__()
        call.log.record(ModelAsked, self._model, call.turn, self.attempt)
        self.sent_at = call.log.now()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the slot."""
        if self._reservation is not None:
            await self._reservation.__aexit__(kind, error, trace)
