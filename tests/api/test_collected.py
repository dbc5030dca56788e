"""Runs and streams that the garbage collector finds, at any moment and in any thread."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from agentouto import Tool, async_run_stream, get_agent_status, run
from agentouto._domain.message import Message
from agentouto._engine.call import Mailbox
from agentouto._engine.delivery import Delivery
from agentouto._engine.finalizers import run_left_over
from agentouto._engine.host import DEFAULT_HOST
from agentouto._engine.run_stream import RunStream
from agentouto.exceptions import AgentError
from agentouto.testing import finish, tool
from teams import peers


class Cycle:
    """What only the collector finds."""

    def __init__(self, stream: RunStream) -> None:
        self.stream = stream
        self.itself = self


@Tool
async def wait() -> str:
    """Wait."""
    await asyncio.Event().wait()
    return ""


def stream_of() -> RunStream:
    return async_run_stream("Go.", peers({"a": [tool("wait")]}, "a"), [wait])


def never_begun() -> None:
    """Leave a stream with a letter in it."""
    stream = stream_of()
    stream.send("Hello")
    Cycle(stream)


def loop_closed_over_it() -> None:
    """Leave a stream whose run is in the middle of a tool, in a loop that is closed."""
    loop = asyncio.new_event_loop()

    async def begin() -> None:
        stream = stream_of()
        stream.send("Hello")
        async for event in stream:
            if event.type == "tool_call":
                break
        await asyncio.sleep(0)
        stream.send("Hello again")
        Cycle(stream)

    loop.run_until_complete(begin())
    loop.close()


@contextmanager
def at_most(seconds: float) -> Iterator[Callable[[Callable[[], object]], None]]:
    """Give a function that does something in a thread, which fails when it does not end."""

    def do(work: Callable[[], object]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(seconds)
        assert not thread.is_alive(), "it waits for itself"

    gc.disable()
    gc.collect()
    gc.freeze()  # what other tests of this process have left takes seconds to look through
    try:
        yield do
    finally:
        gc.unfreeze()
        gc.enable()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:coroutine")
@pytest.mark.parametrize("leave", [never_begun, loop_closed_over_it])
def test_nothing_waits_when_it_is_collected_while_a_lock_is_held(
    leave: Callable[[], None],
) -> None:
    def with_mailbox() -> None:
        leave()
        Mailbox().put(Delivery(Message("forward", "u", "a", "x"), "a"), gc.collect)

    def with_every_lock() -> None:
        for lock in locks:
            leave()
            with lock:
                gc.collect()

    kept = stream_of()
    starter = kept._run.starters[0]
    locks = [
        DEFAULT_HOST._opening,
        starter.mailbox._lock,
        kept._run.mail._to_user._lock,
        kept._run.log._lock,
        kept._run._threads._lock,
    ]
    with at_most(20) as do:
        do(with_mailbox)
        do(with_every_lock)
        do(run_left_over)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:coroutine")
@pytest.mark.parametrize("leave", ["never begun", "loop closed"])
def test_what_was_left_is_ended_by_the_next_look(leave: str) -> None:
    streams = [stream_of()]
    starter = streams[0]._run.starters[0]
    loop = asyncio.new_event_loop()

    async def begin() -> None:
        async for event in streams[0]:
            if event.type == "tool_call":
                break

    if leave == "loop closed":
        loop.run_until_complete(begin())
    loop.close()
    receipt = streams[0].send("Hello")
    gone = weakref.ref(streams.pop())
    gc.collect()
    assert gone() is None
    with pytest.raises(AgentError):
        get_agent_status("call-unknown")
    assert receipt.status == "returned"
    assert starter.status == "cancelled"


async def test_what_was_never_begun_is_ended_by_its_loop() -> None:
    stream = stream_of()
    receipt = stream.send("Hello")
    del stream
    gc.collect()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert receipt.status == "returned"


def test_the_registry_can_be_asked_while_streams_are_collected() -> None:
    script = """
import faulthandler, gc
faulthandler.dump_traceback_later(30, exit=True)
from agentouto import Agent, AgentError, Provider, async_run_stream, get_agent_status
from agentouto.testing import Script, finish
agent = Agent("a", "x", "m", Provider("s", kind="script", script=Script({"a": finish("x")})))
gc.set_threshold(7, 1, 1)
class Request: pass
for _ in range(1000):
    request = Request()
    request.stream, request.me = async_run_stream("x", [agent]), request
    request.stream.send("Hello")
    try:
        get_agent_status("call-unknown")
    except AgentError:
        pass
print("held")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("held\n", "")


def test_runs_go_on_as_before_afterwards() -> None:
    assert run("Go.", peers({"a": [finish("x")]}, "a")).output == "x"
