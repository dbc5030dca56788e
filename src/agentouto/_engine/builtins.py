"""The tools every agent has without anyone writing them.

They are tools like any other: a user's tool of the same name replaces one, and disabling one is
leaving it out of a dictionary. Unlike others they act on the run, through its ``Offices``.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeAlias

import msgspec

from agentouto._core.history import read_from_model
from agentouto._core.prompt import CALL_AGENT, FINISH, GET_MESSAGES, SEND_MESSAGE, SPAWN, tagged
from agentouto._core.schema import Blueprint, render, shape
from agentouto._core.strict import closed
from agentouto._domain.content import Returned
from agentouto._domain.errors import ToolError
from agentouto._domain.message import Message, ToolResult
from agentouto._domain.participants import Agent
from agentouto._domain.ports import Backend, ToolSpec
from agentouto._domain.world import World
from agentouto._engine.call import Call
from agentouto._engine.log import Log
from agentouto._engine.mail import Mail
from agentouto._engine.threads import Threads
from agentouto._engine.tool import Tool

Arguments = Mapping[str, object]
_SAID = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
AnyTool = Tool[..., object]


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
    def background_allowed(self) -> bool:
        """Whether agents may start calls without waiting for them."""
        ...

    def toolbox(self, agent: Agent, *, starting: bool) -> Toolbox:
        """Return the tools of such a call of ``agent``."""
        ...

    def backend(self, agent: Agent) -> Backend:
        """Return what reaches the agent's model."""
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
    """A tool that acts on the run."""

    spec: ToolSpec
    do: Do


class Toolbox(msgspec.Struct, frozen=True):
    """The tools of a call.

    Attributes:
        tools: Every tool, by name.
        specs: The tools as models are told of them: the same object for every request of the call.
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


def toolbox(tools: Mapping[str, AnyTool | Builtin], output_type: object = None) -> Toolbox:
    """Return ``tools`` as a toolbox, with a ``finish`` that takes an ``output_type``."""
    form = promise = None
    if output_type is not None:
        form = shape(output_type, FINISH, _FINISH_WITH)
        promise = closed(form.spec.parameters)
        tools = {**tools, FINISH: _finish_in(form)}
    return Toolbox(tools, tuple(tool.spec for tool in tools.values()), form, promise)


def _finish_in(form: Blueprint) -> Builtin:
    async def finish(_offices: Offices, _by: Call, _: str, given: Arguments) -> Returned:
        return returned_as(form, given)

    return Builtin(form.spec, finish)


def returned_as(form: Blueprint, given: Arguments) -> Returned:
    """Return what was given to a ``finish`` that takes data.

    Raises:
        BadArguments: It is not what has to be returned.
    """
    value = form.check(given)["result"]
    return Returned(render(value), data=value)


def builtins(*, background: bool) -> Mapping[str, Builtin | None]:
    """Return the built-in tools by name, in the order models see them.

    Without ``background``, none of them starts background calls: ``None`` stands for what is gone.
    """
    return _WITH_BACKGROUND if background else _WITHOUT_BACKGROUND


async def _call_agent(offices: Offices, by: Call, place: str, given: Arguments) -> ToolResult:
    if _is_set(given, CALL_AGENT, "background"):
        return await _spawn(offices, by, place, given)
    name, message = _text(given, CALL_AGENT, "agent_name"), _text(given, CALL_AGENT, "message")
    history = read_from_model(given.get("history"))
    answer = await offices.call(name, message, by=by, place=place, history=history)
    return ToolResult(tagged(name, answer.content, offices.tags), answer.attachments)


async def _spawn(offices: Offices, by: Call, place: str, given: Arguments) -> ToolResult:
    if not offices.background_allowed:
        raise ToolError(SPAWN, "Background agents are switched off in this run. Call and wait.")
    name, message = _text(given, SPAWN, "agent_name"), _text(given, SPAWN, "message")
    history = read_from_model(given.get("history"))
    call = offices.spawn(name, message, by=by, place=place, history=history)
    return ToolResult(f"Background agent started. Task ID: {call.id}")


async def _send_message(offices: Offices, by: Call, place: str, given: Arguments) -> ToolResult:
    task_id, message = _text(given, SEND_MESSAGE, "task_id"), _text(given, SEND_MESSAGE, "message")
    return ToolResult(await offices.mail.post(task_id, message, by=by, place=place))


async def _get_messages(offices: Offices, _by: Call, _: str, given: Arguments) -> ToolResult:
    task_id = _text(given, GET_MESSAGES, "task_id")
    return ToolResult(
        offices.mail.report(task_id, clear=_is_set(given, GET_MESSAGES, "clear"), to_agent=True)
    )


async def _finish(_offices: Offices, _by: Call, _: str, given: Arguments) -> ToolResult:
    if given and "message" not in given:
        raise ToolError(FINISH, f"{FINISH} takes 'message', not {', '.join(map(repr, given))}")
    message = given.get("message")
    if message is None:
        return ToolResult("")
    return ToolResult(message if isinstance(message, str) else _json(message))


def _text(given: Arguments, tool: str, name: str) -> str:
    value = given.get(name)
    if value is None:
        raise ToolError(tool, f"{tool} needs {name!r}: a text")
    return value if isinstance(value, str) else _json(value)


def _is_set(given: Arguments, tool: str, name: str) -> bool:
    value = given.get(name)
    word = str(value).lower()
    if value is not None and word not in _SAID:
        raise ToolError(tool, f"{tool}: {name!r} is true or false, not {value!r}")
    return _SAID.get(word, False)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _say(description: str) -> dict[str, object]:
    return {"type": "string", "description": description}


def _flag(description: str) -> dict[str, object]:
    return {"type": "boolean", "description": description, "default": False}


_HISTORY: dict[str, object] = {
    "type": "array",
    "description": "Earlier messages the agent should know of, oldest first.",
    "items": {
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": ["forward", "return"]},
            "sender": {"type": "string"},
            "receiver": {"type": "string"},
            "content": {"type": "string"},
        },
        "required": ["type", "sender", "receiver", "content"],
    },
}
_TASK: dict[str, object] = {
    "agent_name": _say("The agent's name, as listed."),
    "message": _say("All it needs to know to do the work."),
    "history": _HISTORY,
}
_LETTER: dict[str, object] = {
    "task_id": _say("The task_id of the receiver."),
    "message": _say("What to say."),
}
_QUESTION: dict[str, object] = {
    "task_id": _say("The task_id to look at."),
    "clear": _flag("Forget the listed messages afterwards."),
}
_FINISH_WITH = "Return your result to the caller, in this form. This ends your work on the call."
_AND_GO_ON = _flag("Start it and go on at once, instead of waiting for its return.")


def _builtin(
    do: Do, name: str, description: str, properties: Mapping[str, object], required: str
) -> Builtin:
    schema = {"type": "object", "properties": properties, "required": required.split()}
    return Builtin(ToolSpec(name, description, schema), do)


def _call_agent_with(properties: Mapping[str, object]) -> Builtin:
    return _builtin(
        _call_agent,
        CALL_AGENT,
        "Forward a message to another agent and wait for what it returns. "
        "The result is tagged with the agent's name.",
        properties,
        "agent_name message",
    )


_WITH_BACKGROUND: dict[str, Builtin | None] = {
    CALL_AGENT: _call_agent_with({**_TASK, "background": _AND_GO_ON}),
    SPAWN: _builtin(
        _spawn,
        SPAWN,
        "Start an agent in the background. Returns its task_id at once.",
        _TASK,
        "agent_name message",
    ),
    SEND_MESSAGE: _builtin(
        _send_message,
        SEND_MESSAGE,
        "Write to somebody who is at work. It is read before the receiver's next step; "
        "there is no reply but what they write back.",
        _LETTER,
        "task_id message",
    ),
    GET_MESSAGES: _builtin(
        _get_messages,
        GET_MESSAGES,
        "Tell how a started agent is doing: status, result and messages.",
        _QUESTION,
        "task_id",
    ),
    FINISH: _builtin(
        _finish,
        FINISH,
        "Return your result to the caller. This ends your work on the call.",
        {"message": _say("Your result.")},
        "message",
    ),
}
_WITHOUT_BACKGROUND = {**_WITH_BACKGROUND, CALL_AGENT: _call_agent_with(_TASK), SPAWN: None}
