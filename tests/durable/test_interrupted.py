"""Runs that are cut where something is open that cannot go on: each comes to a sensible end."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from agentouto import Agent, ConfigurationError, Hooks, Message, Tool, here
from agentouto._domain.event import CallCancelled, CallStarted, MessagePosted, MessageReturned
from agentouto.testing import Request, call, fail, finish, say, tool
from durable.scenes import LEAD, RUN, WRITER, World, play, provider, task_of

HELPER = Agent("helper", "You help.", "m", "p")
AGENTS = [LEAD, WRITER, HELPER]


def reporting_tool(world: World) -> Any:
    """A tool that calls two deep, and is not run again."""

    async def ask() -> str:
        return (await here().call("writer", "Write.")).content

    lines = {
        "lead": [tool("ask"), finish("done")],
        "writer": [call("helper", "Help."), say("written")],
        "helper": [say("helped")],
    }
    return ([LEAD], [Tool(ask)], [provider(lines)]), {"run_agents": AGENTS}


async def test_what_an_interrupted_tool_has_called_ends_with_it() -> None:
    whole = await play(reporting_tool)
    ended = 0
    for length in range(1, len(whole.events)):
        again = await play(reporting_tool, whole.events[:length])
        assert again.outcome == whole.outcome
        cancelled = [one for one in again.events if isinstance(one, CallCancelled)]
        assert all("its caller was interrupted" in one.reason for one in cancelled)
        ended = max(ended, len(cancelled))
    assert ended == 2  # the writer, and the helper that it had called


def returned_mail(world: World) -> Any:
    """Letters to an agent that fails before it reads them, and one to the user."""
    seen: list[str] = []

    def writes(request: Request) -> Any:
        return [
            tool("send_message", task_id=task_of(request), message="Too late."),
            tool("send_message", task_id=f"user_{RUN}", message="It goes well."),
        ]

    async def fails_late(request: Request) -> Any:
        assert world.run is not None
        events = world.run.log.events
        async with asyncio.timeout(10):
            while not any(isinstance(one, MessagePosted) for one in events):
                await asyncio.sleep(0.001)
        return fail(400)

    lines = {
        "lead": [
            tool("spawn_background_agent", agent_name="writer", message="Look."),
            writes,
            tool("wait_for_messages", timeout=0.2),
            finish("done"),
        ],
        "writer": [fails_late],
    }
    options = {
        "run_agents": AGENTS,
        "enabled_tools": ["wait_for_messages"],
        "on_message": lambda message, send: seen.append(message.content),
    }
    return ([LEAD], [], [provider(lines)]), options


async def test_mail_that_was_not_read_comes_back_once_from_wherever_the_run_goes_on() -> None:
    whole = await play(returned_mail)
    assert "done" in str(whole.outcome)
    assert any(isinstance(one, MessageReturned) for one in whole.events)
    for length in range(1, len(whole.events)):
        again = await play(returned_mail, whole.events[:length])
        assert "done" in str(again.outcome)
        posted = [one.message.call_id for one in again.events if isinstance(one, MessagePosted)]
        returned = [one.message.call_id for one in again.events if isinstance(one, MessageReturned)]
        assert len(posted) == len(set(posted))
        assert len(returned) == len(set(returned)) <= 1


class Report(BaseModel):
    words: int


def typed(world: World) -> Any:
    """A starting agent whose value is made again from its text."""
    lines = {"lead": [tool("finish", result={"words": 3})]}
    options = {"run_agents": [LEAD], "output_type": Report}
    return ([LEAD], [], [provider(lines)]), options


async def test_a_value_is_made_again_from_what_was_returned() -> None:
    whole = await play(typed)
    for length in range(1, len(whole.events) + 1):
        assert (await play(typed, whole.events[:length])).outcome == whole.outcome


def smaller(world: World) -> Any:
    lines = {"lead": [call("writer", "Write."), finish("done")]}
    return ([LEAD], [], [provider(lines)]), {"run_agents": [LEAD]}


async def test_a_participant_that_is_gone_is_named() -> None:
    whole = await play(reporting_tool)
    opened = next(n for n, one in enumerate(whole.events) if isinstance(one, CallStarted) and n > 2)
    with pytest.raises(ConfigurationError, match="had a participant 'writer'"):
        await play(smaller, whole.events[: opened + 1])


def changed_value(world: World) -> Any:
    """A hook writes something else than the value that the agent has returned."""
    given, options = typed(world)

    def on_return(message: Message) -> Message:
        return replace(message, content="three words")

    return given, {**options, "hooks": Hooks(on_return=on_return)}


async def test_a_text_that_a_hook_has_changed_need_not_be_a_value() -> None:
    whole = await play(changed_value)
    for length in range(1, len(whole.events) + 1):
        again = await play(changed_value, whole.events[:length])
        assert "three words" in str(again.outcome)
