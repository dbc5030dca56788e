"""A web handler that streams a run: when its client leaves, everything ends."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from agentouto import Agent, Provider, Tool, async_run_stream
from agentouto.testing import Script, Turn, say, tool

Endpoint = Callable[[Request], StreamingResponse]


@asynccontextmanager
async def served(endpoint: Endpoint) -> AsyncIterator[str]:
    """Serve ``endpoint`` at the address that is given."""
    app = Starlette(routes=[Route("/", endpoint)])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.005)
        [port] = [socket.getsockname()[1] for s in server.servers for socket in s.sockets]
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.should_exit = True
            await serving


def agent(script: Script) -> Agent:
    return Agent("a", "You are a.", "m", Provider("p", kind="script", script=script))


async def left(lines: Callable[[], AsyncIterator[bytes]]) -> float:
    """Read the first bytes, leave, and return how long it took until nothing was left."""

    def endpoint(_request: Request) -> StreamingResponse:
        return StreamingResponse(lines(), media_type="text/event-stream")

    async with served(endpoint) as url, aiohttp.ClientSession() as session:
        response = await session.get(url)
        await response.content.readany()
        before = {task for task in asyncio.all_tasks() if task.get_name().startswith("run ")}
        assert before
        response.close()
        began = time.monotonic()
        while any(not task.done() for task in before):
            await asyncio.sleep(0.001)
            assert time.monotonic() - began < 5
        return time.monotonic() - began


async def soonest(lines: Callable[[], AsyncIterator[bytes]]) -> float:
    """Return the shortest time of several: a busy machine adds its own to some of them."""
    return min([await left(lines) for _ in range(5)])


async def test_a_client_that_leaves_in_the_middle_of_a_reply_ends_the_run_within_100_ms() -> None:
    script = Script({"a": [Turn(say("word " * 10_000), stream=True, pause=0.002)]})

    async def lines() -> AsyncIterator[bytes]:
        stream = async_run_stream("Go.", [agent(script)])
        async for event in stream:
            yield f"data: {json.dumps(event.data)}\n\n".encode()

    assert await soonest(lines) < 0.1


async def test_a_client_that_leaves_while_a_tool_works_ends_it_and_lets_it_clean_up() -> None:
    cleaned = asyncio.Event()

    @Tool
    async def hold() -> str:
        """Hold."""
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.set()
        return ""

    script = Script({"a": [Turn(say("Wait."), tool("hold"))]})

    async def lines() -> AsyncIterator[bytes]:
        async with async_run_stream("Go.", [agent(script)], [hold]) as stream:
            async for event in stream:
                yield f"data: {event.type}\n\n".encode()

    assert await soonest(lines) < 0.1
    assert cleaned.is_set()
