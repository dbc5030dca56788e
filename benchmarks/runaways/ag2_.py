# pyright: basic, reportMissingImports=false
"""AG2: "Subagents": agents as tools, which have no limit; an observer that looks for loops."""

import asyncio

from ag2 import Agent
from ag2.config import OpenAIConfig
from ag2.observers import LoopDetector
from limit import MODEL, URL

config = OpenAIConfig(MODEL, base_url=URL)
ping = Agent("ping", "Ask pong.", config=config, observers=[LoopDetector()])
pong = Agent("pong", "Ask ping.", config=config, observers=[LoopDetector()])
ping.tools.append(pong.as_tool(description="Ask pong."))
pong.tools.append(ping.as_tool(description="Ask ping."))


async def main() -> None:
    print((await ping.ask("Play.")).body)


asyncio.run(main())
