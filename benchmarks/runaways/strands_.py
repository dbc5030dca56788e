# pyright: basic, reportMissingImports=false
"""Strands: "Agents as tools"; limits, for each invocation."""

from limit import LIMIT, MODEL
from strands import Agent
from strands.models.openai import OpenAIModel

model = OpenAIModel(model_id=MODEL)
ping = Agent(model=model, name="ping", system_prompt="Ask pong.", callback_handler=None)
pong = Agent(
    model=model, name="pong", system_prompt="Ask ping.", callback_handler=None, tools=[ping]
)
ping.tool_registry.process_tools([pong])

print(ping("Play.", limits={"turns": LIMIT}))
