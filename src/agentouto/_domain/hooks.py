"""The hooks of a run and the values that they get. ``_engine/hook_runner.py`` calls them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TypeAlias, cast

from agentouto._domain.content import Transcript
from agentouto._domain.foreign_words import explains_keywords
from agentouto._domain.functions import check_function
from agentouto._domain.message import Message
from agentouto._domain.participants import Agent


@dataclass(frozen=True, slots=True)
class ToolUse:
    """An agent's use of one of your tools.

    Attributes:
        agent_name: The agent that uses it.
        call_id: The call in which it does.
        tool_name: The name of the tool.
        arguments: The arguments, as the model gave them.
        tool_call: Which tool call of the call it is, as in event lines: turn and index, as ``0.1``.
    """

    agent_name: str
    call_id: str
    tool_name: str
    arguments: Mapping[str, object]
    tool_call: str = ""


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A request to a model.

    Attributes:
        agent: The agent that asks, with its settings.
        call_id: The call in which it asks.
        turn: The number of the coming reply in the call, counted from 0.
        transcript: What the model is going to read.
    """

    agent: Agent
    call_id: str
    turn: int
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary that is about to replace the older part of a transcript.

    Attributes:
        agent_name: The agent whose transcript it is.
        call_id: The call of the transcript.
        summary: The text of the summary.
        summarized: The text that it replaces, as the model read it.
        tokens_before: The estimated size of the transcript.
    """

    agent_name: str
    call_id: str
    summary: str
    summarized: str
    tokens_before: int


OnMessageHook: TypeAlias = Callable[
    [Message], Awaitable[Message | str | None] | Message | str | None
]
"""Gets a message. ``None`` passes it on, a text or a message replaces its content."""

OnSummarize: TypeAlias = Callable[[Summary], Awaitable[str | None] | str | None]
"""Gets a summary. ``None`` accepts it, a text replaces it."""

AroundTool: TypeAlias = Callable[..., object]
"""Plain, ``(ToolUse)``: called before the tool; ``None`` uses the tool, any other value replaces
its result.

Async, ``(ToolUse, proceed)``: ``await proceed(arguments=None)`` uses the tool and gives a
``ToolResult``. ``None`` keeps that result (and uses the tool if ``proceed`` was not called), any
other value replaces it.
"""

AroundModel: TypeAlias = Callable[..., object]
"""The same for models, with a ``ModelUse``; ``await proceed(agent=None)`` gives a ``Reply``.

A text replaces the model's reply.
"""


OnLine: TypeAlias = Callable[[Mapping[str, object]], object]
"""Gets an event line. What it returns is ignored."""

ToolContext: TypeAlias = Callable[[ToolUse], AbstractContextManager[object]]
"""Returns a context manager, which is entered while the tool is used."""

_HOOK_FORMS: Mapping[str, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        "on_forward": (("message",),),
        "on_return": (("message",),),
        "around_model": (("use",), ("use", "proceed")),
        "around_tool": (("use",), ("use", "proceed")),
        "on_line": (("line",),),
        "tool_context": (("use",),),
    }
)
"""What each hook is called with."""


@explains_keywords()
@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Functions that see, change or refuse messages, requests and tool calls of a run.

    ``None`` passes a thing on as it is, a value changes it, ``raise Refuse(reason)`` refuses it and
    gives its sender the reason. Any other exception of a hook refuses, too. Plain functions run in
    threads.

    Attributes:
        on_forward: Called with every forward, mail included, before its receiver sees it.
        on_return: Called with every return before its receiver sees it. An agent whose return is
            refused goes on working.
        around_model: Called around every request to a model.
        around_tool: Called around every use of one of your tools. The built-in tools send
            messages, which the first two hooks see.
        on_line: Called with every event line of the run as it happens, each reply in one piece:
            those of ``RunResult.lines()``. A plain function, called in the thread in which the
            thing happened, which waits for it: it has to be quick. It changes nothing, also if it
            raises.
        tool_context: Called with every use of one of your tools; returns a context manager that is
            entered while the tool runs, with its approval and ``around_tool``. Context variables
            that it sets are seen by the tool.

    Raises:
        ConfigurationError: A hook is not callable.
    """

    on_forward: OnMessageHook | None = None
    on_return: OnMessageHook | None = None
    around_model: AroundModel | None = None
    around_tool: AroundTool | None = None
    on_line: OnLine | None = None
    tool_context: ToolContext | None = None

    def __post_init__(self) -> None:
        """Check that every hook can be called."""
        for one in fields(self):
            hook = cast("object", getattr(self, one.name))
            if hook is not None:
                check_function(f"Hooks({one.name}=)", hook, *_HOOK_FORMS[one.name])
