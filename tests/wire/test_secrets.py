"""No key is shown by what fails: whichever format, way to give a key, fault and way to print."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import pickle
import pprint
import traceback
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from _pytest._code import ExceptionInfo
from aiohttp import web
from rich.pretty import pretty_repr
from rich.traceback import Traceback

from agentouto import (
    Agent,
    AgentoutoError,
    ApiKeyAuth,
    Limits,
    Provider,
    Team,
    async_run,
)
from agentouto._domain.content import Incoming
from agentouto._domain.secret import Secret
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.retry import RetryPolicy
from wire.dialects import DIALECTS
from wire.server import Answer, serving
from wire.test_http import ask
from wire.words import asking

KEY = "sk-SECRET" + "SECRET1234" * 20
"""Longer than the 80 characters from which on rich cuts a text."""

KINDS = ("openai", "openai_responses", "anthropic", "google")
ONCE = RetryPolicy(tries=1)
DEAD = "http://127.0.0.1:1"


class Tokens:
    async def get_token(self) -> str:
        return KEY


class Signs:
    async def headers(self, method: str, url: str, body: bytes) -> dict[str, str]:
        return {"Authorization": f"Bearer {KEY}"}


GIVEN: dict[str, dict[str, Any]] = {
    "api_key": {"api_key": KEY},
    "a token": {"auth": Tokens()},
    "ApiKeyAuth": {"auth": ApiKeyAuth(KEY)},
    "a signature": {"auth": Signs()},
    "a header": {"headers": {"x-own": KEY}},
    "a query": {"query": {"code": KEY}},
    "base_url": {},
    "extra_headers": {},
    "the environment": {},
    "a proxy": {},
}
"""Where a key may come from."""


# Ways to fail -------------------------------------------------------------------------------------


def echo(request: web.Request) -> str:
    """Return all of a request that may hold a key, as some servers repeat it."""
    return f"bad key {request.path_qs} {dict(request.headers)}".replace('"', "'")


def refuses(status: int) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        body = {"error": {"message": echo(request)}}
        return web.json_response(body, status=status, reason=f"No {KEY}")

    return answer


async def cuts(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def streams_an_error(request: web.Request) -> web.StreamResponse:
    text = f'data: {{"type": "error", "error": {{"message": "{echo(request)}"}}}}\n\n'
    return web.Response(text=text, content_type="text/event-stream")


async def streams_no_json(request: web.Request) -> web.StreamResponse:
    return web.Response(text=f"data: {{{echo(request)}\n\n", content_type="text/event-stream")


async def says_html(request: web.Request) -> web.StreamResponse:
    return web.Response(text=f"<html>{echo(request)}", content_type="text/html")


async def breaks_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Echo": KEY})
    await response.prepare(request)
    await response.write(f": {echo(request)}\n\n".encode())
    assert request.transport is not None
    request.transport.abort()
    return response


async def breaks_its_gzip(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"no gzip", headers={"Content-Encoding": "gzip"})


async def leads_away(request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": f"http://x.example/?key={KEY}"})


async def is_silent(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.Response()


FAULTS: dict[str, Answer] = {
    "refused": refuses(401),
    "not understood": refuses(400),
    "too busy": refuses(429),
    "broken": refuses(500),
    "cut": cuts,
    "an error in the stream": streams_an_error,
    "no JSON in the stream": streams_no_json,
    "a page": says_html,
    "broken off": breaks_off,
    "bad gzip": breaks_its_gzip,
    "led away": leads_away,
    "silent": is_silent,
    "out of time": is_silent,
    "nobody there": is_silent,
}


# Ways to print ------------------------------------------------------------------------------------


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield ``error`` and what led to it, also where that is hidden from a traceback."""
    todo: list[BaseException | None] = [error]
    seen: list[BaseException] = []
    while todo:
        if (one := todo.pop()) is not None and one not in seen:
            seen.append(one)
            todo += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
            yield one


def without_ours(error: BaseException) -> BaseException:
    """Return ``error`` without the frames of this file: they know the key."""
    while (at := error.__traceback__) and at.tb_frame.f_code.co_filename == __file__:
        error.__traceback__ = at.tb_next
    return error


def by_rich(error: BaseException) -> str:
    told = Traceback.extract(type(error), error, error.__traceback__, show_locals=True)
    shown = [stack.exc_value for stack in told.stacks]
    frames = [frame for stack in told.stacks for frame in stack.frames]
    return " ".join(
        shown + [str(node) for frame in frames for node in (frame.locals or {}).values()]
    )


def by_traceback(error: BaseException) -> str:
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(told.format())


def by_pytest(error: BaseException) -> str:
    if error.__traceback__ is None:
        return ""
    return str(ExceptionInfo.from_exception(error).getrepr(showlocals=True, style="long"))


def by_itself(error: BaseException) -> str:
    return f"{error} {error!r} {error.args!r} {getattr(error, 'partial', '')!r}"


PRINTED = (by_rich, by_traceback, by_pytest, by_itself)


def leaks(error: BaseException) -> list[str]:
    """Return which ways to print any error of the chain show the key, and where."""
    found: list[str] = []
    for one in [without_ours(one) for one in chain(error)]:
        for printed in PRINTED:
            text = printed(one)
            if (at := text.find("SECRET")) >= 0:
                found.append(f"{printed.__name__}: {text[max(0, at - 150) : at + 10]}")
    return found


def provider_for(kind: str, given: str, fault: str, port: int) -> Provider:
    """Return a provider with a key; a proxy is at ``port`` in place of the server."""
    port = 1 if fault == "nobody there" else port
    host = f"m{port}.example" if given == "a proxy" else f"127.0.0.1:{port}"
    url = f"http://{host}" + ("/v1" if kind.startswith("openai") else "")
    url += f"?code={KEY}" if given == "base_url" else ""
    idle = 0.05 if fault == "silent" else 600
    return Provider("p", kind, base_url=url, idle=idle, **GIVEN[given])


def extra_for(given: str) -> dict[str, object]:
    return {"extra_headers": {"x-own": KEY}} if given == "extra_headers" else {}


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("kind", KINDS)
async def test_no_fault_shows_a_key(
    kind: str, given: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    caplog.set_level("CRITICAL", logger="aiohttp.access")  # the log of the server in this test
    if given == "the environment":
        monkeypatch.setenv("AGENTOUTO_P_API_KEY", KEY)
    found: list[str] = []
    for fault, answer in FAULTS.items():
        async with serving(answer) as server:
            port = urlsplit(server.url).port or 0
            if given == "a proxy":
                port = 1 if fault == "nobody there" else port
                monkeypatch.setenv("http_proxy", f"http://user:{KEY}@127.0.0.1:{port}")
            provider = provider_for(kind, given, fault, port)
            backend = HttpBackend(provider, DIALECTS[kind].wire(provider), policy=ONCE)
            request = asking(Incoming("Hi"), provider=provider, extra=extra_for(given))
            with pytest.raises((AgentoutoError, TimeoutError)) as caught:
                async with asyncio.timeout(0.05 if fault == "out of time" else 5):
                    await ask(backend, request)
            assert given != "a proxy" or fault == "nobody there" or server.asked
        found += [f"{fault}: {leak}" for leak in leaks(caught.value)]
    assert not found, "\n".join(found)
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize("fault", ["refused", "not understood", "led away", "a page", "silent"])
@pytest.mark.parametrize("given", ["api_key", "a token", "a query", "extra_headers"])
async def test_a_run_that_fails_shows_no_key(given: str, fault: str) -> None:
    async with serving(FAULTS[fault]) as server:
        provider = provider_for("openai", given, "", urlsplit(server.url).port or 0)
        limits = Limits(seconds=0.1) if fault == "silent" else None
        agent = Agent("a", "", "m", provider, context_window=10**6, extra=extra_for(given))
        with pytest.raises(AgentoutoError) as caught:
            await async_run("Go.", [agent], limits=limits)
    assert not leaks(caught.value)


@pytest.mark.parametrize("given", ["api_key", "a token", "a header", "a query", "extra_headers"])
async def test_a_key_that_cannot_be_sent_is_not_shown(given: str) -> None:
    bad = f"{KEY}\x01"

    class Hands:
        async def get_token(self) -> str:
            return bad

    settings: dict[str, Any] = {
        "api_key": {"api_key": bad},
        "a token": {"auth": Hands()},
        "a header": {"headers": {"x-own": bad}},
        "a query": {"query": {"code": bad}},
    }.get(given, {})
    extra = {"extra_headers": {"x-own": bad}} if given == "extra_headers" else {}

    async def go() -> None:
        provider = Provider("p", "openai", base_url=f"{DEAD}/v1", **settings)
        await async_run("Go.", [Agent("a", "Do.", "m", provider, extra=extra)])

    with pytest.raises(AgentoutoError) as caught:
        await go()
    assert not leaks(caught.value)


@pytest.mark.parametrize("given", [{"kind": "opnai"}, {"idle": 0}, {"query": {"a": 1}}])
def test_a_provider_that_cannot_be_made_shows_no_key(given: dict[str, Any]) -> None:
    settings = {"kind": "openai", "api_key": KEY, "headers": {"x": KEY}} | given
    with pytest.raises(AgentoutoError) as caught:
        Provider("p", base_url=f"{DEAD}/v1?code={KEY}", **settings)
    assert not leaks(caught.value)


def test_values_do_not_show_what_they_hold() -> None:
    provider = Provider(
        "p",
        "openai",
        api_key=KEY,
        base_url=f"{DEAD}/v1?code={KEY}",
        headers={"x": KEY},
        query={"y": KEY},
    )
    agent = Agent("a", "Do.", "m", provider, extra={"extra_headers": {"x": KEY}, "seed": 1})
    copies = [copy.deepcopy(provider), pickle.loads(pickle.dumps(provider))]
    for value in (provider, agent, Team([agent]), dataclasses.replace(agent, name="b"), *copies):
        shown = [repr(value), str(value), pprint.pformat(value), pretty_repr(value)]
        if dataclasses.is_dataclass(value) and not isinstance(value, Team):
            shown += [str(dataclasses.asdict(value)), pretty_repr(dataclasses.asdict(value))]
        assert "SECRET" not in "".join(shown)
    assert copies == [provider, provider]
    assert provider.api_key == KEY


def test_a_part_of_a_secret_is_secret_too() -> None:
    secret = Secret(KEY)
    assert "SECRET" not in f"{secret[:80]!r} {secret[3]!r}"
    assert pretty_repr([secret], max_string=20) == f"['***'+{len(KEY) - 20}]"
    assert secret[3:9] == "SECRET"


def test_an_agents_own_settings_are_left_alone() -> None:
    given = {"extra_headers": {"x": KEY}}
    Agent("a", "Do.", "m", "openai", extra=given)
    assert repr(given) == repr({"extra_headers": {"x": KEY}})
