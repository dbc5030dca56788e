"""``event.data`` has the fields that type checkers are told of."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

import typing_extensions
from pydantic import TypeAdapter

from agentouto import Tool, async_run_stream
from agentouto._domain import stream_event
from agentouto._domain.stream_event import FileFields, StreamEventType
from agentouto.testing import Request, call, fail, finish, raw, say, think, tool
from teams import peers

ANY: Any = SimpleNamespace(__annotations__={"event": stream_event.AnyStreamEvent})
FIELDS: dict[str, Any] = {
    get_args(get_args(one)[0])[0]: get_args(one)[1]
    for one in get_args(get_type_hints(ANY, dict(vars(stream_event)))["event"])
}

RARE = {
    "message_returned",
    "repeated",
    "run_resumed",
    "source_missing",
    "summarized",
    "summary_failed",
    "tool_interrupted",
    "tool_progress",
    "turn_restarted",
}
"""Types that the story below has not: they have tests of their own."""


@Tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def boss(request: Request) -> object:
    match request.turn:
        case 0:
            return [think("Hm."), say("So."), tool("add", a=1, b=2), raw("add", "{")]
        case 1:
            return [call("worker", "Work."), call("broken", "Work.")]
        case 2:
            [address] = re.findall(r"task_id is '([^']+)'", request.system)
            return tool("send_message", task_id=address, message="Nearly done.")
        case _:
            return finish("Done.")


def checker(fields: Any) -> TypeAdapter[Any]:
    """Return what checks the fields: pydantic wants a ``TypedDict`` of another module."""
    hints = get_type_hints(fields, include_extras=True)
    files = typing_extensions.TypedDict("files", get_type_hints(FileFields))  # type: ignore[misc]
    if "attachments" in hints:
        hints["attachments"] = list[files] | None
    return TypeAdapter(typing_extensions.TypedDict(fields.__name__, hints))  # type: ignore[misc]


def test_every_type_has_fields() -> None:
    assert FIELDS.keys() == set(get_args(StreamEventType))


async def test_events_have_the_fields_of_their_type() -> None:
    script = {
        "boss": boss,
        "worker": [fail(429, retry_after=0.01), finish("Worked.")],
        "broken": [fail(400)],
    }
    team = peers(script, "boss", "worker", "broken")
    stream = async_run_stream(
        "Go.", team[:1], [add], run_agents=team, on_message=lambda message, send: None
    )
    seen: set[str] = set()
    async with stream:
        stream.send("Hurry.")
        async for event in stream:
            seen.add(event.type)
            checker(FIELDS[event.type]).validate_python(event.data, strict=True)
    assert seen == FIELDS.keys() - RARE


async def test_texts_are_whole_and_every_event_can_be_put_in_its_place() -> None:
    long = "x" * 3_000

    @Tool
    def echo(text: str) -> str:
        """Give it back."""
        return text

    two = [tool("echo", text=long), tool("echo", text=long + "y")]
    script = {"boss": [two, call("worker", long), finish(long)], "worker": [finish(long + "z")]}
    team = peers(script, "boss", "worker")
    stream = async_run_stream("Go.", team[:1], [echo], run_agents=team)
    events = [event async for event in stream if event.type != "token"]
    used = [event for event in events if event.type == "tool_call"]
    ended = [event for event in events if event.type == "tool_result"]
    done = {event.data["tool_call"]: event.data["result"] for event in ended}
    assert [event.data["arguments"] for event in used[:2]] == [{"text": long}, {"text": long + "y"}]
    assert [done[event.data["tool_call"]] for event in used[:2]] == [long, long + "y"]
    [asked] = [event for event in events if event.type == "agent_call"]
    [back] = [event for event in events if event.type == "agent_return"]
    ends = [event for event in events if event.type == "finish"]
    assert (asked.data["message"], back.data["result"]) == (long, long + "z")
    assert [event.data["output"] for event in ends] == [long + "z", long]
    boss, worker = ends[1].call_id, ends[0].call_id
    assert {(event.call_id, event.parent_call_id) for event in events} == {
        (boss, None),
        (worker, boss),
    }
