"""Clients of a server of ours, in a process of their own: so many requests at once.

::

    python asking.py URL NUMBER MESSAGE
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp


async def ask(session: aiohttp.ClientSession, url: str, message: str) -> None:
    body = {"model": "team", "messages": [{"role": "user", "content": message}]}
    async with session.post(f"{url}/v1/chat/completions", json=body) as response:
        reply = await response.json()
    assert response.status == 200, reply
    assert "all done" in reply["choices"][0]["message"]["content"], reply


async def main(url: str, number: int, message: str) -> None:
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(number):
            group.create_task(ask(session, url, message))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
