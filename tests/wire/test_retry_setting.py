"""``Provider(retry=Retry(...))``, and replies that break off where nobody reads along."""

from __future__ import annotations

from typing import Any

import pytest

from agentouto import (
    Agent,
    ConfigurationError,
    Provider,
    ProviderError,
    Retry,
    async_run,
    async_run_stream,
    run,
)
from agentouto._domain.errors import ProtocolViolation, ProviderUnavailable
from agentouto.testing import Script, fail, finish, say
from wire.dialects import DIALECTS, Dialect, Words
from wire.server import Answer, Server, breaks, refuses, serving, streams

EVERY = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


def agent(dialect: Dialect, server: Server, **settings: Any) -> Agent:
    provider = Provider("p", dialect.home.kind, base_url=server.url, api_key="k", **settings)
    return Agent("a", "You answer.", dialect.model, provider, context_window=100_000)


def broken(dialect: Dialect) -> Answer:
    """Break the connection after the event with the first half of a text."""
    said = dialect.stream([Words("The first half. The second half")]).replace(b"\r\n", b"\n")
    return breaks(said[: said.index(b"\n\n", said.index(b"The first half")) + 2])


# What a user sets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("tries", [1, 2, 5])
@EVERY
async def test_a_request_is_made_as_often_as_the_provider_says(
    dialect: Dialect, tries: int
) -> None:
    async with serving(refuses(503, retry_after_ms="1")) as server:
        with pytest.raises(ProviderError):
            await async_run("Go.", [agent(dialect, server, retry=Retry(tries=tries))])
        assert len(server.asked) == tries


async def test_no_try_begins_after_the_seconds_that_the_provider_says() -> None:
    async with serving(refuses(503)) as server:
        retry = Retry(tries=100, seconds=1)
        with pytest.raises(ProviderUnavailable):
            await async_run("Go.", [agent(DIALECTS["openai"], server, retry=retry)])
        assert 2 <= len(server.asked) <= 3  # at 0, 0.4 to 0.5, and 1.1 to 1.5 seconds


async def test_a_longer_wait_is_obeyed_where_there_is_time_for_it() -> None:
    dialect = DIALECTS["openai"]
    said = "no more than 30 s are waited"
    async with serving(refuses(429, Retry_After="45")) as server:
        with pytest.raises(ProviderError, match=said):
            await async_run("Go.", [agent(dialect, server, retry=Retry(seconds=30))])
        assert len(server.asked) == 1


def test_a_script_is_asked_as_often_as_its_provider_says() -> None:
    script = Script({"a": [fail(503), fail(503), finish("late")]})
    for tries, output in ((3, "late"), (2, None)):
        provider = Provider("p", "script", script=script, retry=Retry(tries=tries))
        if output:
            assert run("Go.", [Agent("a", "", "m", provider)]).output == output
        else:
            with pytest.raises(ProviderUnavailable):
                run("Go.", [Agent("a", "", "m", provider)])


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"tries": 0}, "tries=0 is no whole number above 0; tries=1 makes one request"),
        ({"tries": -1}, "tries=-1 is no whole number"),
        ({"tries": True}, "tries=True is no whole number"),
        ({"tries": 2.0}, r"tries=2\.0 is no whole number"),
        ({"tries": "4"}, "tries='4' is no whole number"),
        ({"seconds": 0}, "seconds=0 is no number of seconds above 0"),
        ({"seconds": float("nan")}, "seconds=nan is no number of seconds"),
        ({"seconds": float("inf")}, "seconds=inf is no number of seconds"),
        ({"seconds": None}, "seconds=None is no number of seconds"),
        ({"seconds": True}, "seconds=True is no number of seconds"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(settings: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigurationError, match=error):
        Retry(**settings)


@pytest.mark.parametrize("retry", [3, None, {"tries": 3}, Retry])
def test_a_provider_takes_nothing_else_for_it(retry: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"is no Retry; write for example retry=Retry\("):
        Provider("p", "openai", base_url="http://localhost:1", retry=retry)


# Replies that break off ---------------------------------------------------------------------------


@EVERY
async def test_a_reply_that_breaks_off_is_asked_for_again_where_nobody_reads_along(
    dialect: Dialect,
) -> None:
    whole = streams(dialect.stream([Words("The whole answer.")]))
    async with serving(broken(dialect), whole) as server:
        result = await async_run("Go.", [agent(dialect, server)])
        assert result.output == "The whole answer."
        assert len(server.asked) == 2
    assert [event.type for event in result.events if event.type in {"retry", "error"}] == ["retry"]


@EVERY
async def test_a_reply_that_breaks_off_before_a_reader_is_not_asked_for_again(
    dialect: Dialect,
) -> None:
    async with serving(broken(dialect)) as server:
        stream = async_run_stream("Go.", [agent(dialect, server)])
        with pytest.raises(ProviderError) as caught:
            async for _ in stream:
                pass
        assert len(server.asked) == 1
    assert caught.value.partial.text.startswith("The first half")


async def test_a_reply_that_breaks_off_every_time_is_an_error_with_what_arrived() -> None:
    dialect = DIALECTS["openai"]
    async with serving(broken(dialect)) as server:
        with pytest.raises(ProviderError) as caught:
            await async_run("Go.", [agent(dialect, server, retry=Retry(tries=2))])
        assert len(server.asked) == 2
    assert caught.value.partial.text == "The first half."  # once, not twice


async def test_a_fallback_is_asked_after_a_reply_that_broke_off_where_nobody_reads_along() -> None:
    frail = Script({"a": [[say("half"), fail("cut")]] * 2})
    first = Provider("first", "script", script=frail, retry=Retry(tries=1))
    second = Provider("second", "script", script={"a": [finish("whole")]})
    starter = Agent("a", "", "m", first, fallback=[(second, "m")])
    assert (await async_run("Go.", [starter])).output == "whole"
    with pytest.raises(ProtocolViolation):
        async for _ in async_run_stream("Go.", [starter]):
            pass
