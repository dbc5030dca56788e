"""A reply that is cut by the limit on output tokens in the middle of a tool call, in every format."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from agentouto import Agent, AgentError, RunResult, Tool, async_run
from wire.dialects import DIALECTS, Call, Dialect, Words
from wire.responses_words import function_call, said
from wire.responses_words import stream as responses_events
from wire.server import Server, serving, streams

HALF = '{"text":"A long tex'
WHOLE = '{"text":"A long text"}'
DETAILS = {"reason": "max_output_tokens"}


def ending(dialect: Dialect, call: Call, old: bytes, new: bytes) -> bytes:
    data = dialect.stream([Words("I write it."), call])
    assert old in data
    return data.replace(old, new)


def chat(arguments: str) -> bytes:
    call = Call("call_1", arguments, "write")
    return ending(DIALECTS["openai"], call, b'"tool_calls"}', b'"length"}')


def claude(arguments: str) -> bytes:
    call, stop = Call("toolu_1", arguments, "write"), b'"stop_reason": "%s"'
    return ending(DIALECTS["anthropic"], call, stop % b"tool_use", stop % b"max_tokens")


def responses(arguments: str) -> bytes:
    call = function_call("call_1", arguments, "write", status="incomplete")
    return responses_events(said(call, how="incomplete", incomplete_details=DETAILS))


CUT: dict[str, Callable[[str], bytes]] = {
    "openai": chat,
    "anthropic": claude,
    "openai_responses": responses,
}
CUTTING = pytest.mark.parametrize("name", CUT)


async def talk(dialect: Dialect, server: Server, done: list[str], cap: int | None) -> RunResult:
    @Tool
    def write(text: str = "") -> str:
        """Write."""
        done.append(text)
        return "written"

    provider = replace(dialect.home, base_url=server.url, api_key="k")
    agent = Agent("a", "Do it.", dialect.model, provider, max_output_tokens=cap)
    return await async_run("Go.", [agent], [write])


@CUTTING
@pytest.mark.parametrize("arguments", [HALF, ""])
async def test_the_model_is_told_once_with_the_limit(name: str, arguments: str) -> None:
    dialect, done = DIALECTS[name], list[str]()
    whole = dialect.stream([Call("call_2", '{"text":"short"}', "write")])
    replies = CUT[name](arguments), whole, dialect.stream([Words("Done.")])
    async with serving(*map(streams, replies)) as server:
        result = await talk(dialect, server, done, 900)
        told = json.dumps(server.asked[1].body)
    assert result.output == "Done."
    assert done == ["short"]
    assert "max_output_tokens=900" in told
    assert "in smaller pieces" in told
    assert dialect.complaints(server.asked[1].body) == []


@CUTTING
async def test_the_second_time_in_a_call_is_an_error_with_the_partial_reply(name: str) -> None:
    dialect, done = DIALECTS[name], list[str]()
    whole = dialect.stream([Call("call_2", '{"text":"short"}', "write")])
    replies = CUT[name](HALF), whole, CUT[name](HALF)
    async with serving(*map(streams, replies)) as server:
        with pytest.raises(AgentError, match=r"middle of a tool call \(write\)") as caught:
            await talk(dialect, server, done, None)
        assert len(server.asked) == 3
    assert done == ["short"]
    assert HALF in caught.value.partial.text


async def test_a_whole_call_of_gemini_beside_its_limit_is_carried_out() -> None:
    dialect, done = DIALECTS["google"], list[str]()
    cut = ending(dialect, Call("call_1", WHOLE, "write"), b'"STOP"', b'"MAX_TOKENS"')
    async with serving(streams(cut), streams(dialect.stream([Words("Done.")]))) as server:
        result = await talk(dialect, server, done, 900)
    assert result.output == "Done."
    assert done == ["A long text"]
