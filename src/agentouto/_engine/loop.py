"""The agent loop. There is one.

Read the mail, ask the model, act on what it said, until it returns. Nothing here knows how a model
is reached, where events go, or whether anyone is watching: streaming and not streaming are two ways
of reading the log that a desk writes.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import msgspec

from agentouto._core.prompt import NUDGE, SECOND_FINISH
from agentouto._domain.content import Incoming, Outcome, Outcomes, Reply, ToolCall, Transcript
from agentouto._domain.message import ToolResult

MOST_NUDGES = 3
"""How many empty replies in a row are answered by asking again."""


class Silence(Exception):
    """The model has said nothing, again and again."""


class Desk(Protocol):
    """What an agent has in front of it while it works on one call."""

    plain_text_returns: bool
    """Whether text without a tool call is the agent's return."""

    def open(self) -> Transcript:
        """Return what the agent knows when the call begins."""
        ...

    async def mail(self) -> tuple[Incoming, ...]:
        """Take what others have written to the agent since it last looked."""
        ...

    async def ask(self, transcript: Transcript) -> Reply:
        """Put the transcript to the agent's model."""
        ...

    async def act(self, tool_call: ToolCall) -> Outcome:
        """Do what the model asked for. Failure is an outcome, never an exception."""
        ...

    def leave(self) -> bool:
        """Close the mailbox if it is empty, in one step; say whether it is closed."""
        ...


async def answer(desk: Desk) -> ToolResult:
    """Work until the agent returns, and say what it returned."""
    transcript = desk.open()
    nudges = 0
    while True:
        transcript = transcript.plus(*await desk.mail())
        reply = await desk.ask(transcript)
        outcomes = await act_on_all(desk, reply.tool_calls)
        transcript = transcript.plus(reply, *outcomes)
        said = returned(reply, outcomes, plain_text=desk.plain_text_returns)
        if said is not None:
            if desk.leave():
                return said
        elif not outcomes:
            nudges += 1
            if nudges > MOST_NUDGES:
                raise Silence
            transcript = transcript.plus(NUDGE)
            continue
        nudges = 0


async def act_on_all(desk: Desk, tool_calls: tuple[ToolCall, ...]) -> tuple[Outcomes, ...]:
    """Act on every tool call at once; return the outcomes in the order of the calls."""
    if not tool_calls:
        return ()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(desk.act(call), name=call.name) for call in tool_calls]
    acted = [
        Outcome(call, "Error: the tool cancelled itself", is_error=True)
        if task.cancelled()
        else task.result()
        for call, task in zip(tool_calls, tasks, strict=True)
    ]
    return (Outcomes(settled(acted)),)


def settled(outcomes: list[Outcome]) -> tuple[Outcome, ...]:
    """Return ``outcomes`` with only the first that returns still returning."""
    first = next((place for place, outcome in enumerate(outcomes) if outcome.returns), None)
    return tuple(
        msgspec.structs.replace(outcome, content=SECOND_FINISH, returns=False)
        if outcome.returns and place != first
        else outcome
        for place, outcome in enumerate(outcomes)
    )


def returned(
    reply: Reply, outcomes: tuple[Outcomes, ...], *, plain_text: bool
) -> ToolResult | None:
    """Return what the agent returns with this turn, if it does."""
    for batch in outcomes:
        for outcome in batch.items:
            if outcome.returns:
                return ToolResult(outcome.content, list(outcome.attachments))
    if not outcomes and plain_text and (text := reply.text).strip():
        return ToolResult(text)
    return None
