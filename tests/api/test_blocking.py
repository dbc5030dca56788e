"""Plain code, running loops, threads, signals: ``run`` works wherever it is called."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import AbstractContextManager

import pytest

from agentouto import (
    Agent,
    ConfigurationError,
    Provider,
    ProviderError,
    Tool,
    async_run,
    run,
    run_background,
)
from agentouto.testing import Script, Turn, fail, finish, tool
from children import PIPE, child
from teams import peers

PATIENCE = 30.0
"""Seconds. What is not waited for takes twice that, and a busy machine may need the rest."""

WHO = contextvars.ContextVar("who", default="nobody")


@Tool
def who() -> str:
    """Tell who calls."""
    return WHO.get()


ASKS = {"a": [tool("who"), lambda request: finish(request.results("who")[0])]}


async def test_run_works_inside_a_running_loop_with_the_callers_context() -> None:
    WHO.set("handler")
    assert run("Go.", peers(ASKS, "a"), [who]).output == "handler"


def test_run_works_from_many_threads_at_once() -> None:
    outputs: list[str] = []
    threads = [
        threading.Thread(target=lambda: outputs.append(run("Go.", peers(ASKS, "a"), [who]).output))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == ["nobody"] * 10


def test_two_loops_in_a_row_work_with_one_team() -> None:
    team = peers(ASKS, "a")
    assert asyncio.run(async_run("Go.", team, [who])).output == "nobody"
    assert asyncio.run(async_run("Go.", team, [who])).output == "nobody"


async def test_a_cancelled_run_leaves_no_task_and_its_tools_are_cleaned_up() -> None:
    cleaned: list[str] = []
    begun, gate = threading.Semaphore(0), threading.Event()

    @Tool
    async def wait() -> str:
        """Wait for ever."""
        try:
            begun.release()
            await asyncio.Event().wait()
        finally:
            cleaned.append("wait")
        return ""

    @Tool
    def stuck() -> str:
        """Wait in a thread, until the test is over."""
        begun.release()
        assert gate.wait(PATIENCE)
        return ""

    before = asyncio.all_tasks()
    script = {"a": [[tool("wait"), tool("stuck"), tool("wait")]]}
    work = asyncio.create_task(async_run("Go.", peers(script, "a") * 3, [wait, stuck]))
    for _ in range(9):
        await asyncio.to_thread(begun.acquire)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work  # the threads are not waited for: they are let go below
    gate.set()
    assert cleaned == ["wait"] * 6
    assert asyncio.all_tasks() == before


async def test_a_thousand_agents_called_by_one_reply_finish_in_time_and_leave_nothing() -> None:
    script = {
        "boss": lambda r: (
            finish(str(len(r.answers("w")))) if r.turn else [_call(n) for n in range(1000)]
        ),
        "w": Turn(finish("ok"), delay=0.1),
    }
    team = peers(script, "boss", "w")
    before = asyncio.all_tasks()
    begun = time.perf_counter()
    result = await async_run("Go.", team[:1], run_agents=team)
    took = time.perf_counter() - begun  # one after the other they would take 100 s
    assert result.output == "1000"
    assert len(result.messages) == 2002
    assert took < PATIENCE
    assert asyncio.all_tasks() == before


def _call(number: int) -> object:
    return tool("call_agent", agent_name="w", message=str(number))


async def test_sixty_four_plain_tools_of_one_reply_wait_for_none() -> None:
    together = threading.Barrier(64)

    @Tool
    def meet() -> str:
        """Wait for the others."""
        together.wait(PATIENCE)
        return "ok"

    script = {"a": [[tool("meet")] * 64, lambda seen: finish(" ".join(seen.results("meet")))]}
    assert (await async_run("Go.", peers(script, "a"), [meet])).output.split() == ["ok"] * 64
    async with asyncio.timeout(10):
        while [t for t in threading.enumerate() if t.name.startswith("agentouto-tool")]:
            await asyncio.sleep(0.001)


PREFACE = """
import asyncio, sys, threading, time
sys.path[:0] = {path!r}
from agentouto import *
from agentouto.testing import *

asleep = threading.Semaphore(0)

@Tool
def sleep_long() -> str:
    "Sleep."
    asleep.release()
    print("asleep", flush=True)
    time.sleep(60)
    return ""

@Tool
async def wait_long() -> str:
    "Wait."
    asleep.release()
    print("asleep", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        print("cleaned", flush=True)
    return ""

def team(*replies):
    return [Agent("a", "i", "m", Provider("s", kind="script", script={{"a": list(replies)}}))]
"""


def started(code: str) -> AbstractContextManager[subprocess.Popen[str]]:
    source = PREFACE.format(path=sys.path) + textwrap.dedent(code)
    return child([sys.executable, "-W", "error", "-c", source], stdout=PIPE, stderr=PIPE)


def interrupted(code: str) -> tuple[str, str, float]:
    """Start ``code``, press Ctrl-C when it says that it is asleep; return what it printed."""
    with started(code) as process:
        assert process.stdout
        assert process.stdout.readline() == "asleep\n"
        begun = time.perf_counter()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
        return out, err, time.perf_counter() - begun


@pytest.mark.parametrize("name", ["sleep_long", "wait_long"])
@pytest.mark.parametrize("place", ["plain", "inside a loop"])
def test_ctrl_c_ends_a_run_cleanly(name: str, place: str) -> None:
    call = f'run("Go.", team(tool("{name}")), [sleep_long, wait_long])'
    if place == "plain":
        work = f"    {call}"
    else:
        work = f"    async def handler():\n        {call}\n    asyncio.run(handler())"
    out, err, took = interrupted(
        f"try:\n{work}\nexcept KeyboardInterrupt:\n    print('interrupted')\n"
    )
    assert "interrupted" in out
    assert ("cleaned" in out) == (name == "wait_long")
    assert err == ""
    assert took < PATIENCE


def test_ctrl_c_in_a_handler_of_a_server_ends_the_run_too() -> None:
    out, err, took = interrupted(
        """
        async def main():
            async def handler():
                run("Go.", team(tool("wait_long")), [wait_long])
            async with asyncio.TaskGroup() as group:
                group.create_task(handler())
                await asyncio.sleep(60)
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    assert "cleaned" in out
    assert "interrupted" in out
    assert err == ""
    assert took < PATIENCE


def test_a_background_run_does_not_hold_up_the_end_of_the_interpreter() -> None:
    with started(
        """
        task = run_background("Go.", team([tool("sleep_long"), tool("wait_long")]), [sleep_long, wait_long])
        asleep.acquire()
        asleep.acquire()
        """
    ) as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert "cleaned" in out
    assert err == ""


async def test_a_background_run_in_a_loop_survives_without_a_reference() -> None:
    done: list[str] = []

    @Tool
    def note() -> str:
        """Note."""
        done.append("x")
        return ""

    run_background("Go.", peers({"a": [Turn(tool("note"), delay=0.01), finish("x")]}, "a"), [note])
    gc.collect()
    async with asyncio.timeout(10):
        while not done:
            await asyncio.sleep(0.005)


def test_a_run_whose_loop_was_closed_over_it_can_be_given_up() -> None:
    with started(
        """
        async def begin():
            task = run_background("Go.", team(tool("wait_long")), [wait_long])
            while not asleep.acquire(blocking=False):
                await asyncio.sleep(0)
            return task
        loop = asyncio.new_event_loop()
        task = loop.run_until_complete(begin())
        loop.close()
        task.cancel()
        try:
            task.result(timeout=10)
        except Cancelled:
            print("given up", flush=True)
        import os
        os._exit(0)
        """
    ) as process:
        out, _ = process.communicate(timeout=PATIENCE)
    assert "given up" in out


def test_an_error_of_a_run_from_plain_code_has_no_context_of_ours() -> None:
    with pytest.raises(ProviderError) as caught:
        run("Go.", peers(Script({"solo": [fail(400)]}), "solo"))
    assert caught.value.__context__ is None


def test_one_provider_instead_of_a_list_is_refused_by_name() -> None:
    provider = Provider("p", kind="openai")
    with pytest.raises(ConfigurationError, match="providers= takes a list of Providers, not Prov"):
        run("Go.", [Agent("a", "", "m", "p")], None, provider)  # type: ignore[arg-type]
