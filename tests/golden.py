"""Runs that together have every type of line and every field, for tests of the form."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress

from agentouto import (
    Agent,
    AgentoutoError,
    Attachment,
    Here,
    Hooks,
    Limits,
    Message,
    Peer,
    Provider,
    Refuse,
    RunStream,
    Tool,
    ToolResult,
    async_run_stream,
    here,
)
from agentouto.providers._script.replies import ReplyPart, ScriptedReply
from agentouto.testing import Request, Script, Turn, call, fail, finish, raw, say, think, tool

PICTURE = Attachment("image/png", data="AAECAw==", name="p.png")
LONG = "y" * 3_000
MEANWHILE = 0.25
"""Seconds that a request takes, so that another one comes meanwhile and has to wait for a place."""

Lines = list[dict[str, object]]


@Tool
def look(x: int) -> ToolResult:
    """Look."""
    return ToolResult(f"seen {x}", [PICTURE])


@Tool(needs_approval=True)
def buy(what: str) -> str:
    """Buy."""
    return f"bought {what}"


@Tool
async def rest() -> str:
    """Rest."""
    here().progress("resting")
    await asyncio.sleep(0.05)
    return "rested"


def lead(request: Request) -> ScriptedReply:
    """Look, ask, delegate, write to others, and return."""
    turns: list[ScriptedReply] = [
        Turn(think("Hm."), say("I begin."), tool("look", x=1), raw("look", "{{"), stream=True),
        [call("user", "Which?"), tool("buy", what="tea")],
        call("helper", "Help.", background=True),
        [tool("wait_for_messages", timeout=0.01), *letters(request)],
        [call("writer", "Write."), call("judge", "Judge."), call("nobody", "?")],
        finish("bad"),
        finish("done"),
    ]
    return turns[request.turn]


def letters(request: Request) -> list[ReplyPart]:
    """Return messages to the user and to the helper, whose addresses the agent was told."""
    told = "\n".join([request.system, *(outcome.content for outcome in request.outcomes)])
    addresses = re.findall(r"task_id is '([^']+)'", told) + re.findall(r"Task ID: (\S+)", told)
    return [
        tool("send_message", task_id=address, message=text)
        for address in addresses
        for text in ("Hello.", "Refuse me.")
    ]


def looper(request: Request) -> ScriptedReply:
    """Ask itself the same once."""
    nested = request.path.count("looper") > 1
    return finish("looped") if nested or request.turn else call("looper", "Again?")


def talker(request: Request) -> ScriptedReply:
    """Work until its transcript has to be summarized."""
    return finish("talked") if request.turn == 12 else [say(LONG), tool("rest")]


def refuse(message: Message) -> None:
    """Refuse what asks for it."""
    if message.content in {"Refuse me.", "bad"}:
        raise Refuse("not that")


def whole_run() -> RunStream:
    """Return a run that ends well, and has nearly everything on its way."""
    summaries = iter([[say("No."), fail("refused")]])
    script = Script(
        {
            "lead": lead,
            "helper": [tool("rest"), finish("helped")],
            "writer": [
                Turn(fail(429, retry_after=0.02), delay=MEANWHILE),
                say(" "),
                call("looper", "Again?"),
                finish("ok"),
            ],
            "looper": looper,
            "judge": [
                Turn(fail("quota"), delay=MEANWHILE),
                call("talker", "Talk."),
                finish("judged"),
            ],
            "talker": talker,
        },
        summary=lambda _: next(summaries, [say("They talked.")]),
        usage=(100, 10),
    )
    provider = Provider("scripted", kind="script", script=script)
    names = ("lead", "helper", "writer", "looper", "talker")
    agents = [Agent(name, f"You are {name}.", "m", provider, role="peer") for name in names]
    agents.append(Agent("judge", "", "m", provider, fallback=[(provider, "m2")]))
    agents[4] = Agent("talker", "", "m", provider, context_window=8_000)
    price = (1.0, 2.0)
    return async_run_stream(
        "Go.",
        agents[:1],
        [look, buy, rest],
        run_agents=agents,
        attachments=[PICTURE],
        ask_user=lambda message: ToolResult("this", [PICTURE]),
        approve=lambda approval: True,
        on_message=lambda message, send: None,
        hooks=Hooks(on_forward=refuse, on_return=refuse),
        enabled_tools=["wait_for_messages"],
        limits=Limits(parallel=1, requests=60, warn_at=0.1, prices={"m": price, "m2": price}),
        name="golden team",
    )


def limited_run() -> RunStream:
    """Return a run that reaches a limit."""
    provider = Provider("scripted", kind="script", script=Script(lambda _: tool("rest")))
    agent = Agent("lead", "You lead.", "m", provider)
    return async_run_stream("Go.", [agent], [rest], limits=Limits(requests=2))


class Library:
    """A source of tools that cannot be read."""

    name = "library"
    required = False

    async def tools(self) -> Sequence[Tool[..., str]]:
        raise OSError("no route")


def guided_run() -> RunStream:
    """Return a run with a peer, whose question has options, and a source that is missing."""

    async def guide(message: Message, at: Here) -> str:
        at.progress("asking", 1, 2)
        at.spent(10, 1, 0.5)
        await at.call("clerk", "Which?", options=["this", "that"])
        answer = await at.call("user", "Which?", options=["this", "that"], attachments=[PICTURE])
        return answer.content

    script = Script({"lead": [call("guide", "Guide."), finish("guided")]})
    provider = Provider("scripted", kind="script", script=script)
    lead_agent = Agent("lead", "You lead.", "m", provider)
    return async_run_stream(
        "Go.",
        [lead_agent],
        [Library()],
        run_agents=[lead_agent, Peer("guide", "Guides.", guide), Peer("clerk", "", lambda _: "ok")],
        ask_user=lambda message: "this",
    )


async def collect(stream: RunStream) -> Lines:
    """Return the lines of a run, however it ends."""
    lines: Lines = []
    with suppress(AgentoutoError):
        async for line in stream.lines():
            lines.append(line)
    return lines


async def late_lines() -> Lines:
    """Return the lines of a run for a reader who comes while its agent writes."""
    turn = Turn(think("Hm hm."), say("I see."), finish("one two three"), stream=True, pause=0.02)
    provider = Provider("scripted", kind="script", script=Script({"lead": [turn]}))
    stream = async_run_stream("Go.", [Agent("lead", "You lead.", "m", provider)])
    async with stream:
        async for line in stream.lines():
            if line["type"] == "draft":
                return [line async for line in stream.lines()]
    raise AssertionError("nothing was written")
