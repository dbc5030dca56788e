"""Measures memory: of agents that wait, of results that are kept, of a process that runs for long.

Each measurement is a process that ``memory.py`` starts. Waiting agents and a long-running process
are measured by the memory of the process, kept results by what Python has allocated.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

from scenarios import cpu, memory, stats
from shapes import LOOP, SHAPES, at, repeated, scripted, solo, work

from agentouto import Tool, async_run, run_background
from agentouto.testing import call, finish

FEW, MANY = 500, 2500
PATIENCE = 60.0
FOREVER = 600_000
"""Milliseconds: longer than any measurement takes, so that every request still waits."""


async def waiting(begin: Callable[[int], Awaitable[object]], waits: Callable[[int], bool]) -> float:
    """Return KB for each waiting agent, from the growth that the last of them have caused."""
    held = 0
    before = 0
    tasks: list[asyncio.Future[object]] = []
    for number in (FEW, MANY):
        tasks += [asyncio.ensure_future(begin(place)) for place in range(len(tasks), number)]
        async with asyncio.timeout(PATIENCE):
            while not waits(number):  # noqa: ASYNC110 - the server cannot set an event
                await asyncio.sleep(0.1)
        gc.collect()
        before, held = held, memory("VmRSS")
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return (held - before) / (MANY - FEW)


async def runs_scripted(_: str) -> float:
    """A run that waits for a scripted model: what the engine itself holds."""
    there = 0

    async def never(_: object) -> object:
        nonlocal there
        there += 1
        await asyncio.get_running_loop().create_future()

    agent, tools = solo(scripted({"solo": never})), [Tool(work)]
    return await waiting(lambda _: async_run("Go.", [agent], tools), lambda number: there == number)


async def runs_http(url: str) -> float:
    """A run that waits for a model over HTTP, connection included."""
    agent, tools = solo(at(url)), [Tool(work)]
    prompt = f"@@op=text;lat={FOREVER}@@"
    return await waiting(
        lambda _: async_run(prompt, [agent], tools),
        lambda number: stats(url)["inflight"] == number,
    )


async def calls_http(url: str) -> float:
    """An agent that another has called and that waits over HTTP, in runs with 50 such calls."""
    provider = at(url)
    boss, peer = solo(provider, "boss"), solo(provider, "w")
    prompt = f"@@op=fan;k=50;a=w;sublat={FOREVER}@@"

    async def begin(place: int) -> object:
        if place % 50:
            return None
        return await async_run(prompt, [boss], run_agents=[boss, peer])

    return await waiting(begin, lambda number: stats(url)["inflight"] == number)


async def kept(make: Callable[[], Awaitable[object]], number: int, each: int) -> float:
    """Return the bytes for each thing in what ``make`` returns, of which ``number`` are kept."""
    for _ in range(20):
        await make()
    gc.collect()
    tracemalloc.start()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    held = [await make() for _ in range(number)]
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    return grown / (len(held) * each)


async def result(url: str) -> float:
    """A result that is kept, of a run over HTTP with a tool call and a return."""
    agent, tools = solo(at(url)), [Tool(work)]
    return await kept(lambda: async_run(LOOP, [agent], tools), 500, 1)


async def message(_: str) -> float:
    """A message in a result that is kept, with its events."""
    calls = [call("peer", f"Message {number}.") for number in range(200)]

    async def make() -> object:
        lines = {"boss": [calls, finish("Done.")], "peer": [finish("Here.")]}
        provider = scripted(lines)
        boss = solo(provider, "boss")
        return await async_run("Go.", [boss], run_agents=[boss, solo(provider, "peer")])

    return await kept(make, 10, 402)


async def turn(url: str) -> float:
    """A turn with a tool call, in the result of a long run over HTTP."""
    agent, tools = solo(at(url)), [Tool(work)]
    prompt = "@@op=loop;turns=100@@"
    return await kept(lambda: async_run(prompt, [agent], tools), 10, 100)


async def in_background(url: str) -> float:
    """The same in the background: no reference to it is kept, but its status is available."""
    agent, tools = solo(at(url)), [Tool(work)]

    async def make() -> object:
        await run_background(LOOP, [agent], tools).wait()
        return None

    return await kept(make, 500, 1)


HELD: dict[str, tuple[str, Callable[[str], Awaitable[float]]]] = {
    "runs_scripted": ("KB", runs_scripted),
    "runs_http": ("KB", runs_http),
    "calls_http": ("KB", calls_http),
    "result": ("bytes", result),
    "message": ("bytes", message),
    "turn": ("bytes", turn),
    "in_background": ("bytes", in_background),
}
"""By name: in what it is counted, and how."""


async def day(shape: str, url: str, runs: int, *, trace: bool) -> None:
    """Repeat ``shape``; print what the process has, each on a line, as JSON."""
    if trace:
        tracemalloc.start(12)
    began, used = time.perf_counter(), cpu()
    early: list[tracemalloc.Snapshot] = []

    def tell(done: int) -> None:
        gc.collect()
        if trace and not early:
            early.append(tracemalloc.take_snapshot())
        figures: dict[str, Any] = {"runs": done, "mb": memory("VmRSS") / 1024}
        figures |= {"s": time.perf_counter() - began, "us": (cpu() - used) / done * 1e6}
        figures |= {"objects": len(gc.get_objects()), "tasks": len(asyncio.all_tasks())}
        figures["files"] = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        print(json.dumps(figures), flush=True)

    await repeated(shape, url, runs, tell)
    if trace:
        gc.collect()
        for line in tracemalloc.take_snapshot().compare_to(early[0], "traceback")[:8]:
            trace_lines = "\n".join(line.traceback.format(most_recent_first=True)[:16])
            print(f"\n{line.size_diff:+,} bytes in {line.count_diff:+,} blocks\n{trace_lines}")


def main(name: str, url: str, runs: str, trace: str) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if name in SHAPES:
        asyncio.run(day(name, url, int(runs), trace=bool(int(trace))))
    else:
        print(json.dumps(asyncio.run(_held(name, url))), flush=True)
    os._exit(0)


async def _held(name: str, url: str) -> float:
    return await HELD[name][1](url)


if __name__ == "__main__":
    main(*sys.argv[1:])
