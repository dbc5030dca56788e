"""Lets the user take part in a run, through callbacks instead of a model.

Callbacks are the user's own code: plain ones run in a thread, one at a time, so that two questions
never share one terminal; async ones run in the loop.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

from agentouto._core.signature import is_async
from agentouto._domain.approval import Approval
from agentouto._domain.message import Message
from agentouto._engine.threads import Threads, ToolEscaped

T = TypeVar("T")

log = logging.getLogger("agentouto")

OnMessage: TypeAlias = Callable[[Message, Callable[[str], None]], Awaitable[object] | object]
"""What ``on_message=`` takes: called with a message and a function that answers its sender."""

AskUser: TypeAlias = Callable[[Message], Awaitable[object] | object]
"""What ``ask_user=`` takes: called with the forward to the user; returns the answer."""

Approve: TypeAlias = Callable[[Approval], Awaitable[bool] | bool]
"""What ``approve=`` takes: called before a tool with ``needs_approval=True`` runs. Only ``True``
lets it run."""


class User:
    """The user of one run."""

    def __init__(
        self, on_message: OnMessage | None, approve: Approve | None, threads: Threads
    ) -> None:
        self._on_message = on_message
        self._approve = approve
        self._threads = threads
        self._lock: asyncio.Lock | None = None

    @property
    def reads(self) -> bool:
        """Whether messages can be sent to the user."""
        return self._on_message is not None

    @property
    def approves(self) -> bool:
        """Whether the user can be asked to approve the use of a tool."""
        return self._approve is not None

    async def approve(self, approval: Approval) -> object:
        """Pass ``approval`` to ``approve=`` and return what that returns, whatever it is."""
        approve = self._approve
        if approve is None:
            raise LookupError("approve= is not set")
        return await self._run(approve, lambda: approve(approval))

    async def receive(self, message: Message, send: Callable[[str], None]) -> None:
        """Pass ``message`` to ``on_message``. What that raises is logged and ends nothing."""
        on_message = self._on_message
        if on_message is None:
            return
        try:
            await self._run(on_message, lambda: on_message(message, send))
        except Exception:
            log.exception("on_message failed for a message from %s", message.sender)

    async def one_at_a_time(self, function: Callable[[], T]) -> T:
        """Call a plain ``function`` in a thread, when no other such function runs."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            return await self._threads.call(function)

    async def _run(self, callback: Callable[..., object], function: Callable[[], object]) -> object:
        result = function() if is_async(callback) else await self.one_at_a_time(function)
        try:
            return await result if inspect.isawaitable(result) else result
        except (Exception, asyncio.CancelledError, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # SystemExit too: it would end the event loop, and all in it
            raise ToolEscaped(error) from error
