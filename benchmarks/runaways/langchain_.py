# pyright: basic, reportMissingImports=false
"""LangChain: "Subagents": an agent inside of a tool; ModelCallLimitMiddleware, for each run."""

from langchain.agents import create_agent
from langchain.agents.middleware import ModelCallLimitMiddleware
from limit import LIMIT, MODEL


def ask_pong(message: str) -> str:
    """Ask pong."""
    return pong.invoke({"messages": [("user", message)]})["messages"][-1].text


def ask_ping(message: str) -> str:
    """Ask ping."""
    return ping.invoke({"messages": [("user", message)]})["messages"][-1].text


limit = ModelCallLimitMiddleware(run_limit=LIMIT, exit_behavior="error")
model = f"openai:{MODEL}"
ping = create_agent(model, [ask_pong], system_prompt="Ask pong.", middleware=[limit])
pong = create_agent(model, [ask_ping], system_prompt="Ask ping.", middleware=[limit])

print(ping.invoke({"messages": [("user", "Play.")]})["messages"][-1].text)
