# pyright: basic, reportMissingImports=false
"""Strands: "Swarm": max_handoffs and max_iterations of the swarm."""

from limit import LIMIT, MODEL
from strands import Agent
from strands.models.openai import OpenAIModel
from strands.multiagent import Swarm

model = OpenAIModel(model_id=MODEL)
ping = Agent(model=model, name="ping", system_prompt="Hand over to pong.", callback_handler=None)
pong = Agent(model=model, name="pong", system_prompt="Hand over to ping.", callback_handler=None)

result = Swarm([ping, pong], entry_point=ping, max_handoffs=LIMIT, max_iterations=LIMIT)("Play.")
print(result.status)
