"""The contender *ours*: this package, used as its guide shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from contenders import KEY, MODEL, SYSTEM, Contender, Hear

import agentouto
from agentouto import Agent, KindSpec, Limits, Provider, Tool, async_run, async_run_stream


@dataclass(frozen=True)
class Team:
    """An agent, its tools, and all agents that can be called from it."""

    starter: Agent
    tools: list[Tool[..., Any]]
    members: list[Agent]


class Ours(Contender):
    """Runs the scenarios with this package; the format is the kind of the provider."""

    FINISH = "finish.message"

    async def setup(self) -> None:
        below = "/v1" if self.kind.startswith("openai") else ""
        url = self.url + below
        kind = cast("KindSpec", self.kind)  # it is one of ``contenders.KINDS``, as a plain text
        self._provider = Provider("p", kind=kind, api_key=KEY, base_url=url)

    def agent(
        self,
        name: str,
        tools: Sequence[Callable[..., Any]] = (),
        agents: Sequence[Team] = (),
    ) -> Team:
        starter = Agent(name, SYSTEM, MODEL, self._provider, max_output_tokens=4096)
        members = {name: starter}
        for team in agents:
            for member in team.members:
                members.setdefault(member.name, member)
        return Team(starter, [Tool(tool) for tool in tools], list(members.values()))

    async def run(self, agent: Team, prompt: str) -> str:
        result = await async_run(prompt, [agent.starter], agent.tools, run_agents=agent.members)
        return result.output

    async def stream(self, agent: Team, prompt: str, hear: Hear) -> None:
        stream = async_run_stream(prompt, [agent.starter], agent.tools, run_agents=agent.members)
        async for event in stream:
            if event.type == "token":
                hear(event.data["token"])

    @asynccontextmanager
    async def served(self, agent: Team) -> AsyncGenerator[str]:
        # Only a sample that serves needs uvicorn.
        from agentouto.serve import Server, openai_app  # noqa: PLC0415

        team = agentouto.Team(
            agent.members, agent.tools, starting_agents=[agent.starter], limits=Limits(requests=50)
        )
        server = Server({"/v1": openai_app(team)}, port=0)
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(server.serve())
            yield server.address
            server.stop()
            await serving

    async def drafts(self, agent: Team, prompt: str, hear: Hear) -> None:
        stream = async_run_stream(prompt, [agent.starter], agent.tools, run_agents=agent.members)
        async for line in stream.lines():
            if line["type"] == "draft":
                hear(str(line["text"]))
