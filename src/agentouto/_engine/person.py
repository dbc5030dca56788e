"""The user as a participant: somebody who answers through a callback instead of a model.

Callbacks are the user's own code: plain ones run in a thread, one at a time, so that two questions
never share one terminal; async ones run in the loop.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from agentouto._core.schema import render
from agentouto._domain.content import Returned
from agentouto._domain.message import Message, ToolResult
from agentouto._engine.threads import Escaped, Threads

logger = logging.getLogger("agentouto")

OnMessage: TypeAlias = Callable[[Message, Callable[[str], None]], Awaitable[object] | object]
"""What ``on_message=`` takes: called with a message and a function that answers its sender."""

AskUser: TypeAlias = Callable[[Message], Awaitable[object] | object]
"""What ``ask_user=`` takes: called with the forward to the user; returns the answer."""


class Person:
    """The user of one run."""

    def __init__(
        self, on_message: OnMessage | None, ask_user: AskUser | None, threads: Threads
    ) -> None:
        self._on_message = on_message
        self._ask_user = ask_user
        self._threads = threads
        self._one_at_a_time: asyncio.Lock | None = None

    @property
    def reads(self) -> bool:
        """Whether the user can be written to."""
        return self._on_message is not None

    @property
    def answers(self) -> bool:
        """Whether the user can be called."""
        return self._ask_user is not None

    async def answer(self, forward: Message) -> Returned:
        """Put ``forward`` to the user and wait for the return."""
        ask = self._ask_user
        if ask is None:
            raise LookupError("nobody answers as the user")
        said = await self._run(ask, lambda: ask(forward))
        if isinstance(said, ToolResult):
            return Returned(said.content, tuple(said.attachments or ()))
        return Returned("" if said is None else render(said))

    async def receive(self, message: Message, send: Callable[[str], None]) -> None:
        """Hand ``message`` to the user; what the callback raises is logged and goes no further."""
        read = self._on_message
        if read is None:
            return
        try:
            await self._run(read, lambda: read(message, send))
        except Exception:
            logger.exception("on_message failed for a message from %s", message.sender)

    async def _run(
        self, callback: OnMessage | AskUser, function: Callable[[], Awaitable[object] | object]
    ) -> object:
        if is_async(callback):
            said = function()
        else:
            if self._one_at_a_time is None:
                self._one_at_a_time = asyncio.Lock()
            async with self._one_at_a_time:
                said = await self._threads.call(function)
        try:
            return await said if inspect.isawaitable(said) else said
        except SystemExit as error:
            raise Escaped(error) from error


def is_async(function: Callable[..., object]) -> bool:
    """Whether calling ``function`` gives something to await."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - the method itself is looked at
    )
