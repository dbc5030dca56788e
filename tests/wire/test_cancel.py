"""Whoever lets go of a run in the middle of a reply hangs up, in every format, and at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from agentouto import Agent, Provider, async_run, async_run_stream, run_background
from wire import crowd
from wire.server import Server, hangs, serving

SOON = 10.0
"""Seconds. The server would hold on for 60, and a machine may be busy."""

every_format = pytest.mark.parametrize("kind", crowd.FORMATS)


@asynccontextmanager
async def in_mid_stream(kind: str) -> AsyncIterator[tuple[Server, Agent]]:
    """Serve the first half of a reply, and an agent to hear it."""
    events = crowd.FORMATS[kind](8)
    async with serving(hangs(*events[: len(events) // 2])) as server:
        provider = Provider("local", kind=kind, api_key="none", base_url=server.url)
        yield server, Agent("teller", "You tell.", "m", provider, max_output_tokens=1024)


async def seconds_until_gone(server: Server, let_go: Callable[[], Awaitable[object]]) -> float:
    clock = asyncio.get_running_loop().time
    assert not server.gone.is_set()
    began = clock()
    leaving = asyncio.ensure_future(let_go())
    async with asyncio.timeout(5):
        await server.gone.wait()
        took = clock() - began
        await leaving
    return took


async def heard_a_word(server: Server, agent: Agent) -> None:
    """Wait until the reply is under way: what the server has sent has come."""
    async with asyncio.timeout(5):
        await server.was_asked.wait()
        await asyncio.sleep(0.05)


@every_format
async def test_a_cancelled_run_hangs_up(kind: str) -> None:
    async with in_mid_stream(kind) as (server, agent):
        run = asyncio.create_task(async_run("?", [agent]))  # type: ignore[arg-type]
        await heard_a_word(server, agent)

        async def cancel() -> None:
            run.cancel()
            await asyncio.wait([run])

        assert await seconds_until_gone(server, cancel) < SOON
        assert run.cancelled()


@every_format
async def test_a_closed_stream_hangs_up(kind: str) -> None:
    async with in_mid_stream(kind) as (server, agent):
        stream = async_run_stream("?", [agent])
        async for event in stream:
            if event.type == "token":
                break
        assert await seconds_until_gone(server, stream.aclose) < SOON


@every_format
async def test_a_cancelled_background_run_hangs_up(kind: str) -> None:
    async with in_mid_stream(kind) as (server, agent):
        handle = run_background("?", [agent])
        await heard_a_word(server, agent)

        async def cancel() -> None:
            handle.cancel()

        assert await seconds_until_gone(server, cancel) < SOON


@every_format
async def test_a_reply_that_takes_too_long_is_hung_up_on(kind: str) -> None:
    async with in_mid_stream(kind) as (server, agent):

        async def wait_no_longer() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(async_run("?", [agent]), 0.05)

        assert await seconds_until_gone(server, wait_no_longer) < SOON + 0.05
