"""Signing in on another device."""

from __future__ import annotations

import json

import pytest

from agentouto import AuthError
from auth.authority import Authority, Browser, refused, says
from auth.conftest import SignInOf


async def test_the_person_is_told_a_code_and_where_to_type_it(
    authority: Authority, sign_in: SignInOf
) -> None:
    told: list[str] = []

    async def approve(url: str) -> None:
        assert url.endswith("/activate?code=ABCD-EFGH")
        authority.approved = True

    auth = sign_in(device=True, tell=told.append, open_browser=approve)
    await auth.ensure_authenticated()
    assert (await auth.get_token()).startswith("SECRETaccess")
    (text,) = told
    assert "ABCD-EFGH" in text
    assert f"{authority.url}/activate" in text


async def test_it_is_asked_again_until_the_person_has_agreed(
    authority: Authority, sign_in: SignInOf
) -> None:
    async def after_three(request: object) -> object:
        authority.approved = True
        if len(authority.asked) == 3:
            del authority.replaced["/token"]
        return refused("authorization_pending")

    authority.replaced["/token"] = after_three  # type: ignore[assignment]
    await sign_in(device=True, open_browser=None).login()
    assert len(authority.asked) == 4
    assert {form["device_code"] for form in authority.asked} == {"SECRETdevice"}


@pytest.mark.parametrize("code", ["access_denied", "expired_token"])
async def test_a_no_ends_it(authority: Authority, sign_in: SignInOf, code: str) -> None:
    async def no(_: object) -> object:
        return refused(code)

    authority.replaced["/token"] = no  # type: ignore[assignment]
    with pytest.raises(AuthError, match=code):
        await sign_in(device=True, open_browser=None).login()
    assert len(authority.asked) == 1


async def test_there_is_a_deadline(authority: Authority, sign_in: SignInOf) -> None:
    with pytest.raises(AuthError, match=r"the sign-in was not finished within 0\.05 s"):
        await sign_in(device=True, open_browser=None, seconds=0.05).login()
    assert len(authority.asked) > 1


async def test_a_server_that_wants_to_be_asked_less_is_asked_less(
    authority: Authority, sign_in: SignInOf
) -> None:
    async def slower(_: object) -> object:
        return refused("slow_down")

    authority.replaced["/token"] = slower  # type: ignore[assignment]
    with pytest.raises(AuthError, match="was not finished"):
        await sign_in(device=True, open_browser=None, seconds=0.08).login()
    assert len(authority.asked) == 1


async def test_a_server_without_it_is_said(
    authority: Authority, browser: Browser, sign_in: SignInOf
) -> None:
    authority.document = lambda said: said.pop("device_authorization_endpoint")
    with pytest.raises(AuthError, match="no sign-in on another device"):
        await sign_in(device=True).login()
    assert browser.opened == []


@pytest.mark.parametrize(
    "said",
    [
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": "http://evil.example/"},
        {"verification_uri": "https://id.example/\x1b]0;evil\x07"},
        {"verification_uri_complete": "file:///etc/passwd"},
        {"verification_uri_complete": "--launcher=evil"},
        {"user_code": "AB\x1b[2J"},
        {"user_code": "AB\nSigned in as root"},
    ],
)
async def test_nothing_is_shown_or_opened_that_is_no_code_and_no_address(
    authority: Authority, browser: Browser, sign_in: SignInOf, said: dict[str, str]
) -> None:
    good = {"device_code": "SECRETd", "user_code": "AB", "verification_uri": authority.url}
    authority.replaced["/device"] = says(200, json.dumps(good | said), "application/json")
    told: list[str] = []
    with pytest.raises(AuthError, match="not safe"):
        await sign_in(device=True, tell=told.append).login()
    assert (told, browser.opened) == ([], [])


@pytest.mark.parametrize("number", ["9" * 400, "-1", '"soon"', "null", "[]"])
async def test_times_that_make_no_sense_are_passed_over(
    authority: Authority, sign_in: SignInOf, number: str
) -> None:
    good = f'"device_code": "SECRETd", "user_code": "AB", "verification_uri": "{authority.url}"'
    text = f'{{{good}, "expires_in": {number}, "interval": {number}}}'
    authority.replaced["/device"] = says(200, text, "application/json")
    authority.approved = True
    auth = sign_in(device=True, open_browser=None)
    await auth.login()
    assert auth.is_authenticated


@pytest.mark.parametrize(("status", "text"), [(400, '{"error": "no_such_client"}'), (200, "[]")])
async def test_a_server_that_gives_out_no_code_is_said(
    authority: Authority, sign_in: SignInOf, status: int, text: str
) -> None:
    authority.replaced["/device"] = says(status, text, "application/json")
    with pytest.raises(AuthError, match="gave out no code"):
        await sign_in(device=True).login()
