"""Kinds of short runs, which are repeated until a leak would be visible.

A script keeps every request, so each ``ROUND`` of runs has a script of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from itertools import count
from typing import Any, TypeAlias

from contenders import KEY

from agentouto import (
    Agent,
    Provider,
    Tool,
    async_run,
    async_run_stream,
    run,
    run_background,
)
from agentouto.exceptions import ProviderError
from agentouto.testing import Script, Turn, call, fail, finish, say, tool

ROUND = 1000
WIDTH = 10
"""The number of runs at the same time."""

NUMBERS = count()

Deed: TypeAlias = Callable[[], Awaitable[object]]


async def work(i: int) -> str:  # noqa: ARG001
    """Do one unit of work."""
    return "ok"


def plain(i: int) -> str:  # noqa: ARG001
    """Do one unit of work in a thread."""
    return "ok"


def scripted(lines: dict[str, Any], **settings: Any) -> Provider:
    return Provider("scripted", kind="script", script=Script(lines, **settings))


def solo(provider: Provider, name: str = "solo") -> Agent:
    return Agent(name, "You work.", "bench-model", provider, max_output_tokens=4096)


def steady(_: str) -> Deed:
    """One team: a tool, a peer, and a return."""
    both = [tool("work", i=1), call("peer", "Help me.")]
    provider = scripted({"solo": [both, finish("Done.")], "peer": [finish("Here.")]})
    agent, tools = solo(provider), [Tool(work)]
    members = [agent, solo(provider, "peer")]
    return lambda: async_run("Go.", [agent], tools, run_agents=members)


def fresh(_: str) -> Deed:
    """Everything made anew for each run: provider, agents, tools and their names."""

    async def deed() -> None:
        number = next(NUMBERS)

        async def own(i: int) -> str:
            """Do one unit of work."""
            return f"{number} {i}"

        made = Tool(own, name=f"work_{number}")
        lines = {f"solo_{number}": [tool(made.name, i=1), finish("Done.")]}
        agent = Agent(f"solo_{number}", "You work.", f"model-{number}", scripted(lines))
        await async_run("Go.", [agent], [made])

    return deed


def streamed(_: str) -> Deed:
    """Streams, every other of which is left before its end."""
    provider = scripted({"solo": [say("one two three four five")]}, stream=True)
    agent = solo(provider)

    async def deed() -> None:
        leaves = next(NUMBERS) % 2
        async with async_run_stream("Go.", [agent]) as stream:
            async for event in stream:
                if leaves and event.type == "token":
                    break

    return deed


def background(_: str) -> Deed:
    """Runs in the background, of which the last ones are kept."""
    agent, tools = solo(scripted({"solo": [tool("work", i=1), finish("Done.")]})), [Tool(work)]

    async def deed() -> None:
        await run_background("Go.", [agent], tools).wait()

    return deed


def failing(_: str) -> Deed:
    """Runs whose model fails, after a tool that does."""

    async def broken(i: int) -> str:
        """Fail."""
        raise ValueError(i)

    agent = solo(scripted({"solo": [tool("broken", i=1), fail(400)]}))
    tools = [Tool(broken)]
    failures: list[object] = []

    async def deed() -> None:
        try:
            await async_run("Go.", [agent], tools)
        except ProviderError as error:
            failures.append(error.partial)
        assert failures.pop() is not None

    return deed


def cancelled(_: str) -> Deed:
    """Runs that are cancelled while their model thinks."""
    agent = solo(scripted({"solo": [Turn(finish("Done."), delay=60)]}))

    async def deed() -> None:
        running = asyncio.ensure_future(async_run("Go.", [agent]))
        for _ in range(5):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()

    return deed


def threads(_: str) -> Deed:
    """Runs with a plain tool, which is used in a thread."""
    agent, tools = solo(scripted({"solo": [tool("plain", i=1), finish("Done.")]})), [Tool(plain)]
    return lambda: async_run("Go.", [agent], tools)


def at(url: str, kind: str = "openai") -> Provider:
    return Provider("p", kind=kind, api_key=KEY, base_url=url + "/v1")


LOOP = "@@op=loop;turns=1;fin=finish.message@@"
"""A tool call, and then the return."""


def http(url: str) -> Deed:
    """One team over HTTP: a tool, and a return."""
    agent, tools = solo(at(url)), [Tool(work)]
    return lambda: async_run(LOOP, [agent], tools)


def http_fresh(url: str) -> Deed:
    """A provider of its own for each run over HTTP."""
    tools = [Tool(work)]
    return lambda: async_run(LOOP, [solo(at(url))], tools)


def http_left(url: str) -> Deed:
    """Streams over HTTP that are left in the middle."""
    agent = solo(at(url))

    async def deed() -> None:
        async with async_run_stream("@@op=stream;n=50@@", [agent]) as stream:
            async for event in stream:
                if event.type == "token":
                    break

    return deed


def http_blocking(url: str) -> Deed:
    """``run`` over HTTP: an event loop and a connection of its own for each."""
    agent, tools = solo(at(url)), [Tool(work)]

    async def deed() -> None:
        run(LOOP, [agent], tools)

    return deed


SHAPES: dict[str, tuple[int, Callable[[str], Deed]]] = {
    "steady": (100_000, steady),
    "fresh": (20_000, fresh),
    "streamed": (20_000, streamed),
    "background": (20_000, background),
    "failing": (20_000, failing),
    "cancelled": (20_000, cancelled),
    "threads": (20_000, threads),
    "http": (20_000, http),
    "http_fresh": (10_000, http_fresh),
    "http_left": (10_000, http_left),
    "http_blocking": (5_000, http_blocking),
}
"""For each kind: the number of runs that makes a leak visible, and the function."""


async def repeated(shape: str, url: str, runs: int, tell: Callable[[int], object]) -> None:
    """Do so many runs, and ``tell`` how many there have been ten times on the way."""
    make = SHAPES[shape][1]
    done = 0
    for mark in range(1, 11):
        until = runs * mark // 10
        while done < until:
            deed, number = make(url), min(ROUND, until - done)
            await _several(deed, number)
            done += number
        tell(done)


async def _several(deed: Deed, number: int) -> None:
    left = iter(range(number))

    async def one_after_another() -> None:
        for _ in left:
            await deed()

    workers: list[Coroutine[Any, Any, None]] = [one_after_another() for _ in range(WIDTH)]
    await asyncio.gather(*workers)
