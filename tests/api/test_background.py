"""Runs that go on by themselves, and background calls of agents."""

from __future__ import annotations

import asyncio
import copy
import pickle
import re
import threading
import time

import pytest

from agentouto import (
    Agent,
    AgentError,
    ProviderError,
    RoutingError,
    Tool,
    async_run,
    get_agent_status,
    get_messages,
    get_stream_events,
    run,
    run_background,
    run_background_sync,
    send_message,
)
from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._engine.host import Handle, Host
from agentouto._engine.run import Run
from agentouto._options import make_plan
from agentouto.exceptions import Cancelled
from agentouto.testing import Request, Script, Turn, call, fail, finish, say, tool
from teams import peers


class Gate:
    """A tool that waits until it is let go, from any thread."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()
        self.tool = Tool(self._hold, name="hold")

    async def _hold(self) -> str:
        """Wait at the gate."""
        self.reached.set()
        while not self.open.is_set():
            await asyncio.sleep(0.001)
        return "let go"

    async def arrived(self) -> None:
        while not self.reached.is_set():
            await asyncio.sleep(0.001)


def holds(request: Request) -> object:
    """Wait at the gate, then return everything heard."""
    return finish(" | ".join(request.heard)) if request.turn else tool("hold")


async def test_a_background_run_can_be_awaited_or_not_and_is_a_string() -> None:
    task = run_background("Go.", peers({"a": [finish("x")]}, "a"))
    assert isinstance(task, str)
    assert re.fullmatch(r"bg_[0-9a-f]{12}", task)
    assert await task == task
    assert (await task.wait()).output == "x"
    again = await run_background("Go.", peers({"a": [finish("y")]}, "a"))
    assert (await again.wait()).output == "y"


async def test_status_result_and_messages_stay_readable_after_the_end() -> None:
    task = run_background("Write.", peers({"writer": [finish("Here's the report")]}, "writer"))
    assert task.status() in ("pending", "running")
    await task.wait()
    assert task.status() == "completed"
    assert get_agent_status(task) == (
        f"Task ID: {task}\nAgent: writer\nStatus: completed\nResult: Here's the report\n"
        "Messages (2):\n  [forward] user -> writer: Write.\n  [return] writer -> user: Here's the report"
    )
    assert get_messages(task, clear=True) == get_agent_status(task) + (
        "\nMessages (2):\n  [forward] user -> writer: Write.\n  [return] writer -> user: Here's the report"
    )
    assert "Messages" not in get_agent_status(task)


async def test_a_failing_background_run_says_why() -> None:
    task = run_background("Go.", peers({"a": [fail(400, message="bad request")]}, "a"))
    with pytest.raises(ProviderError, match="bad request"):
        await task.wait()
    assert task.status() == "failed"
    assert "Status: failed\nError: " in get_agent_status(task)


async def test_the_starting_agents_of_a_background_run_have_numbered_ids() -> None:
    gate = Gate()
    task = run_background("Go.", peers({"a": holds, "b": holds}, "a", "b"), [gate.tool])
    await gate.arrived()
    assert send_message(f"{task}_1", "for b") == f"Message sent to b (task_id: {task}_1)"
    assert send_message(task, "for a") == f"Message sent to a (task_id: {task})"
    assert "Agent: b" in get_agent_status(f"{task}_1")
    gate.open.set()
    result = await task.wait()
    assert {o.name: o.text for o in result.outputs} == {"a": "Go. | for a", "b": "Go. | for b"}
    ids = {output.call_id for output in result.outputs}
    assert ids == {str(task), f"{task}_1"}


async def test_events_of_a_background_run_can_be_read_late_live_and_from_another_loop() -> None:
    gate = Gate()
    team = peers({"a": [[say("first"), tool("hold")], Turn(say("second half"), stream=True)]}, "a")
    task = run_background("Go.", team, [gate.tool])
    await gate.arrived()
    elsewhere: list[str] = []

    def read_elsewhere() -> None:
        async def read() -> None:
            elsewhere.extend([event["type"] async for event in get_stream_events(task)])

        asyncio.run(read())

    thread = threading.Thread(target=read_elsewhere)
    thread.start()
    reader = get_stream_events(task)
    first = await anext(reader)
    assert first["data"]["text"] == "first"
    gate.open.set()
    rest = [event async for event in reader]
    assert (
        "".join(event["data"]["token"] for event in rest if event["type"] == "token")
        == "second half"
    )
    assert rest[-1]["data"]["output"] == "second half"
    late = [event async for event in get_stream_events(task)]
    assert [event["type"] for event in late] == [
        "token",
        "tool_call",
        "tool_result",
        "token",
        "finish",
    ]
    await asyncio.to_thread(thread.join, 2)
    assert elsewhere[0] == "token"
    assert elsewhere[-1] == "finish"


async def test_events_of_one_call_are_those_of_it_and_below() -> None:
    script = {
        "a": [call("c", "x"), finish("a")],
        "b": [Turn(say("b"), delay=0.02)],
        "c": [finish("c")],
    }
    team = peers(script, "a", "b", "c")
    task = run_background("Go.", team[:2], run_agents=team)
    names = [event.agent_name async for event in get_stream_events(f"{task}_1")]
    assert set(names) == {"b"}
    await task.wait()
    a_only = [
        e.agent_name async for e in get_stream_events((await task.wait()).outputs[0].call_id + "_1")
    ]
    assert set(a_only) == {"b"}


def test_a_background_run_from_plain_code_really_runs() -> None:
    task = run_background("Go.", peers({"a": [Turn(finish("x"), delay=0.01)]}, "a"))
    assert task.result(timeout=5).output == "x"
    other = run_background_sync("Go.", peers({"a": [finish("y")]}, "a"))
    assert other.result(timeout=5).output == "y"


async def test_the_sync_form_lives_in_the_portal_even_inside_a_loop() -> None:
    task = run_background_sync("Go.", peers({"a": [Turn(finish("y"), delay=0.01)]}, "a"))
    assert (await task.wait()).output == "y"


async def test_result_refuses_to_stop_the_loop_it_needs() -> None:
    task = run_background("Go.", peers({"a": [Turn(finish("x"), delay=0.01)]}, "a"))
    with pytest.raises(RuntimeError, match=r"await handle\.wait"):
        task.result()
    await task.wait()
    assert task.result().output == "x"


def test_result_waits_no_longer_than_told() -> None:
    gate = Gate()
    task = run_background("Go.", peers({"a": holds}, "a"), [gate.tool])
    with pytest.raises(TimeoutError):
        task.result(timeout=0.01)
    gate.open.set()
    task.result(timeout=5)


@pytest.mark.parametrize("where", ["loop", "portal"])
async def test_a_background_run_can_be_cancelled(where: str) -> None:
    gate = Gate()
    start = run_background if where == "loop" else run_background_sync
    task = start("Go.", peers({"a": holds}, "a"), [gate.tool])
    await gate.arrived()
    task.cancel("changed my mind")
    with pytest.raises(Cancelled, match="changed my mind") as caught:
        await task.wait()
    assert task.status() == "cancelled"
    assert "Status: cancelled" in get_agent_status(task)
    assert [message.content for message in caught.value.partial.messages] == ["Go."]
    types = [event.type async for event in get_stream_events(task)]
    assert types[-1] == "error"
    with pytest.raises(RoutingError, match="already returned"):
        task.send("anyone?")


async def test_whoever_waits_can_be_cancelled_without_the_run() -> None:
    gate = Gate()
    task = run_background("Go.", peers({"a": holds}, "a"), [gate.tool])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await task.wait()
    gate.open.set()
    assert (await task.wait()).output == "Go."


async def test_unknown_ids_are_told_with_the_documented_words() -> None:
    for ask in (get_agent_status, get_messages, lambda id_: send_message(id_, "x")):
        with pytest.raises(AgentError) as caught:
            ask("bg_none")
        assert str(caught.value) == "[unknown] No background agent found with task_id: bg_none"
    with pytest.raises(AgentError) as caught:
        get_stream_events("bg_none")
    assert str(caught.value) == "[unknown] No agent found with task_id: bg_none"


def spawner(how: object) -> object:
    def a(request: Request) -> object:
        if request.turn == 0:
            return how
        if request.turn == 1:
            [text] = request.outcomes
            [task_id] = re.findall(
                r"^Background agent started. Task ID: (bg_[0-9a-f]{12})$", text.content
            )
            return [
                tool("send_message", task_id=task_id, message="Also X."),
                tool("get_messages", task_id=task_id),
            ]
        return finish(" || ".join(outcome.content for outcome in request.outcomes))

    return a


@pytest.mark.parametrize(
    "how",
    [
        tool("spawn_background_agent", agent_name="b", message="Work."),
        call("b", "Work.", background=True),
    ],
)
async def test_an_agent_starts_writes_to_and_watches_another(how: object) -> None:
    script = Script(
        {
            "a": spawner(how),
            "b": lambda r: (
                finish("b:" + "|".join(r.heard)) if r.turn else Turn(tool("nap"), delay=0.02)
            ),
        }
    )

    @Tool
    def nap() -> str:
        """Sleep."""
        return "slept"

    team = peers(script, "a", "b")
    result = await async_run("Go.", team[:1], [nap], run_agents=team)
    sent, report = result.output.split(" || ")
    assert re.fullmatch(r"Message sent to b \(task_id: bg_[0-9a-f]{12}\)", sent)
    assert "Agent: b\nStatus: running" in report
    assert "[forward] a -> b: Work." in report
    returns = [m for m in result.messages if m.type == "return" and m.sender == "b"]
    [address] = {m.call_id for m in result.messages if m.sender == "a" and m.type == "return"}
    assert [m.content for m in returns] == [
        f"b:Work.|[Message from a (task_id: {address})]: Also X."
    ]
    assert [event.agent_name for event in result.events if event.type == "finish"] == ["a", "b"]


async def test_background_calls_can_be_cancelled_with_the_end_of_the_starting_agents() -> None:
    gate = Gate()
    script = {"a": [call("b", "x", background=True), finish("done")], "b": holds}
    team = peers(script, "a", "b")
    async with asyncio.timeout(10):
        result = await async_run("Go.", team[:1], [gate.tool], run_agents=team, background="cancel")
    assert result.output == "done"
    assert result.events[-1].type == "error"


async def test_background_calls_can_be_switched_off() -> None:
    script = Script(
        {
            "a": [call("b", "x", background=True), lambda r: finish(r.outcomes[0].content)],
            "b": [finish("x")],
        }
    )
    team = peers(script, "a", "b")
    result = await async_run("Go.", team[:1], run_agents=team, allow_background_agents=False)
    assert "switched off" in result.output
    tools = script.requests[0].tools
    assert "spawn_background_agent" not in tools
    assert "background" not in tools["call_agent"].parameters["properties"]  # type: ignore[operator]
    assert "BACKGROUND" not in script.requests[0].system


async def test_a_background_call_that_fails_is_on_record_and_hurts_nobody() -> None:
    script = {
        "a": [call("b", "x", background=True), Turn(finish("fine"), delay=0.01)],
        "b": [fail(400)],
    }
    team = peers(script, "a", "b")
    result = await async_run("Go.", team[:1], run_agents=team)
    assert result.output == "fine"
    assert "error" in [event.type for event in result.events if event.agent_name == "b"]


def test_many_finished_runs_are_kept_but_not_for_ever() -> None:
    host, team = Host(max_kept=5), peers({"a": [finish("x")]}, "a")

    def start() -> Handle:
        plan = make_plan("run_background", ("Go.", team, None, None), {}, host.memory)
        return host.start(
            Run(plan, SYSTEM_CLOCK.new_id(), SYSTEM_CLOCK, background=True), portal=True
        )

    tasks = [start() for _ in range(12)]
    for task in tasks:
        task.result(timeout=5)
    start().result(timeout=5)
    assert host.find_run(tasks[-1]).calls.report(tasks[-1], clear=False)
    with pytest.raises(AgentError):
        host.find_run(tasks[0])
    assert tasks[0].status() == "completed"


def test_a_host_does_not_know_the_runs_of_another() -> None:
    host, team = Host(), peers({"a": [finish("x")]}, "a")
    plan = make_plan("run_background", ("Go.", team, None, None), {}, host.memory)
    task = host.start(Run(plan, SYSTEM_CLOCK.new_id(), SYSTEM_CLOCK, background=True), portal=True)
    assert task.result(timeout=5).output == "x"
    assert host.handle(task) is not None
    with pytest.raises(RoutingError):
        get_agent_status(task)
    task.forget()
    task.forget()  # once more changes nothing
    assert host.handle(task) is None


def test_what_a_fork_must_not_share_is_let_go() -> None:
    """Called here as in the child, whose coverage is not measured; tests/api/test_fork.py forks."""
    host, gate, at_work = Host(), threading.Event(), threading.Event()

    @Tool
    def hold() -> str:
        """Wait for the test."""
        at_work.set()
        gate.wait(10)
        return "ok"

    def begin(team: list[Agent]) -> Handle:
        plan = make_plan("run_background", ("Go.", team, [hold], None), {}, host.memory)
        made = Run(plan, SYSTEM_CLOCK.new_id(), SYSTEM_CLOCK, background=True)
        return host.start(made, portal=True)

    ended = begin(peers({"a": [finish("x")]}, "a"))
    assert ended.result(timeout=5).output == "x"
    running = begin(peers({"a": [tool("hold"), finish("y")]}, "a"))
    assert at_work.wait(5)
    host.after_fork()
    gate.set()
    assert ended.result(timeout=5).output == "x"
    assert host.handle(running) is None
    for use in (lambda: running.send("Hello."), lambda: running.result(timeout=5)):
        with pytest.raises(RoutingError, match="belongs to the process that this one was forked"):
            use()


def test_foreground_runs_leave_nothing_behind() -> None:
    result = run("Go.", peers({"a": [finish("x")]}, "a"))
    with pytest.raises(AgentError):
        get_agent_status(result.outputs[0].call_id)


def test_time_is_told_by_the_trace() -> None:
    begun = time.time()
    result = run("Go.", peers({"a": [Turn(finish("x"), delay=0.02)]}, "a"))
    root = result.trace.root
    assert root is not None
    assert root.start_time >= begun
    assert 0.018 <= root.duration < 1  # uvloop counts in whole milliseconds


async def test_a_handle_can_stand_in_data_that_is_copied_and_saved() -> None:
    task = run_background("Go.", peers({"a": [finish("x")]}, "a"))
    assert copy.deepcopy({"id": task}) == {"id": task}
    assert pickle.loads(pickle.dumps(task)) == task
    await task.wait()
