"""Runs against ``aimock``, a simulator on Node.js with thinking, blocks in any order, and faults.

Where it is not what the vendors are, and a test says what comes of it:

* It cuts texts by the halves of UTF-16, so that an emoji may come in two that are no letters.
* A stream it truncates is torn off before what was written has left, unless it waits in between.
* Its Anthropic has no refusals, and its Responses API calls a filtered answer failed.
* It does not count tokens but for Chat.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from agentouto import Agent, AgentError, ProviderError, StreamEvent, async_run, async_run_stream
from agentouto._domain.errors import ProtocolViolation, ProviderUnavailable, RateLimited
from outside.simulators import KINDS, Player

FIRST: dict[str, object] = {"hasToolResult": False}
AFTER_TOOLS: dict[str, object] = {"hasToolResult": True}

every_format = pytest.mark.parametrize("kind", KINDS)


async def played(player: Player, kind: str, *tools: object) -> tuple[str, list[StreamEvent]]:
    stream = async_run_stream("Weather, please.", [player.agent(kind)], tools)  # type: ignore[arg-type]
    events = [event async for event in stream]
    return (await stream.result()).output, events


def told(events: list[StreamEvent], type_: str, name: str) -> list[object]:
    return [event.data[name] for event in events if event.type == type_]


async def listen(agent: Agent, heard: list[StreamEvent]) -> None:
    async for event in async_run_stream("Hi", [agent]):
        heard.append(event)  # noqa: PERF401 - what was heard before it broke is wanted too


async def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Sun over {city}."


@every_format
async def test_words_and_thoughts_are_told_apart(player: Player, kind: str) -> None:
    player.plays(({}, {"content": "It is 날씨 in São.", "reasoning": "Shall I look?"}))
    output, events = await played(player, kind)
    assert output == "It is 날씨 in São."
    assert "".join(map(str, told(events, "token", "token"))) == output
    assert "".join(map(str, told(events, "thinking", "thinking"))) == "Shall I look?"


@every_format
async def test_an_emoji_in_halves_breaks_nothing(player: Player, kind: str) -> None:
    player.plays(({}, {"content": "abc😀def"}))
    output, _ = await played(player, kind)
    assert output.startswith("abc")
    assert output.endswith("def")
    output.encode()


@every_format
async def test_thinking_goes_before_tools_and_the_loop_goes_on(player: Player, kind: str) -> None:
    calls = [{"name": "weather", "arguments": {"city": city}} for city in ("Paris", "Rome")]
    thought = {"reasoning": "I must look.", "reasoningSignature": "signed"}
    player.plays(
        (FIRST, {"toolCalls": calls, **thought}), (AFTER_TOOLS, {"content": "Sun, all over."})
    )
    output, events = await played(player, kind, weather)
    assert output == "Sun, all over."
    assert told(events, "tool_result", "result") == ["Sun over Paris.", "Sun over Rome."]
    assert told(events, "thinking", "thinking")
    sent = player.requests()[-1]["body"]["messages"]
    results = [str(entry["content"]) for entry in sent if entry["role"] == "tool"]
    assert ["Paris" in results[0], "Rome" in results[1], len(results)] == [True, True, 2]


@every_format
async def test_words_around_a_call_are_kept_with_it(player: Player, kind: str) -> None:
    call = {"type": "toolCall", "name": "weather", "arguments": {"city": "Oslo"}}
    blocks = [{"type": "text", "text": "First a look."}, call]
    player.plays((FIRST, {"blocks": blocks}), (AFTER_TOOLS, {"content": "Sun."}))
    output, events = await played(player, kind, weather)
    assert output == "Sun."
    assert "".join(map(str, told(events, "token", "token"))) == "First a look.Sun."
    assert "First a look." in str(player.requests()[-1]["body"])


async def test_agents_of_all_formats_call_each_other(player: Player) -> None:
    agents = [player.agent(kind, kind) for kind in KINDS]
    for caller, callee in pairwise(KINDS):
        call = {
            "name": "call_agent",
            "arguments": {"agent_name": callee, "message": f"To {callee}."},
        }
        said = "Begin." if caller == KINDS[0] else f"To {caller}."
        player.plays(({"userMessage": said, **FIRST}, {"toolCalls": [call]}))
        player.plays(({"userMessage": said, **AFTER_TOOLS}, {"content": f"{caller} is done."}))
    player.plays(({"userMessage": f"To {KINDS[-1]}."}, {"content": "The end."}))
    result = await async_run("Begin.", agents[:1], run_agents=agents)
    assert result.output == "openai is done."
    said = [message.content for message in result.messages if message.type == "return"]
    assert said == [
        "The end.",
        "anthropic is done.",
        "openai_responses is done.",
        "openai is done.",
    ]


@every_format
async def test_a_busy_server_is_asked_again(player: Player, kind: str) -> None:
    player.tell("error", status=503, body={"message": "busy"})
    player.plays(({}, {"content": "At last."}))
    output, events = await played(player, kind)
    assert output == "At last."
    (retry,) = [event for event in events if event.type == "retry"]
    assert "busy" in str(retry.data["error"])


async def test_a_server_that_asks_for_a_long_wait_fails_at_once(player: Player) -> None:
    refusal = {"error": {"message": "slow down"}, "status": 429, "retryAfter": 3600}
    for kind in KINDS:
        player.plays(({}, refusal))
        with pytest.raises(RateLimited, match="slow down") as raised:
            await async_run("Hi", [player.agent(kind)])
        assert raised.value.retry_after == 3600
        player.tell("reset")


@every_format
async def test_a_stream_torn_off_among_words_is_an_error(player: Player, kind: str) -> None:
    words = {"content": "one two three four five six seven eight nine ten"}
    player.plays(({}, words), latency=5, truncateAfterChunks=8)
    heard: list[StreamEvent] = []
    with pytest.raises(ProviderUnavailable):
        await listen(player.agent(kind), heard)
    said = "".join(map(str, told(heard, "token", "token")))
    assert said
    assert words["content"].startswith(said)
    assert len(player.requests()) == 1


async def test_garbage_and_cut_lines_are_errors_after_four_tries(player: Player) -> None:
    async def asked(kind: str, rate: str, error: type[ProviderError]) -> None:
        with pytest.raises(error):
            await async_run(rate, [player.agent(kind)])

    for rate in ("malformedRate", "disconnectRate"):
        player.plays(({"userMessage": rate}, {"content": "?"}), chaos={rate: 1.0})
    async with asyncio.TaskGroup() as group:
        for kind in KINDS:
            group.create_task(asked(kind, "malformedRate", ProtocolViolation))
            group.create_task(asked(kind, "disconnectRate", ProviderUnavailable))
    tries = 2 * 4 * len(KINDS)
    # Of a dropped connection that was kept from an earlier try, the request is sent again unseen.
    assert tries <= len(player.requests()) <= tries + 4 * len(KINDS)


@every_format
async def test_a_cut_answer_is_no_result(player: Player, kind: str) -> None:
    player.plays(({}, {"content": "Half an", "finishReason": "length"}))
    with pytest.raises(AgentError, match="not complete"):
        await async_run("Hi", [player.agent(kind)])


@pytest.mark.parametrize("kind", ["openai", "google"])
async def test_a_filtered_answer_is_a_refusal(player: Player, kind: str) -> None:
    player.plays(({}, {"content": "I will not.", "finishReason": "content_filter"}))
    with pytest.raises(AgentError, match="refused"):
        await async_run("Hi", [player.agent(kind)])


@every_format
async def test_what_the_server_does_not_know_is_told_in_its_words(
    player: Player, kind: str
) -> None:
    with pytest.raises(ProviderError, match=r"404.*No fixture matched"):
        await async_run("Hi", [player.agent(kind)])
    assert len(player.requests()) == 1
