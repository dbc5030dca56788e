"""``error.partial`` shows what led to the error, as a result would."""

from __future__ import annotations

import asyncio
import pickle

import pytest

from agentouto import (
    Agent,
    AgentError,
    Cancelled,
    LimitReached,
    Limits,
    Provider,
    StreamEvent,
    Tool,
    async_run_stream,
    run,
    run_background,
)
from agentouto.exceptions import Partial
from agentouto.testing import Script, call, finish, tool
from teams import peers


@Tool
def look() -> str:
    """Fail, so that the error is among the events."""
    raise LookupError("no such page")


def script() -> Script:
    return Script({"a": lambda _: tool("look"), "b": [finish("Done.")]})


def test_a_limit_that_was_reached_shows_the_way_there() -> None:
    with pytest.raises(LimitReached) as caught:
        run("Go.", peers(script(), "a"), [look], limits=Limits(requests=3), debug=True)
    partial = caught.value.partial
    assert [event.type for event in partial.events][:2] == ["tool_call", "tool_result"]
    assert sum(event.type == "tool_result" for event in partial.events) == 3
    assert partial.events[-1].type == "error"
    assert [line["type"] for line in partial.lines()][-1] == "run.end"
    assert partial.lines(5) == [line for line in partial.lines() if int(str(line["seq"])) >= 5]
    assert len(partial.event_log.filter(event_type="llm_call")) == 3
    [root] = partial.trace.roots
    assert root.tool_calls == ["look"] * 3
    assert root.failed
    assert partial.format_trace().splitlines()[1].strip() == "⚡ look"


async def test_a_stream_that_fails_leaves_the_events_that_were_read() -> None:
    read: list[StreamEvent] = []

    async def watch() -> None:
        limits = Limits(requests=2)
        async for event in async_run_stream("Go.", peers(script(), "a"), [look], limits=limits):
            read.append(event)  # noqa: PERF401 - what was read counts, although the end raises

    with pytest.raises(LimitReached) as caught:
        await watch()
    assert caught.value.partial.events == read


def test_a_cancelled_run_shows_what_it_did() -> None:
    async def main() -> Cancelled:
        started = asyncio.Event()

        @Tool
        async def wait() -> None:
            started.set()
            await asyncio.Event().wait()

        handle = run_background("Go.", peers(Script({"a": [tool("wait")]}), "a"), [wait])
        await started.wait()
        handle.cancel()
        with pytest.raises(Cancelled) as caught:
            await handle.wait()
        return caught.value

    partial = asyncio.run(main()).partial
    assert [event.type for event in partial.events][:2] == ["tool_call", "tool_result"]


def test_an_error_goes_to_another_process_with_its_events_and_no_key() -> None:
    script = Script(lambda _: call("b", "Go on."))
    provider = Provider("s", kind="script", script=script, api_key="sk-SECRET")
    agents = [Agent(name, "Do.", "m", provider) for name in ("a", "b")]
    with pytest.raises(AgentError) as caught:
        run("Go.", agents, limits=Limits(calls=4))
    partial = caught.value.partial
    pickled = pickle.dumps(caught.value)
    assert b"SECRET" not in pickled
    copied = pickle.loads(pickled).partial
    assert copied.events == partial.events
    assert copied.messages == partial.messages
    assert copied.lines(3) == partial.lines(3) != partial.lines()
    assert copied.format_trace() == partial.format_trace()


def test_an_error_of_no_run_has_an_empty_partial() -> None:
    partial = AgentError("a", "no.").partial
    assert partial == Partial()
    assert (partial.events, partial.lines(), len(partial.event_log)) == ([], [], 0)
    assert partial.format_trace() == "(empty trace)"
