"""No secret is shown: not by a value, a log, an error, an event or a traceback with its locals."""

from __future__ import annotations

import asyncio
import copy
import io
import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from agentouto import (
    Agent,
    AgentoutoError,
    ApiKeyAuth,
    ClaudeOAuth,
    GoogleOAuth,
    OAuth,
    OpenAIOAuth,
    Provider,
    TokenData,
    TokenStore,
    async_run_stream,
)
from agentouto._domain.clock import SYSTEM_CLOCK
from auth.authority import Authority, id_token, refused, says
from auth.conftest import SignInOf
from wire.server import serving

TOKENS = TokenData(
    "SECRETaccess", "SECRETrefresh", 5.0, ["openid"], {"id_token": "SECRETid", "n": 1}
)


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Look through all that anybody has logged, however fine, when a test has ended."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="asyncio")
    yield
    assert "SECRET" not in caplog.text


def shown(error: BaseException) -> str:
    """Return everything that can be printed of an error, the locals of every frame included."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    printed = io.StringIO()
    traceback.print_exception(error, file=printed)
    return "".join([*told.format(), printed.getvalue(), repr(error), str(error), repr(error.args)])


def test_values_show_nothing(store: TokenStore) -> None:
    values = [
        TOKENS,
        [TOKENS],
        TOKENS.extra,
        ApiKeyAuth("SECRETkey"),
        OpenAIOAuth(),
        ClaudeOAuth("desk", suppress_warning=True),
        GoogleOAuth("desk", "SECRETclient", suppress_warning=True),
        OAuth("https://id.example", "desk", client_secret="SECRETclient", store=store),
        store,
        copy.deepcopy(TOKENS),
        pickle.loads(pickle.dumps(TOKENS)),
    ]
    values += [Provider("openai", auth=value) for value in values if hasattr(value, "get_token")]
    for value in values:
        assert "SECRET" not in f"{value!r} {value!s} {value}", type(value)
        held = getattr(value, "__dict__", {})
        assert "SECRET" not in repr(held), type(value)


def test_what_shows_nothing_is_still_what_it_is() -> None:
    assert f"{TOKENS.access_token}|{TOKENS.refresh_token}" == "SECRETaccess|SECRETrefresh"
    assert pickle.loads(pickle.dumps(TOKENS)) == TOKENS == copy.deepcopy(TOKENS)
    assert repr(TOKENS) == "TokenData(access_token='***', expires_at=5.0, scopes=['openid'])"


async def raised_by(work: Any) -> str:
    with pytest.raises(AgentoutoError) as raised:
        await work
    return shown(raised.value)


async def listen(provider: Provider, told: list[str]) -> None:
    async for event in async_run_stream("Go.", [Agent("a", "Do.", "m", provider)]):
        told += [repr(event), str(event.data)]


async def echo(request: web.Request) -> web.StreamResponse:
    """Refuse, and repeat all that was sent, as some servers do."""
    form = {name: str(value) for name, value in (await request.post()).items()}
    told = f"{form} {request.headers.get('Authorization', '')} {form.get('refresh_token', '')}"
    return refused("invalid_request", error_description=told)


async def html(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    return web.Response(text=f"<p>{dict(form)}</p>", content_type="text/html", status=400)


async def cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def unsendable(request: web.Request) -> web.StreamResponse:
    return web.json_response({"access_token": "SECRETa\n", "refresh_token": "SECRETr"})


async def unproven(request: web.Request) -> web.StreamResponse:
    proof = id_token({"iss": "https://evil.example", "SECRETclaim": "SECRETvalue"})
    fields = {"access_token": "SECRETa", "refresh_token": "SECRETr", "id_token": proof}
    return web.json_response(fields)


NASTY = [echo, html, cut, unsendable, unproven, says(500, "SECRETpage"), says(200, "[1]")]


@pytest.mark.parametrize("nasty", NASTY)
async def test_a_sign_in_that_fails_shows_nothing(
    authority: Authority, sign_in: SignInOf, nasty: Any
) -> None:
    authority.replaced["/token"] = nasty
    text = await raised_by(sign_in(client_secret="SECRETclient").login())
    assert "login" in text
    assert "SECRET" not in text


@pytest.mark.parametrize("nasty", NASTY)
async def test_a_refresh_that_fails_shows_nothing(
    authority: Authority, sign_in: SignInOf, expired: TokenData, nasty: Any
) -> None:
    authority.replaced["/token"] = nasty
    text = await raised_by(sign_in(client_secret="SECRETclient").get_token())
    assert "get_token" in text
    assert "SECRET" not in text


@pytest.mark.parametrize("nasty", NASTY)
async def test_a_device_that_fails_shows_nothing(
    authority: Authority, sign_in: SignInOf, nasty: Any
) -> None:
    for path in ("/device", "/token"):
        authority.replaced = {path: nasty}
        work = sign_in(client_secret="SECRETclient", device=True, open_browser=None).login()
        assert "SECRET" not in await raised_by(work)


async def test_a_redirect_that_fails_shows_nothing(authority: Authority, sign_in: SignInOf) -> None:
    def no(fields: dict[str, str]) -> None:
        fields |= {"error": "access_denied", "error_description": fields["code"]}

    authority.redirects = no
    assert "SECRET" not in await raised_by(sign_in().login())
    authority.redirects = lambda fields: fields.update(iss="https://evil.example")
    assert "SECRET" not in await raised_by(sign_in().login())


async def test_a_pasted_mistake_shows_nothing(sign_in: SignInOf) -> None:
    async def ask(_: str) -> str:
        return "http://127.0.0.1/callback?code=SECRETcode&state=SECRETstate"

    assert "SECRET" not in await raised_by(sign_in(open_browser=None, ask=ask).login())


async def test_a_store_that_fails_shows_nothing(
    authority: Authority, sign_in: SignInOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert "SECRET" not in await raised_by(sign_in().login())


@pytest.mark.parametrize("kind", ["openai", "openai_responses", "anthropic", "google"])
async def test_a_run_that_fails_shows_nothing(
    authority: Authority, sign_in: SignInOf, store: TokenStore, kind: str
) -> None:
    store.save("desk", TokenData("SECRETaccess0", authority.given(), SYSTEM_CLOCK.now() + 3600))

    async def repeat(request: web.Request) -> web.StreamResponse:
        told = f"bad: {dict(request.headers)}"
        return web.json_response({"error": {"message": told, "type": "x"}}, status=401)

    async with serving(repeat) as server:
        url = server.url.removesuffix("/v1")
        provider = Provider("there", kind, base_url=url, auth=sign_in())
        told: list[str] = []
        text = await raised_by(listen(provider, told))
    assert len(server.asked) == 2
    assert "type='error'" in told[0]
    assert "SECRET" not in "".join(told)
    assert "SECRET" not in text


async def test_who_is_cancelled_while_tokens_come_is_shown_none(
    authority: Authority, sign_in: SignInOf
) -> None:
    begun = asyncio.Event()

    async def half(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(b'{"access_token": "SECRETa", ')
        begun.set()
        await asyncio.sleep(60)
        return answer

    authority.replaced["/token"] = half
    work = asyncio.create_task(sign_in().login())
    await begun.wait()
    await asyncio.sleep(0.05)
    work.cancel()
    with pytest.raises(asyncio.CancelledError) as raised:
        await work
    text = shown(raised.value)
    assert "_exchange" in text
    assert "SECRET" not in text


async def test_nothing_is_printed(
    authority: Authority, sign_in: SignInOf, capfd: pytest.CaptureFixture[str]
) -> None:
    auth = sign_in()
    await auth.login()
    await auth.refresh_token()
    await auth.logout()
    assert capfd.readouterr() == ("", "")


async def test_a_loop_that_is_watched_shows_nothing(
    authority: Authority, sign_in: SignInOf, expired: TokenData
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0
    await sign_in().get_token()
    await sign_in().login()
    loop.set_debug(False)
