"""agentouto: docs/guide.md, "Limits". One budget for everything that a run does."""

from limit import LIMIT, MODEL, URL

from agentouto import Agent, Limits, Provider, run

provider = Provider("openai", base_url=URL)
ping = Agent("ping", "Ask pong.", MODEL, provider)
pong = Agent("pong", "Ask ping.", MODEL, provider)

print(run("Play.", [ping], run_agents=[ping, pong], limits=Limits(requests=LIMIT)).output)
