"""Tokens that are refused, and requests that are signed."""

from __future__ import annotations

import asyncio
import gc
import hashlib
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any
from weakref import ref

import pytest
from aiohttp import web

from agentouto._domain.content import Incoming
from agentouto._domain.delta import Delta
from agentouto._domain.errors import AuthError, ProviderError
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Provider
from agentouto.providers import missing_key
from agentouto.providers._openai.chat_wire import OpenAIChatWire
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.retry import RetryPolicy
from agentouto.providers._transport.sessions import ResourcesByLoop
from wire.server import Answer, Server, refuses, serving, streams
from wire.words import asking, folded

QUICK = RetryPolicy(total=5.0, first=0.02, longest=0.05)
MEMORY = Memory()


def backend(url: str, **settings: Any) -> HttpBackend:
    provider = Provider("local", "openai", base_url=url, **settings)
    return HttpBackend(provider, OpenAIChatWire(provider), MEMORY, policy=QUICK)


async def reply(asked: HttpBackend) -> str:
    heard: list[Delta] = []
    async with aclosing(asked.stream(asking(Incoming("Hi")))) as stream:
        async for deltas in stream:
            heard += deltas
    return folded(heard).text


def takes(*tokens: str) -> Answer:
    """Answer those who have one of the tokens, and refuse all others."""

    async def answer(request: web.Request) -> web.StreamResponse:
        held = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return await (streams() if held in tokens else refuses(401, f"bad token {held}"))(request)

    return answer


def tokens_of(server: Server) -> list[str]:
    return [
        asked.headers.get("Authorization", "").removeprefix("Bearer ") for asked in server.asked
    ]


class Plain:
    """Hands out tokens one after the other, the last again and again."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)

    async def get_token(self) -> str:
        return self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]


class Fresh:
    """Keeps a token until it is told to refresh it."""

    def __init__(self, *, takes: float = 0, fails: int = 0) -> None:
        self.count = 0
        self.takes = takes
        self.fails = fails

    async def get_token(self) -> str:
        return f"token-{self.count}"

    async def refresh_token(self) -> str:
        await asyncio.sleep(self.takes)
        if self.fails:
            self.fails -= 1
            raise RuntimeError("the clerk is out")
        self.count += 1
        return await self.get_token()


async def test_a_refused_token_is_refreshed_and_the_request_made_again() -> None:
    auth = Fresh()
    async with serving(takes("token-1")) as server:
        assert await reply(backend(server.url, auth=auth)) == "Hello"
        assert tokens_of(server) == ["token-0", "token-1"]
        assert server.asked[0].body == server.asked[1].body
    assert auth.count == 1


async def test_it_is_made_again_once_only() -> None:
    auth = Fresh()
    async with serving(takes()) as server:
        with pytest.raises(AuthError, match="the key was refused"):
            await reply(backend(server.url, auth=auth))
        assert tokens_of(server) == ["token-0", "token-1"]


async def test_all_who_are_refused_at_once_share_one_refresh() -> None:
    auth = Fresh(takes=0.02)
    async with serving(takes("token-1")) as server:
        asked = backend(server.url, auth=auth)
        async with asyncio.TaskGroup() as group:
            replies = [group.create_task(reply(asked)) for _ in range(20)]
    assert {task.result() for task in replies} == {"Hello"}
    assert auth.count == 1
    assert tokens_of(server).count("token-1") == 20


async def test_one_refresh_serves_all_providers_that_share_an_auth() -> None:
    auth = Fresh(takes=0.02)
    async with serving(takes("token-1")) as server, asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(reply(backend(server.url, auth=auth)))
    assert auth.count == 1


async def test_a_token_that_has_changed_meanwhile_is_not_refreshed() -> None:
    class Both(Plain):
        async def refresh_token(self) -> str:
            raise AssertionError

    async with serving(takes("new")) as server:
        assert await reply(backend(server.url, auth=Both("old", "new"))) == "Hello"


async def test_who_cannot_refresh_is_asked_again() -> None:
    async with serving(takes("new")) as server:
        assert await reply(backend(server.url, auth=Plain("old", "new"))) == "Hello"
        with pytest.raises(AuthError, match="the key was refused"):
            await reply(backend(server.url, auth=Plain("old")))
        assert tokens_of(server) == ["old", "new", "old"]


async def test_a_refresh_that_fails_is_an_auth_error_and_tried_again_by_the_next() -> None:
    auth = Fresh(fails=1)
    async with serving(takes("token-1")) as server:
        asked = backend(server.url, auth=auth)
        with pytest.raises(AuthError, match="the clerk is out"):
            await reply(asked)
        assert await reply(asked) == "Hello"


async def test_a_refused_key_is_not_tried_again() -> None:
    async with serving(takes()) as server:
        with pytest.raises(AuthError):
            await reply(backend(server.url, api_key="the-secret-key"))
        assert len(server.asked) == 1


async def test_a_refresh_takes_no_try_from_what_a_server_teaches() -> None:
    refusal = refuses(400, "unknown field stream_options")
    async with serving(refuses(401, "no"), refusal, streams()) as server:
        assert await reply(backend(server.url, auth=Fresh())) == "Hello"
        assert len(server.asked) == 3


async def test_a_token_that_no_longer_is_one_is_an_auth_error() -> None:
    class Odd(Fresh):
        async def refresh_token(self) -> str:
            return "a\nb"

    async with serving(takes()) as server:
        with pytest.raises(AuthError, match="no header may carry"):
            await reply(backend(server.url, auth=Odd()))


async def test_an_attribute_of_that_name_is_no_method() -> None:
    class Held(Plain):
        refresh_token = "a-token-of-its-own"
        headers = "a: b"

    async with serving(takes()) as server:
        with pytest.raises(AuthError, match="the key was refused"):
            await reply(backend(server.url, auth=Held("old")))
        assert tokens_of(server) == ["old"]


# Signing ------------------------------------------------------------------------------------------


class Seal:
    """Signs a request with what it is made of."""

    def __init__(self) -> None:
        self.keys = 0

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        made = hashlib.sha256(f"{self.keys} {method} {url} ".encode() + body).hexdigest()
        return {"authorization": f"Seal {made}", "X-Date": "today"}


class Resealing(Seal):
    async def refresh_token(self) -> str:
        self.keys += 1
        return ""


def checks(keys: int, url: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        made = hashlib.sha256(f"{keys} {request.method} {url} ".encode() + body).hexdigest()
        right = request.headers["Authorization"] == f"Seal {made}"
        return await (streams() if right else refuses(401, "a wrong seal"))(request)

    return answer


async def test_every_request_is_signed_as_it_is_sent() -> None:
    async with serving(refuses(503), streams()) as server:
        url = f"{server.url}/chat/completions?api-version=1"
        server.answers[1] = checks(0, url)
        sealed = backend(server.url, auth=Seal(), query={"api-version": "1"})
        assert await reply(sealed) == "Hello"
        assert server.asked[1].headers["X-Date"] == "today"
        assert server.asked[1].path.endswith("?api-version=1")


async def test_a_signature_takes_the_place_of_any_other_key() -> None:
    async with serving(streams()) as server:
        settings = {"api_key": "the-secret-key", "headers": {"AUTHORIZATION": "Bearer another"}}
        await reply(backend(server.url, auth=Seal(), **settings))
        (asked,) = server.asked
    assert len(asked.headers.getall("Authorization")) == 1
    assert asked.headers["Authorization"].startswith("Seal ")
    assert "the-secret-key" not in str(asked.headers)


async def test_a_signature_is_in_no_error_even_if_the_server_repeats_it() -> None:
    class Seals:
        async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
            return {
                "Authorization": "Seal Credential=AK123456, Signature=0f1e2d3c",
                "X-Made": "by-hand-of-me",
            }

    said = "no: Credential=AK123456, Signature=0f1e2d3c (by-hand-of-me)"
    for answer in (refuses(401, said), refuses(400, said), refuses(503, said)):
        async with serving(answer) as server:
            with pytest.raises((AuthError, ProviderError), match="no: ") as caught:
                await reply(backend(server.url, auth=Seals()))
        for secret in ("AK123456", "0f1e2d3c", "by-hand-of-me"):
            assert secret not in str(caught.value) + repr(caught.value)


async def test_who_is_no_longer_used_is_not_kept() -> None:
    auth = Fresh()
    async with serving(takes("token-1")) as server:
        await reply(backend(server.url, auth=auth))
        known = len(MEMORY.part(ResourcesByLoop).here()._renewals)
        gone = ref(auth)
        del auth
        gc.collect()
        assert gone() is None
        assert len(MEMORY.part(ResourcesByLoop).here()._renewals) == known - 1


async def test_who_cannot_be_referred_to_weakly_is_renewed_all_the_same() -> None:
    class Bare:
        __slots__ = ("count",)

        def __init__(self) -> None:
            self.count = 0

        async def get_token(self) -> str:
            return f"token-{self.count}"

        async def refresh_token(self) -> str:
            self.count += 1
            return await self.get_token()

    async with serving(takes("token-1")) as server:
        assert await reply(backend(server.url, auth=Bare())) == "Hello"


async def test_who_signs_may_be_given_other_keys_when_refused() -> None:
    async with serving(streams()) as server:
        server.answers[0] = checks(1, f"{server.url}/chat/completions")
        assert await reply(backend(server.url, auth=Resealing())) == "Hello"
        assert len(server.asked) == 2
        with pytest.raises(AuthError, match="a wrong seal"):
            await reply(backend(server.url, auth=Seal()))
        assert len(server.asked) == 3


async def test_a_signature_is_for_safe_addresses_only() -> None:
    with pytest.raises(AuthError, match="https"):
        await reply(backend("http://192.168.0.2/v1", auth=Seal()))


async def test_whatever_a_signer_raises_is_an_auth_error() -> None:
    class Broken:
        async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
            raise KeyError(method)

    with pytest.raises(AuthError, match="KeyError"):
        await reply(backend("http://127.0.0.1:9/v1", auth=Broken()))


async def test_no_key_is_missed_where_requests_are_signed() -> None:
    provider = Provider("openai", auth=Seal())
    assert missing_key(provider) is None
    assert await provider.resolve_api_key() == ""
