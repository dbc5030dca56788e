"""Tools that the caller carries out: they end a reply, and the next request brings their results."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from agentouto import Agent, Provider, Tool, async_run
from agentouto.testing import Request, Script, call, finish, say, tool
from serve.serving import ask, client, openai_served, team, text_of


def function(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": [*properties]}
    about = {"name": name, "description": f"Does {name}.", "parameters": parameters}
    return {"type": "function", "function": about}


WEATHER = function("weather", city={"type": "string"})
CLOCK = function("clock")


def looks(request: Request) -> Any:
    """Use both tools at once, and return what they give."""
    if request.turn == 0:
        return [say("I look."), tool("weather", city="Seoul"), tool("clock")]
    return finish(" and ".join([*request.results("weather"), *request.results("clock")]))


def result(id_: str, text: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": text}


async def test_uses_of_the_callers_tools_end_the_reply_and_their_results_go_on() -> None:
    script = Script({"lead": looks}, usage=(5, 2))
    async with client(team(script, "lead")) as asking:
        reply = await ask(asking, "Go.", tools=[WEATHER, CLOCK])
        choice = reply.choices[0]
        assert (choice.finish_reason, choice.message.content) == ("tool_calls", "I look.")
        weather, clock = choice.message.tool_calls
        assert (weather.function.name, clock.function.name) == ("weather", "clock")
        assert json.loads(weather.function.arguments) == {"city": "Seoul"}
        said = choice.message.model_dump(exclude_none=True)
        user = {"role": "user", "content": "Go."}
        with pytest.raises(openai.BadRequestError, match="The result of call_") as raised:
            await ask(asking, user, said, result(weather.id, "sun"), tools=[WEATHER])
        assert raised.value.code == "missing_tool_output"
        both = result(weather.id, "sun"), result(clock.id, [{"type": "text", "text": "noon"}])
        last = await ask(asking, user, said, *both, tools=[WEATHER, CLOCK])
        assert text_of(last) == "sun and noon"
        assert len(script.requests) == 2  # one run
        with pytest.raises(openai.BadRequestError) as raised:
            await ask(asking, user, said, *both)
        assert raised.value.code == "unknown_tool_call"


async def test_uses_are_streamed_as_chunks() -> None:
    script = Script({"lead": looks}, stream=True)
    async with client(team(script, "lead")) as asking:
        stream = await ask(asking, "Go.", tools=[WEATHER, CLOCK], stream=True)
        chunks = [chunk async for chunk in stream]
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    assert [(each.index, each.function.name) for each in calls] == [(0, "weather"), (1, "clock")]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_a_message_beside_the_results_is_read_too() -> None:
    def reply(request: Request) -> Any:
        if request.turn == 0:
            return tool("clock")
        return finish(f"{request.results('clock')[0]}, {request.heard[-1]}")

    async with client(team({"lead": reply})) as asking:
        choice = (await ask(asking, "Go.", tools=[CLOCK])).choices[0]
        said = choice.message.model_dump(exclude_none=True)
        user = {"role": "user", "content": "Go."}
        output = result(choice.message.tool_calls[0].id, "noon")
        last = await ask(asking, user, said, output, {"role": "user", "content": "Be quick."})
    assert text_of(last).startswith("noon, ")
    assert "Be quick." in text_of(last)


async def test_only_starting_agents_have_the_tools_and_the_teams_own_come_first() -> None:
    seen: dict[str, set[str]] = {}

    def clock() -> str:
        """Tell the time."""
        return "five"

    def lead(request: Request) -> Any:
        seen["lead"] = {*request.tools}
        if request.turn == 0:
            return [tool("clock"), call("writer", "Write.")]
        return finish(request.results("clock")[0])

    def writer(request: Request) -> Any:
        seen["writer"] = {*request.tools}
        return say("Written.")

    taken = [CLOCK, function("finish"), function("writer"), WEATHER, {"type": "web_search"}]
    async with client(team({"lead": lead, "writer": writer}, tools=[clock])) as asking:
        assert text_of(await ask(asking, "Go.", tools=taken)) == "five"
        assert "weather" in seen["lead"]
        assert "weather" not in seen["writer"]
        await ask(asking, "Go.", tools=[WEATHER], tool_choice="none")
        assert "weather" not in seen["lead"]


async def test_results_come_from_the_key_that_was_asked_only() -> None:
    async with client(team({"lead": looks})) as asking:
        reply = await ask(asking, "Go.", tools=[WEATHER, CLOCK])
        said = reply.choices[0].message.model_dump(exclude_none=True)
        results = [result(each["id"], "x") for each in said["tool_calls"]]
        user = {"role": "user", "content": "Go."}
        with pytest.raises(openai.BadRequestError, match="No run waits"):
            await ask(asking.with_options(api_key="other"), user, said, *results)
        assert text_of(await ask(asking, user, said, *results)) == "x and x"


@pytest.mark.parametrize("kind", ["openai", "openai_responses"])
async def test_an_agent_of_ours_gives_its_tools_to_a_team(kind: Any) -> None:
    @Tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return f"sun in {city}"

    def reply(request: Request) -> Any:
        if request.turn == 0:
            return tool("weather", city="Seoul")
        return finish(request.results("weather")[0])

    async with openai_served(team({"lead": reply})) as url:
        crew = Provider("crew", kind=kind, base_url=url)
        result_ = await async_run("Go.", [Agent("boss", "", "team", crew)], [weather])
    assert result_.output == "sun in Seoul"


BAD_TOOLS: list[tuple[Any, str, str]] = [
    ({"tools": "clock"}, "tools", "a list"),
    ({"tools": ["clock"]}, "tools[0]", "an object"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools[0].name", "needs a name"),
    (
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": 3}}]},
        "tools[0].parameters",
        "a JSON Schema",
    ),
    ({"tool_choice": "required"}, "tool_choice", "auto or none"),
]


async def test_tools_that_cannot_be_read_are_named() -> None:
    async with client(team({"lead": [say("Done.")]})) as asking:
        for fields, param, text in BAD_TOOLS:
            with pytest.raises(openai.BadRequestError) as raised:
                await ask(asking, "Go.", extra_body=fields)
            assert raised.value.param == param
            assert text in raised.value.message
        with pytest.raises(openai.BadRequestError) as raised:
            await ask(asking, "Go.", tools=[function("bad name!")])
        assert raised.value.param == "tools[0]"
