"""Works for as long as a process that serves others does, and says what it holds then.

::

    python3 benchmarks/long_lived.py [--runs NUMBER] [--left NUMBER] [--loops NUMBER]

A process makes short runs over HTTP, half of them in the background, leaves streams, uses event
loops that are closed, and forks in between. Each row says what it holds after that. Exits with 1 if
it holds more sockets or threads than after a warm-up, or more memory than the bar below.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from agentouto import Agent, Provider, async_run, async_run_stream, run, run_background

MOST_MB = 8.0
"""What the process may have grown by: less than a kilobyte a run, which is what its memory goes up
and down by in any case."""

KEPT = 1_000
"""So many background runs are kept, so the warm-up has more of them."""

BODY = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"
ANSWER = HEAD % len(BODY) + BODY


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer requests on one connection, until it is closed."""
    with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            writer.write(ANSWER)
            await writer.drain()
    writer.close()


# ── the process ───────────────────────────────────────────────────────────────────────────────


class Process:
    """What the process does, against the server at ``url``."""

    def __init__(self, url: str) -> None:
        provider = Provider("p", "openai", base_url=url, api_key="k")
        self.agent = Agent("a", "", "m", provider, context_window=10**9)

    def short_runs(self, number: int) -> None:
        for _ in range(number // 2):
            assert run("Hi", [self.agent]).output == "Hello"
            assert run_background("Hi", [self.agent]).result(timeout=60).output == "Hello"

    def left_streams(self, number: int) -> None:
        async def leave() -> None:
            for _ in range(number):
                async with async_run_stream("Hi", [self.agent]) as stream:
                    async for _ in stream:
                        break

        asyncio.run(leave())

    def event_loops(self, number: int) -> None:
        for place in range(number):
            loop = asyncio.new_event_loop()
            assert loop.run_until_complete(async_run("Hi", [self.agent])).output == "Hello"
            if place % 2:
                loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def fork(self, number: int) -> None:
        for _ in range(number):
            child = os.fork()
            if not child:
                os._exit(run("Hi", [self.agent]).output != "Hello")
            assert os.waitpid(child, 0)[1] == 0
            self.short_runs(2)


def held() -> dict[str, float]:
    """Return what the process holds, after all that can be let go is."""
    gc.collect()
    time.sleep(0.2)  # sockets of closed connections are closed by their loops
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return {
        "mb": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "descriptors": len([*Path("/proc/self/fd").iterdir()]),
        "threads": threading.active_count(),
    }


def work(url: str, runs: int, left: int, loops: int) -> bool:
    """Print a row after each kind of work; return whether nothing has grown."""
    process = Process(url)
    rows: list[dict[str, float]] = []

    def stage(name: str, act: Callable[[int], None], number: int) -> None:
        began = time.perf_counter()
        act(number)
        seconds, now = time.perf_counter() - began, held()
        rows.append(now)
        figures = f"{now['mb']:.1f} | {now['descriptors']} | {now['threads']}"
        print(f"| {name.format(f'{number:,}')} | {seconds:.0f} | {figures} |", flush=True)

    def warm_up(number: int) -> None:
        process.short_runs(number)
        process.left_streams(50)
        process.event_loops(50)
        process.fork(1)

    print("| after | seconds | MB | descriptors | threads |")
    print("| --- | --- | --- | --- | --- |")
    stage("a warm-up", warm_up, 2 * KEPT + 200)
    stage("{} short runs", process.short_runs, runs // 2)
    stage("a fork", process.fork, 1)
    stage("{} more", process.short_runs, runs - runs // 2)
    stage("{} streams that were left", process.left_streams, left)
    stage("{} event loops", process.event_loops, loops)
    stage("{} more forks", process.fork, 3)
    start, *later = rows
    return all(
        row["mb"] <= start["mb"] + MOST_MB
        and row["descriptors"] <= start["descriptors"]
        and row["threads"] <= start["threads"]
        for row in later
    )


# ── the server ────────────────────────────────────────────────────────────────────────────────


async def serve(arguments: list[str]) -> int:
    """Serve the process that works; return its exit code."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    command = [sys.executable, "-W", "ignore::DeprecationWarning", __file__, "--url", url]
    process = await asyncio.create_subprocess_exec(*command, *arguments)
    return await process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, number in (("--runs", 10_000), ("--left", 500), ("--loops", 1_000)):
        parser.add_argument(name, type=int, default=number)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.url:
        return 0 if work(given.url, given.runs, given.left, given.loops) else 1
    return asyncio.run(serve(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
