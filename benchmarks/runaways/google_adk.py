# pyright: basic, reportMissingImports=false
"""Google ADK: "Agent as a tool" and "Runtime configuration": max_llm_calls."""

import asyncio

from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import InMemoryRunner
from google.adk.tools.agent_tool import AgentTool
from google.genai import types
from limit import LIMIT, MODEL, URL

model = LiteLlm(f"openai/{MODEL}", api_base=URL)
ping = LlmAgent(name="ping", model=model, instruction="Ask pong.")
pong = LlmAgent(name="pong", model=model, instruction="Ask ping.", tools=[AgentTool(ping)])
ping.tools.append(AgentTool(pong))


async def main() -> None:
    runner = InMemoryRunner(ping, app_name="runaway")
    session = await runner.session_service.create_session(app_name="runaway", user_id="u")
    message = types.Content(role="user", parts=[types.Part(text="Play.")])
    config = RunConfig(max_llm_calls=LIMIT)
    async for event in runner.run_async(
        user_id="u", session_id=session.id, new_message=message, run_config=config
    ):
        if event.is_final_response():
            print(event.content)


asyncio.run(main())
