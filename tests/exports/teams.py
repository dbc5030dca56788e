"""Runs of small teams, for tests of what is shown of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from agentouto import Agent, Message, Provider, RunResult, Tool, run
from agentouto.testing import Request, Script, call, fail, finish, say, tool


def provider(script: Script) -> Provider:
    return Provider("scripted", kind="script", script=script)


def look(what: str) -> str:
    """Look something up."""
    return f"found {what}"


def busy_run(extra: str = "") -> RunResult:
    """Return a run with every kind of message: in the background, mail, a question, a failure."""

    def lead(seen: Request) -> object:
        match seen.turn:
            case 0:
                return call("writer", f"Write a report.{extra}", background=True)
            case 1:
                [id_] = re.findall(r"bg_[0-9a-f]{12}", seen.outcomes[0].content)
                return tool("send_message", task_id=id_, message=f"Make it short.{extra}")
            case 2:
                sent.append(True)
                return [call("critic", f"Be strict.{extra}"), call("user", f"For whom?{extra}")]
            case _:
                return finish(f"Done.{extra}")

    async def write(seen: Request) -> object:
        while not sent:  # otherwise it might return before it is written to
            await asyncio.sleep(0.001)
        return tool("look", what=f"solar{extra}") if seen.turn == 0 else finish(f"Written.{extra}")

    sent: list[bool] = []
    script = Script(
        {
            "lead": lead,
            "writer": write,
            "critic": [fail(400, message="no such model")],
        },
        usage=(100, 20),
    )
    agents = [
        Agent(name, "", "any-model", provider(script)) for name in ("lead", "writer", "critic")
    ]

    def answer(question: Message) -> str:
        return f"for an investor{extra}"

    return run(
        f"Report on solar power.{extra}",
        agents[:1],
        [Tool(look)],
        run_agents=agents,
        ask_user=answer,
    )


def run_of(lines: Mapping[str, object], **options: Any) -> RunResult:
    """Return a run of the agents in a script; the first one starts, and they have a tool."""
    scripted = provider(Script(lines, usage=(100, 20)))  # type: ignore[arg-type]
    agents = [Agent(name, "", "any-model", scripted) for name in lines]
    return run("Begin.", agents[:1], [Tool(look)], run_agents=agents, **options)


def wide_run(calls: int) -> RunResult:
    """Return a run in which one agent calls another that many times."""
    parts = [call("clerk", f"Count part {n}.") for n in range(calls)]
    script = Script({"lead": [parts, finish("Counted.")], "clerk": lambda seen: say("Counted it.")})
    agents = [Agent(name, "", "any-model", provider(script)) for name in ("lead", "clerk")]
    return run("Count.", agents[:1], run_agents=agents)


def many_agents_run(agents: int) -> RunResult:
    """Return a run with that many agents, each called once."""
    names = [f"agent_{n}" for n in range(agents)]
    first, *others = names
    lines: dict[str, object] = {name: [say("Yes.")] for name in others}
    lines[first] = [[call(name, "Ready?") for name in others], finish("All are.")]
    scripted = provider(Script(lines))
    team = [Agent(name, "", "any-model", scripted) for name in names]
    return run("Ask all.", team[:1], run_agents=team)
