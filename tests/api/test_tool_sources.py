"""Tools that come from elsewhere: sources, foreign tools, and tools for some agents only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from agentouto import (
    Agent,
    AgentoutoError,
    ConfigurationError,
    Provider,
    Tool,
    ToolError,
    ToolResult,
    ToolSource,
    run,
)
from agentouto.testing import Request, Script, Turn, finish, tool

SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "Where."},
        "days": {"type": "integer", "minimum": 1},
        "unit": {"enum": ["c", "f"]},
        "tags": {"type": ["array", "null"], "items": {"type": "string"}},
    },
    "required": ["city"],
    "$schema": "https://json-schema.org/draft/2020-12/schema",
}


async def forecast(arguments: Mapping[str, object]) -> ToolResult:
    return ToolResult(f"{arguments['city']}: sunny")


WEATHER = Tool.foreign("weather", "Tell the weather.", SCHEMA, forecast)


def used(tool_: Tool[..., object], **arguments: object) -> str:
    """Return what an agent is told that uses ``tool_``."""
    lines = [tool(tool_.name, **arguments), lambda request: finish(request.outcomes[-1].content)]
    script = Script({"a": lines})
    one = Agent("a", "", "m", Provider("p", kind="script", script=script))
    return run("Go.", [one], [tool_]).output


def test_a_foreign_tool_is_used_with_what_the_model_sends() -> None:
    assert used(WEATHER, city="Seoul", days=2, unit="c", tags=None, more=1) == "Seoul: sunny"


def test_its_schema_reaches_the_model_untouched() -> None:
    assert WEATHER.parameters == SCHEMA
    assert WEATHER.spec.description == "Tell the weather."
    bare = Tool.foreign("x", "", {"type": "object"}, forecast)
    assert bare.parameters == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "`city` is missing"),
        ({"city": 3}, "`city` is 3: must be of type string"),
        ({"city": "S", "days": "2"}, '`days` is "2": must be of type integer'),
        ({"city": "S", "days": True}, "must be of type integer"),
        ({"city": "S", "unit": "k"}, 'must be one of "c", "f"'),
        ({"city": "S", "tags": "x"}, "must be of type array or null"),
    ],
)
def test_wrong_arguments_are_told_to_the_agent(arguments: dict[str, Any], text: str) -> None:
    assert text in used(WEATHER, **arguments)


def test_what_the_schema_says_besides_is_left_to_its_owner() -> None:
    assert used(WEATHER, city="S", days=-5) == "S: sunny"
    assert used(WEATHER, city="S", days=2.0) == "S: sunny"


def test_unknown_names_are_refused_where_the_schema_closes_them() -> None:
    closed = Tool.foreign("x", "", {**SCHEMA, "additionalProperties": False}, forecast)
    assert "There is no parameter `more`" in used(closed, city="S", more=1)


def test_a_plain_function_runs_in_a_thread_and_may_return_anything() -> None:
    assert used(Tool.foreign("x", "", SCHEMA, lambda arguments: {"n": 1}), city="S") == '{"n":1}'


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Tool.foreign("a b", "", SCHEMA, forecast), "models cannot use this name"),
        (lambda: Tool.foreign("x", "", {"type": "string"}, forecast), "type"),
        (lambda: Tool.foreign("x", "", "no", forecast), "JSON Schema"),
        (lambda: Tool.foreign("x", "", {"type": "object", "y": print}, forecast), "JSON"),
        (lambda: Tool.foreign("x", 3, SCHEMA, forecast), "description"),
        (lambda: Tool.foreign("x", "", SCHEMA, "no"), "function"),
        (lambda: Tool.foreign("x", "", SCHEMA, forecast, timeout=0), "timeout=0"),
    ],
)
def test_what_cannot_be_a_foreign_tool_is_refused(make: Callable[[], object], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        make()


class Source:
    """A source that counts how often it is asked."""

    def __init__(self, *tools: Tool[..., object], error: Exception | None = None) -> None:
        self.name = "house"
        self.required = True
        self.asked = 0
        self._tools = tools
        self._error = error

    async def tools(self) -> Sequence[Tool[..., object]]:
        self.asked += 1
        await asyncio.sleep(0)
        if self._error is not None:
            raise self._error
        return self._tools


def scripted(*lines: object, names: Sequence[str] = ("a",)) -> list[Agent]:
    script = Script({name: [*lines] for name in names})  # type: ignore[list-item]
    provider = Provider("p", kind="script", script=script)
    return [Agent(name, "", "m", provider) for name in names]


def test_the_tools_of_a_source_are_there_for_everyone() -> None:
    source: ToolSource = Source(WEATHER)
    agents = scripted(
        tool("weather", city="Bonn"), lambda request: finish(request.outcomes[-1].content)
    )
    result = run("Go.", agents, [source])
    assert result.output == "Bonn: sunny"


def test_a_source_is_asked_once_a_run_before_the_first_call() -> None:
    source = Source(WEATHER)
    agents = scripted(*[tool("weather", city="x")] * 3, finish("done"))
    run("Go.", agents, [source])
    assert source.asked == 1


def test_models_get_the_same_list_while_a_source_gives_the_same_tools() -> None:
    specs: list[object] = []

    def reply(request: Request) -> Turn:
        specs.append(request.specs)
        return Turn(finish("ok"))

    one = Agent("a", "", "m", Provider("p", kind="script", script=Script(reply)))
    source = Source(WEATHER)
    run("Go.", [one], [source])
    run("Go.", [one], [source])
    assert specs[0] == specs[1]
    assert "weather" in str(specs[0])


@pytest.mark.parametrize(
    ("tools", "text"),
    [
        ([Source(Tool.foreign("finish", "", SCHEMA, forecast))], "built-in"),
        ([Source(Tool.foreign("send_message", "", SCHEMA, forecast))], "built-in"),
        ([Source(WEATHER), Source(WEATHER)], "two tools are called 'weather'"),
        ([WEATHER, Source(WEATHER)], "two tools are called 'weather'"),
        ([Source(Tool.foreign("a", "", SCHEMA, forecast))], "a tool and"),
        ([Source("weather")], "Tools"),  # type: ignore[arg-type]
    ],
)
def test_a_source_cannot_bring_a_name_that_is_taken(tools: list[object], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        run("Go.", scripted(finish("no")), tools)  # type: ignore[arg-type]


def test_a_source_that_cannot_be_reached_ends_the_run_before_anything_starts() -> None:
    agents = scripted(finish("no"))
    with pytest.raises(ToolError, match=r"house.*no route") as caught:
        run("Go.", agents, [Source(error=OSError("no route"))])
    assert isinstance(caught.value, AgentoutoError)


def test_a_source_that_is_not_required_may_be_missing() -> None:
    source = Source(error=OSError("no route"))
    source.required = False
    result = run("Go.", scripted(finish("went on")), [source, WEATHER])
    assert result.output == "went on"
    assert [event.data["source"] for event in result.events if event.type == "source_missing"] == [
        "house"
    ]


def test_a_tool_for_some_agents_is_not_offered_to_others_and_not_done_for_them() -> None:
    uses: list[str] = []

    @Tool(for_agents=["a"])
    def deploy() -> str:
        uses.append("used")
        return "deployed"

    offered: dict[str, str] = {}

    def reply(request: Request) -> Turn:
        offered[request.agent_name] = str(request.tools)
        return Turn(finish(request.outcomes[-1].content)) if request.turn else Turn(tool("deploy"))

    provider = Provider("p", kind="script", script=Script(reply))
    a, b = (Agent(name, "", "m", provider) for name in ("a", "b"))
    result = run("Go.", [a, b], [deploy])
    assert ("deploy" in offered["a"], "deploy" in offered["b"]) == (True, False)
    assert result.outputs[0].text == "deployed"
    assert "is for a" in result.outputs[1].text
    assert uses == ["used"]


def test_a_tool_for_someone_who_is_not_there_is_refused() -> None:
    @Tool(for_agents=["writre"])
    def deploy() -> str:
        return ""

    agents = scripted(finish("no"), names=("writer",))
    with pytest.raises(ConfigurationError, match=r"for_agents.*'writre'.*Did you mean 'writer'"):
        run("Go.", agents, [deploy])
    with pytest.raises(ConfigurationError, match="for_agents"):
        Tool(for_agents="a")
    with pytest.raises(ConfigurationError, match="for_agents"):
        Tool(for_agents=[])
