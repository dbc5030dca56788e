"""Ours, as its guide shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from contenders import KEY, MODEL, SYSTEM, Contender, Hear

from agentouto import Agent, Provider, Tool, async_run, async_run_stream


@dataclass(frozen=True)
class Team:
    """Somebody, the tools there are, and everybody who can be reached from there."""

    starter: Agent
    tools: list[Tool]
    members: list[Agent]


class Ours(Contender):
    """The format in use is the provider's kind."""

    FINISH = "finish.message"

    async def setup(self) -> None:
        below = "/v1" if self.kind.startswith("openai") else ""
        url = self.url + below
        self._provider = Provider("p", kind=self.kind, api_key=KEY, base_url=url)

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
