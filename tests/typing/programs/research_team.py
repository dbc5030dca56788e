"""A team that researches and returns a report as data."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel

from agentouto import Agent, ConfigurationError, Limits, Provider, ProviderError, Team, Tool
from agentouto.testing import Request, ScriptedReply, call, finish, tool


class Source(BaseModel):
    title: str
    year: int


class Report(BaseModel):
    topic: str
    sources: list[Source]


@Tool(timeout=20)
def search_web(
    query: Annotated[str, "What to look for"], most: Annotated[int, "How many"] = 5
) -> list[dict[str, str]]:
    """Search the web."""
    return [{"title": f"{query} {number}"} for number in range(most)]


@Tool
async def read_page(address: str) -> str:
    """Read a page."""
    return f"The page at {address}."


def lead(request: Request) -> ScriptedReply:
    if request.turn == 0:
        return call("researcher", "Find one source on tides.")
    source = {"title": request.answers("researcher")[0], "year": 2024}
    return tool("finish", result={"topic": "Tides", "sources": [source]})


def research(request: Request) -> ScriptedReply:
    if request.turn == 0:
        return tool("search_web", query="tides", most=1)
    return finish(request.results("search_web")[0])


def make_team() -> Team[Report]:
    provider = Provider("scripted", kind="script", script={"lead": lead, "researcher": research})
    agents = [
        Agent(name, instructions, "some-model", provider)
        for name, instructions in (("lead", "Lead."), ("researcher", "Research."))
    ]
    return Team(
        agents,
        [search_web, read_page],
        starting_agents=agents[:1],
        output_type=Report,
        limits=Limits(requests=50, seconds=60),
    )


def main() -> str:
    try:
        result = make_team().run("Write a report on tides.")
    except ConfigurationError as error:
        return f"{error.code}: {error.fix}"
    except ProviderError as error:
        return f"{error.agent_name} and {error.model}: {error.status}"
    first = result.data.sources[0]
    tokens = result.usage.total_tokens or 0
    senders = [message.sender for message in result.messages]
    return f"{result.data.topic}: {first.title.strip()} ({first.year + 1}) {tokens} {senders}"
