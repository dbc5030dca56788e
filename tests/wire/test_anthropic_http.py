"""The Messages API over the network, against a real server on this machine."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any

import pytest

from agentouto import Agent, Tool, async_run
from agentouto._domain.content import Incoming, Outcome, Outcomes, Reasoning, Reply, Text
from agentouto._domain.delta import Delta, RetryDelta, TextDelta
from agentouto._domain.errors import (
    AuthError,
    ProtocolViolation,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
)
from agentouto._domain.participants import Provider
from agentouto._domain.ports import Draft, ModelRequest
from agentouto.providers._anthropic.wire import BINDING_BETA, AnthropicWire
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.retry import RetryPolicy
from wire.anthropic_words import (
    asked,
    assistant,
    begins,
    complaints,
    ends,
    says,
    started,
    stopped,
    stream,
    text,
    thinks,
    thought,
    use,
    wants,
)
from wire.server import Answer, Server, breaks, gives, refuses, serving, streams
from wire.words import LOOK, folded

QUICK = RetryPolicy(total=5.0, first=0.02, longest=0.05)
HELLO = stream(started(input_tokens=3), says(0, "Hel", "lo"), stopped())
OVERLOADED = stream(
    {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
)


def backend(server: Server, **settings: Any) -> HttpBackend:
    provider = Provider(**{"name": "local", "kind": "anthropic", "base_url": server.url} | settings)
    return HttpBackend(provider, AnthropicWire(provider), policy=QUICK, idle_seconds=5)


async def ask(
    asked_: HttpBackend, request: ModelRequest | None = None, into: list[Delta] | None = None
) -> list[Delta]:
    heard = [] if into is None else into
    async with aclosing(asked_.stream(request or asked(Incoming("Hi"), model="m"))) as answer:
        async for deltas in answer:
            heard += deltas
    return heard


async def reply(asked_: HttpBackend, request: ModelRequest | None = None) -> Reply:
    return folded(await ask(asked_, request))


def complains(status: int, kind: str, message: str = "x") -> Answer:
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return gives(json.dumps(body).encode(), status=status)


async def test_a_request_is_posted_and_its_answer_streamed() -> None:
    async with serving(streams(HELLO)) as server:
        request = asked(Incoming("Hi"), model="m", tools=(LOOK,), system="S")
        assert (await reply(backend(server, api_key="the-secret-key"), request)).text == "Hello"
        (seen,) = server.asked
    assert seen.path == "/v1/messages"
    assert seen.headers["x-api-key"] == "the-secret-key"
    assert seen.headers["anthropic-version"] == "2023-06-01"
    assert seen.headers["Content-Type"] == "application/json"
    assert complaints(seen.body) == []


async def test_an_address_without_a_version_will_do() -> None:
    async with serving(streams(HELLO)) as server:
        await reply(backend(server, base_url=server.url.removesuffix("/v1")))
        assert server.asked[0].path == "/v1/messages"


async def test_a_cloud_key_never_goes_to_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "cloud-secret-key")
    async with serving(streams(HELLO)) as server:
        await reply(backend(server))
        assert "cloud-secret-key" not in str(server.asked[0].headers)
        assert "x-api-key" not in server.asked[0].headers


async def test_an_overload_in_the_stream_is_tried_again_if_nothing_was_heard() -> None:
    async with serving(streams(stream(started()), OVERLOADED), streams(HELLO)) as server:
        heard = await ask(backend(server))
    assert isinstance(heard[0], RetryDelta)
    assert folded(heard).text == "Hello"


async def test_an_overload_after_the_first_word_ends_the_reply() -> None:
    async with serving(streams(stream(says(0, "Hel")), OVERLOADED), streams(HELLO)) as server:
        heard: list[Delta] = []
        with pytest.raises(ProviderUnavailable, match="Overloaded") as caught:
            await ask(backend(server), into=heard)
        assert heard == [TextDelta("Hel")]
        assert caught.value.status == 529
        assert len(server.asked) == 1


async def test_an_overload_before_the_stream_is_tried_again() -> None:
    async with serving(complains(529, "overloaded_error"), streams(HELLO)) as server:
        assert (await reply(backend(server))).text == "Hello"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (complains(401, "authentication_error"), AuthError),
        (complains(400, "invalid_request_error", "credit balance is too low"), QuotaExhausted),
        (complains(404, "not_found_error", "model: m"), ProviderError),
        (refuses(400, "wrong"), ProviderError),
    ],
)
async def test_what_cannot_be_helped_is_tried_once(answer: Answer, kind: type[Exception]) -> None:
    async with serving(answer, streams(HELLO)) as server:
        with pytest.raises(kind):
            await reply(backend(server))
        assert len(server.asked) == 1


async def test_an_answer_that_stops_in_the_middle_is_no_answer() -> None:
    async with serving(streams(stream(says(0, "Hel")))) as server:
        with pytest.raises(ProtocolViolation, match="cut short"):
            await reply(backend(server))


async def test_a_line_that_breaks_after_the_last_word_costs_nothing() -> None:
    async with serving(breaks(stream(says(0, "Hello"), stopped()[:1]))) as server:
        assert (await reply(backend(server))).text == "Hello"


async def test_a_field_that_is_refused_is_left_out_at_once() -> None:
    refused = complains(
        400, "invalid_request_error", "max_tokens: 16384 > 512, which is the maximum"
    )
    async with serving(refused, streams(HELLO)) as server:
        mine = backend(server)
        for _ in range(2):
            assert (await reply(mine)).text == "Hello"
        assert [seen.body["max_tokens"] for seen in server.asked] == [16_384, 512, 512]


async def test_bound_thinking_is_asked_to_be_dropped_once_and_from_then_on() -> None:
    bound = complains(
        400,
        "invalid_request_error",
        "messages.1.content.0: The block is bound to a different conversation.",
    )
    thoughtful = stream(thinks(0, "hm"), wants(1, "toolu_A", "{}"), stopped("tool_use"))
    async with serving(streams(thoughtful), bound, streams(HELLO)) as server:
        mine, draft = backend(server), Draft()
        settings = {"model": "claude-opus-5-5", "reasoning": True, "draft": draft}
        first = await reply(mine, asked(Incoming("Hi"), **settings))
        assert first.parts[0] == Reasoning("hm")
        outcomes = Outcomes(tuple(Outcome(call, "ok") for call in first.tool_calls))
        entries = (Incoming("Hi"), first, outcomes)
        for _ in range(2):
            assert (await reply(mine, asked(*entries, **settings))).text == "Hello"
        seen = server.asked[1:]
    assert ["anthropic-beta" in one.headers for one in seen] == [False, True, True]
    assert seen[-1].headers["anthropic-beta"] == BINDING_BETA
    assert all(one.body["messages"][1]["content"][0] == thought("hm") for one in seen)
    assert complaints(seen[-1].body, beta=True) == []


async def test_a_whole_run_keeps_its_thinking_and_grows_its_requests_at_the_end() -> None:
    @Tool
    def look(what: str) -> str:
        """Look at a thing."""
        return f"{what} is green"

    def thinking(index: int, words: str) -> list[dict[str, object]]:
        return thinks(index, words, signature=f"SIG {words}")

    answers = (
        stream(
            started(input_tokens=9, cache_read_input_tokens=90),
            thinking(0, "one"),
            says(1, "Looking."),
            wants(2, "toolu_A", '{"what": ', '"a"}'),
            wants(3, "toolu_B", '{"what": "b"}'),
            stopped("tool_use"),
        ),
        stream(thinking(0, "two"), wants(1, "toolu_A", '{"what": "c"}'), stopped("tool_use")),
        stream(thinking(0, "three"), says(1, "All green."), stopped()),
    )
    async with serving(*map(streams, answers)) as server:
        provider = Provider("claude", "anthropic", "k", server.url)
        agent = Agent("eye", "Look.", "claude-opus-5-5", provider, reasoning=True)
        result = await async_run("What do you see?", [agent], [look], [provider])
        bodies = [seen.body for seen in server.asked]
    assert result.output == "All green."
    for body, before in zip(bodies[1:], bodies, strict=False):
        assert body["messages"][: len(before["messages"])] == before["messages"]
        assert {k: v for k, v in body.items() if k != "messages"} == {
            k: v for k, v in before.items() if k != "messages"
        }
        assert complaints(body) == []
    _, first, results, second, _ = bodies[2]["messages"]
    assert first["content"] == [
        thought("one", "SIG one"),
        {"type": "text", "text": "Looking."},
        use("toolu_A", {"what": "a"}),
        use("toolu_B", {"what": "b"}),
    ]
    assert [block["content"] for block in results["content"]] == ["a is green", "b is green"]
    repeated = second["content"][1]
    assert second["content"][0] == thought("two", "SIG two")
    assert repeated["id"] != "toolu_A"
    assert bodies[2]["messages"][4]["content"][0]["tool_use_id"] == repeated["id"]


async def test_an_answer_in_one_piece_is_read_as_well() -> None:
    body = {
        "type": "message",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
    }
    async with serving(gives(json.dumps(body).encode())) as server:
        assert (await reply(backend(server))).parts == (Text("Hello"),)


async def test_a_model_that_was_interrupted_by_its_server_goes_on_where_it_was() -> None:
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    answers = (
        stream(says(0, "Let me see."), begins(1, search), ends(1), stopped("pause_turn")),
        stream(begins(0, found), ends(0), says(1, "It is blue."), stopped()),
    )
    async with serving(*map(streams, answers)) as server:
        provider = Provider("claude", "anthropic", "k", server.url)
        agent = Agent("eye", "Look.", "claude-opus-4-8", provider)
        result = await async_run("What do you see?", [agent], [], [provider])
        first, second = (seen.body["messages"] for seen in server.asked)
    assert result.output == "It is blue."
    assert second[: len(first)] == first
    assert second[len(first) :] == [assistant(text("Let me see."), search)]
    assert all(complaints(seen.body) == [] for seen in server.asked)


async def test_what_is_said_otherwise_in_a_header_only_is_said_at_once() -> None:
    refused = complains(
        400,
        "invalid_request_error",
        "anthropic-version: 2023-06-01 is not supported for this model; use 2026-10-21 or later",
    )
    async with serving(refused, streams(HELLO)) as server:
        assert (await reply(backend(server), asked(Incoming("Hi"), model="new"))).text == "Hello"
        first, second = server.asked
    assert first.body == second.body
    versions = [seen.headers["anthropic-version"] for seen in (first, second)]
    assert versions == ["2023-06-01", "2026-10-21"]


async def test_what_nothing_is_learnt_from_is_not_asked_again() -> None:
    refused = complains(
        400, "invalid_request_error", "anthropic-version: 2023-06-01 is not supported"
    )
    async with serving(refused, streams(HELLO)) as server:
        with pytest.raises(ProviderError, match="not supported"):
            await reply(backend(server), asked(Incoming("Hi"), model="old"))
        assert len(server.asked) == 1
