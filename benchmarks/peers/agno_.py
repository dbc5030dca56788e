# pyright: basic, reportMissingImports=false
"""Agno: agents, and a team whose leader delegates to its members; without telemetry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from agno.agent import Agent
from agno.models.openai import OpenAIChat
from agno.run.agent import RunContentEvent
from agno.team import Team
from contenders import KEY, MODEL, PATIENCE, SYSTEM, Contender, Hear


class Agno(Contender):
    CALL = "delegate_task_to_member.task.member_id"

    def agent(
        self, name: str, tools: Sequence[Callable[..., Any]] = (), agents: Sequence[Any] = ()
    ) -> Any:
        about: dict[str, Any] = {
            "name": name,
            "id": name,
            "model": OpenAIChat(id=MODEL, api_key=KEY, base_url=f"{self.url}/v1", timeout=PATIENCE),
            "instructions": SYSTEM,
            "tools": [*tools],
            "telemetry": False,
        }
        return Team(members=[*agents], **about) if agents else Agent(**about)

    async def run(self, agent: Any, prompt: str) -> str:
        return (await agent.arun(prompt)).content

    async def stream(self, agent: Any, prompt: str, hear: Hear) -> None:
        async for event in agent.arun(prompt, stream=True):
            if isinstance(event, RunContentEvent) and event.content:
                hear(event.content)


CONTENDER = Agno
