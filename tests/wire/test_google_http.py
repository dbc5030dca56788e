"""Gemini over the network, against a real server on this machine."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from agentouto._core.ids import assign_ids
from agentouto._domain.content import Incoming, Outcome, Reply, Stop
from agentouto._domain.delta import Delta, RetryDelta, TextDelta
from agentouto._domain.errors import (
    AuthError,
    ProtocolViolation,
    ProviderError,
    QuotaExhausted,
    RateLimited,
)
from agentouto._domain.participants import Provider
from agentouto._domain.ports import ModelRequest
from agentouto.providers import missing_key
from agentouto.providers._google.wire import GeminiWire
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.keys import find_key
from agentouto.providers._transport.retry import RetryPolicy
from wire.gemini_judge import complaints
from wire.gemini_words import SKIP, STOP, asking, calling, chunk, stream, words
from wire.server import Server, breaks, gives, hangs, serving, streams
from wire.words import LOOK, came_of, event, folded

QUICK = RetryPolicy(total=5.0, first=0.02, longest=0.05)
HELLO = stream(chunk(words("Hel")), chunk(words("lo")), STOP)
HI = Incoming("Hi")


def backend(server: Server, policy: RetryPolicy = QUICK, **settings: Any) -> HttpBackend:
    base = server.url.removesuffix("/v1")
    provider = Provider(**{"name": "g", "kind": "google", "base_url": base} | settings)
    return HttpBackend(provider, GeminiWire(provider), policy=policy, idle_seconds=5)


async def ask(asked: HttpBackend, request: ModelRequest | None = None) -> list[Delta]:
    heard: list[Delta] = []
    async with aclosing(asked.stream(request or asking(HI))) as answer:
        async for deltas in answer:
            heard += deltas
    return heard


async def reply(asked: HttpBackend, request: ModelRequest | None = None) -> Reply:
    return folded(await ask(asked, request))


def error(code: int, status: str, message: str, *details: Any) -> Any:
    body = {"error": {"code": code, "status": status, "message": message, "details": details}}
    return gives(json.dumps(body).encode(), status=code)


async def test_a_request_is_posted_where_its_model_is() -> None:
    async with serving(streams(HELLO)) as server:
        asked = backend(server, api_key="the-secret-key")
        assert (await reply(asked)).text == "Hello"
        await reply(asked, asking(HI, model="gemini-2.5-pro"))
    assert [asked.path for asked in server.asked] == [
        f"/v1beta/models/{model}:streamGenerateContent?alt=sse"
        for model in ("gemini-3.8-flash", "gemini-2.5-pro")
    ]
    assert server.asked[0].headers["x-goog-api-key"] == "the-secret-key"
    assert "Authorization" not in server.asked[0].headers
    assert len(server.peers) == 1


async def test_words_are_heard_while_they_are_said_and_leaving_hangs_up() -> None:
    async with serving(hangs(event(chunk(words("Hi"))))) as server:
        answer = backend(server).stream(asking(HI))
        async with aclosing(answer), asyncio.timeout(10):
            assert await anext(answer) == [TextDelta("Hi")]
        async with asyncio.timeout(10):
            await server.gone.wait()


async def test_a_loop_with_tools_keeps_its_signatures() -> None:
    calls = chunk(
        calling("look", {"what": "x"}, id="i1", thoughtSignature="AQI="),
        calling("look", {"what": "y"}, id="i2"),
        finish="STOP",
    )
    async with serving(streams(event(calls)), streams(HELLO)) as server:
        asked = backend(server)
        first = asking(HI, tools=(LOOK,))
        said = assign_ids(await reply(asked, first), 0, set())
        results = came_of(*(Outcome(made, "ok") for made in said.tool_calls))
        second = asking(HI, said, results, tools=(LOOK,), draft=first.draft)
        assert (await reply(asked, second)).text == "Hello"
    bodies = [asked.body for asked in server.asked]
    assert [complaints(body) for body in bodies] == [[], []]
    signed, plain = bodies[1]["contents"][1]["parts"]
    assert (signed["thoughtSignature"], plain.get("thoughtSignature")) == ("AQI=", None)
    assert SKIP not in json.dumps(bodies[1])
    assert bodies[1]["contents"][:1] == bodies[0]["contents"]


async def test_a_call_that_nobody_can_read_is_asked_for_again() -> None:
    spoiled = event({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]})
    async with serving(streams(spoiled), streams(HELLO)) as server:
        heard = await ask(backend(server))
    assert folded(heard).text == "Hello"
    assert isinstance(heard[0], RetryDelta)


async def test_a_stream_without_an_end_is_tried_again_before_the_first_word_only() -> None:
    async with serving(streams(b": x\n\n"), streams(HELLO)) as server:
        assert (await reply(backend(server))).text == "Hello"
    async with serving(streams(event(chunk(words("Hi"))))) as server:
        with pytest.raises(ProtocolViolation, match="cut short"):
            await ask(backend(server))
        assert len(server.asked) == 1


async def test_a_line_that_breaks_after_the_last_word_does_no_harm() -> None:
    async with serving(breaks(HELLO)) as server:
        assert (await reply(backend(server))).text == "Hello"


async def test_a_server_that_knows_no_streams_is_understood() -> None:
    whole = json.dumps([chunk(words("Hel")), chunk(words("lo"), finish="STOP")], indent=2)
    async with serving(gives(whole.encode())) as server:
        assert (await reply(backend(server))).text == "Hello"


async def test_the_delay_the_server_names_is_kept() -> None:
    slow = error(429, "RESOURCE_EXHAUSTED", "slow down", {"retryDelay": "0.2s"})
    async with serving(slow, streams(HELLO)) as server:
        await reply(backend(server))
        assert server.asked[1].at - server.asked[0].at >= 0.2
    slow = error(429, "RESOURCE_EXHAUSTED", "slow down", {"retryDelay": "14s"})
    async with serving(slow) as server:
        with pytest.raises(RateLimited) as caught:
            await ask(backend(server))
        assert caught.value.retry_after == 14.0
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (
            error(
                429,
                "RESOURCE_EXHAUSTED",
                "quota",
                {"violations": [{"quotaId": "RequestsPerDayPerProject"}]},
                {"retryDelay": "1s"},
            ),
            QuotaExhausted,
        ),
        (error(400, "INVALID_ARGUMENT", "bad key", {"reason": "API_KEY_INVALID"}), AuthError),
        (error(404, "NOT_FOUND", "models/x is not found"), ProviderError),
    ],
)
async def test_what_waiting_does_not_help_is_not_tried_again(fault: Any, kind: type) -> None:
    async with serving(fault) as server:
        with pytest.raises(kind, match="/v1beta/models"):
            await ask(backend(server))
        assert len(server.asked) == 1


async def test_what_a_server_refuses_is_left_out_at_once_and_from_then_on() -> None:
    level = error(400, "INVALID_ARGUMENT", "Thinking level LOW is not supported")
    mode = error(400, "INVALID_ARGUMENT", "Function calling mode VALIDATED is not supported")
    async with serving(level, mode, streams(HELLO)) as server:
        asked = backend(server)
        for _ in range(2):
            assert (await reply(asked, asking(HI, tools=(LOOK,)))).text == "Hello"
    kept = [asked.body.keys() & {"generationConfig", "toolConfig"} for asked in server.asked]
    assert kept == [{"generationConfig", "toolConfig"}, {"toolConfig"}, set(), set()]


async def test_a_blocked_request_is_a_refusal() -> None:
    async with serving(streams(event({"promptFeedback": {"blockReason": "SAFETY"}}))) as server:
        assert (await reply(backend(server))).stop is Stop.REFUSED


async def test_a_key_goes_to_its_vendor_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_key(Provider("google")) == "GEMINI_API_KEY"
    monkeypatch.setenv("GOOGLE_API_KEY", "second-secret")
    assert find_key(Provider("google")) == "second-secret"
    monkeypatch.setenv("GEMINI_API_KEY", "first-secret")
    assert find_key(Provider("google")) == "first-secret"
    async with serving(streams(HELLO)) as server:
        await reply(backend(server))
        assert "secret" not in str(server.asked[0].headers)


async def test_many_streams_at_once() -> None:
    async with serving(streams(HELLO)) as server:
        asked = backend(server)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(reply(asked)) for _ in range(100)]
        assert {task.result().text for task in tasks} == {"Hello"}
