"""Plain functions have a thread at once, and nobody waits for one that was abandoned."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable

import pytest

from agentouto._engine.threads import MAX_TOOLS_AT_ONCE, Threads, ToolEscaped

MANY = 64
who = contextvars.ContextVar("who", default="nobody")


@pytest.fixture
async def threads() -> AsyncIterator[Threads]:
    threads = Threads()
    yield threads
    threads.close()


async def until(question: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not question():
            await asyncio.sleep(0.001)


async def test_a_function_runs_in_a_thread_of_ours_and_its_result_comes_back(
    threads: Threads,
) -> None:
    name = await threads.call(lambda: threading.current_thread().name)
    assert name == "agentouto-tool-1"
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == name)


async def test_an_idle_thread_is_used_again(threads: Threads) -> None:
    names = {await threads.call(lambda: threading.current_thread().name) for _ in range(100)}
    assert names == {"agentouto-tool-1"}


async def test_of_many_functions_none_waits_for_another(threads: Threads) -> None:
    barrier = threading.Barrier(MANY)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        tasks = [group.create_task(threads.call(barrier.wait)) for _ in range(MANY)]
    assert sorted(task.result() for task in tasks) == list(range(MANY))


async def test_context_variables_are_copied(threads: Threads) -> None:
    def change() -> str:
        before = who.get()
        who.set("thread")
        return before

    who.set("caller")
    assert await threads.call(change) == "caller"
    assert who.get() == "caller"


class Odd(BaseException):
    pass


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyError("x"), TimeoutError(), OSError(2, "x")]
)
async def test_an_exception_comes_back_as_it_is(threads: Threads, error: Exception) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await threads.call(fail)
    assert caught.value is error
    assert await threads.call(lambda: 1) == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SystemExit(3), "raised SystemExit: 3"),
        (SystemExit(), "raised SystemExit"),
        (StopIteration(), "raised StopIteration"),
        (KeyboardInterrupt(), "raised KeyboardInterrupt"),
        (asyncio.CancelledError(), "raised CancelledError"),
        (GeneratorExit(), "raised GeneratorExit"),
        (Odd("very"), "raised Odd: very"),
    ],
)
async def test_what_would_break_the_loop_comes_back_as_the_cause_of_an_exception(
    threads: Threads, error: BaseException, told: str
) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(ToolEscaped) as caught:
        await threads.call(fail)
    assert str(caught.value) == told
    assert caught.value.__cause__ is error
    assert await threads.call(lambda: threading.current_thread().name) == "agentouto-tool-1"


async def test_an_abandoned_call_is_not_waited_for(threads: Threads) -> None:
    gate, ended = threading.Event(), threading.Event()

    def work() -> None:
        gate.wait(5)
        ended.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await threads.call(work)
    assert not ended.is_set()
    assert await threads.call(lambda: threading.current_thread().name) == "agentouto-tool-2"
    gate.set()
    await until(ended.is_set)


async def test_closing_ends_idle_threads_at_once_and_busy_ones_when_they_are_done() -> None:
    threads, gate = Threads(), threading.Event()
    busy: list[threading.Thread] = []

    def work() -> str:
        busy.append(threading.current_thread())
        gate.wait(5)
        return "done"

    async with asyncio.TaskGroup() as group:
        task = group.create_task(threads.call(work))
        await until(lambda: bool(busy))
        idle = await threads.call(threading.current_thread)
        threads.close()
        await until(lambda: not idle.is_alive())
        assert busy[0].is_alive()
        gate.set()
    assert task.result() == "done"
    await until(lambda: not busy[0].is_alive())
    with pytest.raises(RuntimeError, match="closed"):
        await threads.call(lambda: None)


def test_a_function_that_outlives_the_loop_is_silent() -> None:
    threads, gate = Threads(), threading.Event()
    busy: list[threading.Thread] = []

    def work() -> None:
        busy.append(threading.current_thread())
        gate.wait(5)

    async def begin() -> None:
        task = asyncio.ensure_future(threads.call(work))
        await until(lambda: bool(busy))
        task.cancel()
        threads.close()

    asyncio.run(begin())
    gate.set()
    busy[0].join(2)
    assert not busy[0].is_alive()


async def test_an_idle_thread_keeps_nothing_of_the_last_call(threads: Threads) -> None:
    class Thing: ...

    kept: list[weakref.ref[Thing]] = []

    def make() -> Thing:
        thing = Thing()
        kept.append(weakref.ref(thing))
        return thing

    def forgotten() -> bool:
        gc.collect()
        return kept[0]() is None

    await threads.call(make)
    await until(forgotten)


async def test_without_more_threads_the_call_waits_for_one_there_is(
    threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, begun = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        gate.wait(5)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async with asyncio.TaskGroup() as group:
        group.create_task(threads.call(work))
        await until(begun.is_set)
        monkeypatch.setattr(threading.Thread, "start", refuse)
        late = [
            group.create_task(threads.call(lambda: threading.current_thread().name)) for _ in "ab"
        ]
        dropped = group.create_task(threads.call(lambda: pytest.fail("nobody waits for this")))
        await asyncio.sleep(0)  # each has begun, and waits
        dropped.cancel()
        gate.set()
    assert [task.result() for task in late] == ["agentouto-tool-1"] * 2


async def test_without_any_thread_the_call_fails(
    threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            await threads.call(lambda: None)
    assert await threads.call(lambda: 1) == 1


def test_the_interpreter_ends_without_waiting() -> None:
    script = """
import asyncio, threading
from agentouto._engine.threads import Threads
async def main():
    try:
        async with asyncio.timeout(0.01):
            await Threads().call(threading.Event().wait)
    except TimeoutError:
        print("abandoned")
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=10, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("abandoned\n", "", 0)


# Tools --------------------------------------------------------------------------------------------


async def test_at_one_depth_a_number_of_tools_runs_at_once_and_the_rest_in_turn(
    threads: Threads,
) -> None:
    go = threading.Event()
    begun: list[int] = []

    def tool(number: int) -> int:
        begun.append(number)
        go.wait(20)
        return number

    more = MAX_TOOLS_AT_ONCE + 20
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(threads.for_tools(1).call(lambda number=number: tool(number)))
            for number in range(more)
        ]
        await until(lambda: len(begun) == MAX_TOOLS_AT_ONCE)
        # Neither tools of another depth nor callbacks wait for them.
        assert await threads.for_tools(2).call(lambda: "deeper") == "deeper"
        assert await threads.call(lambda: "callback") == "callback"
        assert len(begun) == MAX_TOOLS_AT_ONCE
        go.set()
    assert [task.result() for task in tasks] == list(range(more))
    assert sorted(begun[MAX_TOOLS_AT_ONCE:]) == list(range(MAX_TOOLS_AT_ONCE, more))


async def test_tools_that_were_abandoned_keep_nothing_from_being_called(threads: Threads) -> None:
    never = threading.Event()
    tasks = [
        asyncio.create_task(threads.for_tools(1).call(lambda: never.wait(20)))
        for _ in range(MAX_TOOLS_AT_ONCE + 5)
    ]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert await threads.for_tools(1).call(lambda: 1) == 1
    never.set()
