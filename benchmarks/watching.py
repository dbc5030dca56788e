"""A client of the page, in a process of its own: starts a run and follows it to its end.

::

    python watching.py URL

Prints how many lines came.
"""

from __future__ import annotations

import asyncio
import json
import sys

import aiohttp


async def main(url: str) -> None:
    lines = 0
    async with aiohttp.ClientSession(read_bufsize=1 << 22) as session:
        async with session.post(f"{url}/api/runs", json={"text": "Go."}) as response:
            run = (await response.json())["id"]
        async with session.get(f"{url}/api/runs/{run}/events") as events:
            async for line in events.content:
                if line.startswith(b"event: end"):
                    break
                if line.startswith(b"data: ["):
                    lines += len(json.loads(line.removeprefix(b"data: ")))
    print(lines)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
