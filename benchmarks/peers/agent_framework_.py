# pyright: basic, reportMissingImports=false
"""Microsoft Agent Framework: "Agents as function tools"; its limit of iterations is lifted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from agent_framework import Agent
from agent_framework.openai import OpenAIChatCompletionClient
from contenders import KEY, MODEL, PATIENCE, SYSTEM, Contender, Hear
from openai import AsyncOpenAI


class AgentFramework(Contender):
    CALL = "call_*.task"

    async def setup(self) -> None:
        client = AsyncOpenAI(api_key=KEY, base_url=f"{self.url}/v1", timeout=PATIENCE)
        self._client = OpenAIChatCompletionClient(MODEL, async_client=client)
        self._client.function_invocation_configuration["max_iterations"] = 1_000_000

    def agent(
        self, name: str, tools: Sequence[Callable[..., Any]] = (), agents: Sequence[Any] = ()
    ) -> Any:
        below = [one.as_tool(name=f"call_{one.name}", arg_name="task") for one in agents]
        return Agent(self._client, SYSTEM, name=name, tools=[*tools, *below])

    async def run(self, agent: Any, prompt: str) -> str:
        return (await agent.run(prompt)).text

    async def stream(self, agent: Any, prompt: str, hear: Hear) -> None:
        async for update in agent.run(prompt, stream=True):
            if update.text:
                hear(update.text)


CONTENDER = AgentFramework
