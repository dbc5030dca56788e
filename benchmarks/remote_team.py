"""A team whose calls are answered by the worker of the run, or by another one, as it is told.

``layers.py`` hands runs to it, and ``agentouto worker`` loads it.
"""

from __future__ import annotations

from typing import Any

from agentouto import Agent, Provider, Team, Tool
from agentouto.testing import Request, Script, call, say, tool

CALLS = 25
NEAR, FAR = "near", "far"


@Tool(in_loop=True)
def use_near() -> str:
    """Do one unit of work."""
    return "ok"


@Tool(in_loop=True, worker=FAR)
def use_far() -> str:
    """Do one unit of work on another worker."""
    return "ok"


def lead(request: Request) -> Any:
    """Make so many calls of the kind that the run was asked for, one after the other."""
    if request.turn == CALLS:
        return say(f"{CALLS} answers")
    what, where = request.heard[0].split()
    return call(where, "Go.") if what == "agent" else tool(f"use_{where}")


MODELS = Provider(
    "scripted",
    kind="script",
    script=Script({"lead": lead, NEAR: lambda _: say("ok"), FAR: lambda _: say("ok")}),
)
LEAD = Agent("lead", "You lead.", "any-model", MODELS)
team = Team(
    [
        LEAD,
        Agent(NEAR, "You work.", "any-model", MODELS),
        Agent(FAR, "You work.", "any-model", MODELS, worker=FAR),
    ],
    [use_near, use_far],
    starting_agents=[LEAD],
)
