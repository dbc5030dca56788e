"""What is learned of a server is shared by the runs of one host, and by no others."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import web

from agentouto import Agent
from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.content import Incoming
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Provider
from agentouto._engine.host import Host
from agentouto._engine.run import Run
from agentouto._options import make_plan
from agentouto.providers import open_backend
from agentouto.providers._openai.chat_wire import OpenAIChatWire
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.retry import RetryPolicy
from agentouto.providers._transport.sessions import ResourcesByLoop
from wire.dialects import DIALECTS, Dialect, Words
from wire.server import refuses, serving, streams
from wire.words import asking

REFUSED = "Unsupported parameter: 'temperature' is not supported with this model."

MODELS = {"anthropic": "claude-sonnet-4-5"}
"""Models that are told a temperature, where the usual one is not."""


@dataclass
class Picky:
    """A server that refuses a temperature; ``asked`` tells of each request whether it had one."""

    dialect: Dialect
    url: str = ""
    asked: list[bool] = field(default_factory=list[bool])

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return await refuses(404)(request)
        self.asked.append('"temperature"' in await request.text())
        if self.asked[-1]:
            return await refuses(400, REFUSED)(request)
        return await streams(self.dialect.stream([Words("Hello")]))(request)

    def provider(self) -> Provider:
        """Another object each time, as a program makes them."""
        return replace(self.dialect.home, base_url=self.url, api_key="k")

    async def ask(self, memory: Memory) -> None:
        backend = open_backend(self.provider(), memory)
        model = MODELS.get(self.dialect.name, self.dialect.model)
        settings = {"model": model, "reasoning": False, "temperature": 0.5}
        request = self.dialect.request([Incoming("Hi")], **settings)
        async with aclosing(backend.stream(request)) as answer:
            async for _ in answer:
                pass


@asynccontextmanager
async def picky(dialect: Dialect) -> AsyncIterator[Picky]:
    there = Picky(dialect)
    async with serving(there.answer) as server:
        there.url = server.url
        yield there


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
async def test_what_a_server_refused_is_known_where_it_was_learnt_until_it_is_forgotten(
    dialect: Dialect,
) -> None:
    one, other = Memory(), Memory()
    async with picky(dialect) as server:
        for memory, had in ((one, [True, False]), (one, [False]), (other, [True, False])):
            server.asked.clear()
            await server.ask(memory)
            assert server.asked == had
        one.forget()
        server.asked.clear()
        await server.ask(one)
        assert server.asked == [True, False]


async def test_runs_of_one_host_share_what_they_learn_and_those_of_another_do_not() -> None:
    async with picky(DIALECTS["openai"]) as server:

        async def run_in(host: Host) -> list[bool]:
            server.asked.clear()
            agent = Agent("a", "Say hello.", "m", server.provider(), temperature=0.5)
            plan = make_plan("async_run", ("Go.", [agent], None, None), {}, host.memory)
            assert (
                await Run(plan, SYSTEM_CLOCK.new_id(), SYSTEM_CLOCK).execute()
            ).output == "Hello"
            return [*server.asked]

        host = Host()
        assert await run_in(host) == [True, False]
        assert await run_in(host) == [False]
        assert await run_in(Host()) == [True, False]


async def test_the_connections_of_a_memory_that_is_gone_are_closed() -> None:
    async with serving(streams()) as one, serving(streams()) as other:
        memory = Memory()
        for server in (one, other):
            provider = Provider("p", "openai", base_url=server.url)
            backend = HttpBackend(provider, OpenAIChatWire(provider), memory)
            async with aclosing(backend.stream(asking(Incoming("Hi")))) as answer:
                async for _ in answer:
                    pass
        sessions = [*memory.part(ResourcesByLoop).here()._sessions.values()]
        assert [session.closed for session in sessions] == [False, False]
        del backend, memory, answer
        gc.collect()
        await asyncio.sleep(0)
        assert [session.closed for session in sessions] == [True, True]


class Token:
    """Hands out the same token each time."""

    async def get_token(self) -> str:
        return "t"


async def test_a_wait_of_one_auth_is_none_of_the_next_that_gets_its_number() -> None:
    memory, once = Memory(), RetryPolicy(tries=1, total=20)

    async def ask(url: str, auth: Any) -> None:
        provider = Provider("p", "openai", base_url=url, auth=auth)
        wire = OpenAIChatWire(provider, memory)
        backend = HttpBackend(provider, wire, memory, policy=once)
        async with aclosing(backend.stream(asking(Incoming("Hi")))) as answer:
            async for _ in answer:
                pass

    async with serving(refuses(429, "slow down", retry_after="30"), streams()) as server:
        first = Token()
        number = id(first)
        with pytest.raises(Exception, match="slow down"):
            await ask(server.url, first)
        with pytest.raises(Exception, match="slow down"):
            await ask(server.url, first)
        assert len(server.asked) == 1
        del first
        gc.collect()
        # Most often the next object gets the number at once; the allocator does not promise it.
        others = [Token()]
        while id(others[-1]) != number and len(others) < 10_000:
            others.append(Token())
        await ask(server.url, others[-1])
        assert len(server.asked) == 2
