"""Signing in at ``oidc-provider``, with a browser that is a script.

The server lets nobody in without PKCE, takes a refresh token once, ends everything when one comes
twice, and allows no clock to be wrong.
"""

from __future__ import annotations

import asyncio
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from traceback import format_exception
from typing import Any, TypeAlias
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from aiohttp import ClientSession, web

from agentouto import Agent, AuthError, Provider, async_run
from agentouto.auth import OAuth, TokenData, TokenStore
from children import PIPE, async_child, child
from outside.signin import DEVICE, Browser, Issuer
from wire.server import Answer, Server, refuses, serving, streams

SCOPES = ("openid", "offline_access", "email")
SIGNS_IN = ("authorization_code", "refresh_token", DEVICE)

Desk: TypeAlias = Callable[..., OAuth]


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "tokens")


@pytest.fixture
def desk(issuer: Issuer, store: TokenStore) -> Desk:
    def made(browser: Browser | None = None, **settings: Any) -> OAuth:
        opens = None if browser is None else browser.open
        given = {"scopes": SCOPES, "name": "desk", "store": store, "open_browser": opens}
        return OAuth(issuer.url, "desk", **given | settings)

    return made


@pytest.fixture(autouse=True)
def no_token_is_told(
    issuer: Issuer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """Look for every token the server gave out in everything that was logged or printed."""
    yield
    logged = [record.getMessage() for record in caplog.get_records("call")]
    said = "\n".join([*logged, *capfd.readouterr()])
    given = [answer for grant in SIGNS_IN for answer in issuer.seen(grant)]
    assert not [token for answer in given for token in tokens_in(answer) if token in said]


def tokens_in(seen: dict[str, Any]) -> list[str]:
    return [seen["answer"][name] for name in seen["answer"] if name.endswith("_token")]


async def is_let_in(issuer: Issuer, token: str) -> bool:
    """Ask the server, as any server that is sent its tokens can."""
    headers = {"Authorization": f"Bearer {token}"}
    async with ClientSession() as session, session.get(f"{issuer.url}/me", headers=headers) as said:
        return said.status == 200


async def revoke(issuer: Issuer, token: str | None) -> None:
    form = {"client_id": "desk", "token": token}
    url = f"{issuer.url}/token/revocation"
    async with ClientSession() as session, session.post(url, data=form) as said:
        assert said.status == 200


def kept(store: TokenStore) -> TokenData:
    tokens = store.load("desk")
    assert tokens is not None
    return tokens


def expire(store: TokenStore) -> TokenData:
    """Let the time of the token that is kept be over; return it."""
    tokens = kept(store)
    store.save("desk", replace(tokens, expires_at=time.time() - 1))
    return tokens


def instead(url: str, **fields: str) -> str:
    """Return ``url`` with these fields in place of its own."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    return urlsplit(url)._replace(query=urlencode(asked | fields)).geturl()


def at_the_callback(**fields: str) -> Callable[[str], str]:
    """Change what comes back to us."""
    return lambda url: instead(url, **fields) if urlsplit(url).path == "/callback" else url


def at_the_server(**fields: str) -> Callable[[str], str]:
    """Change what we ask for."""
    return lambda url: instead(url, **fields) if urlsplit(url).path == "/auth" else url


# The browser -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "found_at"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        pytest.param("localhost", "[::1]", marks=needs_ipv6),
    ],
)
async def test_who_signs_in_has_a_token_that_is_taken(
    desk: Desk, issuer: Issuer, store: TokenStore, host: str, found_at: str
) -> None:
    browser = Browser(changes=lambda url: url.replace(f"http://{host}:", f"http://{found_at}:", 1))
    auth = desk(browser, redirect_host=host)
    assert not auth.is_authenticated
    await auth.ensure_authenticated()
    assert auth.is_authenticated
    assert await is_let_in(issuer, await auth.get_token())
    assert set(kept(store).scopes) == set(SCOPES)
    page = await browser.page()
    assert (page.status, urlsplit(page.url).netloc.rpartition(":")[0]) == (200, found_at)
    assert len(issuer.seen("authorization_code")) == 1
    assert await desk().get_token() == await auth.get_token()


async def test_the_address_can_be_pasted(desk: Desk, issuer: Issuer) -> None:
    told: list[str] = []

    async def ask(question: str) -> str:
        return (await Browser(stays=True).visit(address_in(told))).url

    auth = desk(ask=ask, tell=told.append)
    await auth.ensure_authenticated()
    assert await is_let_in(issuer, await auth.get_token())


def address_in(told: list[str]) -> str:
    (address,) = re.findall(r"https?://\S+", "\n".join(told))
    return str(address)


async def test_who_denies_is_told_and_nothing_is_kept(desk: Desk, store: TokenStore) -> None:
    browser = Browser(denies=True)
    with pytest.raises(AuthError, match=r"\[desk\] .* \(access_denied: .*abort"):
        await desk(browser).ensure_authenticated()
    page = await browser.page()
    assert "aborted" not in page.text
    assert store.load("desk") is None


async def test_the_page_shows_nothing_of_what_came(desk: Desk) -> None:
    came = "<script>alert('came')</script>"
    changes = at_the_callback(error_description=came, error="came-error")
    browser = Browser(denies=True, changes=changes)
    with pytest.raises(AuthError):
        await desk(browser).ensure_authenticated()
    page = await browser.page()
    assert page.text
    assert not [word for word in (came, quote(came), "came", "script") if word in page.text]


async def test_an_answer_of_another_sign_in_ends_nothing(desk: Desk, issuer: Issuer) -> None:
    forged, honest = Browser(changes=at_the_callback(state="another")), Browser()

    async def opens(url: str) -> None:
        refused = await forged.visit(url)
        assert refused.status == 400
        honest.open(url)

    await desk(open_browser=opens).ensure_authenticated()
    assert (await honest.page()).status == 200
    assert len(issuer.seen("authorization_code")) == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (at_the_server(nonce="another"), "another sign-in"),
        (at_the_server(code_challenge="a" * 43), "invalid_grant"),
        (at_the_callback(code="another"), "invalid_grant"),
        (at_the_callback(iss="http://127.0.0.1:1"), "not come from the server that was asked"),
    ],
    ids=["nonce", "challenge", "code", "issuer"],
)
async def test_what_was_forged_is_refused(
    desk: Desk, store: TokenStore, changes: Callable[[str], str], why: str
) -> None:
    with pytest.raises(AuthError, match=why):
        await desk(Browser(changes=changes)).ensure_authenticated()
    assert store.load("desk") is None


# A device ----------------------------------------------------------------------------------------


def device(desk: Desk, browser: Browser) -> OAuth:
    """Sign in with what the person is told to do."""

    def tell(words: str) -> None:
        (code,) = re.findall(r"\b[A-Z]{4}-[A-Z]{4}\b", words)
        (url,) = re.findall(r"https?://\S+/device\b", words)
        browser.open(url, code)

    return desk(device=True, tell=tell)


async def test_a_device_is_let_in_by_its_code(desk: Desk, issuer: Issuer) -> None:
    auth = device(desk, Browser())
    await auth.ensure_authenticated()
    assert await is_let_in(issuer, await auth.get_token())
    waits, *_, last = issuer.seen(DEVICE)
    assert waits["answer"]["error"] == "authorization_pending"
    assert last["at"] - waits["at"] >= 0.09


async def test_a_device_may_be_denied(desk: Desk, store: TokenStore) -> None:
    with pytest.raises(AuthError, match=r"\[desk\] .* \(access_denied: .*abort"):
        await device(desk, Browser(denies=True)).ensure_authenticated()
    assert store.load("desk") is None


async def test_a_device_that_asked_too_often_waits_longer(desk: Desk, issuer: Issuer) -> None:
    issuer.tell("set", hurried=1)
    await device(desk, Browser()).ensure_authenticated()
    hurried, then = issuer.seen(DEVICE)
    assert hurried["answer"]["error"] == "slow_down"
    assert then["at"] - hurried["at"] >= 5.09


# Refreshing --------------------------------------------------------------------------------------


async def signed_in(desk: Desk) -> OAuth:
    auth = desk(Browser())
    await auth.ensure_authenticated()
    return auth


async def test_a_token_is_replaced_before_the_server_ends_it(desk: Desk, issuer: Issuer) -> None:
    """The server counts in whole seconds, so two of them may be little more than one."""
    issuer.tell("set", lifetime=2)
    auth = await signed_in(desk)
    begun = now = time.monotonic()
    seen: list[bool] = []
    while now < begun + 2.5:
        is_in = await is_let_in(issuer, await auth.get_token())
        before, now = now, time.monotonic()
        if now - before < 0.15:  # else this machine was too busy to be on time
            seen.append(is_in)
        await asyncio.sleep(0.03)
    assert seen
    assert all(seen)
    assert 2 <= len(issuer.seen("refresh_token")) <= 5


STORM = """
import asyncio, sys
from agentouto.auth import OAuth, TokenStore

async def all_at_once():
    auth = OAuth(sys.argv[1], "desk", name="desk", store=TokenStore(sys.argv[2]), open_browser=None)
    import aiohttp, oauthlib.oauth2
    print("ready", flush=True)
    sys.stdin.readline()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(auth.get_token()) for _ in range(50)]
    print(*{task.result() for task in tasks})

asyncio.run(all_at_once())
"""


def storm(issuer: Issuer, store: TokenStore) -> list[str]:
    """Let four processes want a token in fifty tasks each, all at once; return what they got."""
    command = [sys.executable, "-c", STORM, issuer.url, str(store.directory)]
    with ExitStack() as stack:
        crowd = [stack.enter_context(child(command, stdin=PIPE, stdout=PIPE)) for _ in range(4)]
        ends = [(one.stdin, one.stdout) for one in crowd if one.stdin and one.stdout]
        assert [said.readline() for _, said in ends] == ["ready\n"] * 4
        for go, _ in ends:
            go.write("go\n")
            go.flush()
        return [said.read() for _, said in ends]


async def test_four_processes_of_fifty_refresh_once(
    desk: Desk, issuer: Issuer, store: TokenStore
) -> None:
    await signed_in(desk)
    before = expire(store)
    said = storm(issuer, store)
    now = kept(store)
    assert said == [f"{now.access_token}\n"] * 4
    assert now.access_token != before.access_token
    assert [seen["status"] for seen in issuer.seen("refresh_token")] == [200]
    assert await is_let_in(issuer, now.access_token)
    expire(store)
    assert await is_let_in(issuer, await desk().get_token())


async def test_threads_and_objects_that_share_a_sign_in_refresh_once(
    desk: Desk, issuer: Issuer, store: TokenStore
) -> None:
    await signed_in(desk)
    expire(store)
    tokens: list[str] = []
    here, there = desk(), desk()

    async def all_at_once() -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(auth.get_token()) for auth in [here, there] * 10]
        tokens.extend(task.result() for task in tasks)

    threads = [Thread(target=asyncio.run, args=[all_at_once()]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert tokens == [kept(store).access_token] * 80
    assert [seen["status"] for seen in issuer.seen("refresh_token")] == [200]


async def test_who_is_cancelled_while_refreshing_loses_nothing(
    desk: Desk, issuer: Issuer, store: TokenStore
) -> None:
    await signed_in(desk)
    for pause in (0.0, 0.001, 0.003, 0.01, 0.02):
        expire(store)
        impatient = asyncio.create_task(desk().get_token())
        await asyncio.sleep(pause)
        impatient.cancel()
        await asyncio.wait([impatient])
        assert await is_let_in(issuer, await desk().get_token())
    assert {seen["status"] for seen in issuer.seen("refresh_token")} == {200}


async def test_a_sign_in_that_was_revoked_has_to_be_made_again(
    desk: Desk, issuer: Issuer, store: TokenStore
) -> None:
    await signed_in(desk)
    await revoke(issuer, expire(store).refresh_token)
    auth = desk()
    for _ in range(2):
        with pytest.raises(AuthError, match="sign in again"):
            await auth.get_token()
    assert not auth.is_authenticated
    assert len(issuer.seen("refresh_token")) == 1


async def test_who_asks_for_it_may_sign_in_again_when_a_sign_in_was_revoked(
    desk: Desk, issuer: Issuer, store: TokenStore
) -> None:
    await signed_in(desk)
    await revoke(issuer, expire(store).refresh_token)
    await (auth := desk(Browser())).ensure_authenticated()
    assert await is_let_in(issuer, await auth.get_token())


# Runs --------------------------------------------------------------------------------------------


def checks(issuer: Issuer) -> Answer:
    """Answer those whose token the server of the tokens knows, and refuse all others."""

    async def answer(request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        known = await is_let_in(issuer, token)
        return await (streams() if known else refuses(401, f"no such token: {token}"))(request)

    return answer


def worker(server: Server, auth: OAuth, name: str = "worker") -> Agent:
    provider = Provider("p", "openai", base_url=server.url, auth=auth)
    return Agent(name, "You work.", "m", provider)


async def test_runs_that_are_refused_refresh_once_and_ask_again_once(
    desk: Desk, issuer: Issuer, store: TokenStore
) -> None:
    auth = await signed_in(desk)
    issuer.tell("end", token=(old := await auth.get_token()))
    async with serving(checks(issuer)) as server:
        result = await async_run("Hi", [worker(server, auth, name) for name in "abcde"])
    assert [said.content for said in result.messages if said.type == "return"] == ["Hello"] * 5
    sent = [asked.headers["Authorization"] for asked in server.asked]
    assert sorted(sent) == sorted([f"Bearer {old}", f"Bearer {kept(store).access_token}"] * 5)
    assert len(issuer.seen("refresh_token")) == 1


async def test_a_run_refused_again_says_so_and_tells_no_token(desk: Desk, issuer: Issuer) -> None:
    auth = await signed_in(desk)
    async with serving(refuses(401, "not you")) as server:
        with pytest.raises(AuthError, match="not you") as raised:
            await async_run("Hi", [worker(server, auth)])
    assert len(server.asked) == 2
    assert len(issuer.seen("refresh_token")) == 1
    shown = "".join(format_exception(raised.value)) + repr((raised.value, auth, vars(auth)))
    given = issuer.seen("authorization_code") + issuer.seen("refresh_token")
    assert not [token for seen in given for token in tokens_in(seen) if token in shown]


# The command line --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """What a command has left behind."""

    code: int | None
    out: str
    err: str


async def agentouto(*arguments: str, browser: Browser | None = None) -> Said:
    """Run a command; a browser goes where the command sends it."""
    command = [sys.executable, "-m", "agentouto", *arguments]
    async with async_child(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        err = ""
        async for line in process.stderr:
            err += line.decode()
            url = re.search(r"http://\S+/(auth\?\S+|device\b)", line.decode())
            code = re.search(r"\b[A-Z]{4}-[A-Z]{4}\b", line.decode())
            if browser is not None and url is not None:
                browser.open(url[0], code[0] if code else "")
        out = (await process.stdout.read()).decode()
        return Said(await process.wait(), out, err)


@pytest.mark.parametrize("way", ["--no-browser", "--device"])
async def test_who_signs_in_on_the_command_line_has_signed_in_for_programs(
    issuer: Issuer, way: str
) -> None:
    browser = Browser()
    command = ("login", issuer.url, "--client-id", "desk", way)
    login = await agentouto(*command, browser=browser)
    assert (login.code, login.out) == (0, "")
    assert login.err.endswith("Signed in: ada\n")
    assert (await browser.page()).status == 200
    whoami = await agentouto("whoami", issuer.url)
    assert (whoami.code, whoami.out.splitlines()[0], whoami.err) == (0, "ada", "")
    program = OAuth(issuer.url, "desk", open_browser=None)
    token = await program.get_token()
    assert await is_let_in(issuer, token)
    logout = await agentouto("logout", issuer.url)
    assert (logout.code, logout.out) == (0, "")
    assert not await is_let_in(issuer, token)
    nobody = await agentouto("whoami", issuer.url)
    assert (nobody.code, nobody.out) == (1, "")
    assert f"agentouto login {issuer.url}" in nobody.err
    assert not [word for word in (token, "Traceback") if word in str((login, whoami, logout))]


async def test_who_denies_on_the_command_line_is_told_in_a_line(issuer: Issuer) -> None:
    browser = Browser(denies=True)
    command = ("login", issuer.url, "--client-id", "desk", "--no-browser")
    login = await agentouto(*command, browser=browser)
    assert (login.code, login.out) == (4, "")
    assert "the sign-in was refused (access_denied" in login.err.splitlines()[-1]
    assert "aborted" not in (await browser.page()).text
