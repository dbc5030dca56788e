# pyright: basic, reportMissingImports=false
"""OpenAI Agents SDK: "Agents as tools", on Chat Completions; its limit of ten turns is lifted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from contenders import KEY, MODEL, PATIENCE, SYSTEM, Contender, Hear
from openai import AsyncOpenAI

MANY = 1_000_000


class OpenAIAgents(Contender):
    CALL = "call_*.input"

    async def setup(self) -> None:
        set_tracing_disabled(disabled=True)  # it would be sent to OpenAI
        client = AsyncOpenAI(api_key=KEY, base_url=f"{self.url}/v1", timeout=PATIENCE)
        self._model = OpenAIChatCompletionsModel(MODEL, client)

    def agent(
        self, name: str, tools: Sequence[Callable[..., Any]] = (), agents: Sequence[Any] = ()
    ) -> Any:
        below = [
            one.as_tool(f"call_{one.name}", f"Call {one.name}.", max_turns=MANY) for one in agents
        ]
        used = [*map(function_tool, tools), *below]
        return Agent(name, instructions=SYSTEM, model=self._model, tools=used)

    async def run(self, agent: Any, prompt: str) -> str:
        return (await Runner.run(agent, prompt, max_turns=MANY)).final_output

    async def stream(self, agent: Any, prompt: str, hear: Hear) -> None:
        async for event in Runner.run_streamed(agent, prompt, max_turns=MANY).stream_events():
            data = event.data if event.type == "raw_response_event" else None
            if data is not None and data.type == "response.output_text.delta":
                hear(data.delta)


CONTENDER = OpenAIAgents
