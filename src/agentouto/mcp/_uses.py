"""Uses of a server's tools that are under way, and to which of them a question belongs.

The protocol does not say in every transport which request a question belongs to. A use puts itself
into a context variable: what the SDK does in its course, in the same task or in the context of the
same HTTP request, finds it there. Where no use is found, the use is known only if all that are
under way belong to one run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from agentouto._engine.here import Here


class Use:
    """One use of a tool, in the call of an agent.

    Attributes:
        here: What can be done in the run of that call.
    """

    __slots__ = ("_asking", "_left", "_limit", "here")

    def __init__(self, here: Here[Any], limit: asyncio.Timeout) -> None:
        self.here = here
        self._limit = limit
        self._asking = 0
        self._left = 0.0

    @contextmanager
    def clock_stopped(self) -> Generator[None]:
        """Let the time limit of the use stand still while a person or a peer is asked."""
        now = asyncio.get_running_loop().time
        # Several questions may be open at once: the first stops the clock, the last starts it.
        if not self._asking:
            self._left = (self._limit.when() or now()) - now()
            self._limit.reschedule(None)
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1
            if not self._asking:
                self._limit.reschedule(now() + self._left)


_CURRENT_USE: ContextVar[Use | None] = ContextVar("agentouto_mcp_use", default=None)


class Uses:
    """The uses that are under way in one session."""

    __slots__ = ("_under_way",)

    def __init__(self) -> None:
        self._under_way: set[Use] = set()

    @contextmanager
    def entered(self, use: Use) -> Generator[None]:
        """Count ``use`` as under way, and let what its task starts find it."""
        self._under_way.add(use)
        token = _CURRENT_USE.set(use)
        try:
            yield
        finally:
            _CURRENT_USE.reset(token)
            self._under_way.discard(use)

    def asking(self) -> Use | None:
        """Return the use in whose course the server asks; ``None`` where that cannot be said."""
        use = _CURRENT_USE.get()
        if use is not None:
            # A task that the SDK began in a use may live longer than the use itself.
            return use if use in self._under_way else None
        runs = {each.here.run_id for each in self._under_way}
        return next(iter(self._under_way)) if len(runs) == 1 else None
