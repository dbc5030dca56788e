"""The agent loop. There is one.

Read the mail, see that all fits, ask the model, act on what it said, until it returns. Nothing here
knows how a model is reached, where events go, or whether anyone is watching: streaming and not
streaming are two ways of reading the log that a desk writes.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import msgspec

from agentouto._core.prompt import FINISH, SECOND_FINISH
from agentouto._domain.content import (
    Incoming,
    Outcome,
    Outcomes,
    Reply,
    Returned,
    ToolCall,
    Transcript,
)

MOST_NUDGES = 3
"""How many replies in a row that are empty, wrong or refused are answered by asking again."""


class Silence(Exception):
    """The model has returned nothing that can be used, again and again."""


class Desk(Protocol):
    """What an agent has in front of it while it works on one call."""

    def open(self) -> Transcript:
        """Return what the agent knows when the call begins."""
        ...

    async def mail(self) -> tuple[Incoming, ...]:
        """Take what others have written to the agent since it last looked."""
        ...

    async def fit(self, transcript: Transcript) -> Transcript:
        """Return the transcript, or a shorter one if the model could not read it."""
        ...

    async def ask(self, transcript: Transcript) -> Reply | None:
        """Put the transcript to the agent's model; ``None`` if it turns out not to fit."""
        ...

    async def act(self, tool_call: ToolCall) -> Outcome:
        """Do what the model asked for. Failure is an outcome, never an exception."""
        ...

    def is_quick(self, tool_call: ToolCall) -> bool:
        """Whether to act on it takes no waiting and none of the user's code."""
        ...

    def take(self, reply: Reply) -> Returned | Incoming | None:
        """Return what a reply without tool calls returns, or what to tell the agent instead.

        ``None`` is nothing: the model wants to be asked again.
        """
        ...

    async def leave(self, said: Returned) -> Returned | Incoming | None:
        """Close the mailbox if it is empty, in one step, and return what goes out.

        Otherwise return what to tell the agent that may not return this, or nothing if it has mail.
        """
        ...


async def answer(desk: Desk) -> Returned:
    """Work until the agent returns, and say what it returned."""
    transcript = desk.open()
    in_vain = 0
    while True:
        transcript = transcript.plus(*await desk.mail())
        transcript = await desk.fit(transcript)
        while (reply := await desk.ask(transcript)) is None:
            transcript = await desk.fit(transcript)
        outcomes = await act_on_all(desk, reply.tool_calls)
        transcript = transcript.plus(reply, *outcomes)
        match returned(outcomes) if outcomes else desk.take(reply):
            case Returned() as said:
                match await desk.leave(said):
                    case Returned() as last:
                        return last
                    case Incoming() as refusal:
                        transcript = transcript.plus(refusal)
                        in_vain += 1
                    case None:
                        in_vain = 0
            case Incoming() as nudge:
                transcript = transcript.plus(nudge)
                in_vain += 1
            case None:
                in_vain = in_vain + 1 if finished_badly(outcomes) else 0
        if in_vain > MOST_NUDGES:
            raise Silence


async def act_on_all(desk: Desk, tool_calls: tuple[ToolCall, ...]) -> tuple[Outcomes, ...]:
    """Act on every tool call at once; return the outcomes in the order of the calls."""
    if not tool_calls:
        return ()
    if len(tool_calls) == 1:
        return (Outcomes((await act_alone(desk, tool_calls[0]),)),)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(desk.act(call), name=call.name) for call in tool_calls]
    return (Outcomes(settled([task.result() for task in tasks])),)


async def act_alone(desk: Desk, tool_call: ToolCall) -> Outcome:
    """Act on the only tool call of a reply, as a group of one would, for less.

    Every cancellation of ours is handed on, a step at a time: tasks that wait for each other
    directly hand it on all at once, one inside the other, and calls may be thousands deep. One that
    the tool has swallowed is still ours to obey.
    """
    if desk.is_quick(tool_call):
        return await desk.act(tool_call)
    task = asyncio.create_task(desk.act(tool_call), name=tool_call.name)
    while not task.done():
        try:
            await end_of(task)
        except asyncio.CancelledError:
            task.cancel()
    owner = asyncio.current_task()
    if owner is not None and owner.cancelling():
        raise asyncio.CancelledError
    return task.result()


def end_of(task: asyncio.Task[Outcome]) -> asyncio.Future[None]:
    """Return what can be waited for until ``task`` has ended, and cancelled without it."""
    end: asyncio.Future[None] = task.get_loop().create_future()

    def tell(_: object) -> None:
        if not end.done():
            end.set_result(None)

    task.add_done_callback(tell)
    return end


def settled(outcomes: list[Outcome]) -> tuple[Outcome, ...]:
    """Return ``outcomes`` with only the first that returns still returning."""
    first = next((place for place, outcome in enumerate(outcomes) if outcome.returns), None)
    return tuple(
        msgspec.structs.replace(outcome, content=SECOND_FINISH, returns=False)
        if outcome.returns and place != first
        else outcome
        for place, outcome in enumerate(outcomes)
    )


def returned(outcomes: tuple[Outcomes, ...]) -> Returned | None:
    """Return what the agent returns with what it did, if it does."""
    for batch in outcomes:
        for outcome in batch.items:
            if outcome.returns:
                return Returned(outcome.content, outcome.attachments, outcome.data)
    return None


def finished_badly(outcomes: tuple[Outcomes, ...]) -> bool:
    """Whether the agent tried to return, and what it gave was of no use."""
    return any(
        outcome.is_error and outcome.tool_call.name == FINISH
        for batch in outcomes
        for outcome in batch.items
    )
