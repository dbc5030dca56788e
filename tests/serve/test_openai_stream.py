"""The OpenAI front, streamed: chunks, questions, errors in the middle, and clients that leave."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import openai
import pytest

from agentouto import Agent, Limits, Provider, ProviderError, Tool, async_run
from agentouto.testing import Request, Script, call, fail, finish, say, think, tool
from serve.serving import ask, asks_user, client, openai_served, team, text_of


async def streamed(asking: openai.AsyncOpenAI, *messages: Any, **more: Any) -> list[Any]:
    stream = await ask(asking, *messages, stream=True, **more)
    return [chunk async for chunk in stream]


def joined(chunks: list[Any], field: str = "content") -> str:
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    return "".join(getattr(delta, field, None) or "" for delta in deltas)


STORY = {
    "lead": [[think("Hm."), say("I ask."), call("writer", "Write.")], finish("The end.")],
    "writer": [say("Once upon a time.")],
}


async def test_a_streamed_reply_is_the_plain_one_in_pieces() -> None:
    script = Script(STORY, usage=(5, 2), stream=True)
    async with client(team(script, *STORY)) as asking:
        plain = (await ask(asking, "A story.")).choices[0].message
        chunks = await streamed(asking, "A story.", stream_options={"include_usage": True})
    assert len(chunks) > 5
    assert joined(chunks) == plain.content == "I ask.\n\nThe end."
    assert joined(chunks, "reasoning_content") == plain.reasoning_content
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    *_, last, usage = chunks
    assert last.choices[0].finish_reason == "stop"
    assert (usage.choices, usage.usage.total_tokens) == ([], 3 * 7)


async def test_a_question_ends_a_stream_and_is_answered_by_the_next_request() -> None:
    script = Script({"lead": asks_user}, stream=True)
    async with client(team(script, "lead")) as asking:
        question = joined(await streamed(asking, "Paint."))
        assert question.startswith("Which colour?\n\n[//]: # (question ")
        answered = await streamed(asking, "Paint.", question, "Red")
    assert joined(answered) == "Painted Red."
    assert answered[-1].choices[0].finish_reason == "stop"


async def test_our_own_provider_asks_a_team_as_it_asks_a_model() -> None:
    script = Script(STORY, usage=(5, 2), stream=True)
    async with openai_served(team(script, *STORY)) as url:
        provider = Provider("crew", kind="openai", base_url=url)
        result = await async_run("A story.", [Agent("boss", "", "team", provider)])
        thought = [each.data["thinking"] for each in result.events if each.type == "thinking"]
        assert result.output == "I ask.\n\nThe end."
        assert "lead → writer: Write." in "".join(thought)
        assert result.usage.total_tokens == 21
        with pytest.raises(ProviderError) as raised:
            await async_run("A story.", [Agent("boss", "", "tream", provider)])
    assert "There are: team, lead, writer" in str(raised.value)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_ends_the_run(stream: bool) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hold() -> str:
        """Hold."""
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    lines = {"lead": [[say("I hold."), tool("hold")], say("Never.")]}
    async with openai_served(team(lines, tools=[hold])) as url, aiohttp.ClientSession() as session:
        body = {"model": "team", "messages": [{"role": "user", "content": "Go."}], "stream": stream}

        async def leave() -> None:
            async with session.post(f"{url}/chat/completions", json=body) as response:
                await response.read()

        leaving = asyncio.create_task(leave())
        async with asyncio.timeout(20):
            await begun.wait()
            leaving.cancel()
            await ended.wait()


BROKEN: list[tuple[Any, int, str]] = [
    (fail(401, message="sk-SECRET is wrong"), 502, "login"),
    (fail(400, message="SECRET prompt"), 502, "provider_failed"),
    (fail(429, message="SECRET quota"), 502, "rate_limit"),
    (say(""), 502, "useless_replies"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("broken", "status", "code"), BROKEN, ids=[row[2] for row in BROKEN])
async def test_an_error_of_a_run_leaves_as_its_kind_and_is_not_repeated(
    broken: Any, status: int, code: str, stream: bool
) -> None:
    runs: list[str] = []

    def reply(request: Request) -> Any:
        if request.call_id not in runs:
            runs.append(request.call_id)
        return broken

    async with client(team({"lead": reply})) as asking:
        with pytest.raises(openai.APIStatusError) as raised:
            await ask(asking, "Go.", stream=stream)
    error = raised.value
    assert (error.status_code, error.code) == (status, code)
    assert error.response.headers["x-should-retry"] == "false"
    assert "SECRET" not in error.response.text
    assert len(runs) == 1


async def test_a_limit_that_is_reached_is_429_and_not_repeated() -> None:
    script = Script(lambda _: [say("On."), tool("look")])

    def look() -> str:
        """Look."""
        return "nothing"

    limited = team(script, "lead", tools=[look], limits=Limits(requests=3))
    async with client(limited) as asking:
        with pytest.raises(openai.RateLimitError) as raised:
            await ask(asking, "Go.")
    assert raised.value.code == "limit_reached"
    assert "requests=3" in raised.value.message
    assert len(script.requests) == 3


async def test_an_error_after_the_first_words_is_an_event_of_the_stream() -> None:
    lines = {"lead": [[say("I begin."), tool("look")], fail(400, message="SECRET prompt")]}

    def look() -> str:
        """Look."""
        return "nothing"

    async with client(team(lines, tools=[look])) as asking:
        stream = await ask(asking, "Go.", stream=True)
        words: list[Any] = []

        async def read() -> None:
            async for chunk in stream:
                words.append(chunk)  # noqa: PERF401 - those before the error are kept

        with pytest.raises(openai.APIError) as raised:
            await read()
    assert joined(words) == "I begin."
    assert raised.value.code == "provider_failed"
    assert "SECRET" not in json.dumps(raised.value.body)


async def test_a_tool_that_needs_approval_is_refused() -> None:
    used: list[str] = []

    @Tool(needs_approval=True)
    def delete(path: str) -> str:
        """Delete."""
        used.append(path)
        return "deleted"

    lines = {
        "lead": [tool("delete", path="/"), lambda request: finish(request.results("delete")[0])]
    }
    async with client(team(lines, tools=[delete])) as asking:
        assert "needs the user's approval" in text_of(await ask(asking, "Go."))
    assert used == []
