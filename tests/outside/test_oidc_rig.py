"""What the tests of signing in rely on: that the server is strict, and the browser signs in."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from aiohttp import ClientSession

from outside.signin import DEVICE, Browser, Issuer

VERIFIER = "a-verifier-of-at-least-forty-three-characters"
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
)
CALLBACK = "http://127.0.0.1:9/callback"


def address(issuer: Issuer, **but: str) -> str:
    asked = {
        "client_id": "desk",
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid offline_access",
        "prompt": "consent",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "state": "here",
    }
    return f"{issuer.url}/auth?{urlencode({k: v for k, v in (asked | but).items() if v})}"


async def asked(issuer: Issuer, path: str, **fields: str) -> dict[str, Any]:
    data = {"client_id": "desk", **fields}
    async with ClientSession() as session, session.post(f"{issuer.url}{path}", data=data) as answer:
        return dict(await answer.json())


async def code(issuer: Issuer, **but: str) -> str:
    page = await Browser(stays=True).visit(address(issuer, **but))
    return parse_qs(urlsplit(page.url).query)["code"][0]


async def traded(issuer: Issuer, **but: str) -> dict[str, Any]:
    fields = {"code": await code(issuer), "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    return await asked(issuer, "/token", grant_type="authorization_code", **fields | but)


async def renewed(issuer: Issuer, token: str) -> dict[str, Any]:
    return await asked(issuer, "/token", grant_type="refresh_token", refresh_token=token)


async def test_a_browser_signs_in_and_its_code_is_good_for_tokens(issuer: Issuer) -> None:
    issuer.tell("set", lifetime=2)
    tokens = await traded(issuer)
    assert tokens["expires_in"] == 2
    assert {"access_token", "refresh_token", "id_token"} <= set(tokens)
    (seen,) = issuer.seen("authorization_code")
    assert (seen["status"], seen["answer"]) == (200, tokens)


@pytest.mark.parametrize(
    "without", [{"code_challenge": ""}, {"code_challenge_method": "plain"}], ids=str
)
async def test_nobody_signs_in_without_a_challenge(issuer: Issuer, without: dict[str, str]) -> None:
    page = await Browser(stays=True).visit(address(issuer, **without))
    assert parse_qs(urlsplit(page.url).query)["error"] == ["invalid_request"]


async def test_another_verifier_gets_nothing(issuer: Issuer) -> None:
    refused = await traded(issuer, code_verifier=VERIFIER[::-1])
    assert refused["error"] == "invalid_grant"


async def test_a_redirect_elsewhere_is_shown_and_not_followed(issuer: Issuer) -> None:
    page = await Browser().visit(address(issuer, redirect_uri="http://127.0.0.1:9/elsewhere"))
    assert (page.status, "invalid_redirect_uri" in page.text) == (400, True)


async def test_who_cancels_is_sent_back_with_a_denial(issuer: Issuer) -> None:
    page = await Browser(denies=True, stays=True).visit(address(issuer))
    assert parse_qs(urlsplit(page.url).query)["error"] == ["access_denied"]


async def test_a_refresh_token_that_comes_twice_ends_everything(issuer: Issuer) -> None:
    first = await traded(issuer)
    second = await renewed(issuer, first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"]
    assert (await renewed(issuer, first["refresh_token"]))["error"] == "invalid_grant"
    assert (await renewed(issuer, second["refresh_token"]))["error"] == "invalid_grant"
    assert [seen["status"] for seen in issuer.seen("refresh_token")] == [200, 400, 400]


async def test_a_device_waits_until_somebody_lets_it_in(issuer: Issuer) -> None:
    issuer.tell("set", hurried=1)
    begun = await asked(issuer, "/device/auth", scope="openid offline_access")
    fields = {"grant_type": DEVICE, "device_code": begun["device_code"]}
    said = [(await asked(issuer, "/token", **fields))["error"] for _ in range(2)]
    assert (begun["interval"], said) == (0.1, ["slow_down", "authorization_pending"])
    page = await Browser().visit(begun["verification_uri"], begun["user_code"])
    assert "Sign-in Success" in page.text
    assert "refresh_token" in await asked(issuer, "/token", **fields)


async def test_a_device_that_is_denied_is_told(issuer: Issuer) -> None:
    begun = await asked(issuer, "/device/auth", scope="openid")
    page = await Browser(denies=True).visit(begun["verification_uri_complete"])
    assert "interrupted" in page.text
    fields = {"grant_type": DEVICE, "device_code": begun["device_code"]}
    assert (await asked(issuer, "/token", **fields))["error"] == "access_denied"
