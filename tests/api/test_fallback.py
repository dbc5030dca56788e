"""Another model when one is not to be had."""

from __future__ import annotations

import pytest

from agentouto import (
    Agent,
    ConfigurationError,
    Provider,
    ProviderError,
    Tool,
    async_run_stream,
    run,
)
from agentouto.testing import Script, fail, finish, say, tool


@Tool
def look() -> str:
    """Look."""
    return "seen"


def agent(first: object, second: object) -> Agent:
    return Agent(
        "a",
        "i",
        "one",
        Provider("first", kind="script", script={"a": first}),
        fallback=[(Provider("second", kind="script", script={"a": second}), "two")],
    )


async def test_the_next_model_goes_on_when_one_stays_unavailable() -> None:
    heard = Script({"a": [tool("look"), finish("from two")]})
    one = Agent(
        "a",
        "i",
        "one",
        Provider("first", kind="script", script={"a": [fail("unreachable")] * 9}),
        fallback=[(Provider("second", kind="script", script=heard), "two")],
    )
    stream = async_run_stream("Go.", [one], [look])
    events = [event async for event in stream]
    assert events[-1]["data"]["output"] == "from two"
    assert [request.model for request in heard.requests] == ["two", "two"]
    retries = [event for event in events if event.type == "retry"]
    assert retries[-1].data["wait"] == 0


def test_it_goes_on_in_the_middle_of_a_call_with_all_that_was_said() -> None:
    heard = Script(lambda request: finish(f"{request.results('look')[0]} by {request.model}"))
    one = Agent(
        "a",
        "i",
        "one",
        Provider("first", kind="script", script={"a": [tool("look"), *[fail("quota")] * 9]}),
        fallback=[(Provider("second", kind="script", script=heard), "two")],
    )
    assert run("Go.", [one], [look]).output == "seen by two"


def test_without_another_model_the_failure_is_raised() -> None:
    with pytest.raises(ProviderError):
        run("Go.", [agent([fail("quota")], [fail("quota")])])


def test_a_wrong_request_is_not_tried_elsewhere() -> None:
    with pytest.raises(ProviderError, match="first"):
        run("Go.", [agent([fail(400)], [finish("never")])])


async def test_no_reader_receives_the_beginning_of_a_reply_twice() -> None:
    one = agent([[say("half"), fail("unreachable")]], [finish("never")])
    with pytest.raises(ProviderError, match="first"):
        async for _ in async_run_stream("Go.", [one]):
            pass


def test_a_fallback_is_checked_before_anything_starts() -> None:
    with pytest.raises(ConfigurationError, match="opnai"):
        run("Go.", [Agent("a", "i", "m", "openai", fallback=[("opnai", "m")])])
    with pytest.raises(ConfigurationError, match="pairs"):
        Agent("a", "i", "m", "openai", fallback=["openai"])  # type: ignore[list-item]


def test_what_is_meant_for_one_provider_is_not_told_to_another() -> None:
    own = Agent(
        "a",
        "i",
        "one",
        "openai",
        extra={"extra_headers": {"Authorization": "secret"}},
        fallback=[("anthropic", "two"), ("openai", "three")],
    )
    assert [dict(model.extra) for model in own.with_fallbacks()] == [own.extra, {}, own.extra]


def test_nonsense_all_the_time_is_as_good_as_nobody_there() -> None:
    one = agent([fail("nonsense")] * 9, [finish("from two")])
    assert run("Go.", [one]).output == "from two"
