"""Calls the user's hooks, and reads what they return.

A hook that raises an error refuses: a guard that fails must not let anything through.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TypeVar, cast

from agentouto._core.signature import is_async
from agentouto._core.tool_results import as_result, encodable_text
from agentouto._domain.content import Reply, Stop, Text, Usage
from agentouto._domain.errors import AgentoutoError, Refuse
from agentouto._domain.hooks import Hooks, ModelUse, OnMessageHook, OnSummarize, Summary, ToolUse
from agentouto._domain.message import Message, ToolResult
from agentouto._domain.participants import Agent
from agentouto._engine.threads import Threads

T = TypeVar("T")


logger = logging.getLogger("agentouto")


class HookRunner:
    """The hooks of one run."""

    def __init__(self, hooks: Hooks, on_summarize: OnSummarize | None, threads: Threads) -> None:
        self._hooks = hooks
        self._on_summarize = on_summarize
        self._threads = threads
        self.sees_forwards: bool = hooks.on_forward is not None
        self.sees_returns: bool = hooks.on_return is not None
        self.sees_models: bool = hooks.around_model is not None
        self.sees_tools: bool = hooks.around_tool is not None or hooks.tool_context is not None

    async def forward(self, message: Message) -> Message:
        """Return the forward as ``on_forward`` lets it pass; ``Refuse`` if it does not."""
        return await self._call_message_hook("on_forward", self._hooks.on_forward, message)

    async def returned(self, message: Message) -> Message:
        """Return the return as ``on_return`` lets it pass; ``Refuse`` if it does not."""
        return await self._call_message_hook("on_return", self._hooks.on_return, message)

    async def tool(
        self, use: ToolUse, invoke: Callable[[Mapping[str, object]], Awaitable[ToolResult]]
    ) -> ToolResult:
        """Return the result of a tool as ``around_tool`` decides."""

        async def proceed(arguments: Mapping[str, object] | None = None) -> ToolResult:
            return await invoke(use.arguments if arguments is None else arguments)

        value: object = None  # a context manager may swallow an error of the tool
        with self._tool_context(use):
            value = await self._around("around_tool", self._hooks.around_tool, use, proceed)
        return value if isinstance(value, ToolResult) else as_result(value, use.tool_name)

    def _tool_context(self, use: ToolUse) -> AbstractContextManager[object]:
        hook = self._hooks.tool_context
        if hook is None:
            return nullcontext()
        try:
            return hook(use)
        except (Exception, SystemExit) as error:
            raise _failure_of("tool_context", error) from error

    async def model(self, use: ModelUse, ask: Callable[[Agent], Awaitable[Reply]]) -> Reply:
        """Return the reply of a model as ``around_model`` decides."""

        async def proceed(agent: Agent | None = None) -> Reply:
            return await ask(use.agent if agent is None else agent)

        value = await self._around("around_model", self._hooks.around_model, use, proceed)
        if isinstance(value, Reply):
            return value
        return Reply((Text(encodable_text(value, "around_model")),), Stop.COMPLETE, Usage())

    async def summary(self, summary: Summary) -> str:
        """Return the text of ``summary``, or the text that ``on_summarize`` returns instead."""
        hook = self._on_summarize
        if hook is None:
            return summary.summary
        changed = await self._call_strictly("on_summarize", hook, summary)
        return summary.summary if changed is None else str(changed)

    async def _call_message_hook(
        self, name: str, hook: OnMessageHook | None, message: Message
    ) -> Message:
        if hook is None:
            return message
        changed = await self._call_strictly(name, hook, message)
        if changed is None:
            return message
        if isinstance(changed, str):
            return replace(message, content=str(changed))
        if isinstance(changed, Message):  # a hook cannot change the sender or the receiver
            return replace(message, content=changed.content, attachments=changed.attachments)
        raise Refuse(f"{name} returned {changed!r:.60}, which is no message, no text and not None")

    async def _call_strictly(self, name: str, hook: Callable[..., object], about: object) -> object:
        """Return what a hook returns; any error that it raises becomes a refusal."""
        try:
            return await self._call_hook(name, hook, about)
        except Refuse:
            raise
        except AgentoutoError as error:
            raise _failure_of(name, error) from error

    async def _around(
        self,
        name: str,
        hook: Callable[..., object] | None,
        use: ToolUse | ModelUse,
        proceed: Callable[[], Awaitable[T]],
    ) -> object:
        """Return what a hook returns; if that is ``None``, the result of the use itself.

        An async hook is passed ``proceed`` and may call it. It may return nothing after that: the
        last result then stands.
        """
        if hook is None:
            return await proceed()
        if not is_async(hook):
            value = await self._call_hook(name, hook, use)
            return await proceed() if value is None else value
        results: list[object] = []
        errors: list[Exception] = []

        async def recorded(*args: object, **kwargs: object) -> object:
            try:
                result = await cast("Callable[..., Awaitable[object]]", proceed)(*args, **kwargs)
            except Exception as error:
                errors.append(error)
                raise
            results.append(result)
            return result

        try:
            value = await self._call_hook(name, hook, use, recorded)
        except Refuse as refusal:
            cause = refusal.__cause__
            if isinstance(cause, Exception) and cause in errors:
                raise cause from None  # the tool or the model failed, not the hook
            raise
        if value is not None:
            return value
        return results[-1] if results else await proceed()

    async def _call_hook(self, name: str, hook: Callable[..., object], *args: object) -> object:
        try:
            if is_async(hook):
                return await cast("Awaitable[object]", hook(*args))
            value = await self._threads.call(lambda: hook(*args))
            return await value if inspect.isawaitable(value) else value
        except AgentoutoError:  # its own refusal, or an error of ``proceed``
            raise
        except (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # SystemExit too, or the Failed of pytest
            raise _failure_of(name, error) from error


def _failure_of(name: str, error: BaseException) -> Refuse:
    logger.warning("the hook %s raised", name, exc_info=error)
    return Refuse(f"{name} failed: {type(error).__name__}: {error}")
