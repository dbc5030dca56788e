"""Reading a run while it happens: the same story as reading it later, only sooner."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

import pytest

from agentouto import (
    Agent,
    AgentError,
    Provider,
    ProviderError,
    RunStream,
    StreamEvent,
    Team,
    Tool,
    async_run,
    async_run_stream,
    get_stream_events,
    run_background,
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
    async with asyncio.timeout(10):
        async for event in async_run_stream("Go.", team[:1], [hold], run_agents=team):
            if event.type == "token" and not heard.is_set():
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
        "token",
        "finish",
    ]
    asked, _, ended, returned, words, last = events
    assert words.data == {"token": "end", "text": "end", "tool": "finish"}
    assert asked.data == {"from": "a", "message": "x" * 300, "tool_call": "0.0"}
    assert (ended.agent_name, ended["data"]["output"], returned["data"]["result"]) == (
        "b",
        "hi",
        "hi",
    )
    assert asked.parent_call_id == ended.parent_call_id == last.call_id
    assert (last.agent_name, last.parent_call_id, last["data"]["output"]) == ("a", None, "end")


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
    begun, ended = asyncio.Event(), asyncio.Event()

    @Tool
    async def wait() -> str:
        """Wait for ever."""
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    before = asyncio.all_tasks()
    team = peers({"a": [[say("hi"), tool("wait")]]}, "a")
    async for event in async_run_stream("Go.", team, [wait]):
        if event.type == "tool_call":
            await begun.wait()
            break
    gc.collect()
    async with asyncio.timeout(10):
        await ended.wait()
        while asyncio.all_tasks() != before:
            await asyncio.sleep(0)


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
    script = {"a": [fail(429, retry_after=0.3), finish("ok")]}
    events = [event async for event in async_run_stream("Go.", peers(script, "a"))]
    retry = events[0]
    assert (retry.type, retry["data"]["attempt"]) == ("retry", 2)
    assert retry["data"]["wait"] > 0.1
    assert events[-1]["data"]["output"] == "ok"


async def test_events_read_like_objects_and_like_dictionaries() -> None:
    stream = async_run_stream("Go.", peers({"a": [finish("x")]}, "a"))
    [_, event] = [event async for event in stream]
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
    addresses = [(line["seq"], line.get("part", 0)) for line in lines]
    assert addresses == sorted(set(addresses))
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


class Work:
    """An agent that works for ever, a tool call at a time, and the requests it has made."""

    def __init__(self) -> None:
        self.script = Script(lambda _: Turn(tool("get_messages", task_id="x"), delay=0.005))
        self.agent = Agent("a", "", "m", Provider("s", kind="script", script=self.script))

    def stream(self) -> RunStream:
        return async_run_stream("Go.", [self.agent])

    def team(self) -> RunStream:
        return Team([self.agent]).start("Go.")


async def ended(stream: RunStream) -> str:
    """Wait until the run of ``stream`` has ended, and return why."""
    owner = stream._owner  # pyright: ignore[reportPrivateUsage]
    async with asyncio.timeout(10):
        with pytest.raises(Cancelled) as caught:
            await owner.ended()
    return str(caught.value)


async def break_off(stream: RunStream) -> None:
    async for _ in stream:
        break


async def raise_in_the_body(stream: RunStream, kept: list[object]) -> None:
    try:
        async for _ in stream:
            raise ZeroDivisionError
    except ZeroDivisionError as error:
        kept.append(error)  # with its traceback, which has the frames


async def run_out_of_time(stream: RunStream, kept: list[object]) -> None:
    try:
        async with asyncio.timeout(0.1):
            async for _ in stream:
                pass
    except TimeoutError as error:
        kept.append(error)


async def cancel_the_task(stream: RunStream, kept: list[object]) -> None:
    async def read() -> None:
        async for _ in stream:
            reading.set()

    reading = asyncio.Event()
    task = asyncio.create_task(read())
    await reading.wait()
    task.cancel()
    await asyncio.wait([task])
    kept.append(task)


async def cancel_a_comprehension(stream: RunStream, kept: list[object]) -> None:
    async def read() -> list[str]:
        return [event.type async for event in stream if reading.set() or event.type == "retry"]

    reading = asyncio.Event()
    task = asyncio.create_task(read())
    await reading.wait()
    task.cancel()
    await asyncio.wait([task])
    kept.append(task)


async def cancel_a_task_that_reads_singly(stream: RunStream) -> None:
    async def read() -> None:
        while True:
            await anext(stream)
            reading.set()

    reading = asyncio.Event()
    task = asyncio.create_task(read())
    await reading.wait()
    task.cancel()
    await asyncio.wait([task])


async def break_off_lines(stream: RunStream) -> None:
    async for line in stream.lines():
        if line["type"] != "run.start":
            break


async def close_lines(stream: RunStream) -> None:
    lines = stream.lines()
    assert (await anext(lines))["type"] == "run.start"
    await anext(lines)
    await lines.aclose()
    assert stream._owner.done.done()  # pyright: ignore[reportPrivateUsage]
    assert [line async for line in lines] == []


async def cancel_the_result(stream: RunStream) -> None:
    task = asyncio.create_task(stream.result())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])


async def collect_in_another_thread(stream: RunStream) -> None:
    async def read() -> None:
        iterator = aiter(stream)
        await anext(iterator)
        cycle: list[object] = [iterator]
        cycle.append(cycle)

    gc.disable()
    try:
        await read()
        await asyncio.to_thread(gc.collect)
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "leave",
    [
        break_off,
        raise_in_the_body,
        run_out_of_time,
        cancel_the_task,
        cancel_a_comprehension,
        cancel_a_task_that_reads_singly,
        break_off_lines,
        close_lines,
        cancel_the_result,
        collect_in_another_thread,
    ],
)
async def test_leaving_a_stream_ends_the_run_while_a_variable_holds_it(
    leave: Callable[..., Awaitable[None]],
) -> None:
    work, kept = Work(), list[object]()
    for stream in (work.stream(), work.team()):
        if "kept" in inspect.signature(leave).parameters:
            await leave(stream, kept)
        else:
            await leave(stream)
        assert "its stream was left before the end" in await ended(stream)
    before = len(work.script.requests)
    await asyncio.sleep(0.05)
    assert len(work.script.requests) == before


async def test_what_follows_a_break_finds_the_run_ended() -> None:
    stream = Work().stream()
    await break_off(stream)
    with pytest.raises(Cancelled, match="async with stream"):
        await stream.result()
    stream = Work().stream()
    await break_off(stream)
    async with asyncio.timeout(10):
        assert [event async for event in stream if event.type == "finish"] == []


async def test_inside_of_a_block_a_break_does_not_end_the_run() -> None:
    script = {"a": [tool("get_messages", task_id="x"), finish("Done.")]}
    async with async_run_stream("Go.", peers(script, "a")) as stream:
        async for event in stream:
            if event.type == "tool_call":
                break
        assert (await stream.result()).output == "Done."


async def test_a_run_goes_on_while_another_reader_holds_it() -> None:
    gate = asyncio.Event()

    @Tool
    async def hold() -> str:
        """Hold."""
        await gate.wait()
        return ""

    stream = async_run_stream("Go.", peers({"a": [tool("hold"), finish("Done.")]}, "a"), [hold])
    result = asyncio.create_task(stream.result())
    await asyncio.sleep(0)
    await break_off(stream)
    impatient = asyncio.create_task(stream.result())
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.wait([impatient])
    gate.set()
    assert (await result).output == "Done."


async def test_reading_singly_with_a_time_limit_does_not_end_the_run() -> None:
    gate = asyncio.Event()

    @Tool
    async def hold() -> str:
        """Hold."""
        await gate.wait()
        return ""

    stream = async_run_stream("Go.", peers({"a": [tool("hold"), finish("Done.")]}, "a"), [hold])
    assert (await anext(stream)).type == "tool_call"
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.03)
    gate.set()
    assert (await stream.result()).output == "Done."


async def test_a_stream_that_was_made_for_one_event_ends_with_it() -> None:
    work = Work()
    assert (await anext(work.stream())).agent_name == "a"
    async with asyncio.timeout(10):
        while asyncio.all_tasks() != {asyncio.current_task()}:
            await asyncio.sleep(0)
    assert len(work.script.requests) < 3


async def test_a_cancelled_reader_does_not_end_the_run_of_another_that_waits() -> None:
    gate = asyncio.Event()

    @Tool
    async def hold() -> str:
        """Hold."""
        await gate.wait()
        return ""

    stream = async_run_stream("Go.", peers({"a": [tool("hold"), finish("Done.")]}, "a"), [hold])

    async def read() -> list[str]:
        return [event.type async for event in stream]

    async def read_lines() -> list[object]:
        return [line["type"] async for line in stream.lines()]

    async def read_singly() -> None:
        while True:
            await anext(stream)

    patient = asyncio.create_task(read_lines())
    await asyncio.sleep(0.01)
    for impatient in (asyncio.create_task(read()), asyncio.create_task(read_singly())):
        await asyncio.sleep(0.01)
        impatient.cancel()
        await asyncio.wait([impatient])
        await asyncio.sleep(0.05)  # longer than the run waits for another reader
    gate.set()
    assert (await patient)[-1] == "run.end"
    assert (await stream.result()).output == "Done."


async def test_tools_can_clean_up_where_a_stream_is_left_in_several_ways() -> None:
    cleaned = asyncio.Event()

    @Tool
    async def hold() -> str:
        """Hold."""
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.02)
            cleaned.set()
        return ""

    async with async_run_stream("Go.", peers({"a": [tool("hold")]}, "a"), [hold]) as stream:
        async for event in stream:
            if event.type == "tool_call":
                stream.cancel("enough")
                break
        await asyncio.sleep(0)
    assert cleaned.is_set()


async def test_leaving_the_events_of_a_background_run_does_not_end_it() -> None:
    script = {"a": [tool("get_messages", task_id="x"), finish("Done.")]}
    task = run_background("Go.", peers(script, "a"))
    async for _ in task.events():
        break
    async for _ in get_stream_events(task):
        break
    assert (await task.wait()).output == "Done."
