"""Runs of plain code in loops of their own, and the thread of background runs."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings

import pytest

from agentouto import Agent, Provider, run
from agentouto._engine.event_loops import run_in_own_loop
from agentouto._engine.portal import Portal
from agentouto.testing import Script, finish
from children import unmeasured
from interruption import Interruption


async def main() -> str:
    return "done"


def press_ctrl_c() -> None:
    raise KeyboardInterrupt


def test_ctrl_c_at_any_moment_before_the_loop_begins_leaves_no_warning() -> None:
    number, happened = 0, True
    while happened:
        number += 1
        interruption = Interruption(run_in_own_loop, number, press_ctrl_c)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                with interruption.in_this_thread():
                    assert run_in_own_loop(main) == "done"
            except KeyboardInterrupt:
                pass
            gc.collect()
        assert not [str(each.message) for each in caught if "never awaited" in str(each.message)]
        happened = interruption.happened
    assert number > 3


def test_the_portal_does_not_wait_for_what_swallows_its_cancellation() -> None:
    portal = Portal()
    begun, go = threading.Event(), threading.Event()
    tasks: list[asyncio.Task[None]] = []

    async def stubborn() -> None:
        begun.set()
        while not go.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    portal.call(lambda: tasks.append(portal.loop.create_task(stubborn())))
    begun.wait()
    portal.close()
    assert portal.thread.is_alive()
    assert not tasks[0].done()
    go.set()
    portal.thread.join(30)
    assert not portal.thread.is_alive()


def test_a_process_ends_although_a_tool_swallows_its_cancellation() -> None:
    program = """
import asyncio, threading
from agentouto import Agent, Provider, Tool, run_background
from agentouto.testing import Script, tool
begun = threading.Event()
@Tool
async def stubborn() -> str:
    "Go on for ever."
    begun.set()
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
provider = Provider("s", kind="script", script=Script(lambda _: tool("stubborn")))
run_background("Go.", [Agent("a", "", "m", provider)], [stubborn])
begun.wait()
print("over")
"""
    done = unmeasured(program)
    assert (done.stdout, done.stderr) == ("over\n", "")


@pytest.mark.parametrize("clears", [False, True])
def test_a_script_whose_requests_are_cleared_keeps_nothing_of_them(*, clears: bool) -> None:
    script = Script(lambda _: finish("x"))
    agent = Agent("a", "", "m", Provider("s", kind="script", script=script))
    for _ in range(5):
        run("Go.", [agent])
        if clears:
            script.requests.clear()
    assert len(script._tries) == (1 if clears else 5)
