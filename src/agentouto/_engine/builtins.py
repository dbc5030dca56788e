"""The functions of the built-in tools.

They are tools like any other: a user's tool of the same name replaces one, and to disable one is to
leave it out of a dictionary. Their descriptions for models are in ``_core/builtin_tools.py``.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from types import MappingProxyType

import msgspec

from agentouto._core.builtin_tools import (
    CALL_AGENT,
    FIND_TOOLS,
    FINISH,
    GET_MESSAGES,
    LIST_RUNNING,
    LONGEST_WAIT,
    READ_RESULT,
    SEND_MESSAGE,
    SPAWN,
    TABLE,
    USE_TOOL,
    WAIT_FOR_MESSAGES,
    Offered,
)
from agentouto._core.history import read_model_history
from agentouto._core.prompt import tagged
from agentouto._core.schema import ArgumentModel, build_result_schema
from agentouto._core.strict_schema import strict_schema
from agentouto._core.summaries import excerpt
from agentouto._core.tool_results import to_text
from agentouto._core.tool_search import ranked_tools
from agentouto._domain.configuration_error import similar
from agentouto._domain.errors import ToolError
from agentouto._domain.kept_event import ResultsCleared
from agentouto._domain.message import ToolResult
from agentouto._domain.ports import ToolSpec
from agentouto._engine.tool import AnyTool
from agentouto._engine.toolbox import Arguments, Builtin, BuiltinFunction, BuiltinUse, Toolbox

_FLAGS = MappingProxyType(
    {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
)
"""The values of a flag. Arguments of built-in tools are not checked against a schema, and some
models write booleans as text."""

MOST_FOUND = 8
"""Tools that ``find_tools`` shows: about a thousand tokens with their parameters."""

MOST_NAMED = 4_000
"""Characters of the list of all names, where nothing was found."""

_TYPED_FINISH = "Return your result to the caller, in this form. This ends your work on the call."


class SpecLists:
    """Lists of tool descriptions, one object for all runs with the same tools.

    Backends recognize a list by its identity, and encode it once.
    """

    __slots__ = ("_lists",)

    def __init__(self) -> None:
        self._lists: dict[tuple[int, ...], tuple[ToolSpec, ...]] = {}

    def shared(self, specs: tuple[ToolSpec, ...]) -> tuple[ToolSpec, ...]:
        """Return the first list of exactly these tools."""
        if len(self._lists) >= _MAX_LISTS:
            self._lists.clear()
        return self._lists.setdefault(tuple(map(id, specs)), specs)

    def forget(self) -> None:
        """Drop all lists."""
        self._lists.clear()


_MAX_LISTS = 256
"""How many lists are kept: enough for all runs at one time. A list keeps its tools alive, so that
their ``id()`` is not given to other objects."""


def toolbox(
    tools: Mapping[str, AnyTool | Builtin],
    lists: SpecLists,
    output_type: object = None,
    hidden: Mapping[str, AnyTool] = MappingProxyType({}),
) -> Toolbox:
    """Return the toolbox of ``tools``, with a ``finish`` that takes ``output_type``, if any.

    Models are not shown the tools in ``hidden``: they find them.
    """
    result_model = result_schema = None
    if output_type is not None:
        result_model = result_check(output_type)
        result_schema = strict_schema(result_model.spec.parameters)
        tools = {**tools, FINISH: _typed_finish(result_model)}
    listed = {name: tool for name, tool in tools.items() if name not in hidden} if hidden else tools
    return Toolbox(
        tools,
        lists.shared(tuple([tool.spec for tool in listed.values()])),
        result_model,
        result_schema,
        hidden,
    )


def result_check(output_type: object) -> ArgumentModel:
    """Return the tool ``finish`` that takes a value of ``output_type``, and its check."""
    return build_result_schema(output_type, FINISH, _TYPED_FINISH)


def _typed_finish(result_model: ArgumentModel) -> Builtin:
    async def finish(_use: BuiltinUse, arguments: Arguments) -> ToolResult:
        return checked_result(result_model, arguments)

    return Builtin(result_model.spec, finish)


def checked_result(result_model: ArgumentModel, arguments: Arguments) -> ToolResult:
    """Return the result in the arguments of a ``finish`` that takes data.

    Raises:
        BadArguments: It is not of the required type.
    """
    value = result_model.check(arguments).values["result"]
    return ToolResult(to_text(value), data=value)


def builtins(*, background: bool, enabled: Container[str] = ()) -> Mapping[str, Builtin | None]:
    """Return the built-in tools by name, in the order models see them.

    Without ``background``, none of them starts background calls; ``None`` stands for a tool that
    does nothing else. ``enabled`` has the names of optional tools to include.
    """
    usual = _WITH_BACKGROUND if background else _WITHOUT_BACKGROUND
    more = {name: tool for name, tool in _OPTIONAL.items() if name in enabled}
    return {**usual, **more} if more else usual


async def _call_agent(use: BuiltinUse, arguments: Arguments) -> ToolResult:
    if _flag_argument(arguments, CALL_AGENT, "background"):
        return await _spawn(use, arguments)
    name, message = (
        _text_argument(arguments, CALL_AGENT, "agent_name"),
        _text_argument(arguments, CALL_AGENT, "message"),
    )
    history = read_model_history(arguments.get("history"))
    answer = await use.forwards.call(
        name, message, caller=use.call, place=use.place, history=history
    )
    return ToolResult(tagged(name, answer.content, use.tags), answer.attachments)


async def _spawn(use: BuiltinUse, arguments: Arguments) -> ToolResult:
    name, message = (
        _text_argument(arguments, SPAWN, "agent_name"),
        _text_argument(arguments, SPAWN, "message"),
    )
    history = read_model_history(arguments.get("history"))
    call = use.forwards.spawn(name, message, caller=use.call, place=use.place, history=history)
    return ToolResult(f"Background agent started. Task ID: {call.id}")


async def _send_message(use: BuiltinUse, arguments: Arguments) -> ToolResult:
    task_id, message = (
        _text_argument(arguments, SEND_MESSAGE, "task_id"),
        _text_argument(arguments, SEND_MESSAGE, "message"),
    )
    return ToolResult(await use.mail.post(task_id, message, sender=use.call, place=use.place))


async def _get_messages(use: BuiltinUse, arguments: Arguments) -> ToolResult:
    task_id = _text_argument(arguments, GET_MESSAGES, "task_id")
    clear = _flag_argument(arguments, GET_MESSAGES, "clear")
    report = use.mail.calls.report(task_id, clear=clear, to_agent=True)
    if clear and use.records:
        use.call.log.record(ResultsCleared, task_id, use.place)
    return ToolResult(report)


async def _finish(_use: BuiltinUse, arguments: Arguments) -> ToolResult:
    if arguments and "message" not in arguments:
        raise ToolError(FINISH, f"{FINISH} takes 'message', not {', '.join(map(repr, arguments))}")
    message = arguments.get("message")
    if message is None:
        return ToolResult("")
    return ToolResult(message if isinstance(message, str) else _json(message))


async def _read_result(use: BuiltinUse, arguments: Arguments) -> ToolResult:
    id_ = _text_argument(arguments, READ_RESULT, "id")
    text = use.call.cut_results.get(id_)
    if text is None:
        known = ", ".join(use.call.cut_results) or "none, since nothing was left out"
        raise ToolError(READ_RESULT, f"There is no result {id_!r}; there are: {known}")
    start, end = (
        _number_argument(arguments, READ_RESULT, "from", 0),
        _number_argument(arguments, READ_RESULT, "to", len(text)),
    )
    part = excerpt(text, int(start), int(end), use.call.most_read)
    if not part:
        raise ToolError(
            READ_RESULT, f"{id_!r} has {len(text)} characters: nothing is there to read"
        )
    return ToolResult(part)


async def _find_tools(use: BuiltinUse, arguments: Arguments) -> ToolResult:
    words = _text_argument(arguments, FIND_TOOLS, "words")
    specs = [tool.spec for tool in use.hidden.values()]
    found = ranked_tools(words, specs, MOST_FOUND)
    if not found:
        names = ", ".join(use.hidden)
        raise ToolError(FIND_TOOLS, f"No tool has these words. There are: {names}"[:MOST_NAMED])
    shown = [
        f"{spec.name}: {spec.description}\nparameters: {_json(spec.parameters)}" for spec in found
    ]
    return ToolResult("\n\n".join(shown))


async def _use_tool(use: BuiltinUse, arguments: Arguments) -> ToolResult:
    """Say that there is no such tool; one that there is was used in the place of this one."""
    name = _text_argument(arguments, USE_TOOL, "name")
    near = ", ".join(similar(name, use.hidden, 3)) or "none with such a name"
    raise ToolError(USE_TOOL, f"There is no tool {name!r:.80}; near it: {near}. See {FIND_TOOLS}")


async def _wait(use: BuiltinUse, arguments: Arguments) -> ToolResult:
    seconds = _number_argument(arguments, WAIT_FOR_MESSAGES, "timeout", LONGEST_WAIT)
    sender = (
        ""
        if arguments.get("task_id") is None
        else _text_argument(arguments, WAIT_FOR_MESSAGES, "task_id")
    )
    why = await use.mail.wait(use.call, seconds, sender)
    return ToolResult(f"No messages: {why}." if why else "There are messages; here they are.")


async def _list_running(use: BuiltinUse, arguments: Arguments) -> ToolResult:
    del arguments
    return ToolResult(use.mail.list_running(use.call))


def _number_argument(arguments: Arguments, tool: str, name: str, default: float) -> float:
    value = arguments.get(name)
    if value is None:
        return default
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ToolError(tool, f"{tool}: {name!r} is a number from 0 on, not {value!r}")
    return number


def _text_argument(arguments: Arguments, tool: str, name: str) -> str:
    value = arguments.get(name)
    if value is None:
        raise ToolError(tool, f"{tool} needs {name!r}: a text")
    return value if isinstance(value, str) else _json(value)


def _flag_argument(arguments: Arguments, tool: str, name: str) -> bool:
    value = arguments.get(name)
    word = str(value).lower()
    if value is not None and word not in _FLAGS:
        raise ToolError(tool, f"{tool}: {name!r} is true or false, not {value!r}")
    return _FLAGS.get(word, False)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


_FUNCTIONS: Mapping[str, BuiltinFunction] = MappingProxyType(
    {
        CALL_AGENT: _call_agent,
        SPAWN: _spawn,
        SEND_MESSAGE: _send_message,
        GET_MESSAGES: _get_messages,
        FINISH: _finish,
        READ_RESULT: _read_result,
        FIND_TOOLS: _find_tools,
        USE_TOOL: _use_tool,
        WAIT_FOR_MESSAGES: _wait,
        LIST_RUNNING: _list_running,
    }
)


def _usual_tools(*, background: bool) -> dict[str, Builtin | None]:
    tools: dict[str, Builtin | None] = {}
    for row in TABLE:
        if row.offered is Offered.USUALLY:
            spec = row.spec_in(background=background)
            tools[row.name] = (
                None if spec is None else Builtin(spec, _FUNCTIONS[row.name], row.quick)
            )
    return tools


def _tools_offered(offered: Offered) -> dict[str, Builtin]:
    return {
        row.name: Builtin(row.spec, _FUNCTIONS[row.name], row.quick)
        for row in TABLE
        if row.offered is offered
    }


_WITH_BACKGROUND = MappingProxyType(_usual_tools(background=True))
_WITHOUT_BACKGROUND = MappingProxyType(_usual_tools(background=False))
_OPTIONAL = MappingProxyType(_tools_offered(Offered.ON_REQUEST))
_AUTOMATIC = MappingProxyType(_tools_offered(Offered.AUTOMATICALLY))
READ_RESULT_TOOL = _AUTOMATIC[READ_RESULT]
"""Offered where the context window of the model is known, since only there are results cut."""

SEARCH_TOOLS = MappingProxyType({name: _AUTOMATIC[name] for name in (FIND_TOOLS, USE_TOOL)})
"""Offered in the place of the tools of sources where these are many."""
