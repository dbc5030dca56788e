# pyright: basic, reportMissingImports=false
"""pydantic-ai: "Multi-agent patterns", agent delegation; its limit of 50 requests is lifted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from contenders import KEY, MODEL, PATIENCE, SYSTEM, Contender, Hear
from openai import AsyncOpenAI
from pydantic_ai import Agent, UsageLimits
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

UNLIMITED = UsageLimits(request_limit=None)


class PydanticAI(Contender):
    async def setup(self) -> None:
        client = AsyncOpenAI(api_key=KEY, base_url=f"{self.url}/v1", timeout=PATIENCE)
        provider = OpenAIProvider(openai_client=client)
        self._model = OpenAIChatModel(MODEL, provider=provider)

    def agent(
        self, name: str, tools: Sequence[Callable[..., Any]] = (), agents: Sequence[Any] = ()
    ) -> Any:
        agent = Agent(self._model, name=name, instructions=SYSTEM, tools=tools)
        below = {one.name: one for one in agents}

        async def call_agent(agent_name: str, message: str) -> str:
            """Call another agent."""
            return (await below[agent_name].run(message, usage_limits=UNLIMITED)).output

        if below:
            agent.tool_plain(call_agent)
        return agent

    async def run(self, agent: Any, prompt: str) -> str:
        return (await agent.run(prompt, usage_limits=UNLIMITED)).output

    async def stream(self, agent: Any, prompt: str, hear: Hear) -> None:
        async with agent.run_stream(prompt, usage_limits=UNLIMITED) as streamed:
            async for text in streamed.stream_text(delta=True, debounce_by=None):
                hear(text)


CONTENDER = PydanticAI
