"""Calls the hooks of a run's user. What they see and when is decided by whoever asks.

A hook that fails refuses: a guard that cannot look must not let things through.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TypeVar, cast

from agentouto._domain.content import Reply, Stop, Text, Usage
from agentouto._domain.errors import AgentoutoError, Refuse
from agentouto._domain.hooks import Hooks, ModelUse, OnMessageHook, OnSummarize, Summary, ToolUse
from agentouto._domain.message import Message, ToolResult
from agentouto._domain.participants import Agent
from agentouto._engine.person import is_async
from agentouto._engine.threads import Threads
from agentouto._engine.tool import as_result, as_text

T = TypeVar("T")


class Watch:
    """The hooks of one run."""

    def __init__(self, hooks: Hooks, on_summarize: OnSummarize | None, threads: Threads) -> None:
        self._hooks = hooks
        self._on_summarize = on_summarize
        self._threads = threads
        self.sees_forwards: bool = hooks.on_forward is not None
        self.sees_returns: bool = hooks.on_return is not None
        self.sees_models: bool = hooks.around_model is not None
        self.sees_tools: bool = hooks.around_tool is not None

    async def forward(self, message: Message) -> Message:
        """Return ``message`` as its receiver is to have it; ``Refuse`` if it is not."""
        return await self._message("on_forward", self._hooks.on_forward, message)

    async def returned(self, message: Message) -> Message:
        """Return ``message`` as its receiver is to have it; ``Refuse`` if it is not."""
        return await self._message("on_return", self._hooks.on_return, message)

    async def tool(
        self, use: ToolUse, do: Callable[[Mapping[str, object]], Awaitable[ToolResult]]
    ) -> ToolResult:
        """Use a tool as the hook wants it."""

        async def proceed(arguments: Mapping[str, object] | None = None) -> ToolResult:
            return await do(use.arguments if arguments is None else arguments)

        value = await self._around("around_tool", self._hooks.around_tool, use, proceed)
        return value if isinstance(value, ToolResult) else as_result(value, use.tool_name)

    async def model(self, use: ModelUse, ask: Callable[[Agent], Awaitable[Reply]]) -> Reply:
        """Ask a model as the hook wants it."""

        async def proceed(agent: Agent | None = None) -> Reply:
            return await ask(use.agent if agent is None else agent)

        value = await self._around("around_model", self._hooks.around_model, use, proceed)
        if isinstance(value, Reply):
            return value
        return Reply((Text(as_text(value, "around_model")),), Stop.COMPLETE, Usage())

    async def summary(self, summary: Summary) -> str:
        """Return the text of ``summary`` as the hook wants it."""
        hook = self._on_summarize
        if hook is None:
            return summary.summary
        changed = await self._ask("on_summarize", hook, summary)
        return summary.summary if changed is None else str(changed)

    async def _message(self, name: str, hook: OnMessageHook | None, message: Message) -> Message:
        if hook is None:
            return message
        changed = await self._ask(name, hook, message)
        if changed is None:
            return message
        if isinstance(changed, str):
            return replace(message, content=str(changed))
        if isinstance(changed, Message):  # who says it to whom is not for a hook to say
            return replace(message, content=changed.content, attachments=changed.attachments)
        raise Refuse(f"{name} returned {changed!r:.60}, which is no message, no text and not None")

    async def _ask(self, name: str, hook: Callable[..., object], about: object) -> object:
        """Return what a hook says, which refuses whatever it raises."""
        try:
            return await self._call(name, hook, about)
        except Refuse:
            raise
        except AgentoutoError as error:
            raise _failing(name, error) from error

    async def _around(
        self,
        name: str,
        hook: Callable[..., object] | None,
        use: ToolUse | ModelUse,
        proceed: Callable[[], Awaitable[T]],
    ) -> object:
        """Return what a hook makes of ``use``, or what comes of it if it does not mind."""
        if hook is None:
            return await proceed()
        if not is_async(hook):
            value = await self._call(name, hook, use)
            return await proceed() if value is None else value
        came: list[object] = []
        failed: list[Exception] = []

        async def noted(*args: object, **kwargs: object) -> object:
            try:
                result = await cast("Callable[..., Awaitable[object]]", proceed)(*args, **kwargs)
            except Exception as error:
                failed.append(error)
                raise
            came.append(result)
            return result

        try:
            value = await self._call(name, hook, use, noted)
        except Refuse as refusal:
            if refusal.__cause__ in failed:  # not the hook has failed, but what it went on with
                raise cast("Exception", refusal.__cause__) from None
            raise
        if value is not None:
            return value
        return came[-1] if came else await proceed()

    async def _call(self, name: str, hook: Callable[..., object], *args: object) -> object:
        try:
            if is_async(hook):
                return await cast("Awaitable[object]", hook(*args))
            said = await self._threads.call(lambda: hook(*args))
            return await said if inspect.isawaitable(said) else said
        except AgentoutoError:  # its own refusal, or what came of going on
            raise
        except (Exception, SystemExit) as error:
            raise _failing(name, error) from error


def _failing(name: str, error: BaseException) -> Refuse:
    return Refuse(f"{name} failed: {type(error).__name__}: {error}")
