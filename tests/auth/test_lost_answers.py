"""What arrives and is lost all the same: refresh tokens, polls for a device, tokens of a sign-in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from agentouto import AuthError, TokenData, TokenStore
from agentouto.auth._device_flow import MOST_FAILED_POLLS
from agentouto.exceptions import ProviderUnavailable
from auth.authority import Authority, Browser, refused, says
from auth.conftest import SignInOf


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"id_token": "no.proof.atall"}, "id token"),
        ({"access_token": None}, "gave out no token"),
        ({"access_token": "t\u00f6k\nen"}, "gave out no token"),
        ({"error": "later"}, "gave out no token"),
    ],
)
async def test_the_next_refresh_token_is_stored_even_if_the_answer_is_rejected(
    authority: Authority,
    sign_in: SignInOf,
    expired: TokenData,
    store: TokenStore,
    changes: dict[str, object],
    why: str,
) -> None:
    authority.answers = lambda answer: answer.update(changes)
    with pytest.raises(AuthError, match=why):
        await sign_in().get_token()
    kept = store.load("desk")
    assert kept is not None
    assert kept.refresh_token != expired.refresh_token
    assert kept.access_token == expired.access_token
    authority.answers = lambda answer: None
    assert (await sign_in().get_token()).startswith("SECRETaccess")
    assert authority.refreshes == 2


async def test_a_refusal_stores_no_refresh_token(
    authority: Authority, sign_in: SignInOf, expired: TokenData, store: TokenStore
) -> None:
    authority.replaced["/token"] = says(
        400, '{"error": "slow_down", "refresh_token": "SECRETforged"}', "application/json"
    )
    with pytest.raises(AuthError):
        await sign_in().get_token()
    kept = store.load("desk")
    assert kept is not None
    assert kept.refresh_token == expired.refresh_token


async def test_a_refresh_outlives_the_event_loop_of_its_caller(
    authority: Authority, sign_in: SignInOf, expired: TokenData, store: TokenStore
) -> None:
    authority.pause = 0.2
    auth = sign_in()

    async def leaves_early() -> None:
        asking = asyncio.create_task(auth.get_token())
        while not authority.asked:
            await asyncio.sleep(0.001)
        assert not asking.done()

    await asyncio.to_thread(asyncio.run, leaves_early())
    token = await auth.get_token()
    kept = store.load("desk")
    assert kept is not None
    assert kept.access_token == token != expired.access_token
    assert authority.refreshes == 1


async def test_failed_polls_do_not_end_a_sign_in_on_another_device(
    authority: Authority, sign_in: SignInOf
) -> None:
    async def fails_often(request: web.Request) -> web.StreamResponse:
        number = len(authority.asked)
        if number == 9:
            authority.approved = True
            del authority.replaced["/token"]
        if number % 3 == 0:
            return refused("authorization_pending")
        if number % 3 == 1:
            return web.Response(status=502, text="<html>")
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    authority.replaced["/token"] = fails_often
    auth = sign_in(device=True, open_browser=None)
    await auth.login()
    assert len(authority.asked) == 10
    assert (await auth.get_token()).startswith("SECRETaccess")


async def test_a_server_that_stays_down_ends_a_sign_in_on_another_device(
    authority: Authority, sign_in: SignInOf
) -> None:
    authority.replaced["/token"] = says(502, "<html>")
    with pytest.raises(ProviderUnavailable, match="HTTP 502"):
        await sign_in(device=True, open_browser=None).login()
    assert len(authority.asked) == MOST_FAILED_POLLS


async def test_the_browser_does_not_show_a_sign_in_whose_tokens_cannot_be_stored(
    authority: Authority, sign_in: SignInOf, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AuthError, match="tokens cannot be stored"):
        await sign_in(store=TokenStore(tmp_path / "file")).login()
    assert len(authority.asked) == 1
    assert (browser.status, "You are not signed in" in browser.text) == (400, True)
