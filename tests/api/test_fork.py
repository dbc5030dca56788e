"""A process that was made by ``os.fork`` leaves its parent's runs and connections alone."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from children import async_child
from wire.server import HELLO, Server, serving, streams

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

SECONDS = 60
"""How long a program may take: a hang is what these tests look for, and none of it takes a second."""

BEGIN = """
import asyncio, gc, os, signal, sys, threading

if sys.argv[2] == "asyncio":
    sys.modules["uvloop"] = None  # as if it were not installed
else:
    import uvloop

from agentouto import *
from agentouto import run_background, send_message, async_run
from agentouto.testing import Script, finish, tool

url = sys.argv[1]
agent = Agent("a", "", "m", Provider("p", "openai", base_url=url), context_window=10**9)

def in_child(work):
    child = os.fork()
    if not child:
        threading.Timer(30, os._exit, [7]).start()
        work()
        sys.stdout.flush()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status

def leave_normally():
    "Fork a child that ends as programs do, with finalizers and functions for the exit."
    child = os.fork()
    if not child:
        sys.exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    # When all of Python has ended, libuv joins its threads, which a fork does not have.
    by_libuv = sys.argv[2] == "uvloop" and code == -signal.SIGSEGV
    assert code == 0 or by_libuv, code
"""

PROGRAMS = {
    "a run in the background, then a child that does nothing": """
assert run_background("Hi", [agent]).result(timeout=20).output == "Hello"
leave_normally()
assert run_background("Hi", [agent]).result(timeout=20).output == "Hello"
""",
    "a loop that is not closed, then a child that does nothing": """
loop = asyncio.new_event_loop()
assert loop.run_until_complete(async_run("Hi", [agent])).output == "Hello"
leave_normally()
assert loop.run_until_complete(async_run("Hi", [agent])).output == "Hello"
loop.close()
""",
    "runs in the child": """
assert run_background("Hi", [agent]).result(timeout=20).output == "Hello"
def work():
    assert run("Hi", [agent]).output == "Hello"
    assert run_background("Hi", [agent]).result(timeout=20).output == "Hello"
    assert asyncio.run(async_run("Hi", [agent])).output == "Hello"
    gc.collect()
in_child(work)
assert run_background("Hi", [agent]).result(timeout=20).output == "Hello"
assert run("Hi", [agent]).output == "Hello"
""",
    "a child of a child": """
assert run("Hi", [agent]).output == "Hello"
in_child(lambda: in_child(lambda: run("Hi", [agent])))
assert run("Hi", [agent]).output == "Hello"
""",
    "a run of the parent's is not one of the child's": """
begun, go = threading.Event(), threading.Event()
@Tool
def wait() -> str:
    begun.set()
    go.wait(30)
    return "ok"
script = Script({"b": [tool("wait"), finish("done")]})
waiting = Agent("b", "", "m", Provider("s", "script", script=script))
handle = run_background("Hi", [waiting], [wait])
begun.wait(20)
def work():
    for ask in (
        lambda: send_message(str(handle), "you?"),
        lambda: handle.send("you?"),
        lambda: get_agent_status(str(handle)),
        lambda: handle.result(timeout=20),
    ):
        try:
            ask()
        except RoutingError:
            pass
        else:
            raise AssertionError(ask)
    assert not handle.cancel()
    assert run("Hi", [agent]).output == "Hello"
in_child(work)
go.set()
assert handle.result(timeout=20).output == "done"
""",
    "a child of a tool": """
@Tool
def fork() -> str:
    in_child(lambda: run("Hi", [agent]))
    return "ok"
script = Script({"b": [tool("fork"), finish("done")]})
forking = Agent("b", "", "m", Provider("s", "script", script=script))
assert run("Hi", [forking], [fork], limits=Limits(requests=2)).output == "done"
""",
}


@pytest.mark.parametrize("loops", ["asyncio", "uvloop"])
@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_fork_disturbs_neither_parent_nor_child(program: str, loops: str) -> None:
    if loops == "uvloop":
        pytest.importorskip("uvloop")
    async with serving(streams(HELLO)) as server:
        await finished(BEGIN + PROGRAMS[program], server, loops)


async def finished(program: str, server: Server, loops: str) -> None:
    """Run ``program`` to its end; what it writes to stderr is a fault too."""
    async with async_child(
        sys.executable,
        "-W",
        "ignore::DeprecationWarning",  # Python 3.12 warns of every fork beside a thread
        "-c",
        program,
        server.url,
        loops,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    ) as process:
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate()
    assert (process.returncode, err.decode(), out) == (0, "", b"")
