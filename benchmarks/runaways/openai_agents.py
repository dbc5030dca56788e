# pyright: basic, reportMissingImports=false
"""OpenAI Agents SDK: "Agents as tools" and "Running agents": max_turns, for each run."""

from agents import Agent, Runner, set_default_openai_api, set_tracing_disabled
from limit import LIMIT, MODEL

set_tracing_disabled(disabled=True)
set_default_openai_api("chat_completions")
ping = Agent("ping", instructions="Ask pong.", model=MODEL)
pong = Agent("pong", instructions="Ask ping.", model=MODEL)
ping.tools.append(pong.as_tool("ask_pong", "Ask pong.", max_turns=LIMIT))
pong.tools.append(ping.as_tool("ask_ping", "Ask ping.", max_turns=LIMIT))

print(Runner.run_sync(ping, "Play.", max_turns=LIMIT).final_output)
