"""Where users look at, change or refuse what happens in a run: the words for it.

When hooks are called is the engine's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from typing import TypeAlias, cast

from agentouto._domain.content import Transcript
from agentouto._domain.message import Message
from agentouto._domain.misuse import ConfigurationError
from agentouto._domain.participants import Agent


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool of the user's that an agent is about to use.

    Attributes:
        agent_name: Who uses it.
        call_id: In which call.
        tool_name: What it uses.
        arguments: With what, as the model gave them.
    """

    agent_name: str
    call_id: str
    tool_name: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A question that is about to be put to a model.

    Attributes:
        agent: Who asks, with its settings.
        call_id: In which call.
        turn: Which reply of the call this will be, counted from 0.
        transcript: What the model is going to read.
    """

    agent: Agent
    call_id: str
    turn: int
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary that is about to take the place of the older part of a transcript.

    Attributes:
        agent_name: Whose transcript it is.
        call_id: In which call.
        summary: What it says.
        summarized: What it stands for, as the model was shown it.
        tokens_before: About how large the transcript was.
    """

    agent_name: str
    call_id: str
    summary: str
    summarized: str
    tokens_before: int


OnMessageHook: TypeAlias = Callable[
    [Message], Awaitable[Message | str | None] | Message | str | None
]
"""Looks at a message. ``None`` lets it pass, a text or a message takes the place of its content."""

OnSummarize: TypeAlias = Callable[[Summary], Awaitable[str | None] | str | None]
"""Looks at a summary. ``None`` lets it pass, a text takes its place."""

AroundTool: TypeAlias = Callable[..., object]
"""Plain, ``(ToolUse)``: asked before; ``None`` goes on, anything else is the result instead.

Async, ``(ToolUse, proceed)``: ``await proceed(arguments=None)`` uses the tool and gives a
``ToolResult``. ``None`` leaves the result as it is (and uses the tool, if that was not done),
anything else takes its place.
"""

AroundModel: TypeAlias = Callable[..., object]
"""The same for models, with a ``ModelUse``; ``await proceed(agent=None)`` gives a ``Reply``.

A text instead of ``None`` is the model's reply instead.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Functions that see what passes, and may change or refuse it. Plain ones run in threads.

    ``None`` lets a thing pass as it is, a value changes it, ``raise Refuse(reason)`` refuses it,
    and the reason is told to whoever sent it. A hook that raises anything else refuses too.

    Attributes:
        on_forward: Called with every forward, mail included, before its receiver sees it.
        on_return: Called with every return before its receiver sees it. An agent whose return is
            refused goes on working.
        around_model: Called around every question to a model.
        around_tool: Called around every use of a tool of yours; built-in ones are messages.

    Raises:
        ConfigurationError: A hook is no function.
    """

    on_forward: OnMessageHook | None = None
    on_return: OnMessageHook | None = None
    around_model: AroundModel | None = None
    around_tool: AroundTool | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be called."""
        for one in fields(self):
            hook = cast("object", getattr(self, one.name))
            if hook is not None and not callable(hook):
                raise ConfigurationError(f"Hooks({one.name}=) takes a function, not {hook!r}")
