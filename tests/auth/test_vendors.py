"""The three vendors: what each is asked, and what each is sent."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import ClientSession, web

from agentouto import (
    ApiKeyAuth,
    AuthError,
    AuthMethod,
    ClaudeOAuth,
    ConfigurationError,
    GoogleOAuth,
    OAuth,
    OpenAIOAuth,
    Provider,
    ProviderError,
    TokenData,
    TokenStore,
)
from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.content import Incoming
from agentouto._domain.delta import Delta
from agentouto.providers import missing_key, open_backend
from auth.authority import Authority, Browser, id_token
from wire import responses_words
from wire.server import Server, refuses, serving, streams
from wire.words import asking, folded

CLAIMS = {"https://api.openai.com/auth": {"chatgpt_account_id": "account-7"}}


def lasting(client_id: str, **extra: object) -> TokenData:
    ends = SYSTEM_CLOCK.now() + 3600
    return TokenData("SECRETa", "SECRETr", ends, [], {"client_id": client_id, **extra})


async def headers(auth: OAuth | OpenAIOAuth | ClaudeOAuth | GoogleOAuth, url: str) -> Any:
    return await auth.headers("POST", url, b"{}")


def fields_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def openai(authority: Authority, **settings: Any) -> OpenAIOAuth:
    """Return a sign-in at our server, which says that it is OpenAI's."""
    authority.claims = lambda claims: claims.update(iss="https://auth.openai.com")
    authority.answers = lambda answer: answer.update(
        scope="openid resource.invoke chatgpt.tokens.use.direct"
    )

    def redirects(fields: dict[str, str]) -> None:
        fields["iss"] = "https://auth.openai.com"
        fields["client_id"] = "issued-id"

    authority.redirects = redirects
    return OpenAIOAuth(
        auth_url=f"{authority.url}/authorize", token_url=f"{authority.url}/token", **settings
    )


# OpenAI -------------------------------------------------------------------------------------------


async def test_openai_gives_a_new_program_an_id_which_is_kept(
    authority: Authority, browser: Browser
) -> None:
    told: list[str] = []
    auth = openai(authority, open_browser=browser, tell=told.append, app_name="my app")
    authority.claims = lambda claims: claims.update(iss="https://auth.openai.com", aud="issued-id")
    await auth.login()
    (asked,), (form,) = authority.authorized, authority.asked
    assert asked["client_id"] == "dynamic_agent_client"
    assert asked["agent_name_hint"] == "my app"
    assert asked["resource"] == "https://api.openai.com/v1"
    assert {"resource.invoke", "chatgpt.tokens.use.direct"} <= set(asked["scope"].split())
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/auth/callback", asked["redirect_uri"])
    assert form["client_id"] == "issued-id"
    await auth.refresh_token()
    assert authority.asked[-1]["client_id"] == "issued-id"
    await auth.login()
    assert authority.authorized[-1]["client_id"] == "issued-id"
    assert authority.authorized[-1]["id_token_hint"].count(".") == 2
    assert "id_token" not in "".join(told)  # it is logged, if nothing else is said
    assert "agent_name_hint" not in authority.authorized[-1]


async def test_openai_has_to_allow_the_use_of_the_plan(
    authority: Authority, browser: Browser
) -> None:
    auth = openai(authority, client_id="desk", open_browser=browser, tell=lambda _: None)
    authority.answers = lambda answer: answer.update(scope="openid profile resource.invoke")
    with pytest.raises(AuthError, match=r"does not allow chatgpt\.tokens\.use\.direct"):
        await auth.login()


async def test_openai_tokens_are_sent_to_openai_only() -> None:
    TokenStore().save("openai_oauth", lasting("issued"))
    auth = OpenAIOAuth()
    for there in ("https://api.openai.com/v1/responses", "http://127.0.0.1:1/v1/responses"):
        assert await headers(auth, there) == {"Authorization": "Bearer SECRETa"}
    for elsewhere in (
        "https://evil.example/v1",
        "https://api.openai.com.evil.example/v1",
        "https://evilapi.openai.com.example",
        "http://api.openai.com/v1",
        "https://user:pw@api.openai.com/v1",
        "ftp://127.0.0.1/",
        "nonsense",
    ):
        with pytest.raises(AuthError, match="its tokens are for"):
            await headers(auth, elsewhere)


async def test_codex_is_signed_in_to_and_used_in_its_own_way(
    authority: Authority, browser: Browser
) -> None:
    auth = openai(
        authority, client_id="app_x", codex=True, open_browser=browser, tell=lambda _: None
    )
    await auth.login()
    (asked,) = authority.authorized
    assert asked["client_id"] == "app_x"
    assert re.fullmatch(r"http://localhost:145[57]/auth/callback", asked["redirect_uri"])
    assert asked["codex_cli_simplified_flow"] == "true"
    url = auth.plan_url
    assert url == "https://chatgpt.com/backend-api/codex"
    auth = OpenAIOAuth(
        "app_x", codex=True, auth_url=auth._server.authorize, token_url=auth._server.token
    )
    TokenStore().save("openai_oauth", lasting("app_x", id_token=id_token(CLAIMS)))
    assert await headers(auth, f"{url}/responses") == {
        "Authorization": "Bearer SECRETa",
        "chatgpt-account-id": "account-7",
        "originator": "agentouto",
    }
    with pytest.raises(AuthError, match=r"chatgpt\.com"):
        await headers(auth, "https://api.openai.com/v1/responses")


def test_codex_needs_an_id_of_its_own() -> None:
    with pytest.raises(ConfigurationError, match="client_id"):
        OpenAIOAuth(codex=True)


@pytest.mark.parametrize("kind", ["openai", "openai_responses", "anthropic"])
async def test_a_plan_is_used_through_responses_whatever_the_kind(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    TokenStore().save("openai_oauth", lasting("issued"))
    asked_for = asking(
        Incoming("Hi"),
        system="Be kind.",
        model=f"gpt-of-{kind}",
        max_output_tokens=99,
        temperature=0.5,
        extra={"top_p": 0.1, "store": True, "service_tier": "flex", "metadata": {"a": "b"}},
    )
    async with serving(responses()) as server:
        provider = Provider("plan", kind, base_url=server.url, auth=OpenAIOAuth())
        heard: list[Delta] = []
        stream = open_backend(provider).stream(asked_for)
        async with aclosing(stream):
            async for deltas in stream:
                heard += deltas
    (asked,) = server.asked
    assert folded(heard).text == "Hello"
    assert asked.path == "/v1/responses"
    assert asked.headers.getall("Authorization") == ["Bearer SECRETa"]
    assert (asked.body["store"], asked.body["stream"]) == (False, True)
    assert asked.body["metadata"] == {"a": "b"}
    refused = {"temperature", "top_p", "max_output_tokens", "service_tier"}
    assert not refused & asked.body.keys()
    assert all(f"{field} is not sent" in caplog.text for field in refused)
    assert "system" not in {item.get("role") for item in asked.body["input"]}


def responses() -> Any:
    return streams(responses_words.stream(responses_words.said(responses_words.message("Hello"))))


async def test_a_plan_is_where_the_sign_in_says() -> None:
    auth = OpenAIOAuth()
    backend = open_backend(Provider("openai", auth=auth))
    assert backend._wire.url == f"{auth.plan_url}/responses"  # type: ignore[attr-defined]
    assert missing_key(Provider("openai", auth=auth)) is None


# Claude and Google --------------------------------------------------------------------------------


def quiet(make: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return make()


def test_the_warnings_are_warnings_and_can_be_silenced(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(UserWarning, match="Anthropic does not allow") as caught:
        ClaudeOAuth("desk")
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="Google closes accounts") as caught:
        GoogleOAuth("desk")
    assert caught[0].filename == __file__
    quiet(lambda: ClaudeOAuth("desk", suppress_warning=True))
    quiet(lambda: GoogleOAuth("desk", suppress_warning=True))
    assert capsys.readouterr() == ("", "")


def test_no_vendor_may_be_used_without_a_program() -> None:
    for vendor in (ClaudeOAuth, GoogleOAuth):
        with pytest.raises(ConfigurationError, match="client_id"):
            vendor("")


async def test_claude_is_sent_a_token_in_its_own_way() -> None:
    TokenStore().save("claude_oauth", lasting("desk"))
    auth = ClaudeOAuth("desk", suppress_warning=True)
    assert await headers(auth, "https://api.anthropic.com/v1/messages") == {
        "Authorization": "Bearer SECRETa",
        "anthropic-beta": "oauth-2025-04-20",
    }
    with pytest.raises(AuthError, match="not for api"):
        await headers(auth, "https://api.openai.com/v1")


async def test_claude_is_asked_with_the_betas_of_others_too() -> None:
    TokenStore().save("claude_oauth", lasting("desk"))
    auth = ClaudeOAuth("desk", suppress_warning=True)
    async with serving(refuses(400, "no")) as server:
        betas = {"anthropic-beta": "one-2025,oauth-2025-04-20,two-2026"}
        url = server.url.removesuffix("/v1")
        provider = Provider("claude", "anthropic", base_url=url, auth=auth, headers=betas)
        with pytest.raises(ProviderError):
            await heard_from(provider)
        (first, *_) = server.asked
    assert first.headers.getall("anthropic-beta") == ["one-2025,oauth-2025-04-20,two-2026"]
    assert first.headers.getall("Authorization") == ["Bearer SECRETa"]
    assert "x-api-key" not in first.headers


async def heard_from(provider: Provider) -> list[Delta]:
    heard: list[Delta] = []
    async with aclosing(open_backend(provider).stream(asking(Incoming("Hi")))) as stream:
        async for deltas in stream:
            heard += deltas
    return heard


async def test_claude_is_asked_in_json_with_a_pasted_code(authority: Authority) -> None:
    opened: list[str] = []

    async def paste(_: str) -> str:
        async with (
            ClientSession() as session,
            session.get(opened[0], allow_redirects=False) as answer,
        ):
            fields = fields_of(answer.headers["Location"])
        return f"{fields['code']}#{fields['state']}"

    auth = ClaudeOAuth(
        "desk",
        auth_url=f"{authority.url}/authorize",
        token_url=f"{authority.url}/token",
        suppress_warning=True,
        open_browser=opened.append,
        ask=paste,
        tell=lambda _: None,
    )
    await auth.login()
    (form,), (sent,) = authority.asked, authority.headers
    assert sent["Content-Type"] == "application/json"
    assert form["redirect_uri"] == "https://platform.claude.com/oauth/code/callback"
    assert form["state"] == fields_of(opened[0])["state"]
    assert (await auth.get_token()).startswith("SECRETaccess")


async def test_google_is_asked_for_a_refresh_token(authority: Authority, browser: Browser) -> None:
    authority.redirects = lambda fields: fields.update(iss="https://accounts.google.com")
    auth = GoogleOAuth(
        "desk",
        "SECRETclient",
        auth_url=f"{authority.url}/authorize",
        token_url=f"{authority.url}/token",
        suppress_warning=True,
        project="my-project",
        open_browser=browser,
        tell=lambda _: None,
    )
    await auth.login()
    (asked,), (form,) = authority.authorized, authority.asked
    assert (asked["access_type"], asked["prompt"]) == ("offline", "consent")
    assert form["client_secret"] == "SECRETclient"
    sent = await headers(auth, "https://generativelanguage.googleapis.com/v1beta/models")
    assert sent["x-goog-user-project"] == "my-project"
    assert sent["Authorization"].startswith("Bearer SECRETaccess")


# Keys, and whatever others write ------------------------------------------------------------------


async def test_a_key_may_be_given_as_a_sign_in() -> None:
    auth = ApiKeyAuth(" SECRETkey\n")
    await auth.ensure_authenticated()
    assert await auth.get_token() == "SECRETkey"
    assert auth.is_authenticated
    assert not ApiKeyAuth("").is_authenticated
    with pytest.raises(AuthError, match="empty"):
        await ApiKeyAuth("").get_token()


async def test_a_key_is_sent_as_the_kind_wants_it(server_for: Callable[..., Any]) -> None:
    asked = await server_for(ApiKeyAuth("SECRETkey"))
    assert asked["Authorization"] == "Bearer SECRETkey"


async def test_a_sign_in_of_ones_own_is_three_methods(server_for: Callable[..., Any]) -> None:
    class Mine(AuthMethod):
        async def get_token(self) -> str:
            return "SECRETmine"

        async def ensure_authenticated(self) -> None:
            return

        @property
        def is_authenticated(self) -> bool:
            return True

    asked = await server_for(Mine())
    assert asked["Authorization"] == "Bearer SECRETmine"
    with pytest.raises(TypeError, match="abstract"):
        AuthMethod()  # type: ignore[abstract]


@pytest.fixture
def server_for() -> Callable[..., Any]:
    async def asked(auth: AuthMethod) -> Mapping[str, str]:
        async with serving(streams()) as server:
            await ask_once(server, auth)
        return server.asked[0].headers

    return asked


async def ask_once(server: Server, auth: AuthMethod) -> None:
    stream = open_backend(Provider("local", "openai", base_url=server.url, auth=auth)).stream(
        asking(Incoming("Hi"))
    )
    async with aclosing(stream):
        async for _ in stream:
            return


async def test_hosts_may_be_named(authority: Authority, store: TokenStore) -> None:
    store.save("desk", lasting("desk"))
    auth = OAuth(authority.url, "desk", name="desk", store=store, hosts=["example.com"])
    for url in ("https://example.com/", "https://api.example.com/v1"):
        assert (await headers(auth, url))["Authorization"] == "Bearer SECRETa"
    with pytest.raises(AuthError, match="not for notexample"):
        await headers(auth, "https://notexample.com/")


async def test_a_refused_token_is_renewed_and_the_request_made_again(
    authority: Authority, store: TokenStore
) -> None:
    tokens = TokenData("SECRETrevoked", authority.given(), SYSTEM_CLOCK.now() + 3600)
    store.save("desk", tokens)
    auth = OAuth(authority.url, "desk", name="desk", store=store)

    async def judge(request: web.Request) -> web.StreamResponse:
        if request.headers["Authorization"] == "Bearer SECRETrevoked":
            told = f"bad token {request.headers['Authorization']}"
            return web.json_response({"error": {"message": told}}, status=401)
        return await hello(request)

    hello = responses()
    async with serving(judge) as server:
        provider = Provider("local", "openai_responses", base_url=server.url, auth=auth)
        heard = await heard_from(provider)
    assert folded(heard).text == "Hello"
    assert (len(server.asked), authority.refreshes) == (2, 1)
