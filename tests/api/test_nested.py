"""Runs that are begun by a tool, hook or callback of another run."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from agentouto import (
    Agent,
    Handle,
    Hooks,
    LimitReached,
    Limits,
    Provider,
    RunResult,
    Tool,
    async_run,
    async_run_stream,
    cancel,
    run,
    run_background_sync,
)
from agentouto.testing import Request, Script, Turn, finish, tool

Begin = Callable[[], object]


@Tool
def look() -> str:
    """Look."""
    return "seen"


class Inner:
    """An agent that never returns by itself, and how often it has asked its model."""

    def __init__(self, pause: float = 0.01) -> None:
        self.script = Script(lambda _: Turn(tool("look"), delay=pause))
        self.ended = threading.Event()
        self.raised: list[BaseException] = []

    def run(self) -> str:
        """Begin the run, as a plain function of a user's does, and note how it ends."""
        return self.within(Limits())

    def within(self, limits: Limits) -> str:
        """Do the same within limits of its own."""
        agent = Agent("inner", "", "m", Provider("i", kind="script", script=self.script))
        try:
            return run("Go on.", [agent], [look], limits=limits).output
        except BaseException as error:
            self.raised.append(error)
            raise
        finally:
            self.ended.set()

    async def begun(self) -> None:
        async with asyncio.timeout(5):
            while len(self.script.requests) < 2:
                await asyncio.sleep(0.005)

    def has_ended(self) -> bool:
        """Whether it ends within a moment, and asks nothing afterwards."""
        if not self.ended.wait(2):
            return False
        count = len(self.script.requests)
        threading.Event().wait(0.05)
        return len(self.script.requests) == count


def outer(*lines: object) -> Agent:
    script = Script({"outer": [*lines] or [tool("sub"), finish("over")]})  # type: ignore[list-item]
    return Agent("outer", "", "m", Provider("o", kind="script", script=script))


def sub_of(function: Callable[[], str], **options: object) -> Tool[[], str]:
    return Tool(function, name="sub", **options)  # type: ignore[arg-type]


async def test_it_ends_with_the_time_of_the_outer_run() -> None:
    inner = Inner()
    with pytest.raises(LimitReached, match="seconds"):
        await async_run("Go.", [outer()], [sub_of(inner.run)], limits=Limits(seconds=0.2))
    assert inner.has_ended()


async def test_it_ends_when_the_task_of_the_outer_run_is_cancelled() -> None:
    inner = Inner()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await async_run("Go.", [outer()], [sub_of(inner.run)])
    assert inner.has_ended()
    assert isinstance(inner.raised[0], asyncio.CancelledError)


async def test_it_ends_with_the_time_of_its_tool_and_the_outer_run_goes_on() -> None:
    inner = Inner()
    result = await async_run("Go.", [outer()], [sub_of(inner.run, timeout=0.2)])
    assert result.output == "over"
    assert inner.has_ended()


async def test_it_ends_when_the_call_of_its_tool_is_cancelled() -> None:
    inner = Inner()
    lines = {
        "boss": [tool("call_agent", agent_name="outer", message="x"), finish("over")],
        "outer": [tool("sub")],
    }
    provider = Provider("o", kind="script", script=Script(lines))
    team = [Agent(name, "", "m", provider) for name in lines]
    stream = async_run_stream("Go.", team[:1], [sub_of(inner.run)], run_agents=team)
    async for event in stream:
        if event.type == "tool_call" and event.agent_name == "outer":
            await inner.begun()
            assert cancel(event.call_id)
    assert (await stream.result()).output == "over"
    assert inner.has_ended()


async def test_it_ends_two_runs_deep() -> None:
    inner = Inner()

    def middle() -> str:
        return run("Go.", [outer()], [sub_of(inner.run)]).output

    with pytest.raises(LimitReached):
        await async_run("Go.", [outer()], [sub_of(middle)], limits=Limits(seconds=0.2))
    assert inner.has_ended()


async def test_it_ends_below_a_loop_that_stands_still() -> None:
    inner = Inner()

    async def blocking() -> str:
        return inner.run()

    def middle() -> str:
        return run("Go.", [outer()], [Tool(blocking, name="sub")]).output

    with pytest.raises(LimitReached):
        await async_run("Go.", [outer()], [sub_of(middle)], limits=Limits(seconds=0.2))
    assert inner.has_ended()


def test_it_ends_with_the_time_of_an_outer_run_whose_loop_stands_still() -> None:
    inner = Inner()
    with pytest.raises(LimitReached):
        run("Go.", [outer()], [sub_of(inner.run, in_loop=True)], limits=Limits(seconds=0.2))
    assert inner.has_ended()


async def test_a_function_that_was_given_up_begins_no_more_runs() -> None:
    inner, gate = Inner(), threading.Event()

    def sub() -> str:
        gate.wait(5)
        return inner.run()

    await async_run("Go.", [outer()], [sub_of(sub, timeout=0.05)])
    gate.set()
    assert inner.has_ended()
    assert inner.script.requests == []


@pytest.mark.parametrize("where", ["ask_user", "on_forward", "around_tool", "on_message"])
async def test_it_ends_in_every_callback(where: str) -> None:
    inner = Inner()

    def callback(*_: object) -> object:
        return inner.run()

    first = {
        "ask_user": tool("call_agent", agent_name="user", message="?"),
        "on_message": tool("send_message", task_id="CALLER", message="hi"),
    }.get(where, tool("look"))

    def lines(request: Request) -> object:
        if where == "on_message":
            return tool("send_message", task_id=f"user_{request.call_id}", message="hi")
        return first

    agent = Agent("outer", "", "m", Provider("o", kind="script", script=Script(lines)))
    options: dict[str, object] = (
        {"hooks": Hooks(**{where: callback})}  # type: ignore[arg-type]
        if where in {"on_forward", "around_tool"}
        else {where: callback}
    )
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await async_run("Go.", [agent], [look], **options)  # type: ignore[arg-type]
    assert inner.script.requests
    assert inner.has_ended()


async def test_asyncio_run_inside_a_plain_tool_is_no_way_around_it() -> None:
    inner = Inner()
    agent = Agent("inner", "", "m", Provider("i", kind="script", script=inner.script))

    def sub() -> str:
        try:
            return asyncio.run(async_run("Go.", [agent], [look])).output
        finally:
            inner.ended.set()

    with pytest.raises(LimitReached):
        await async_run("Go.", [outer()], [sub_of(sub)], limits=Limits(seconds=0.2))
    assert inner.has_ended()


async def test_a_thread_that_the_tool_starts_with_its_context_is_inside_too() -> None:
    inner = Inner()

    def sub() -> str:
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(quietly, inner.run), daemon=True).start()
        inner_begun.wait(5)
        return "started"

    inner_begun = threading.Event()

    def quietly(function: Callable[[], str]) -> None:
        inner_begun.set()
        with suppress(asyncio.CancelledError):
            function()

    lines = [tool("sub"), Turn(finish("over"), delay=0.2)]
    assert (await async_run("Go.", [outer(*lines)], [sub_of(sub)])).output == "over"
    assert inner.script.requests
    assert inner.has_ended()


async def test_a_background_run_belongs_to_the_host_and_goes_on() -> None:
    handles: list[Handle] = []
    begun, go = threading.Event(), threading.Event()

    async def wait(request: Request) -> object:
        await asyncio.to_thread(go.wait)
        return finish("done")

    agent = Agent("b", "", "m", Provider("b", kind="script", script=Script(wait)))

    def sub() -> str:
        handles.append(run_background_sync("Go.", [agent], [look]))
        begun.set()
        return handles[0].result(30).output

    running = asyncio.create_task(async_run("Go.", [outer()], [sub_of(sub)]))
    await asyncio.to_thread(begun.wait)
    running.cancel()
    await asyncio.wait([running])
    go.set()
    assert (await handles[0].wait()).output == "done"


# What it spends ---------------------------------------------------------------------------------


def counted(**limits: object) -> tuple[LimitReached, Inner]:
    inner = Inner(pause=0)
    with pytest.raises(LimitReached) as caught:
        run(
            "Go.",
            [outer()],
            [sub_of(inner.run)],
            limits=Limits(**limits),  # type: ignore[arg-type]
        )
    return caught.value, inner


def test_its_requests_are_the_outer_runs_requests() -> None:
    error, inner = counted(requests=5)
    assert (error.limit, error.allowed) == ("requests", 5)
    assert len(inner.script.requests) == 4
    assert inner.has_ended()


def test_its_own_limits_hold_as_well() -> None:
    inner = Inner(pause=0)
    sub = sub_of(lambda: inner.within(Limits(requests=3)))
    result = run("Go.", [outer()], [sub], limits=Limits(requests=10))
    assert result.output == "over"
    assert len(inner.script.requests) == 3


def test_its_tokens_and_cost_are_the_outer_runs() -> None:
    for limits in ({"tokens": 2_000}, {"cost": 0.01, "prices": {"m": (1.0, 1.0)}}):
        error, inner = counted(**limits)
        assert error.limit in limits
        assert inner.has_ended()


def test_its_calls_and_depth_are_the_outer_runs() -> None:
    assert counted(calls=1)[0].limit == "calls"
    assert counted(depth=1)[0].limit == "depth"


def test_its_turns_are_bounded_as_the_outer_runs() -> None:
    inner = Inner(pause=0)
    result = run("Go.", [outer()], [sub_of(inner.run)], limits=Limits(turns=4))
    assert result.output == "over"
    assert len(inner.script.requests) == 4


async def test_requests_at_the_same_time_are_counted_across_threads() -> None:
    at_once, most, lock = 0, 0, threading.Lock()

    async def lines(request: Request) -> object:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        await asyncio.sleep(0.01)
        with lock:
            at_once -= 1
        if request.agent_name == "outer" and not request.turn:
            return [tool("sub")] * 8
        return finish("x") if request.turn else tool("look")

    provider = Provider("p", kind="script", script=Script(lines))

    def sub() -> str:
        return run("Go.", [Agent("inner", "", "m", provider)], [look]).output

    limits = Limits(parallel=2)
    async with asyncio.timeout(10):
        result = await async_run(
            "Go.", [Agent("outer", "", "m", provider)], [sub_of(sub)], limits=limits
        )
    assert result.output == "x"
    assert most == 2


async def test_async_runs_inside_of_async_tools_spend_from_it_too() -> None:
    inner = Inner(pause=0)
    agent = Agent("inner", "", "m", Provider("i", kind="script", script=inner.script))

    async def sub() -> str:
        return (await async_run("Go.", [agent], [look])).output

    with pytest.raises(LimitReached):
        await async_run("Go.", [outer()], [Tool(sub, name="sub")], limits=Limits(requests=4))
    assert len(inner.script.requests) == 3


def test_a_hundred_tools_that_begin_runs_come_to_an_end() -> None:
    script = Script({"inner": [tool("look"), finish("x")]})
    agent = Agent("inner", "", "m", Provider("i", kind="script", script=script))

    def sub() -> str:
        return run("Go.", [agent], [look]).output

    result: RunResult = run("Go.", [outer([tool("sub")] * 100, finish("over"))], [sub_of(sub)])
    assert result.output == "over"
