# pyright: basic, reportMissingImports=false
"""Microsoft Agent Framework: "Agents as function tools"; max_iterations and max_function_calls."""

import asyncio

from agent_framework import Agent
from agent_framework.openai import OpenAIChatCompletionClient
from limit import LIMIT, MODEL

client = OpenAIChatCompletionClient(MODEL)
client.function_invocation_configuration["max_iterations"] = LIMIT
client.function_invocation_configuration["max_function_calls"] = LIMIT
ping = Agent(client, "Ask pong.", name="ping")
pong = Agent(client, "Ask ping.", name="pong", tools=[ping.as_tool()])
ping.default_options["tools"] = [pong.as_tool()]

print(asyncio.run(ping.run("Play.")).text)
