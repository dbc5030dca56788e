"""Runs that go very deep, or are looked into at odd moments, still end as they should."""

from __future__ import annotations

import asyncio

import pytest

from agentouto import Cancelled, Hooks, Message, Tool, async_run, run_background
from agentouto._domain.event import CallFailed
from agentouto.testing import Request, Script, Turn, call, finish, tool
from teams import peers

DEEP = 1_500
"""More calls inside of each other than Python functions may be."""


async def test_calls_that_are_thousands_deep_are_cancelled_to_the_last() -> None:
    held, cleaned = asyncio.Event(), asyncio.Event()

    @Tool
    async def hold() -> str:
        """Hold."""
        try:
            held.set()
            await asyncio.sleep(60)
        finally:
            cleaned.set()
        return ""

    def deeper(request: Request) -> object:
        if len(script.requests) == DEEP:
            return tool("hold")
        return call("b" if request.agent_name == "a" else "a", "Go on.")

    script = Script(deeper)
    agents = peers(script, "a", "b")
    before = asyncio.all_tasks()
    task = run_background("Go.", agents[:1], [hold], run_agents=agents)
    await held.wait()
    task.cancel("enough")
    with pytest.raises(Cancelled, match="enough"):
        await task.wait()
    assert cleaned.is_set()
    assert asyncio.all_tasks() - before - {asyncio.current_task()} == set()


async def test_a_tool_that_swallows_its_cancellation_does_not_keep_its_agent_going() -> None:
    holds = asyncio.Event()

    @Tool
    async def stubborn() -> str:
        """Hold, and will not be stopped."""
        try:
            holds.set()
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "I go on."
        return ""

    script = Script({"a": [tool("stubborn"), finish("and on")]})
    task = run_background("Go.", peers(script, "a"), [stubborn])
    await holds.wait()
    task.cancel()
    with pytest.raises(Cancelled):
        await task.wait()
    assert len(script.requests) == 1


async def test_messages_may_be_forgotten_before_a_hook_has_let_the_first_through() -> None:
    gate = asyncio.Event()

    async def waits(message: Message) -> None:
        if message.receiver == "b":
            await gate.wait()

    def starts(request: Request) -> object:
        if request.turn == 0:
            return tool("spawn_background_agent", agent_name="b", message="Work.")
        if request.turn == 1:
            [id_] = request.results("spawn_background_agent")
            return tool("get_messages", task_id=id_.rpartition(" ")[2], clear=True)
        gate.set()
        return finish("done")

    agents = peers(Script({"a": starts, "b": finish("worked")}), "a", "b")
    hooks = Hooks(on_forward=waits)
    result = await async_run("Go.", agents[:1], run_agents=agents, hooks=hooks)
    assert not [fact for fact in result.facts if isinstance(fact, CallFailed)]
    assert "worked" in [message.content for message in result.messages]


async def test_a_message_to_the_user_comes_back_if_its_writer_is_cancelled_first() -> None:
    looking = asyncio.Event()

    async def waits(message: Message) -> None:
        if message.receiver == "user" and message.type == "forward":
            looking.set()
            await asyncio.sleep(60)

    def writes(request: Request) -> object:
        address = request.system.partition("task_id is '")[2].partition("'")[0]
        return tool("send_message", task_id=address, message="Hello.")

    task = run_background(
        "Go.",
        peers(Script(writes), "a"),
        on_message=lambda _message, _send: None,
        hooks=Hooks(on_forward=waits),
    )
    fates: list[str] = []

    async def read() -> None:
        fates.extend([e.type async for e in task.events() if "message" in e.type])

    reading = asyncio.create_task(read())
    await looking.wait()
    task.cancel()
    await reading
    assert fates == ["user_message", "message_returned"]


async def test_of_very_many_at_work_only_some_are_listed() -> None:
    ready = asyncio.Event()

    @Tool
    async def until_told() -> str:
        """Wait."""
        await ready.wait()
        return ""

    first = Turn(*(tool("spawn_background_agent", agent_name="b", message="") for _ in range(300)))

    def lists(request: Request) -> object:
        if request.turn == 0:
            return first
        if request.turn == 1:
            return tool("list_running")
        ready.set()
        return finish(request.results("list_running")[0])

    agents = peers(Script({"a": lists, "b": [tool("until_told"), finish("x")]}), "a", "b")
    result = await async_run(
        "Go.", agents[:1], [until_told], run_agents=agents, enabled_tools=["list_running"]
    )
    lines = result.output.split("\n")
    assert len(lines) == 201
    assert "that is you" in lines[0]
    assert lines[-1] == "(and 101 more)"
