"""What a run may wait for: the answer to a question, or the result of a tool of the caller's.

Each holds a future of the loop in which its run lives, and is answered in that loop only. The wait
ends when the future is done: by the answer, or because its call was cancelled, which cancels the
future that it awaits. So ``is_open`` tells both, and a late answer finds that nothing waits.

They are compared and hashed by identity (``eq=False``): they are kept in sets, and the arguments of
a tool, a dictionary, have no hash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from agentouto import Attachment, Message, RoutingError, Tool, ToolError, ToolResult
from agentouto._domain.clock import new_id


def _future() -> asyncio.Future[ToolResult]:
    return asyncio.get_running_loop().create_future()


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A question to the user that waits for its answer.

    Attributes:
        message: The forward to the user: who asks, the text, the options, the files.
        id: It has 128 random bits. Who has it can answer, so it goes to the user and nowhere else.
    """

    message: Message
    id: str = field(default_factory=new_id)
    _reply: asyncio.Future[ToolResult] = field(default_factory=_future, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether it still waits. Its run may have ended, or its agent may have given up."""
        return not self._reply.done()

    def answer(self, text: str, attachments: Sequence[Attachment] = ()) -> None:
        """Give the answer to the agent that asked.

        Raises:
            RoutingError: The question waits no more.
        """
        # An error, unlike below: the person who wrote it has to learn that it came too late.
        if not self.is_open:
            raise RoutingError(self.message.sender, "waits for no answer any more")
        self._reply.set_result(ToolResult(text, list(attachments)))

    async def wait(self) -> ToolResult:
        """Return the answer."""
        return await self._reply


@dataclass(frozen=True, slots=True, eq=False)
class Consent:
    """A request to approve one use of a tool, which waits for a decision.

    Attributes:
        call: The id of the call of the agent that wants to use the tool.
        tool_call: Where the tool is used in that call, as in ``0.1``.
        text: The request for a person: each argument, and the question last.
        id: 128 random bits. It is bound to one use with exactly these arguments.
    """

    call: str
    tool_call: str
    text: str
    decision: asyncio.Future[bool] = field(repr=False)
    id: str = field(default_factory=new_id)

    @property
    def is_open(self) -> bool:
        """Whether it still waits."""
        return not self.decision.done()

    def decide(self, *, yes: bool) -> None:
        """Let the tool run, or refuse; a request that waits no more is left alone."""
        if self.is_open:
            self.decision.set_result(yes)


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """The result of a caller's tool: the id of its use, the text, the files."""

    id: str
    text: str
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class CallerTool:
    """A tool that the caller carries out itself.

    Attributes:
        name: Its name.
        description: What it does.
        parameters: The JSON Schema of its arguments.
    """

    name: str
    description: str
    parameters: Mapping[str, object]

    def with_function(
        self,
        use: Callable[[Mapping[str, object]], object],
        agents: Sequence[str] | None = None,
    ) -> Tool[..., object]:
        """Return a tool for agents, the use of which calls ``use``.

        Raises:
            ConfigurationError: A model could not call it.
        """
        return Tool.foreign(self.name, self.description, self.parameters, use, for_agents=agents)


@dataclass(frozen=True, slots=True, eq=False)
class CallerToolUse:
    """A use of a caller's tool that waits for its result.

    Attributes:
        agent: Who uses it.
        call: The id of the agent's call.
        name: The tool.
        arguments: Its arguments.
        id: 128 random bits, likewise.
    """

    agent: str
    call: str
    name: str
    arguments: Mapping[str, object]
    id: str = field(default_factory=lambda: f"call_{new_id()}")
    _reply: asyncio.Future[ToolResult] = field(default_factory=_future, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether it still waits."""
        return not self._reply.done()

    @property
    def arguments_text(self) -> str:
        """The arguments as JSON."""
        return msgspec.json.encode(self.arguments).decode()

    def finish(self, text: str, attachments: Sequence[Attachment] = ()) -> None:
        """Give the result to the agent; a use that waits no more is left alone."""
        # Results come together, and an agent may have been stopped while the others still wait.
        if self.is_open:
            self._reply.set_result(ToolResult(text, list(attachments)))

    def fail(self, text: str) -> None:
        """Tell the agent that the tool has failed."""
        if self.is_open:
            self._reply.set_exception(ToolError(self.name, text))

    async def wait(self) -> ToolResult:
        """Return the result."""
        return await self._reply
