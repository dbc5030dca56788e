"""Headers and queries of a provider, and what a vendor is asked of a model that nobody knows."""

from __future__ import annotations

import asyncio
import pickle
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, aclosing, asynccontextmanager
from pathlib import Path
from traceback import format_exception
from typing import Any

import pytest
from aiohttp import web

from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.content import Incoming
from agentouto._domain.errors import (
    AuthError,
    ConfigurationError,
    ProviderError,
    ProviderUnavailable,
)
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Provider
from agentouto.providers import missing_key, open_backend
from agentouto.providers._anthropic import wire as anthropic
from agentouto.providers._anthropic.wire import AnthropicWire
from agentouto.providers._format.wire import merge_headers, with_query
from agentouto.providers._openai.chat_wire import OpenAIChatWire
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.http_limits import USUAL, HttpLimits
from agentouto.providers._transport.retry import RetryPolicy
from wire import anthropic_words as claude
from wire.server import Answer, Server, refuses, serving, streams
from wire.words import asking

ONCE = RetryPolicy(tries=1)


def chat(url: str, limits: HttpLimits = USUAL, **settings: Any) -> HttpBackend:
    provider = Provider("work", "openai", base_url=url, **settings)
    return HttpBackend(provider, OpenAIChatWire(provider), policy=ONCE, limits=limits)


async def ask(backend: HttpBackend, **settings: Any) -> None:
    request = asking(Incoming("Hi"), **settings)
    async with aclosing(backend.stream(request)) as stream:
        async for _ in stream:
            pass


# Headers and queries ------------------------------------------------------------------------------


async def test_headers_and_query_go_with_every_request() -> None:
    async with serving(refuses(400, "unknown field stream_options"), streams()) as server:
        settings = {"headers": {"X-Title": "mine"}, "query": {"api-version": "2026 a&b"}}
        await ask(chat(server.url, **settings))
        assert len(server.asked) == 2
        for asked in server.asked:
            assert asked.headers["X-Title"] == "mine"
            assert asked.path == "/v1/chat/completions?api-version=2026+a%26b"


async def test_an_agents_own_headers_come_first_and_a_key_last() -> None:
    async with serving(streams()) as server:
        backend = chat(
            server.url, api_key="the-key", headers={"x-a": "1", "X-B": "1", "authorization": "Own"}
        )
        await ask(backend, extra={"extra_headers": {"X-A": "2"}})
        headers = server.asked[0].headers
    assert headers.getall("X-A") == ["2"]
    assert headers.getall("X-B") == ["1"]
    assert headers.getall("Authorization") == ["Own"]


async def test_a_key_may_be_in_a_header_of_another_name() -> None:
    async with serving(streams()) as server:
        await ask(chat(server.url, headers={"api-key": "azure-secret"}))
        assert server.asked[0].headers["api-key"] == "azure-secret"
        assert "Authorization" not in server.asked[0].headers
    for settings in ({"headers": {"Api-Key": "x"}}, {"query": {"key": "x"}}):
        assert missing_key(Provider("openai", **settings)) is None
    assert missing_key(Provider("openai", headers={"X-Title": "x"})) == "OPENAI_API_KEY"


async def test_a_redirection_takes_nothing_elsewhere() -> None:
    async with serving(streams()) as elsewhere:

        async def away(request: web.Request) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": elsewhere.url})

        async with serving(away) as server:
            with pytest.raises(ProviderError, match="the server points to"):
                await ask(chat(server.url, headers={"api-key": "azure-secret"}))
        assert not elsewhere.asked


async def test_what_is_secret_in_them_is_in_no_repr_and_no_error() -> None:
    # Of a header with a name of one's own, only short values are sure to be no secret.
    settings = {
        "headers": {"api-key": "header-secret", "X-Own": "own-secret", "X-Title": "plain"},
        "query": {"sig": "query-secret", "api-version": "2026-01-01"},
    }
    provider = Provider("work", "openai", base_url="http://localhost:1", **settings)
    assert "secret" not in repr(provider)
    said = "no header-secret, no query-secret, no own-secret, no plain, no 2026-01-01"
    async with serving(refuses(400, said)) as server:
        with pytest.raises(ProviderError) as caught:
            await ask(chat(server.url, **settings))
    assert "no ***, no ***, no ***, no plain, no 2026-01-01" in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_what_is_secret_in_an_address_is_not_told_of_one_that_nobody_answers_at(
    scheme: str,
) -> None:
    """With https the connection is there, and the handshake stands still."""
    with ExitStack() as open_:
        deaf = open_.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0 if scheme == "http" else 4)
        for _ in range(4 if scheme == "http" else 0):  # who comes now finds no room to wait in
            caller = open_.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(deaf.getsockname())
        url = f"{scheme}://127.0.0.1:{deaf.getsockname()[1]}/v1?code=base-secret"
        asked = chat(url, HttpLimits(connect=0.05), query={"key": "query-secret"})
        with pytest.raises(ProviderUnavailable, match=r"within 0\.05 s") as caught:
            await ask(asked)
    assert "-secret" not in "".join(format_exception(caught.value))


@pytest.mark.parametrize(
    "settings",
    [
        {"headers": {"a b": "c"}},
        {"headers": {"a": "b\r\nc: d"}},
        {"headers": {"a": 1}},
        {"headers": "a: b"},
        {"query": {"a": None}},
        {"query": [("a", "b")]},
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(settings: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Provider 'work': .*(headers|query)"):
        Provider("work", "openai", **settings)


def test_a_provider_is_still_a_value() -> None:
    headers = {"a": "b"}
    provider = Provider("openai", headers=headers)
    headers["a"] = "c"
    assert provider == Provider("openai", headers={"a": "b"})
    assert provider != Provider("openai", headers={"a": "c"})
    assert len({provider, Provider("openai", headers={"a": "b"})}) == 1
    assert pickle.loads(pickle.dumps(provider)) == provider


def test_queries_are_joined() -> None:
    assert with_query("http://x/y?a=1&b=2", {"b": "3", "c": ""}) == "http://x/y?a=1&b=3&c="
    assert with_query("http://x/y?a=%41", {}) == "http://x/y?a=%41"


def test_headers_are_joined_whatever_their_case() -> None:
    assert merge_headers({"A-b": "1", "c": "2"}, {"a-B": "3"}) == {"a-B": "3", "c": "2"}


# Other hosts --------------------------------------------------------------------------------------


PAGE = Path(__file__).resolve().parents[2] / "docs" / "providers.md"
LINES = re.findall(r"`(\"\w+\", \"\w+\", base_url=[^`]+)`", PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("line", LINES)
def test_the_lines_for_other_hosts_are_providers(line: str) -> None:
    provider = eval(f"Provider({line})", {"Provider": Provider})  # noqa: S307 - our own page
    assert isinstance(open_backend(provider), HttpBackend)
    assert missing_key(provider) is None


def test_there_are_lines_for_other_hosts() -> None:
    assert len(LINES) >= 12


def encoded(provider: Provider, **settings: Any) -> tuple[str, dict[str, Any], dict[str, str]]:
    wire = AnthropicWire(provider)
    request = asking(Incoming("Hi"), **settings)
    sent = wire.encode(request)
    return sent.url, claude.json.loads(sent.body), dict(sent.headers)


def test_claude_at_google_cloud_has_its_model_in_the_address() -> None:
    base = (
        "https://x-aiplatform.googleapis.com/v1/projects/p/locations/x/publishers/anthropic/models"
    )
    provider = Provider("vertex", "anthropic", base_url=f"{base}/{{model}}:streamRawPredict")
    url, body, _ = encoded(provider, model="claude-sonnet-4-5@20250929")
    assert url == f"{base}/claude-sonnet-4-5@20250929:streamRawPredict"
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in body
    assert body["stream"] is True


def test_a_providers_headers_are_heeded_by_the_wire() -> None:
    headers = {"Anthropic-Version": "2026-10-21", "anthropic-beta": "one"}
    provider = Provider("anthropic", headers=headers)
    _, body, sent = encoded(provider, model="claude-haiku-4-5", temperature=0.5)
    assert sent["anthropic-version"] == "2026-10-21"
    assert sent["anthropic-beta"] == "one"
    assert "temperature" not in body


# A model that nobody knows ------------------------------------------------------------------------

HELLO = claude.stream(claude.started(input_tokens=3), claude.says(0, "Hello"), claude.stopped())


class Vendor:
    """The vendor's host, on this machine."""

    def __init__(self, server: Server, paths: list[str]) -> None:
        self.server = server
        self.paths = paths
        self.memory = Memory()
        self.provider = Provider("anthropic", api_key="sk-ant-key", headers={"X-Own": "1"})
        self.backend = self.open()

    def open(
        self,
        provider: Provider | None = None,
        now: Callable[[], float] = SYSTEM_CLOCK.now,
        limits: HttpLimits = USUAL,
    ) -> HttpBackend:
        """Return another backend, which shares what the others have learnt."""
        provider, host = provider or self.provider, self.server.url.removesuffix("/v1")
        wire = AnthropicWire(provider, self.memory, host=host, now=now)
        return HttpBackend(provider, wire, self.memory, policy=ONCE, limits=limits)

    @property
    def caps(self) -> list[int]:
        return [asked.body["max_tokens"] for asked in self.server.asked if asked.body]


@asynccontextmanager
async def vendor(models: Answer) -> AsyncIterator[Vendor]:
    looked_up: list[str] = []
    said = streams(HELLO)

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            looked_up.append(request.path_qs)
            assert request.headers["x-api-key"] == "sk-ant-key"
            assert request.headers["anthropic-version"] == anthropic.VERSION
            assert request.headers["X-Own"] == "1"
            return await models(request)
        return await said(request)

    async with serving(answer) as server:
        yield Vendor(server, looked_up)


def limits(**said: object) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"id": "x", **said})

    return answer


async def test_the_vendor_is_asked_once_how_much_an_unknown_model_may_write() -> None:
    async with vendor(limits(max_tokens=77_000)) as there:
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(ask(there.backend, model="claude-next-7"))
        await ask(there.open(), model="claude-next-7")
        assert there.paths == ["/v1/models/claude-next-7"]
        assert there.caps == [77_000] * 6


@pytest.mark.parametrize(
    "models", [refuses(404), limits(max_tokens="many"), limits(), limits(max_tokens=0)]
)
async def test_what_the_vendor_does_not_say_is_the_safe_default(models: Answer) -> None:
    async with vendor(models) as there:
        for _ in range(2):
            await ask(there.backend, model="claude-next-8")
        assert len(there.paths) == 1
        assert there.caps == [16_384, 16_384]


async def test_a_vendor_that_has_not_answered_is_asked_again_a_minute_later() -> None:
    answers = iter([refuses(529), limits(max_tokens=77_000)])
    seconds = [1e9]

    async def models(request: web.Request) -> web.StreamResponse:
        return await next(answers)(request)

    async with vendor(models) as there:
        asked = there.open(now=lambda: seconds[0])
        for wait in (0, 59, 1, 3600):
            seconds[0] += wait
            await ask(asked, model="claude-next-13")
        assert len(there.paths) == 2
        assert there.caps == [16_384, 16_384, 77_000, 77_000]


async def test_the_vendor_is_not_waited_for() -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    async with vendor(slow) as there, asyncio.timeout(10):
        await ask(there.open(limits=HttpLimits(look_up=0.05)), model="claude-next-9")
        assert there.caps == [16_384]


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "claude-opus-5-5"},
        {"model": "claude-next-10", "max_output_tokens": 100},
        {"model": "claude-next-10", "extra": {"max_tokens": 100}},
    ],
)
async def test_nothing_is_asked_that_need_not_be(settings: Any) -> None:
    async with vendor(limits(max_tokens=77_000)) as there:
        await ask(there.backend, **settings)
        assert not there.paths


async def test_other_servers_are_not_asked() -> None:
    async with serving(streams(HELLO)) as server:
        provider = Provider("local", "anthropic", base_url=server.url)
        await ask(HttpBackend(provider, AnthropicWire(provider)), model="claude-next-11")
        (asked,) = server.asked
    assert asked.path == "/v1/messages"


async def test_a_name_of_a_model_leads_nowhere_else() -> None:
    async with vendor(limits(max_tokens=77_000)) as there:
        await ask(there.backend, model="../keys?x=1")
        assert there.paths == ["/v1/models/..%2Fkeys%3Fx=1"]


async def test_a_missing_key_is_told_before_anything_is_asked() -> None:
    async with vendor(limits(max_tokens=77_000)) as there:
        with pytest.raises(AuthError, match="ANTHROPIC_API_KEY"):
            await ask(there.open(Provider("anthropic")), model="claude-next-12")
        assert not there.paths
