"""Teams whose runs stand still where a test wants to look: at questions, and at a closed gate."""

from __future__ import annotations

import asyncio
import threading
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from agentouto import Agent, Hooks, Journal, Message, Provider, Refuse, Team, Tool
from agentouto.testing import (
    Request,
    Script,
    ScriptedReply,
    Turn,
    call,
    fail,
    finish,
    say,
    think,
    tool,
)

EVIL = '<img src=x onerror="document.title=1"><script>document.title=1</script>'


PEERS = ("lead", "writer", "critic")


class Gate:
    """A gate that a tool waits at, in whatever loop it runs."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.journal: Journal | None = None

    def open(self) -> None:
        self._open.set()

    async def passed(self) -> None:
        while not self._open.is_set():
            await asyncio.sleep(0.01)


def provider(script: Script) -> Provider:
    return Provider("scripted", kind="script", script=script)


def report_team(gate: Gate) -> Team:
    """A team that asks, waits for approval, works in the background and waits at ``gate``."""

    @Tool
    async def search(query: str) -> str:
        """Search."""
        await gate.passed()
        return f"6 results for {query}\n{EVIL}"

    @Tool(needs_approval=True)
    def publish(title: str) -> str:
        """Publish."""
        return f"published {title}"

    def lead(request: Request) -> ScriptedReply:
        draft, criteria = call("writer", "Draft."), call("critic", "Criteria.", background=True)
        turns: list[ScriptedReply] = [
            Turn(think("Who reads it?"), say("I ask writer."), draft, criteria, stream=True),
            tool("publish", title="Solar\u202e 2026"),
            finish(f"Report: {EVIL}"),
        ]
        return turns[request.turn]

    def writer(request: Request) -> ScriptedReply:
        turns: list[ScriptedReply] = [
            [call("user", "Who is the reader?"), call("critic", "Which claims need a source?")],
            finish("Module prices fell again."),
        ]
        return turns[request.turn]

    def critic(request: Request) -> ScriptedReply:
        if request.turn == 0:
            return tool("search", query=request.heard[0])
        return finish("Two claims.")

    script = Script({"lead": lead, "writer": writer, "critic": critic})
    agents = [Agent(name, f"You are {name}.", f"model-{name}", provider(script)) for name in PEERS]
    return Team(agents, [search, publish], starting_agents=agents[:1])


def two_questions() -> Team:
    """Two agents that ask at the same time."""

    def asks(request: Request) -> ScriptedReply:
        if request.turn == 0:
            return call("user", f"What does {request.agent_name} need?")
        return finish(f"{request.agent_name} got {request.answers('user')[-1]}")

    names = ["one", "two"]
    script = Script(dict.fromkeys(names, asks))
    return Team([Agent(name, "", "m", provider(script)) for name in names])


def words(gate: Gate, agents: int = 1, count: int = 40) -> Team:
    """Agents that stream words and return many, after ``gate``."""

    @Tool
    async def hold() -> str:
        """Hold."""
        await gate.passed()
        return "go"

    def speaks(request: Request) -> ScriptedReply:
        if request.turn == 0:
            return tool("hold")
        text = " ".join(f"{request.agent_name}-{n}" for n in range(count))
        return Turn(say(text), finish(text), stream=True)

    names = [f"agent{n}" for n in range(agents)]
    script = Script(dict.fromkeys(names, speaks))
    return Team([Agent(name, "", "m", provider(script)) for name in names], [hold])


GROUPS = ("survey", "read", "check", "write", "count", "draw")
FAN = (3, 3, 3, 2, 0)
"""How many calls a call makes, by depth: with three starters, 282 calls in all."""


def crowd(
    *, pause: float = 0.002, delay: float = 0.05, limited: bool = True, gate: Gate | None = None
) -> Team:
    """30 agents that make about 280 calls: with tools, rate limits and background calls.

    Their tool waits at ``gate``, if there is one.
    """
    names = [f"{group}_{n}" for group in GROUPS for n in range(1, 6)]

    @Tool
    async def look_up(what: str) -> str:
        """Look up."""
        await asyncio.sleep(delay * (1 + len(what) % 5))
        if gate is not None:
            await gate.passed()
        return f"{len(what)} lines about {what}"

    def works(request: Request) -> ScriptedReply:
        depth, place = (
            map(int, request.heard[0].split()[1:3]) if request.heard[0][0] == "p" else (0, 0)
        )
        mark = zlib.crc32(f"{request.agent_name} {place}".encode())
        if limited and mark % 5 == 0 and depth > 2 and request.attempt == 1 and request.turn == 0:
            return fail(429, retry_after=delay * 4)
        if request.turn > 0 or not FAN[depth]:
            if mark % 4 == 0 and request.turn < 2:
                return tool("look_up", what=f"{request.agent_name} {place}")
            return Turn(finish(f"found {mark % 97} and {place} " * 3), stream=True)
        group = min(depth + 1, 5)
        calls = [
            call(
                names[(group * 5 + (mark >> n) % 7) % 30],
                f"part {depth + 1} {place * 4 + n} for {request.agent_name}, please",
                **({"background": True} if (mark >> n) % 9 == 0 else {}),
            )
            for n in range(FAN[depth])
        ]
        return Turn(say(f"I divide {place} among others."), *calls, stream=True)

    script = Script(dict.fromkeys(names, works), stream=True, pause=pause, delay=delay)
    agents = [Agent(name, "", f"model-{name[:-2]}", provider(script)) for name in names]
    return Team(agents, [look_up], starting_agents=agents[:3])


def troubled() -> Team:
    """A lead that goes on although one peer fails and another is refused."""

    def lead(request: Request) -> ScriptedReply:
        if request.turn == 0:
            return [call("breaks", "Try."), call("refuses", "Try, too.")]
        return finish("Without them.")

    lines: dict[str, Any] = {"lead": lead, "breaks": [fail("quota")], "refuses": [fail("refused")]}
    scripted = provider(Script(lines))
    agents = [Agent(name, "", "m", scripted) for name in lines]
    return Team(agents, starting_agents=agents[:1])


def broken() -> Team:
    """A team whose run fails."""
    return Team([Agent("one", "", "m", provider(Script({"one": [fail(401, message="no key")]})))])


def limited() -> Team:
    """An agent that is told to wait for a minute."""
    lines = {"one": [fail(429, retry_after=50), finish("late")]}
    return Team([Agent("one", "", "m", provider(Script(lines)))])


def mailed(gate: Gate) -> Team:
    """An agent that waits at ``gate``; a hook refuses some messages to it."""

    @Tool
    async def hold() -> str:
        """Hold."""
        await gate.passed()
        return "go"

    def refuse(message: Message) -> None:
        if message.content == "Refuse me.":
            raise Refuse("not that")

    script = Script({"one": [tool("hold"), tool("hold"), finish("done")]})
    agent = Agent("one", "", "m", provider(script))
    return Team([agent], [hold], hooks=Hooks(on_forward=refuse))


@contextmanager
def another_run(journal: Journal, gate: Gate, run_id: str) -> Generator[None]:
    """Run the team of ``words`` with a journal, beside the page."""
    options = {"journal": journal, "run_id": run_id}
    thread = threading.Thread(target=words(gate).run, args=("Speak.",), kwargs=options)
    thread.start()
    try:
        yield
    finally:
        gate.open()
        thread.join(20)
