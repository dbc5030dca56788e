"""What a run does for the calls in it, and what a tool is that acts on the run.

``Offices`` is how a desk sees its run. Nothing here does anything.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeAlias

import msgspec

from agentouto._core.prompt import FINISH, READ_RESULT
from agentouto._core.schema import Blueprint
from agentouto._domain.content import Returned
from agentouto._domain.limits import Limits
from agentouto._domain.message import Message, ToolResult
from agentouto._domain.participants import Agent
from agentouto._domain.ports import Backend, ToolSpec
from agentouto._domain.world import World
from agentouto._engine.call import Call
from agentouto._engine.hooks import Watch
from agentouto._engine.limits import Pot
from agentouto._engine.log import Log
from agentouto._engine.mail import Mail
from agentouto._engine.person import Person
from agentouto._engine.threads import Threads
from agentouto._engine.tool import Tool

Arguments: TypeAlias = Mapping[str, object]
AnyTool: TypeAlias = Tool[..., object]


class Offices(Protocol):
    """What a run does for the calls in it."""

    @property
    def log(self) -> Log:
        """Where everything that happens is written down."""
        ...

    @property
    def mail(self) -> Mail:
        """How participants at work are reached."""
        ...

    @property
    def world(self) -> World:
        """The clock."""
        ...

    @property
    def threads(self) -> Threads:
        """Where plain functions run."""
        ...

    @property
    def tags(self) -> re.Pattern[str]:
        """What finds text that looks like the tag of a participant."""
        ...

    @property
    def limits(self) -> Limits:
        """What the user allows."""
        ...

    @property
    def pot(self) -> Pot | None:
        """What is left of it, if anything is limited for the whole run."""
        ...

    @property
    def watch(self) -> Watch:
        """The user's hooks."""
        ...

    @property
    def person(self) -> Person:
        """The user."""
        ...

    @property
    def background_allowed(self) -> bool:
        """Whether agents may start calls without waiting for them."""
        ...

    def toolbox(self, agent: Agent, *, starting: bool) -> Toolbox:
        """Return the tools of such a call of ``agent``."""
        ...

    def backend(self, agent: Agent) -> Backend:
        """Return what reaches the agent's model."""
        ...

    def find_window(self, agent: Agent) -> None:
        """Ask, while the run goes on, how much the agent's model can read."""
        ...

    def weight(self, box: Toolbox) -> int:
        """Return about how many tokens the tools of ``box`` take."""
        ...

    def standing_prompt(self, agent: Agent, *, starting: bool) -> str:
        """Return the part of the system prompt that all calls of ``agent`` share."""
        ...

    def why_no_tool(self, name: str) -> str:
        """Return what to tell an agent that asked for a tool which is not there."""
        ...

    async def call(
        self, name: str, content: str, *, by: Call, place: str, history: tuple[Message, ...]
    ) -> Message:
        """Forward to a participant and wait for its return."""
        ...

    def spawn(
        self, name: str, content: str, *, by: Call, place: str, history: tuple[Message, ...]
    ) -> Call:
        """Forward without waiting."""
        ...


Do: TypeAlias = Callable[[Offices, Call, str, Arguments], Awaitable[ToolResult | Returned]]
"""What a built-in tool does: for which run, in which call, at which place there, with what."""


class Builtin(msgspec.Struct, frozen=True):
    """A tool that acts on the run.

    Attributes:
        spec: The tool as models are told of it.
        do: What it does.
        quick: Whether it waits for nothing and runs none of the user's code, so that it needs no
            task of its own.
    """

    spec: ToolSpec
    do: Do
    quick: bool = False


class Toolbox(msgspec.Struct, frozen=True):
    """The tools of a call.

    Attributes:
        tools: Every tool, by name.
        specs: The tools as models are told of them: the same object for every request, and for
            every run with the same tools.
        form: What has to be returned, where that is data of a type.
        promise: The schema of it that a provider may promise to keep, if there is one.
    """

    tools: Mapping[str, AnyTool | Builtin]
    specs: tuple[ToolSpec, ...]
    form: Blueprint | None = None
    promise: Mapping[str, object] | None = None

    @property
    def plain_text_returns(self) -> bool:
        """Whether any text without a tool call is a return."""
        return self.form is None and isinstance(self.tools.get(FINISH), Builtin)

    @property
    def reads_results(self) -> bool:
        """Whether results of tools that were cut can be read."""
        return isinstance(self.tools.get(READ_RESULT), Builtin)
