# pyright: basic, reportMissingImports=false
"""OpenAI Agents SDK: "Handoffs" and "Running agents": max_turns."""

from agents import Agent, Runner, set_default_openai_api, set_tracing_disabled
from limit import LIMIT, MODEL

set_tracing_disabled(disabled=True)
set_default_openai_api("chat_completions")
ping = Agent("ping", instructions="Hand over to pong.", model=MODEL)
pong = Agent("pong", instructions="Hand over to ping.", model=MODEL, handoffs=[ping])
ping.handoffs.append(pong)

print(Runner.run_sync(ping, "Play.", max_turns=LIMIT).final_output)
