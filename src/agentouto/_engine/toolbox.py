"""The types of tools in a call: built-in tools, what they can reach, and the set of all tools.

A built-in tool acts on the run through the ``BuiltinUse`` that is passed to it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, TypeAlias

import msgspec

from agentouto._core.builtin_tools import FINISH, READ_RESULT
from agentouto._core.schema import ArgumentModel
from agentouto._domain.message import Attachment, Message, ToolResult
from agentouto._domain.ports import ToolSpec
from agentouto._engine.call import Call
from agentouto._engine.mail import Mail
from agentouto._engine.tool import AnyTool

Arguments: TypeAlias = Mapping[str, object]
"""The arguments of a tool call, as parsed from its JSON."""


class Forwards(Protocol):
    """How a call makes other calls. A protocol, because calls are run with the tools of this file.

    ``place`` is where in the call ``caller`` the forward is made; the id of the new call follows
    from it. ``history`` is what the receiver is to know from before.
    """

    async def call(
        self,
        name: str,
        content: str,
        *,
        caller: Call,
        place: str,
        history: tuple[Message, ...],
        attachments: Sequence[Attachment] = (),
        options: tuple[str, ...] = (),
        asker: str = "",
    ) -> Message:
        """Forward to a participant and wait for its return."""
        ...

    def spawn(
        self, name: str, content: str, *, caller: Call, place: str, history: tuple[Message, ...]
    ) -> Call:
        """Forward without waiting."""
        ...


class BuiltinUse(msgspec.Struct, frozen=True):
    """One use of a built-in tool.

    Attributes:
        call: The call in which it is used.
        place: Which tool call of that call this is.
        forwards: How other calls are made.
        mail: How participants at work are reached.
        tags: Matches text that looks like the tag of a participant.
        records: Whether the run has a journal.
        hidden: The tools that the agent finds with ``find_tools``.
    """

    call: Call
    place: str
    forwards: Forwards
    mail: Mail
    tags: re.Pattern[str]
    records: bool = False
    hidden: Mapping[str, AnyTool] = MappingProxyType({})


BuiltinFunction: TypeAlias = Callable[[BuiltinUse, Arguments], Awaitable[ToolResult]]
"""The function of a built-in tool."""


class Builtin(msgspec.Struct, frozen=True):
    """A tool that acts on the run.

    Attributes:
        spec: The description of the tool for models.
        function: The function that carries it out.
        quick: Whether it never waits and runs none of the user's code, so that it needs no task of
            its own.
    """

    spec: ToolSpec
    function: BuiltinFunction
    quick: bool = False


class Toolbox(msgspec.Struct, frozen=True):
    """The tools of a call.

    Attributes:
        tools: Every tool, by name.
        specs: The descriptions of the tools: the same object for every request, and for every run
            with the same tools.
        result_model: The type that has to be returned, where one is required.
        result_schema: The schema of that type in the strict form that a provider can enforce, if it
            has one.
        hidden: Tools of ``tools`` that are not among ``specs``: models find them.
    """

    tools: Mapping[str, AnyTool | Builtin]
    specs: tuple[ToolSpec, ...]
    result_model: ArgumentModel | None = None
    result_schema: Mapping[str, object] | None = None
    hidden: Mapping[str, AnyTool] = MappingProxyType({})

    @property
    def plain_text_returns(self) -> bool:
        """Whether a reply of text alone is a return."""
        return self.result_model is None and isinstance(self.tools.get(FINISH), Builtin)

    @property
    def reads_results(self) -> bool:
        """Whether the agent can read tool results that were cut."""
        return isinstance(self.tools.get(READ_RESULT), Builtin)
