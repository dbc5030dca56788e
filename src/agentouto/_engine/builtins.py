"""The tools every agent has without anyone writing them.

They are tools like any other: a user's tool of the same name replaces one, and disabling one is
leaving it out of a dictionary. Unlike others they act on the run, through its ``Offices``.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

import msgspec

from agentouto._core.history import read_from_model
from agentouto._core.prompt import (
    CALL_AGENT,
    FINISH,
    GET_MESSAGES,
    LIST_RUNNING,
    READ_RESULT,
    SEND_MESSAGE,
    SPAWN,
    WAIT_FOR_MESSAGES,
    tagged,
)
from agentouto._core.schema import Blueprint, render, shape
from agentouto._core.strict import closed
from agentouto._core.summary import portion
from agentouto._domain.content import Returned
from agentouto._domain.errors import ToolError
from agentouto._domain.message import ToolResult
from agentouto._domain.ports import ToolSpec
from agentouto._engine.call import Call
from agentouto._engine.offices import AnyTool, Arguments, Builtin, Do, Offices, Toolbox

_SAID = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

LONGEST_WAIT = 60
"""How many seconds an agent waits for mail, unless it says otherwise."""


def toolbox(tools: Mapping[str, AnyTool | Builtin], output_type: object = None) -> Toolbox:
    """Return ``tools`` as a toolbox, with a ``finish`` that takes an ``output_type``."""
    form = promise = None
    if output_type is not None:
        form = shape(output_type, FINISH, _FINISH_WITH)
        promise = closed(form.spec.parameters)
        tools = {**tools, FINISH: _finish_in(form)}
    return Toolbox(tools, _the_same(tuple(tool.spec for tool in tools.values())), form, promise)


_LISTS: dict[tuple[int, ...], tuple[ToolSpec, ...]] = {}
_MOST_LISTS = 256


def _the_same(specs: tuple[ToolSpec, ...]) -> tuple[ToolSpec, ...]:
    """Return the first list that was made of these very tools: backends know lists by identity."""
    if len(_LISTS) >= _MOST_LISTS:
        _LISTS.clear()
    return _LISTS.setdefault(tuple(map(id, specs)), specs)


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


def builtins(*, background: bool, enabled: Container[str] = ()) -> Mapping[str, Builtin | None]:
    """Return the built-in tools by name, in the order models see them.

    Without ``background``, none of them starts background calls: ``None`` stands for what is gone.
    ``enabled`` are the names of those that are there only for whoever asks for them.
    """
    usual = _WITH_BACKGROUND if background else _WITHOUT_BACKGROUND
    more = {name: tool for name, tool in _OPTIONAL.items() if name in enabled}
    return {**usual, **more} if more else usual


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


async def _read_result(_offices: Offices, by: Call, _: str, given: Arguments) -> ToolResult:
    id_ = _text(given, READ_RESULT, "id")
    text = by.cut_results.get(id_)
    if text is None:
        known = ", ".join(by.cut_results) or "none, since nothing was left out"
        raise ToolError(READ_RESULT, f"There is no result {id_!r}; there are: {known}")
    start, end = (
        _number(given, READ_RESULT, "from", 0),
        _number(given, READ_RESULT, "to", len(text)),
    )
    part = portion(text, int(start), int(end), by.most_read)
    if not part:
        raise ToolError(
            READ_RESULT, f"{id_!r} has {len(text)} characters: nothing is there to read"
        )
    return ToolResult(part)


async def _wait(offices: Offices, by: Call, _: str, given: Arguments) -> ToolResult:
    seconds = _number(given, WAIT_FOR_MESSAGES, "timeout", LONGEST_WAIT)
    sender = "" if given.get("task_id") is None else _text(given, WAIT_FOR_MESSAGES, "task_id")
    why = await offices.mail.wait(by, seconds, sender)
    return ToolResult(f"No messages: {why}." if why else "There are messages; here they are.")


async def _list_running(offices: Offices, by: Call, _: str, given: Arguments) -> ToolResult:
    del given
    return ToolResult(offices.mail.who_is_at_work(by))


def _number(given: Arguments, tool: str, name: str, default: float) -> float:
    value = given.get(name)
    if value is None:
        return default
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ToolError(tool, f"{tool}: {name!r} is a number from 0 on, not {value!r}")
    return number


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
    do: Do,
    name: str,
    description: str,
    properties: Mapping[str, object],
    required: str,
    *,
    quick: bool = False,
) -> Builtin:
    schema = {"type": "object", "properties": properties, "required": required.split()}
    return Builtin(ToolSpec(name, description, schema), do, quick)


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
        quick=True,
    ),
    FINISH: _builtin(
        _finish,
        FINISH,
        "Return your result to the caller. This ends your work on the call.",
        {"message": _say("Your result.")},
        "message",
        quick=True,
    ),
}
READING = _builtin(
    _read_result,
    READ_RESULT,
    "Read more of a tool's result that was too long to be shown whole.",
    {
        "id": _say("The id, as it stands where characters are left out."),
        "from": {"type": "integer", "description": "The first character, counted from 0."},
        "to": {"type": "integer", "description": "The character after the last one."},
    },
    "id",
    quick=True,
)
"""Offered where it is known how much a model can read."""

_OPTIONAL: dict[str, Builtin] = {
    WAIT_FOR_MESSAGES: _builtin(
        _wait,
        WAIT_FOR_MESSAGES,
        "Wait until somebody has written to you, instead of looking again and again.",
        {
            "timeout": {
                "type": "number",
                "description": "How many seconds to wait at most.",
                "default": LONGEST_WAIT,
            },
            "task_id": _say("Only if you wait for one in particular: its task_id."),
        },
        "",
    ),
    LIST_RUNNING: _builtin(
        _list_running,
        LIST_RUNNING,
        "Tell who is at work in this run, with their task_ids.",
        {},
        "",
        quick=True,
    ),
}
_WITHOUT_BACKGROUND = {**_WITH_BACKGROUND, CALL_AGENT: _call_agent_with(_TASK), SPAWN: None}
