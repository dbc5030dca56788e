# pyright: basic, reportMissingImports=false
"""pydantic-ai: "Multi-agent patterns", agent delegation: usage is shared, the run has a limit."""

from limit import LIMIT, MODEL
from pydantic_ai import Agent, RunContext, UsageLimits

limits = UsageLimits(request_limit=LIMIT)
ping = Agent(f"openai-chat:{MODEL}", instructions="Ask pong.")
pong = Agent(f"openai-chat:{MODEL}", instructions="Ask ping.")


@ping.tool
async def ask_pong(ctx: RunContext[None], message: str) -> str:
    return (await pong.run(message, usage=ctx.usage)).output


@pong.tool
async def ask_ping(ctx: RunContext[None], message: str) -> str:
    return (await ping.run(message, usage=ctx.usage)).output


print(ping.run_sync("Play.", usage_limits=limits).output)
