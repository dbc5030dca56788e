"""Servers of fronts, and teams that are scripts, for the tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion

from agentouto import Agent, Limits, Provider, Team
from agentouto.serve import Server, openai_app
from agentouto.testing import Request, Script, call, finish

LIMITS = Limits(requests=50)


def team(
    script: Script | Mapping[str, Any],
    *names: str,
    tools: Sequence[Any] = (),
    starting: int = 1,
    **options: Any,
) -> Team:
    """Return a team whose agents are ``names``, or those of the script; the first are started."""
    if not isinstance(script, Script):
        names = names or tuple(script)
        script = Script(script)
    provider = Provider("scripted", kind="script", script=script)
    agents = [Agent(name, f"You are {name}.", "m", provider) for name in names]
    options = {"limits": LIMITS, **options}
    return Team(agents, tools, starting_agents=agents[:starting], **options)


@asynccontextmanager
async def served(front: Any, prefix: str = "/v1", **how: Any) -> AsyncIterator[str]:
    """Serve ``front`` on a free port of this computer, at the address that is yielded."""
    server = Server({prefix: front}, port=0, **how)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve())
        try:
            yield server.address
        finally:
            server.stop()
            await serving


@asynccontextmanager
async def unguarded(app: Any) -> AsyncIterator[str]:
    """Serve an ASGI application as a program of its own would."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.005)
        [port] = [socket.getsockname()[1] for s in server.servers for socket in s.sockets]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def openai_served(
    served_team: Team, how: Mapping[str, Any] | None = None, **options: Any
) -> AsyncIterator[str]:
    """Serve ``served_team`` as OpenAI models; yield the base URL for clients."""
    async with served(openai_app(served_team, **options), **(how or {})) as address:
        yield f"{address}/v1"


@asynccontextmanager
async def client(served_team: Team, key: str = "any", **options: Any) -> AsyncIterator[AsyncOpenAI]:
    async with (
        openai_served(served_team, **options) as url,
        AsyncOpenAI(base_url=url, api_key=key) as asking,
    ):
        yield asking


async def ask(asking: AsyncOpenAI, *messages: Any, model: str = "team", **more: Any) -> Any:
    """Ask with ``messages``: texts are the user's and the team's, in turn."""
    given = [
        each if isinstance(each, dict) else {"role": ("user", "assistant")[n % 2], "content": each}
        for n, each in enumerate(messages)
    ]
    return await asking.chat.completions.create(model=model, messages=given, **more)


def text_of(reply: ChatCompletion) -> str:
    return reply.choices[0].message.content or ""


def asks_user(request: Request) -> Any:
    """Ask the user which colour, and return the answer."""
    if request.turn == 0:
        return call("user", "Which colour?")
    return finish(f"Painted {request.answers('user')[0]}.")
