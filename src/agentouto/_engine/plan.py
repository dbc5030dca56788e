"""What a run was asked to do, checked and complete. Nothing here has started yet."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from agentouto._core.prompt import USER_ROLE, roster
from agentouto._domain.hooks import Hooks, OnSummarize
from agentouto._domain.limits import Limits, Price
from agentouto._domain.message import USER, Attachment, Message
from agentouto._domain.participants import Agent
from agentouto._domain.ports import Backend
from agentouto._engine.builtins import builtins
from agentouto._engine.offices import AnyTool, Builtin
from agentouto._engine.person import AskUser, OnMessage


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run, before it begins."""

    message: str
    starting: tuple[Agent, ...]
    agents: Mapping[str, Agent]
    backends: Mapping[str, Backend]
    tools: Mapping[str, AnyTool]
    disabled: frozenset[str] = frozenset()
    enabled: frozenset[str] = frozenset()
    attachments: tuple[Attachment, ...] = ()
    history: tuple[Message, ...] = ()
    extra_instructions: str | None = None
    extra_for_all: bool = False
    on_message: OnMessage | None = None
    ask_user: AskUser | None = None
    on_summarize: OnSummarize | None = None
    limits: Limits = Limits()
    prices: Mapping[str, Price] = {}
    hooks: Hooks = Hooks()
    background_allowed: bool = True
    cancel_background: bool = False
    debug: bool = False
    output_type: object = None

    def toolbox(self) -> dict[str, AnyTool | Builtin]:
        """Return every tool of the run by name: the user's, then the built-in ones.

        A user's tool with the name of a built-in one stands in its place, disabled or not.
        """
        own = builtins(background=self.background_allowed, enabled=self.enabled)
        tools: dict[str, AnyTool | Builtin] = {
            name: tool for name, tool in self.tools.items() if name not in own
        }
        for name, builtin in own.items():
            if name in self.tools:
                tools[name] = self.tools[name]
            elif builtin is not None and name not in self.disabled:
                tools[name] = builtin
        return tools

    def introductions(self) -> dict[str, str]:
        """Return the line that introduces each participant to the others, by name."""
        lines = roster(self.agents.values())
        if self.ask_user is not None:
            lines[USER] = f"- {USER}: {USER_ROLE}"
        return lines
