"""Reading a run while it happens: the same story as reading it later, only sooner."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TypeVar

import pytest

from agentouto import (
    AgentError,
    ProviderError,
    StreamEvent,
    Team,
    Tool,
    async_run,
    async_run_stream,
)
from agentouto.exceptions import Cancelled
from agentouto.testing import Request, Script, Turn, call, fail, finish, raw, say, think, tool
from teams import peers

T = TypeVar("T")


@Tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


STORY = {
    "a": [
        Turn(
            think("let us see"), say("I ask."), call("b", "x"), tool("add", a=1, b=2), stream=True
        ),
        Turn(tool("add", a="many", b=2), tool("nope"), call("nobody", "x")),
        finish("A is done"),
    ],
    "b": [
        Turn(
            say("thinking"),
            tool("spawn_background_agent", agent_name="c", message="y"),
            stream=True,
        ),
        Turn(say("B is done."), stream=True, pause=0.001),
    ],
    "c": [raw("add", '{"a": 1,'), Turn(finish("C is done"), delay=0.01)],
}


async def told(things: AsyncIterable[T], into: list[T]) -> AsyncIterator[T]:
    """Yield ``things``, and keep them even if they end badly."""
    async for thing in things:
        into.append(thing)
        yield thing


def joined(events: Iterable[StreamEvent]) -> dict[str, list[tuple[str, object]]]:
    """Return what each call told, neighbouring tokens as one."""
    told: dict[str, list[tuple[str, object]]] = {}
    for event in events:
        own = told.setdefault(event.call_id, [])
        words = event.data.get("token", event.data.get("thinking"))
        if own and words is not None and own[-1][0] == event.type:
            own[-1] = (event.type, f"{own[-1][1]}{words}")
        else:
            own.append((event.type, dict(event.data) if words is None else words))
    return told


def without_chance(told: dict[str, list[tuple[str, object]]]) -> list[list[tuple[str, str]]]:
    return sorted(
        [(type_, str(data)) for type_, data in own if "bg_" not in str(data)]
        for own in told.values()
    )


@pytest.mark.parametrize("starters", [1, 2])
async def test_streaming_and_not_streaming_tell_the_same_story(starters: int) -> None:
    team = peers(STORY, "a", "b", "c")
    stream = async_run_stream("Go.", team[:starters], [add], run_agents=team)
    streamed = [event async for event in stream]
    later = (await stream.result()).events
    assert joined(streamed) == joined(later)
    other = await async_run("Go.", team[:starters], [add], run_agents=team)
    assert without_chance(joined(streamed)) == without_chance(joined(other.events))
    assert sum(event.type == "token" for event in streamed) > sum(e.type == "token" for e in later)


async def test_a_peers_words_are_told_while_it_says_them() -> None:
    heard = asyncio.Event()

    @Tool
    async def hold() -> str:
        """Wait until the words were heard."""
        await heard.wait()
        return "ok"

    script = {
        "a": [call("b", "x"), finish("y")],
        "b": [[say("thinking"), tool("hold")], finish("z")],
    }
    team = peers(script, "a", "b")
    async with asyncio.timeout(2):
        async for event in async_run_stream("Go.", team[:1], [hold], run_agents=team):
            if event.type == "token":
                assert (event.agent_name, event.data["token"], event["data"]["text"]) == (
                    "b",
                    "thinking",
                    "thinking",
                )
                heard.set()  # were words held back, this would never be reached
    assert heard.is_set()


async def test_the_order_of_a_peers_call_is_as_documented() -> None:
    script = {"a": [call("b", "x" * 300), finish("end")], "b": [Turn(say("hi"), stream=False)]}
    team = peers(script, "a", "b")
    events = [event async for event in async_run_stream("Go.", team[:1], run_agents=team)]
    assert [event.type for event in events] == [
        "agent_call",
        "token",
        "finish",
        "agent_return",
        "finish",
    ]
    asked, _, ended, returned, last = events
    assert asked.data == {"from": "a", "message": "x" * 200 + "..."}
    assert (ended.agent_name, ended.data["output"], returned.data["result"]) == ("b", "hi", "hi")
    assert asked.parent_call_id == ended.parent_call_id == last.call_id
    assert (last.agent_name, last.parent_call_id, last.data["output"]) == ("a", None, "end")


async def test_an_unknown_tool_and_wrong_arguments_are_told_as_a_pair() -> None:
    team = peers({"a": [[tool("nope"), call("nobody", "x"), raw("add", "{")], finish("y")]}, "a")
    events = [event async for event in async_run_stream("Go.", team, [add])]
    asked = [event.data["tool_name"] for event in events if event.type == "tool_call"]
    told = [event.data["tool_name"] for event in events if event.type == "tool_result"]
    assert sorted(asked) == sorted(told) == ["add", "call_agent", "nope"]


async def test_a_stream_of_several_starting_agents_tells_of_all() -> None:
    script = {"a": [finish("1")], "b": [finish("2")]}
    events = [event async for event in async_run_stream("Go.", peers(script, "a", "b"))]
    assert sorted(event.agent_name for event in events if event.type == "finish") == ["a", "b"]


async def test_leaving_early_ends_the_run() -> None:
    ended = asyncio.Event()

    @Tool
    async def wait() -> str:
        """Wait for ever."""
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    before = asyncio.all_tasks()
    team = peers({"a": [[say("hi"), tool("wait")]]}, "a")
    async for event in async_run_stream("Go.", team, [wait]):
        if event.type == "tool_call":
            await asyncio.sleep(0.01)
            break
    gc.collect()
    async with asyncio.timeout(1):
        await ended.wait()
    await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == before


async def test_closing_a_stream_waits_until_the_run_has_ended() -> None:
    ended: list[bool] = []

    @Tool
    async def wait() -> str:
        """Wait for ever."""
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.append(True)
        return ""

    stream = async_run_stream("Go.", peers({"a": [tool("wait")]}, "a"), [wait])
    async for event in stream:
        if event.type == "tool_call":
            break
    await stream.aclose()
    assert ended == [True]
    with pytest.raises(Cancelled, match="closed"):
        await stream.result()


async def test_mistakes_are_raised_by_the_call_and_not_by_the_iteration() -> None:
    with pytest.raises(ValueError, match="starting_agents"):
        async_run_stream("Go.", [])


async def test_a_provider_failure_is_raised_from_the_iteration_after_its_event() -> None:
    stream = async_run_stream("Go.", peers({"a": [[say("half"), fail("cut")]]}, "a"))
    events: list[StreamEvent] = []
    with pytest.raises(ProviderError):
        assert [event async for event in told(stream, events)]
    assert events[-1].type == "error"
    assert "cut short" in str(events[-1].data["error"])


async def test_a_retry_is_told_with_its_wait() -> None:
    script = {"a": [fail(429, retry_after=0.01), finish("ok")]}
    events = [event async for event in async_run_stream("Go.", peers(script, "a"))]
    retry = events[0]
    assert (retry.type, retry.data["attempt"]) == ("retry", 2)
    assert retry.data["wait"] >= 0.01
    assert events[-1].data["output"] == "ok"


async def test_events_read_like_objects_and_like_dictionaries() -> None:
    [event] = [event async for event in async_run_stream("Go.", peers({"a": [finish("x")]}, "a"))]
    assert event["type"] == event.type == "finish"
    assert event["data"]["output"] == "x"
    with pytest.raises(KeyError):
        event["colour"]


async def test_a_result_can_be_had_without_reading() -> None:
    stream = async_run_stream("Go.", peers({"a": [finish("x")]}, "a"))
    assert (await stream.result()).output == "x"


async def test_a_team_says_once_how_it_is_run() -> None:
    @Tool
    async def hold() -> str:
        """Wait for mail."""
        await asyncio.sleep(0.01)
        return "held"

    def a(request: Request) -> object:
        return finish(",".join(request.heard)) if request.turn else tool("hold")

    team = Team(
        peers({"a": a, "b": [finish("b")]}, "a", "b"),
        [hold],
        starting_agents=peers({"a": a, "b": [finish("b")]}, "a")[:0] or None,
    )
    both = await team.async_run("Go.", extra_instructions="x")
    assert [output.name for output in both.outputs] == ["a", "b"]
    one = team.agents[:1]
    async with team.start("Go.", one) as run:
        async for event in run:
            if event.type == "tool_call":
                assert run.send("more") == f"Message sent to a (task_id: {event.call_id})"
    assert (await run.result()).output == "Go.,more"
    async with team.start("Go.", one) as run:
        run.cancel("enough")
        assert [event.type async for event in run][-1:] in ([], ["error"])
    with pytest.raises(Cancelled, match="enough") as caught:
        await run.result()
    assert [message.content for message in caught.value.partial.messages] in ([], ["Go."])


async def test_the_file_form_has_a_head_and_an_end() -> None:
    stream = async_run_stream(
        "Go.", peers(STORY, "a", "b", "c")[:1], [add], run_agents=peers(STORY, "a", "b", "c")
    )
    lines = [line async for line in stream.lines()]
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    assert (lines[0]["type"], lines[0]["to"], lines[0]["v"]) == ("run.start", ["a"], 1)
    assert (lines[-1]["type"], lines[-1]["status"], lines[-1]["output"]) == (
        "run.end",
        "completed",
        "A is done",
    )
    types = {line["type"] for line in lines}
    assert types >= {"forward", "token", "thinking", "tool.start", "tool.end", "return"}
    failing = async_run_stream("Go.", peers({"a": [fail(400)]}, "a"))
    before: list[dict[str, object]] = []
    with pytest.raises(ProviderError):
        assert [line async for line in told(failing.lines(), before)]
    assert (before[-1]["type"], before[-1]["status"]) == ("run.end", "failed")


async def test_a_reader_that_never_reads_holds_nobody_up() -> None:
    stream = async_run_stream("Go.", peers({"a": [Turn(say("word " * 2000), stream=True)]}, "a"))
    await stream.__anext__()
    await asyncio.sleep(0)
    assert (await stream.result()).output.split() == ["word"] * 2000
    rest = [event async for event in stream]
    assert rest[-1].type == "finish"


async def test_a_stream_closed_before_it_began_never_begins() -> None:
    script = Script({"a": [finish("x")]})
    stream = async_run_stream("Go.", peers(script, "a"))
    await stream.aclose()
    assert [event async for event in stream] == []
    with pytest.raises(Cancelled):
        await stream.result()
    assert script.requests == []


async def test_a_model_that_cancels_its_agent_is_not_taken_for_success() -> None:
    def leaks(request: Request) -> object:
        raise asyncio.CancelledError

    def quits(request: Request) -> object:
        task = asyncio.current_task()
        assert task
        task.cancel()
        return finish("x")

    for model in (leaks, quits):
        with pytest.raises((Cancelled, AgentError)):
            await async_run("Go.", peers({"a": model}, "a"))
