"""Measures what a reader of event lines costs: microseconds of processor time a line.

``python benchmarks/lines.py`` prints one row. A run without a reader is subtracted.
"""

from __future__ import annotations

import asyncio
import time

from agentouto import Agent, Provider, RunStream, async_run_stream
from agentouto.testing import Script, Turn, say

WORDS = 20_000
ROUNDS = 5
MOST_MICROSECONDS = 25
"""The bar: forty thousand lines in a second of one core."""


def run() -> RunStream:
    script = Script({"solo": [Turn(say("word " * WORDS), stream=True)]})
    provider = Provider("scripted", kind="script", script=script)
    return async_run_stream("Go.", [Agent("solo", "", "m", provider)])


async def without_reader() -> float:
    began = time.process_time()
    await run().result()
    return time.process_time() - began


async def with_reader() -> tuple[float, int]:
    began, lines = time.process_time(), 0
    async for _ in run().lines():
        lines += 1
    return time.process_time() - began, lines


async def main() -> None:
    costs: list[float] = []
    for _ in range(ROUNDS):
        alone = await without_reader()
        seconds, lines = await with_reader()
        costs.append((seconds - alone) / lines * 1e6)
    cost = min(costs)
    print(f"a line for its reader: {cost:.1f} us (at most {MOST_MICROSECONDS})")


if __name__ == "__main__":
    asyncio.run(main())
