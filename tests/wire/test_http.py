"""What goes over the network, against a real server on this machine."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import errno
import gc
import json
import threading
import time
import warnings
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey

from agentouto import Agent, ApiKeyAuth, async_run
from agentouto._domain.content import Incoming, Reply
from agentouto._domain.delta import Delta, RetryDelta, TextDelta
from agentouto._domain.errors import (
    AuthError,
    ContextOverflow,
    ProtocolViolation,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Provider
from agentouto._domain.ports import ModelRequest
from agentouto.providers import open_backend
from agentouto.providers._openai.chat_wire import OpenAIChatWire
from agentouto.providers._transport.connections import connection_failure
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.http_limits import USUAL, HttpLimits
from agentouto.providers._transport.retry import RateGate, RetryBudget, RetryPolicy, with_retries
from agentouto.providers._transport.sessions import LoopResources, ResourcesByLoop
from wire.server import HELLO, Server, breaks, gives, hangs, refuses, serving, streams
from wire.words import DONE, LOOK, asking, call, chunk, event, folded, wants

QUICK = RetryPolicy(total=5.0, first=0.02, longest=0.05)
HI = event(chunk({"content": "Hi"}))
MEMORY = Memory()
LOOPS = MEMORY.part(ResourcesByLoop)
"""What all backends here share, as those of one program do."""


def backend(
    server: Server,
    policy: RetryPolicy = QUICK,
    idle: float = 5,
    limits: HttpLimits = USUAL,
    **settings: Any,
) -> HttpBackend:
    usual: dict[str, Any] = {"name": "local", "kind": "openai", "base_url": server.url}
    provider = Provider(**usual | settings)
    wire = OpenAIChatWire(provider, MEMORY)
    return HttpBackend(provider, wire, MEMORY, policy=policy, idle_seconds=idle, limits=limits)


async def ask(asked: HttpBackend, request: ModelRequest | None = None) -> list[Delta]:
    heard: list[Delta] = []
    async with aclosing(asked.stream(request or asking(Incoming("Hi")))) as stream:
        async for deltas in stream:
            assert isinstance(deltas, Sequence)
            assert deltas
            heard += deltas
    return heard


async def reply(asked: HttpBackend, request: ModelRequest | None = None) -> Reply:
    return folded(await ask(asked, request))


def retries(heard: list[Delta]) -> list[RetryDelta]:
    return [delta for delta in heard if isinstance(delta, RetryDelta)]


# Ordinary -----------------------------------------------------------------------------------------


async def test_a_request_is_posted_and_its_answer_streamed() -> None:
    async with serving(streams()) as server:
        request = asking(Incoming("Hi"), tools=(LOOK,), extra={"extra_headers": {"X-Title": "t"}})
        assert (await reply(backend(server, api_key="the-secret-key"), request)).text == "Hello"
        (asked,) = server.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["Authorization"] == "Bearer the-secret-key"
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.headers["X-Title"] == "t"
    assert asked.body["messages"] == [{"role": "user", "content": "Hi"}]


async def test_words_are_heard_while_they_are_said() -> None:
    async with serving(hangs(HI)) as server:
        stream = backend(server).stream(asking(Incoming("Hi")))
        async with aclosing(stream), asyncio.timeout(10):
            assert await anext(stream) == [TextDelta("Hi")]


async def test_a_server_without_a_key_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "cloud-secret-key")
    async with serving(streams()) as server:
        await reply(backend(server))
        assert "Authorization" not in server.asked[0].headers
        assert "cloud-secret-key" not in str(server.asked[0].headers)


async def test_a_missing_key_is_told_before_anything_is_sent() -> None:
    with pytest.raises(AuthError, match="OPENAI_API_KEY"):
        await ask(open_backend(Provider("openai")))  # type: ignore[arg-type]


async def test_one_connection_serves_one_request_after_the_other() -> None:
    async with serving(streams()) as server:
        for _ in range(3):
            await reply(backend(server))
        assert len(server.peers) == 1


async def test_a_connection_is_kept_although_a_server_dawdles_after_the_end() -> None:
    async with serving(streams(HELLO, wait=0.002)) as server:
        for _ in range(8):
            await reply(backend(server))
        assert len(server.peers) < 8  # on a busy machine, not each one comes to its end in time


async def test_what_an_agent_sends_in_its_headers_is_in_no_error() -> None:
    headers = {"X-Api-Key": "Zm9vYmFy-is-wrong", "X-Seal": "Bearer YmFyZm9v-is-too"}
    request = asking(Incoming("Hi"), extra={"extra_headers": headers})
    said = "neither Zm9vYmFy-is-wrong nor YmFyZm9v-is-too will do"
    for answer in (refuses(401, said), refuses(404, said), streams(event({"error": said}))):
        async with serving(answer) as server:
            with pytest.raises((AuthError, ProviderError), match=r"neither \*\*\* nor \*\*\*"):
                await ask(backend(server, RetryPolicy(tries=1)), request)


async def test_a_server_that_never_hangs_up_is_not_waited_for() -> None:
    async with serving(hangs(HELLO)) as server, asyncio.timeout(10):
        assert (await reply(backend(server))).text == "Hello"


async def test_a_request_of_five_megabytes_gets_there_whole() -> None:
    async with serving(refuses(500), streams()) as server:
        assert (await reply(backend(server), asking(Incoming("x" * 5_000_000)))).text == "Hello"
        for asked in server.asked:
            assert len(asked.body["messages"][0]["content"]) == 5_000_000
            assert asked.headers["Content-Type"] == "application/json"
            assert int(asked.headers["Content-Length"]) > 5_000_000


async def test_five_megabytes_in_one_line() -> None:
    async with serving(streams(event(chunk({"content": "x" * 5_000_000})), DONE)) as server:
        assert len((await reply(backend(server))).text) == 5_000_000


async def test_an_answer_without_a_stream_is_read_as_well() -> None:
    answer = {
        "choices": [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]
    }
    async with serving(gives(b"\n " + json.dumps(answer).encode())) as server:
        assert (await reply(backend(server))).text == "Hello"


async def test_a_stream_under_a_wrong_name_is_a_stream() -> None:
    async with serving(gives(HELLO, "application/json")) as server:
        assert (await reply(backend(server))).text == "Hello"


# Failures -----------------------------------------------------------------------------------------


async def test_a_web_page_is_no_answer_and_is_not_asked_for_again() -> None:
    async with serving(gives(b"<!doctype html><title>Welcome</title>", "text/html")) as server:
        with pytest.raises(ProtocolViolation, match="a web page titled 'Welcome'"):
            await ask(backend(server))
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "fault",
    [
        streams(b": nothing\n\n"),
        gives(b""),
        breaks(),
        breaks(b": wait\n\n"),
        gives(b'{"error":{"message":"x","code":502}}'),
    ],
)
async def test_what_breaks_before_the_first_word_is_tried_again(fault: Any) -> None:
    async with serving(fault, streams()) as server:
        heard = await ask(backend(server))
    assert folded(heard).text == "Hello"
    (retry,) = retries(heard)
    assert (retry.attempt, heard[0]) == (2, retry)
    assert retry.error.startswith("[local] ")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (streams(HI), ProtocolViolation),
        (breaks(HI), ProviderUnavailable),
        (streams(HI, event({"error": {"message": "boom", "code": 429}})), RateLimited),
        (streams(HI, b"data: {half\n\n"), ProtocolViolation),
    ],
)
async def test_what_breaks_after_the_first_word_is_not_tried_again(
    fault: Any, kind: type[ProviderError]
) -> None:
    async with serving(fault) as server:
        with pytest.raises(kind) as caught:
            await ask(backend(server))
        assert len(server.asked) == 1
    if kind is ProviderUnavailable:
        assert isinstance(caught.value.__cause__, aiohttp.ClientError)


async def test_a_line_that_breaks_after_the_last_word_does_no_harm() -> None:
    async with serving(breaks(HI + event(chunk({}, "stop")))) as server:
        assert (await reply(backend(server))).text == "Hi"


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "nope", ProviderError),
        (401, "bad key", AuthError),
        (404, "no such model", ProviderError),
        (402, "pay", QuotaExhausted),
        (400, "maximum context length is 5", ContextOverflow),
    ],
)
async def test_what_waiting_does_not_help_is_not_tried_again(
    status: int, message: str, kind: type[Exception]
) -> None:
    async with serving(refuses(status, message)) as server:
        with pytest.raises(kind, match=f"HTTP {status} .*{message}"):
            await ask(backend(server))
        assert len(server.asked) == 1


async def test_a_redirect_is_not_followed_with_the_key() -> None:
    async with serving(refuses(307, location="https://elsewhere.example/v1?key=x")) as server:
        with pytest.raises(ProviderError, match=r"points to https://elsewhere\.example/v1; if"):
            await ask(backend(server, api_key="the-secret-key"))


async def test_the_key_is_in_no_error_even_if_the_server_repeats_it() -> None:
    said = "the key Zm9vYmFy-is-wrong is wrong"
    for answer in (
        refuses(401, said),
        refuses(400, said),
        gives(said.encode(), status=500),
        streams(event({"error": said})),
    ):
        async with serving(answer) as server:
            with pytest.raises((AuthError, ProviderError)) as caught:
                await ask(backend(server, RetryPolicy(tries=1), api_key="Zm9vYmFy-is-wrong"))
            assert "Zm9vYmFy" not in repr(caught.value) + str(caught.value)
            assert "***" in str(caught.value)


async def test_silence_ends_after_a_while() -> None:
    async with serving(hangs()) as server:
        with pytest.raises(ProviderUnavailable, match=r"has said nothing for 0\.1 s"):
            await ask(backend(server, RetryPolicy(tries=1), idle=0.1))
        async with asyncio.timeout(10):
            await server.gone.wait()


async def test_a_server_that_is_not_there_is_named() -> None:
    async with serving(streams()) as server:
        pass
    with pytest.raises(
        ProviderUnavailable, match=r"no connection to http://127\.0\.0\.1:"
    ) as caught:
        await ask(backend(server, RetryPolicy(tries=2, first=0.01)))
    assert isinstance(caught.value.__cause__, aiohttp.ClientConnectorError)


async def test_too_many_open_files_are_told_with_the_remedy() -> None:
    async with serving(streams()) as server:
        key = ConnectionKey("h", 1, False, True, None, None, None)
        error = aiohttp.ClientConnectorError(key, OSError(errno.EMFILE, "Too many open files"))
        failure = connection_failure("local", server.url, error, USUAL, 600)
        assert "ulimit -n" in str(failure)
        assert failure.retryable


# Those who never come to an end --------------------------------------------------------------------


def pings(*blocks: bytes, ping: bytes = b": ping\n\n") -> Any:
    """Answer with these blocks, and go on with nothing but signs of life."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for block in blocks:
            await response.write(ping + block)
        while True:
            await response.write(ping)
            await asyncio.sleep(0.01)

    return answer


@pytest.mark.parametrize("ping", [b": ping\n\n", b"\n", b"\r\n: x\r\n\r\n"])
async def test_signs_of_life_are_no_answer(ping: bytes) -> None:
    async with serving(pings(ping=ping)) as server, asyncio.timeout(10):
        with pytest.raises(ProviderUnavailable, match=r"has said nothing for 0\.08 s"):
            await ask(backend(server, RetryPolicy(tries=1), idle=0.08))


async def test_who_says_something_now_and_then_is_listened_to() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for _ in range(4):
            for said in (b": ping\n\n", b": ping\n\n", b": ping\n\n" + HI):
                await response.write(said)
                await asyncio.sleep(0.06)
        await response.write(event(chunk({}, "stop")) + DONE)
        return response

    async with serving(answer) as server:
        assert (await reply(backend(server, idle=0.5))).text == "Hi" * 4


@pytest.mark.parametrize("goes_on", [hangs, pings])
async def test_an_answer_that_is_whole_is_not_waited_for_any_longer(goes_on: Any) -> None:
    async with serving(goes_on(HI, event(chunk({}, "stop")))) as server, asyncio.timeout(10):
        assert (await reply(backend(server, limits=HttpLimits(end=0.05)))).text == "Hi"


async def test_a_refusal_that_never_ends_is_a_refusal() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=401)
        await response.prepare(request)
        while True:
            await response.write(b"bad key ")
            await asyncio.sleep(0.01)

    async with serving(answer) as server, asyncio.timeout(10):
        with pytest.raises(AuthError, match="bad key"):
            await ask(backend(server))


async def test_a_refusal_that_breaks_off_is_a_refusal() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=401)
        await response.prepare(request)
        await response.write(b"bad key")
        await asyncio.sleep(0.01)
        assert request.transport is not None
        request.transport.abort()
        await asyncio.sleep(0)
        return response

    async with serving(answer) as server:
        with pytest.raises(AuthError, match="bad key"):
            await ask(backend(server))
        assert len(server.asked) == 1


# Trying again -------------------------------------------------------------------------------------


async def test_four_tries_and_no_more() -> None:
    async with serving(refuses(500, "boom")) as server:
        with pytest.raises(ProviderUnavailable, match="boom"):
            await ask(backend(server))
        assert len(server.asked) == 4


async def test_every_wait_is_told() -> None:
    async with serving(refuses(500, "boom"), refuses(529), streams()) as server:
        heard = await ask(backend(server))
    assert [retry.attempt for retry in retries(heard)] == [2, 3]
    assert all(0 < retry.wait <= 0.05 for retry in retries(heard))
    assert "boom" in retries(heard)[0].error
    assert folded(heard).text == "Hello"


@pytest.mark.parametrize("headers", [{"retry_after": "0.2"}, {"retry_after_ms": "200"}])
async def test_the_server_is_given_the_time_it_asks_for(headers: dict[str, str]) -> None:
    async with serving(refuses(429, "slow down", **headers), streams()) as server:
        heard = await ask(backend(server))
        assert server.asked[1].at - server.asked[0].at >= 0.2
    assert 0.19 <= retries(heard)[0].wait <= 0.3


async def test_a_server_that_asks_for_too_long_is_not_waited_for() -> None:
    async with serving(refuses(429, "slow down", retry_after="61")) as server:
        with pytest.raises(RateLimited) as caught:
            await ask(backend(server, RetryPolicy()))
        assert len(server.asked) == 1
    assert caught.value.retry_after == 61


async def test_a_wait_that_is_too_long_for_one_is_too_long_for_the_others() -> None:
    async with serving(refuses(429, "slow down", retry_after="3600"), streams()) as server:
        with pytest.raises(RateLimited, match="no more than 5 s are waited"):
            await ask(backend(server))
        with pytest.raises(RateLimited, match=r"^\[local\] HTTP 429 .*slow down") as caught:
            await ask(backend(server))
        assert len(server.asked) == 1
    assert caught.value.retry_after == pytest.approx(3600, abs=5)


@pytest.mark.parametrize(
    ("other", "model"),
    [
        ({}, "free"),
        ({"api_key": "another-key"}, "m"),
        ({"headers": {"api-key": "another-key"}}, "m"),
        ({"query": {"key": "another-key"}}, "m"),
        ({"auth": ApiKeyAuth("another-key")}, "m"),
        ({"name": "other"}, "m"),
    ],
)
async def test_a_limit_of_one_model_and_account_stops_no_other(
    other: dict[str, Any], model: str
) -> None:
    key: dict[str, Any] = {} if "auth" in other else {"api_key": "the-secret-key"}
    async with serving(refuses(429, "slow down", retry_after="3600"), streams()) as server:
        with pytest.raises(RateLimited):
            await ask(backend(server, api_key="the-secret-key"), asking(Incoming("Hi"), model="m"))
        heard = await ask(backend(server, **(key | other)), asking(Incoming("Hi"), model=model))
        assert not retries(heard)
        assert len(server.asked) == 2


async def test_a_fallback_to_another_model_of_the_same_provider_is_asked() -> None:
    async with serving(refuses(429, "slow down", retry_after="3600"), streams()) as server:
        provider = Provider("local", "openai", base_url=server.url, api_key="the-secret-key")
        agent = Agent("a", "", "busy", provider, fallback=[(provider, "free")])
        assert (await async_run("Hi", [agent])).output == "Hello"
        assert [asked.body["model"] for asked in server.asked if asked.body] == ["busy", "free"]


async def test_nobody_is_kept_out_for_longer_than_anybody_would_wait() -> None:
    policy = RetryPolicy(total=0.05)
    async with serving(refuses(429, "slow down", retry_after="3600"), streams()) as server:
        with pytest.raises(RateLimited):
            await ask(backend(server, policy))
        await asyncio.sleep(0.06)
        assert (await reply(backend(server, policy))).text == "Hello"


async def test_a_wait_that_came_too_late_for_one_holds_for_the_others() -> None:
    gate = RateGate()
    policy = RetryPolicy(total=0.09)

    async def late() -> AsyncGenerator[Sequence[Delta]]:
        await asyncio.sleep(0.05)
        raise RateLimited("p", "slow down", retry_after=0.07)
        yield ()

    async def fine() -> AsyncGenerator[Sequence[Delta]]:
        yield (TextDelta("Hi"),)

    with pytest.raises(RateLimited):
        await anext(with_retries("p", policy, gate, RetryBudget(policy), late))
    first = await anext(with_retries("p", policy, gate, RetryBudget(policy), fine))
    assert isinstance(first[0], RetryDelta)


@pytest.mark.parametrize("kind", [RateLimited, ProviderUnavailable])
async def test_who_wakes_up_too_late_does_not_try_again(kind: type[ProviderError]) -> None:
    policy, tries = RetryPolicy(total=0.05, first=0.02), 0

    async def fails() -> AsyncGenerator[Sequence[Delta]]:
        nonlocal tries
        tries += 1
        raise kind("p", "boom")
        yield ()

    stream = with_retries("p", policy, RateGate(), RetryBudget(policy), fails)
    assert isinstance((await anext(stream))[0], RetryDelta)
    asyncio.get_running_loop().call_soon(time.sleep, 0.06)  # somebody blocks the loop
    with pytest.raises(kind, match="boom"):
        await anext(stream)
    assert tries == 1


async def test_no_key_is_kept_for_those_who_wait() -> None:
    async with serving(streams()) as server:
        await reply(backend(server, api_key="the-secret-key"))
        assert "the-secret-key" not in repr(LOOPS.here()._gates)


async def test_gates_that_stand_open_are_forgotten_in_the_end() -> None:
    mine = LoopResources()
    shut = mine.gate("shut")
    now = asyncio.get_running_loop().time()
    shut.close(now + 60, "slow down", now + 60)
    for number in range(10_000):
        mine.gate(number)
    assert len(mine._gates) <= 1_000
    assert mine.gate("shut") is shut


async def test_a_wait_can_be_cancelled() -> None:
    async with serving(refuses(503, retry_after="50")) as server:
        stream = backend(server, RetryPolicy()).stream(asking(Incoming("Hi")))
        async with aclosing(stream):
            assert isinstance((await anext(stream))[0], RetryDelta)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await anext(stream)


async def test_a_fan_out_waits_together_and_does_not_come_back_all_at_once() -> None:
    limited = True

    async def answer(request: web.Request) -> web.StreamResponse:
        return await (refuses(429, "slow down", retry_after="0.3") if limited else streams())(
            request
        )

    async with serving(answer) as server:
        first = asyncio.create_task(ask(backend(server)))
        await server.was_asked.wait()
        await asyncio.sleep(0.05)
        limited = False
        others = [asyncio.create_task(ask(backend(server))) for _ in range(20)]
        heard = [await task for task in (first, *others)]
        times = [asked.at - server.asked[0].at for asked in server.asked]
    assert len(times) == 22
    assert min(times[1:]) >= 0.3
    assert max(times[1:]) - min(times[1:]) > 0.01
    assert all(folded(each).text == "Hello" for each in heard)
    assert [len(retries(each)) for each in heard] == [1] * 21
    assert {retries(each)[0].attempt for each in heard[1:]} == {1}
    assert "slow down" in retries(heard[5])[0].error


async def test_who_has_another_key_does_not_wait() -> None:
    async with serving(refuses(429, retry_after="3"), streams()) as server:
        waiting = backend(server, api_key="one").stream(asking(Incoming("Hi")))
        async with aclosing(waiting):
            await anext(waiting)
            async with asyncio.timeout(10):
                assert retries(await ask(backend(server, api_key="two"))) == []


async def test_who_could_not_be_served_in_time_is_told_at_once() -> None:
    async with serving(refuses(429, "slow down", retry_after="3"), streams()) as server:
        waiting = backend(server).stream(asking(Incoming("Hi")))
        async with aclosing(waiting):
            await anext(waiting)
            with pytest.raises(RateLimited, match="slow down"):
                await ask(backend(server, RetryPolicy(total=0.5)))
        assert len(server.asked) == 1


def test_pauses_grow_and_differ() -> None:
    policy = RetryPolicy(chance=lambda: 1.0)
    assert [policy.pause(tried) for tried in (1, 2, 3, 9)] == [0.5, 1.0, 2.0, 8.0]
    assert RetryPolicy(chance=lambda: 0.0).pause(1) == 0.375


async def test_a_token_is_asked_for_at_every_try() -> None:
    class Tokens:
        count = 0

        async def get_token(self) -> str:
            self.count += 1
            return f"token-{self.count}"

    async with serving(refuses(500), streams()) as server:
        await ask(backend(server, auth=Tokens()))
        sent = [asked.headers["Authorization"] for asked in server.asked]
    assert sent == ["Bearer token-1", "Bearer token-2"]


# Learning from refusals ---------------------------------------------------------------------------


def picky(*unknown: str, text: str = "Unknown parameter: '{}'.") -> Any:
    """A server that refuses these fields, one at a time."""

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        for field in unknown:
            if field in body:
                return await refuses(400, text.format(field))(request)
        return await streams()(request)

    return answer


@pytest.mark.parametrize(
    "field",
    ["stream_options", "temperature", "reasoning_effort"],
)
async def test_a_field_of_ours_that_is_refused_is_left_out_from_then_on(field: str) -> None:
    request = asking(Incoming("Hi"), temperature=0.2, reasoning=True)
    async with serving(picky(field)) as server:
        heard = await ask(backend(server), request)
        assert folded(heard).text == "Hello"
        assert retries(heard) == []
        await ask(backend(server), request)
        assert [field in asked.body for asked in server.asked] == [True, False, False]


async def test_the_other_name_of_the_output_cap_is_tried() -> None:
    request = asking(Incoming("Hi"), max_output_tokens=9)
    text = "Unsupported parameter: '{}' is not supported with this model. Use 'max_completion_tokens' instead."
    async with serving(picky("max_tokens", text=text)) as server:
        for _ in range(2):
            await ask(backend(server), request)
        caps = [
            {k: v for k, v in asked.body.items() if k.startswith("max")} for asked in server.asked
        ]
    assert caps == [{"max_tokens": 9}, {"max_completion_tokens": 9}, {"max_completion_tokens": 9}]


async def test_a_server_that_changes_its_mind_about_the_output_cap_is_followed() -> None:
    request = asking(Incoming("Hi"), max_output_tokens=9)
    old, new = "max_tokens", "max_completion_tokens"
    async with serving(picky(old), picky(old), picky(new)) as server:
        for _ in range(3):
            assert folded(await ask(backend(server), request)).text == "Hello"
        caps = [name for asked in server.asked for name in asked.body if name.startswith("max")]
    assert caps == [old, new, new, old, old]


async def test_many_who_learn_the_same_thing_at_once_agree() -> None:
    request = asking(Incoming("Hi"), max_output_tokens=9)
    async with serving(picky("max_tokens")) as server:
        asked = backend(server)
        heard = await asyncio.gather(*(ask(asked, request) for _ in range(20)))
    assert {folded(each).text for each in heard} == {"Hello"}


async def test_two_fields_can_be_unlearnt_in_one_go_and_not_three() -> None:
    request = asking(Incoming("Hi"), temperature=0.2, reasoning=True)
    async with serving(picky("stream_options", "temperature")) as server:
        assert folded(await ask(backend(server), request)).text == "Hello"
    async with serving(picky("stream_options", "temperature", "reasoning_effort")) as server:
        with pytest.raises(ProviderError, match="reasoning_effort"):
            await ask(backend(server), request)
        assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"extra": {"temperature": 0.2}}, "Unknown parameter: 'temperature'"),
        ({"max_output_tokens": 10**9}, "max_tokens must be at most 4096"),
        ({"temperature": 9.0}, "temperature must be between 0 and 2"),
        ({"extra": {"top_k": 3}}, "Unknown parameter: 'top_k'"),
        ({}, "Unknown parameter: 'model'"),
    ],
)
async def test_what_the_user_got_wrong_is_told_to_the_user(
    settings: dict[str, Any], text: str
) -> None:
    async with serving(refuses(400, text)) as server:
        with pytest.raises(ProviderError, match=text):
            await ask(backend(server), asking(Incoming("Hi"), **settings))
        assert len(server.asked) == 1


async def test_a_model_that_may_not_reason_with_tools_is_told_not_to() -> None:
    text = "Function tools with reasoning_effort are not supported for this model; set reasoning_effort to 'none'."

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        fine = body.get("reasoning_effort") == "none"
        return await (streams() if fine else refuses(400, text))(request)

    for reasoning in (True, False):
        async with serving(answer) as server:
            await ask(backend(server), asking(Incoming("Hi"), reasoning=reasoning))
            assert server.asked[-1].body["reasoning_effort"] == "none"
            assert len(server.asked) == 2


async def test_kept_fields_that_a_server_does_not_take_back_are_not_sent_again() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if any("reasoning" in message for message in body["messages"]):
            return await refuses(400, "'messages.1' : property 'reasoning' is unsupported")(request)
        return await streams(event(chunk({"reasoning": "hm"})) + HELLO)(request)

    async with serving(answer) as server:
        asked = backend(server)
        request = asking(Incoming("Hi"))
        said = await reply(asked, request)
        assert said.native is not None
        for _ in range(2):
            await reply(asked, asking(Incoming("Hi"), said, Incoming("And?"), draft=request.draft))
        assert len(server.asked) == 4
        assert server.asked[-1].body["messages"][1] == {"role": "assistant", "content": "Hello"}


async def test_a_refusal_of_something_else_teaches_nothing() -> None:
    for text in (
        "reasoning is not supported by this model",
        "reasoning_effort and you: a missing link",
        "the conversation is missing a reasoning trace",
    ):
        async with serving(refuses(400, text), streams()) as server:
            with pytest.raises(ProviderError, match=text):
                await ask(backend(server))
            await ask(backend(server), asking(Incoming("Hi"), reasoning=True))
            assert server.asked[-1].body["reasoning_effort"] == "medium"
            assert len(server.asked) == 2


async def test_a_field_that_a_server_insists_on_is_filled_in() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if "reasoning_content" in body["messages"][1]:
            return await streams()(request)
        return await refuses(400, "Missing `reasoning_content` field in the assistant message")(
            request
        )

    async with serving(answer) as server:
        await reply(backend(server), asking(Incoming("Hi"), wants(call("1"))))
        assert server.asked[1].body["messages"][1]["reasoning_content"] == ""


# Ends of requests, of loops, of threads -----------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "cancel", "break"])
async def test_leaving_early_closes_the_connection_at_once(how: str) -> None:
    async with serving(hangs(HI)) as server:
        stream = backend(server).stream(asking(Incoming("Hi")))
        await anext(stream)
        left = asyncio.get_running_loop().time()
        if how == "cancel":
            task = asyncio.create_task(anext(stream))  # type: ignore[arg-type]
            await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait([task])
        elif how == "break":
            async with aclosing(stream):
                pass
        else:
            await stream.aclose()
        async with asyncio.timeout(10):
            await server.gone.wait()
        assert asyncio.get_running_loop().time() - left < 10


async def test_leaving_before_the_answer_begins_closes_the_connection_too() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    async with serving(answer) as server:
        task = asyncio.create_task(ask(backend(server)))
        await server.was_asked.wait()
        task.cancel()
        async with asyncio.timeout(10):
            await server.gone.wait()
        await asyncio.wait([task])
        assert task.cancelled()


class OwnLoop:
    """A server in a thread of its own, for tests that bring their own loops."""

    def __enter__(self) -> Server:
        self.started = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()))
        self.thread.start()
        self.started.wait(5)
        return self.server

    async def serve(self) -> None:
        self.loop, self.stop = asyncio.get_running_loop(), asyncio.Event()
        async with serving(streams()) as self.server:
            self.started.set()
            await self.stop.wait()

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(5)


def nothing_was_left_open(caught: list[warnings.WarningMessage], errors: str) -> None:
    gc.collect()
    assert [str(warning.message) for warning in caught] == []
    assert errors == ""


def test_two_loops_one_after_the_other(capfd: pytest.CaptureFixture[str]) -> None:
    with OwnLoop() as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asked = backend(server)
        for _ in range(2):
            assert asyncio.run(reply(asked)).text == "Hello"
        nothing_was_left_open(caught, capfd.readouterr().err)
    assert not [
        loop for loop in LOOPS._of_loops if loop.is_closed() and LOOPS._of_loops[loop]._sessions
    ]


def test_two_loops_in_two_threads_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    texts: list[str] = []
    with OwnLoop() as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asked = backend(server)

        async def often() -> None:
            for _ in range(5):
                texts.append((await reply(asked)).text)  # noqa: PERF401

        threads = [threading.Thread(target=lambda: asyncio.run(often())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        nothing_was_left_open(caught, capfd.readouterr().err)
    assert texts == ["Hello"] * 20


def test_a_loop_that_is_dropped_without_a_goodbye_leaves_nothing_behind(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with OwnLoop() as server:
        asked = backend(server)
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            loop = asyncio.new_event_loop()
            assert loop.run_until_complete(reply(asked)).text == "Hello"
            loop.close()
            assert asyncio.run(reply(asked)).text == "Hello"
            del loop
            gc.collect()
        assert not [loop for loop in LOOPS._of_loops if loop.is_closed()]
    assert caplog.text == ""
    assert capfd.readouterr().err == ""


def test_a_loop_that_is_never_closed_is_tidied_up_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with OwnLoop() as server:
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(reply(backend(server))).text == "Hello"
        LOOPS.close()
        assert not LOOPS._of_loops[loop]._sessions
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    assert caplog.text == ""


async def test_many_requests_at_once_leave_no_task_behind() -> None:
    async with serving(streams()) as server:
        before = len(asyncio.all_tasks())
        asked = backend(server)
        replies = await asyncio.gather(*(reply(asked) for _ in range(300)))
        assert {each.text for each in replies} == {"Hello"}
        async with asyncio.timeout(10):  # the server keeps a task for each connection
            while len(asyncio.all_tasks()) > before + 300:
                await asyncio.sleep(0.001)


async def test_a_run_in_which_everything_fails_stops_asking() -> None:
    policy = RetryPolicy(tries=4, total=5.0, first=0.001, longest=0.001, spare=5)
    async with serving(refuses(500)) as server:
        asked = backend(server, policy)
        for _ in range(20):
            with pytest.raises(ProviderUnavailable):
                await ask(asked)
    assert len(server.asked) == 20 + 20 + 5  # the requests, a try more for each, and the spare ones


async def test_an_empty_answer_is_told_from_one_that_was_cut() -> None:
    async with serving(gives(b"", "text/event-stream")) as server:
        with pytest.raises(ProtocolViolation, match=r"HTTP 200, and the answer is empty\. Check"):
            await reply(backend(server, RetryPolicy(tries=1)))


async def test_a_server_that_wants_a_key_and_got_none_is_told_from_one_that_refuses_it() -> None:
    async with serving(refuses(401, "Missing bearer")) as server:
        with pytest.raises(
            AuthError, match=r"none was given\. Set AGENTOUTO_LOCAL_API_KEY"
        ) as none:
            await reply(backend(server))
        with pytest.raises(AuthError, match="the key was refused") as refused:
            await reply(backend(server, api_key="sk-wrong"))
    assert "Missing bearer" in str(none.value)
    assert (none.value.code, refused.value.code) == ("key-missing", "login")


async def test_statuses_and_what_is_learned_of_a_server_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG", "agentouto")
    unknown = "unknown field stream_options"
    async with serving(refuses(400, unknown), streams(HELLO)) as server:
        await reply(backend(server, api_key="sk-SECRET", name="logged"))
    texts = [(one.levelname, one.getMessage()) for one in caplog.records]
    assert [text[:16] for level, text in texts if level == "DEBUG"] == [
        "answer: HTTP 400",
        "answer: HTTP 200",
    ]
    (learned,) = [text for level, text in texts if level == "INFO"]
    assert "(HTTP 400: unknown field stream_options)" in learned
    assert "SECRET" not in caplog.text
