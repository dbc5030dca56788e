"""Signing in with a browser: what is sent, what counts as an answer, and what a person sees."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import ClientSession, web

from agentouto import AuthError, ConfigurationError, OAuth, TokenStore
from agentouto.auth._browser import open_in_browser
from agentouto.exceptions import ProviderUnavailable
from auth.authority import Authority, Browser, says
from auth.conftest import SignInOf


def redirect_of(url: str) -> str:
    return dict(parse_qsl(urlsplit(url).query))["redirect_uri"]


def at_the_page(does: Callable[[ClientSession, str, dict[str, str]], Any]) -> Any:
    """Return a browser that does something at the page on this machine, and then signs in."""

    async def go(url: str) -> None:
        async with ClientSession() as session:
            await does(session, redirect_of(url), dict(parse_qsl(urlsplit(url).query)))
        await Browser()(url)

    return go


async def test_who_signs_in_has_a_token(
    authority: Authority, browser: Browser, sign_in: SignInOf, store: TokenStore
) -> None:
    auth = sign_in()
    assert not auth.is_authenticated
    await auth.ensure_authenticated()
    assert auth.is_authenticated
    kept = store.load("desk")
    assert kept is not None
    assert await auth.get_token() == kept.access_token
    assert auth.claims["email"] == "ada@example.com"
    assert (browser.status, "You are signed in" in browser.text) == (200, True)


async def test_what_is_asked_is_what_the_standards_ask_for(
    authority: Authority, browser: Browser, sign_in: SignInOf
) -> None:
    await sign_in(extra={"audience": "api"}).ensure_authenticated()
    (asked,), (form,) = authority.authorized, authority.asked
    assert asked["scope"] == "openid offline_access"
    assert (asked["prompt"], asked["audience"]) == ("consent", "api")
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43
    assert form["redirect_uri"] == asked["redirect_uri"]
    assert 43 <= len(form["code_verifier"]) <= 128
    assert form["client_id"] == "desk"


async def test_no_two_sign_ins_are_marked_alike(authority: Authority, sign_in: SignInOf) -> None:
    for _ in range(2):
        await sign_in().login()
    one, other = authority.authorized
    assert not {one[n] for n in ("state", "nonce", "code_challenge")} & set(other.values())


async def test_a_secret_goes_into_a_header(authority: Authority, sign_in: SignInOf) -> None:
    await sign_in(client_secret="SECRET client/secret").login()
    (headers,), (form,) = authority.headers, authority.asked
    assert headers["Authorization"] == "Basic ZGVzazpTRUNSRVQrY2xpZW50JTJGc2VjcmV0"
    assert not {"client_id", "client_secret"} & form.keys()


async def test_a_secret_goes_into_the_form_where_the_server_wants_it_there(
    authority: Authority, sign_in: SignInOf
) -> None:
    authority.document = lambda said: said.update(
        token_endpoint_auth_methods_supported=["client_secret_post"]
    )
    await sign_in(client_secret="SECRETclient").login()
    (headers,), (form,) = authority.headers, authority.asked
    assert (form["client_id"], form["client_secret"]) == ("desk", "SECRETclient")
    assert "Authorization" not in headers


async def test_a_server_without_discovery_is_told_where(
    authority: Authority, browser: Browser, store: TokenStore
) -> None:
    authority.replaced["/.well-known/openid-configuration"] = says(404, "")
    auth = OAuth(
        client_id="desk",
        auth_url=f"{authority.url}/authorize",
        token_url=f"{authority.url}/token",
        scopes=["read"],
        store=store,
        open_browser=browser,
    )
    await auth.ensure_authenticated()
    assert (await auth.get_token()).startswith("SECRETaccess")
    assert "nonce" not in authority.authorized[0]


# Strays -------------------------------------------------------------------------------------------


async def test_strays_are_answered_and_change_nothing(sign_in: SignInOf) -> None:
    seen: dict[str, tuple[int, str]] = {}

    async def strays(session: ClientSession, page: str, asked: dict[str, str]) -> None:
        port = urlsplit(page).port
        tried = {
            "error": f"{page}?error=access_denied",
            "wrong state": f"{page}?code=SECRETx&state=wrong",
            "no state": f"{page}?code=SECRETx",
            "twice": f"{page}?state={asked['state']}&state={asked['state']}&code=SECRETx",
            "markup": f"{page}?error=<script>alert(1)</script>&state=<b>",
            "icon": f"http://127.0.0.1:{port}/favicon.ico",
            "below": f"{page}/more?state={asked['state']}&code=x",
        }
        for what, url in tried.items():
            async with session.get(url) as answer:
                seen[what] = answer.status, await answer.text()
        for method in ("HEAD", "POST", "OPTIONS"):
            url = f"{page}?code=SECRETx&state={asked['state']}"
            async with session.request(method, url) as answer:
                seen[method] = answer.status, await answer.text()
        async with session.get(
            f"{page}?code=SECRETx&state={asked['state']}", headers={"Host": "evil.example"}
        ) as answer:
            seen["another host"] = answer.status, await answer.text()

    auth = sign_in(open_browser=at_the_page(strays))
    await auth.login()
    assert (await auth.get_token()).startswith("SECRETaccess")
    assert len(seen) == 11
    for status, text in seen.values():
        assert status in {400, 404}
        assert "signed in<" not in text
        assert not {"SECRET", "script", "<b>", "denied"} & {w for w in text.split() if w}
        assert "alert" not in text


async def test_rubbish_and_silence_change_nothing(sign_in: SignInOf) -> None:
    async def rubbish(_: ClientSession, page: str, __: dict[str, str]) -> None:
        port = urlsplit(page).port
        for sent in (
            b"\x00\xff\r\n\r\n",
            b"GET\r\n\r\n",
            b"",
            b"GET / HTTP/1.1\r\n",
            b"x" * 70_000,
        ):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            writer.close()
        silent.append(await asyncio.open_connection("127.0.0.1", port))

    silent: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    await sign_in(open_browser=at_the_page(rubbish)).login()
    assert await silent[0][0].read() == b""
    silent[0][1].close()


async def test_the_page_is_closed_when_it_has_served(sign_in: SignInOf, browser: Browser) -> None:
    await sign_in().login()
    port = urlsplit(redirect_of(browser.opened[0])).port
    for host in ("127.0.0.1", "::1"):
        with pytest.raises(OSError):
            await asyncio.open_connection(host, port)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_the_page_is_there_on_both_kinds_of_loopback(sign_in: SignInOf, host: str) -> None:
    there: list[str] = []

    async def both(_: ClientSession, page: str, __: dict[str, str]) -> None:
        parts = urlsplit(page)
        assert parts.hostname == host
        for address in ("127.0.0.1", "::1"):
            _, writer = await asyncio.open_connection(address, parts.port)
            there.append(address)
            writer.close()

    await sign_in(open_browser=at_the_page(both), redirect_host=host).login()
    assert there == ["127.0.0.1", "::1"]


async def test_the_page_shows_nothing_of_what_came_and_lets_nothing_in(
    sign_in: SignInOf, browser: Browser
) -> None:
    await sign_in().login()
    assert "SECRET" not in browser.text
    assert browser.headers["Cache-Control"] == "no-store"
    assert browser.headers["Referrer-Policy"] == "no-referrer"
    assert browser.headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_a_port_that_is_taken_is_said(sign_in: SignInOf) -> None:
    async def nobody(*_: object) -> None:
        return

    server = await asyncio.start_server(nobody, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(AuthError, match=f"port {port} is taken"):
            await sign_in(redirect_port=port).login()
    finally:
        server.close()


async def test_a_port_that_is_half_taken_is_not_used(sign_in: SignInOf) -> None:
    async def nobody(*_: object) -> None:
        return

    server = await asyncio.start_server(nobody, "::1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(AuthError, match=f"port {port} is taken"):
            await sign_in(redirect_port=port).login()
    finally:
        server.close()


async def test_a_port_that_is_registered_is_used(sign_in: SignInOf, browser: Browser) -> None:
    async def nobody(*_: object) -> None:
        return

    server = await asyncio.start_server(nobody, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    await sign_in(redirect_port=port, redirect_path="/auth/callback").login()
    assert redirect_of(browser.opened[0]) == f"http://127.0.0.1:{port}/auth/callback"


# Refusals -----------------------------------------------------------------------------------------


async def test_a_no_is_told_and_shown(
    authority: Authority, browser: Browser, sign_in: SignInOf, store: TokenStore
) -> None:
    def deny(fields: dict[str, str]) -> None:
        del fields["code"]
        fields |= {"error": "access_denied", "error_description": "<i>not\r\nyou</i>"}

    authority.redirects = deny
    with pytest.raises(AuthError) as raised:
        await sign_in().login()
    assert str(raised.value) == "[desk] the sign-in was refused (access_denied: <i>not you</i>)"
    assert (browser.status, "You are not signed in" in browser.text) == (400, True)
    assert "not you" not in browser.text
    assert store.load("desk") is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (lambda claims: claims.update(nonce="another"), "belongs to another sign-in"),
        (lambda claims: claims.pop("nonce"), "belongs to another sign-in"),
        (lambda claims: claims.update(aud="another"), "is for another program"),
        (lambda claims: claims.update(aud=["desk", "x"], azp="x"), "is for another program"),
        (lambda claims: claims.update(iss="https://evil.example"), "comes from another server"),
        (lambda claims: claims.update(exp=1.0), "has ended already"),
        (lambda claims: claims.pop("exp"), "does not say when it ends"),
    ],
)
async def test_a_proof_that_is_not_for_this_sign_in_ends_it(
    authority: Authority,
    browser: Browser,
    sign_in: SignInOf,
    changes: Callable[[dict[str, Any]], None],
    why: str,
) -> None:
    authority.claims = changes
    with pytest.raises(AuthError, match=why):
        await sign_in().login()
    assert "You are not signed in" in browser.text
    assert not sign_in().is_authenticated


async def test_a_proof_may_end_as_late_as_it_likes(authority: Authority, sign_in: SignInOf) -> None:
    authority.claims = lambda claims: claims.update(exp=10**400)
    auth = sign_in()
    await auth.login()
    assert auth.is_authenticated


async def test_a_server_that_does_not_say_who_signed_in_is_not_believed(
    authority: Authority, sign_in: SignInOf
) -> None:
    authority.answers = lambda answer: answer.pop("id_token")
    with pytest.raises(AuthError, match="does not say who signed in"):
        await sign_in().login()


@pytest.mark.parametrize("said", ["https://evil.example", None])
async def test_an_answer_has_to_say_which_server_it_comes_from(
    authority: Authority, sign_in: SignInOf, said: str | None
) -> None:
    def redirects(fields: dict[str, str]) -> None:
        del fields["iss"]
        fields |= {"iss": said} if said else {}

    authority.redirects = redirects
    with pytest.raises(AuthError, match="not come from the server"):
        await sign_in().login()
    assert authority.asked == []


@pytest.mark.parametrize(
    ("status", "text", "kind", "why"),
    [
        (400, "<h1>SECRETpage</h1>", "text/html", "HTTP 400, and no JSON"),
        (200, "<h1>SECRETpage</h1>", "text/html", "HTTP 200, and no JSON"),
        (200, "[]", "application/json", "no JSON"),
        (200, "{}", "application/json", "gave out no token"),
        (200, '{"access_token": ""}', "application/json", "not text that can be sent"),
        (200, '{"access_token": 7}', "application/json", "not text that can be sent"),
        (200, '{"access_token": "a\\nb"}', "application/json", "not text that can be sent"),
        (403, '{"error": {"code": "no", "message": "way"}}', "application/json", "no: way"),
        (401, '{"message": "no"}', "application/json", "HTTP 401"),
        (200, '{"access_token": "x", "expires_in": "soon"}', "application/json", "."),
        (302, "", "text/html", "HTTP 302"),
    ],
)
async def test_any_other_answer_than_tokens_is_an_auth_error(
    authority: Authority, sign_in: SignInOf, status: int, text: str, kind: str, why: str
) -> None:
    authority.replaced["/token"] = says(status, text, kind)
    with pytest.raises(AuthError, match=why) as raised:
        await sign_in(scopes=["openid"]).login()
    assert "SECRET" not in str(raised.value)


async def test_an_error_that_repeats_a_secret_is_told_without_it(
    authority: Authority, sign_in: SignInOf
) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        form = await request.post()
        told = f"no such code: {form['code']}, {form['code_verifier']}"
        return web.json_response({"error": "invalid_grant", "error_description": told}, status=400)

    authority.replaced["/token"] = echo
    with pytest.raises(AuthError, match=r"no such code: \*\*\*, \*\*\*"):
        await sign_in().login()


async def test_a_broken_server_may_be_tried_again(authority: Authority, sign_in: SignInOf) -> None:
    authority.replaced["/token"] = says(502, "<h1>SECRETpage</h1>")
    with pytest.raises(ProviderUnavailable, match="answered HTTP 502") as raised:
        await sign_in().login()
    assert raised.value.retryable
    assert "SECRET" not in str(raised.value)


async def test_a_server_that_is_not_there_is_said(store: TokenStore) -> None:
    auth = OAuth("http://127.0.0.1:9", "desk", store=store)
    with pytest.raises(ProviderUnavailable, match=r"no answer from http://127\.0\.0\.1:9"):
        await auth.login()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (lambda said: said.update(issuer="https://evil.example"), "another server"),
        (lambda said: said.update(token_endpoint="http://evil.example/t"), "not safe"),
        (lambda said: said.pop("token_endpoint"), "where it gives out tokens"),
        (lambda said: said.pop("authorization_endpoint"), "no sign-in with a browser"),
    ],
)
async def test_a_server_that_says_odd_things_of_itself_is_not_used(
    authority: Authority, sign_in: SignInOf, changes: Callable[[dict[str, Any]], None], why: str
) -> None:
    authority.document = changes
    with pytest.raises(AuthError, match=why):
        await sign_in().login()


async def test_a_server_that_says_nothing_is_not_used(
    authority: Authority, sign_in: SignInOf
) -> None:
    authority.replaced["/.well-known/openid-configuration"] = says(404, "<h1>Nothing</h1>")
    with pytest.raises(AuthError, match="does not say how to sign in: HTTP 404"):
        await sign_in().login()


async def test_there_is_a_deadline(sign_in: SignInOf) -> None:
    opened: list[str] = []
    with pytest.raises(AuthError, match=r"the sign-in was not finished within 0\.05 s"):
        await sign_in(open_browser=opened.append, seconds=0.05).login()
    assert opened


async def test_a_server_that_takes_its_time_is_waited_for_until_the_deadline(
    authority: Authority, sign_in: SignInOf
) -> None:
    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    authority.replaced["/token"] = hang
    with pytest.raises(AuthError, match="was not finished"):
        await sign_in(seconds=0.09).login()
    assert len(authority.asked) == 1


async def test_a_browser_that_fails_ends_it(sign_in: SignInOf) -> None:
    def fail(_: str) -> None:
        raise RuntimeError("no display")

    with pytest.raises(AuthError, match="open_browser= failed: RuntimeError: no display"):
        await sign_in(open_browser=fail).login()


@pytest.mark.skipif(os.name != "posix", reason="the browser is a script of the shell")
def test_the_browser_of_this_machine_is_opened_unless_it_takes_the_terminal(
    tmp_path: Path,
) -> None:
    opens = "import sys; from agentouto.auth._browser import open_in_browser as o; print(o('x:y'))"
    told = {}
    for name in ("my-browser", "w3m"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/{name}.opened\n')
        program.chmod(0o700)
        env = {**os.environ, "BROWSER": str(program)}
        done = subprocess.run(
            [sys.executable, "-c", opens], env=env, capture_output=True, check=False
        )
        told[name] = done.stdout.decode().strip()
    assert told["w3m"] == "False"
    assert (tmp_path / "my-browser.opened").read_text() == "x:y\n"
    assert not (tmp_path / "w3m.opened").exists()


@pytest.mark.skipif(os.name != "posix", reason="the browser is a script of the shell")
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
async def test_a_browser_that_runs_until_it_is_closed_holds_up_nothing(
    sign_in: SignInOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, pipe = tmp_path / "my-browser", tmp_path / "pipe"
    program.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\nread closed < {pipe}\n')
    program.chmod(0o700)
    os.mkfifo(pipe)
    holder = os.open(pipe, os.O_RDWR)  # whoever would wait for the browser would wait until then
    closing = threading.Timer(2.0, os.write, (holder, b"x\n"))
    closing.start()
    monkeypatch.setenv("BROWSER", str(program))

    async def ask(_: str) -> str:
        assert closing.is_alive()
        return "something else"

    try:
        with pytest.raises(AuthError, match="does not belong"):
            await sign_in(open_browser=open_in_browser, ask=ask).login()
    finally:
        closing.cancel()
        os.write(holder, b"x\n")
        os.close(holder)


@pytest.mark.parametrize(
    "arguments",
    [
        {"issuer": "http://id.example"},
        {"issuer": "id.example"},
        {"issuer": "https://user:pw@id.example"},
        {"token_url": "http://id.example/token"},
        {"issuer": ""},
        {"client_id": ""},
        {"issuer": "https://id.example/\x1b[2J"},
        {"name": "../desk"},
        {"redirect_path": "callback"},
        {"redirect_path": ""},
        {"redirect_path": "/callback?to=me"},
        {"redirect_path": "/call back"},
        {"redirect_host": "desk.example"},
        {"redirect_host": "127.0.0.2"},
        {"redirect_port": 65536},
    ],
)
def test_what_cannot_work_is_refused_at_once(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        OAuth(**{"issuer": "https://id.example", "client_id": "desk"} | arguments)


# Pasting ------------------------------------------------------------------------------------------


class Remote:
    """A browser on another machine: what it ends at is pasted by a person."""

    def __init__(self, *, form: str = "address", also: str = "") -> None:
        self.form = form
        self.also = also
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def open(self, url: str) -> None:
        async with ClientSession() as session, session.get(url, allow_redirects=False) as answer:
            self.ended.set_result(answer.headers["Location"])

    async def ask(self, question: str) -> str:
        assert "Paste" in question
        fields = dict(parse_qsl(urlsplit(await self.ended).query))
        match self.form:
            case "address":
                return f"  {self.ended.result()}\n"
            case "query":
                return urlsplit(self.ended.result()).query
            case "code":
                return f"{fields['code']}#{fields['state']}"
            case _:
                return self.form


@pytest.mark.parametrize("form", ["address", "query"])
async def test_what_the_browser_ended_at_may_be_pasted(sign_in: SignInOf, form: str) -> None:
    remote = Remote(form=form)
    auth = sign_in(open_browser=remote.open, ask=remote.ask)
    await auth.login()
    assert (await auth.get_token()).startswith("SECRETaccess")


async def test_a_plain_function_may_be_asked(sign_in: SignInOf, authority: Authority) -> None:
    told: list[str] = []

    def ask(_: str) -> str:
        state = dict(parse_qsl(urlsplit(told[0].split()[-1]).query))["state"]
        return f"http://127.0.0.1/callback?error=access_denied&state={state}&iss={authority.url}"

    with pytest.raises(AuthError, match="access_denied"):
        await sign_in(open_browser=None, ask=ask, tell=told.append).login()


async def test_pasting_nothing_waits_for_the_browser(sign_in: SignInOf) -> None:
    async def ask(_: str) -> str:
        return "\n"

    auth = sign_in(ask=ask)
    await auth.login()
    assert auth.is_authenticated


@pytest.mark.parametrize(
    "form", ["hello", "https://x/?code=a&state=b", "http://[", "#", "x" * 9999]
)
async def test_pasting_something_else_ends_it(sign_in: SignInOf, form: str) -> None:
    remote = Remote(form=form)
    with pytest.raises(AuthError, match="does not belong to this sign-in"):
        await sign_in(open_browser=remote.open, ask=remote.ask).login()
