"""A process that works for a long time holds no more sockets, threads and runs than at its start."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from children import async_child
from wire.server import HELLO, serving, streams

PROGRAM = """
import asyncio, gc, os, sys, threading, time
from agentouto import Agent, Provider, async_run, async_run_stream, run, run_background
from agentouto._engine.host import DEFAULT_HOST

url, runs, left, loops = sys.argv[1], *map(int, sys.argv[2:])
agent = Agent("a", "", "m", Provider("p", "openai", base_url=url), context_window=10**9)

async def leave(many):
    for _ in range(many):
        async with async_run_stream("Hi", [agent]) as stream:
            async for _ in stream:
                break

def use(runs, left, loops):
    for _ in range(runs):
        assert run("Hi", [agent]).output == "Hello"
        assert run_background("Hi", [agent]).result(timeout=20).output == "Hello"
    asyncio.run(leave(left))
    for number in range(loops):
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(async_run("Hi", [agent])).output == "Hello"
        if number % 2:
            loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    if hasattr(os, "fork"):
        child = os.fork()
        if not child:
            assert run("Hi", [agent]).output == "Hello"
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    asyncio.run(async_run("Hi", [agent]))  # what loops have left is closed with the next request
    gc.collect()

def held():
    time.sleep(0.1)  # sockets of closed connections are closed by their loops
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    return descriptors, threading.active_count(), len(DEFAULT_HOST.live)

def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

use(2, 2, 2)
before = held()
if runs > 1000:
    use(1100, 50, 50)  # as many background runs as are kept
    print("before", memory(), "MB", before)
use(runs, left, loops)
if runs > 1000:
    print("after", memory(), "MB", held())
assert held() <= before, (before, held())
"""


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_a_process_that_works_for_long_holds_what_it_held_at_the_start() -> None:
    async with (
        serving(streams(HELLO)) as server,
        async_child(
            sys.executable,
            "-W",
            "ignore::DeprecationWarning",  # Python 3.12 warns of every fork beside a thread
            "-c",
            PROGRAM,
            server.url,
            *("60", "20", "20"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        ) as process,
        asyncio.timeout(60),
    ):
        out, _ = await process.communicate()
    assert (process.returncode, out.decode()) == (0, "")
