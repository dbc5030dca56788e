"""Tokens that end: who renews them, when, and how often."""

# pyright: reportPrivateUsage=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agentouto import AuthError, OAuth, TokenData, TokenStore
from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto.auth import _file_lock
from agentouto.auth._sign_in import SignIn
from agentouto.exceptions import ProviderUnavailable
from auth.authority import Authority, Browser, id_token, says
from auth.conftest import SignInOf
from children import PIPE, async_child

ASKS = """
import asyncio, json, sys
from agentouto import OAuth, TokenStore

async def main():
    auth = OAuth(sys.argv[1], "desk", name="desk", store=TokenStore(sys.argv[2]))
    print("ready", flush=True)
    sys.stdin.readline()
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(auth.get_token()) for _ in range(50)]
    print(json.dumps(sorted({str(task.result()) for task in asked})))

asyncio.run(main())
"""


async def together(*auths: OAuth) -> set[str]:
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(auth.get_token()) for auth in auths]
    return {task.result() for task in asked}


async def test_of_fifty_who_ask_at_once_one_refreshes(
    authority: Authority, sign_in: SignInOf, expired: TokenData
) -> None:
    authority.pause = 0.05
    tokens = await together(*[sign_in()] * 50)
    assert (len(tokens), authority.refreshes) == (1, 1)


async def test_of_many_objects_one_refreshes(
    authority: Authority, sign_in: SignInOf, expired: TokenData
) -> None:
    authority.pause = 0.05
    tokens = await together(*[sign_in() for _ in range(20)])
    assert (len(tokens), authority.refreshes) == (1, 1)


async def test_of_threads_with_loops_of_their_own_one_refreshes(
    authority: Authority, sign_in: SignInOf, expired: TokenData
) -> None:
    authority.pause = 0.05
    shared, tokens = sign_in(), set[str]()

    def ask(auth: OAuth) -> None:
        tokens.update(asyncio.run(together(*[auth] * 5)))

    threads = [threading.Thread(target=ask, args=(auth,)) for auth in (shared, shared, sign_in())]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert (len(tokens), authority.refreshes) == (1, 1)


async def test_of_four_processes_with_fifty_askers_each_one_refreshes(
    authority: Authority, store: TokenStore, expired: TokenData
) -> None:
    authority.pause = 0.05
    command = [sys.executable, "-c", ASKS, authority.url, str(store.directory)]
    pipe = asyncio.subprocess.PIPE
    async with AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(async_child(*command, stdin=pipe, stdout=pipe))
            for _ in range(4)
        ]
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"\n")
        said = [json.loads((await process.communicate())[0]) for process in processes]
    kept = store.load("desk")
    assert kept is not None
    assert said == [[kept.access_token]] * 4
    assert authority.refreshes == 1


async def test_a_token_is_renewed_before_it_ends(
    authority: Authority, sign_in: SignInOf, store: TokenStore
) -> None:
    for seconds, refreshed in ((90.0, 0), (30.0, 1)):
        store.save("desk", TokenData("SECRETa", authority.given(), SYSTEM_CLOCK.now() + seconds))
        await sign_in().get_token()
        assert authority.refreshes == refreshed


async def test_a_short_lived_token_is_used_for_most_of_its_life(
    authority: Authority, sign_in: SignInOf
) -> None:
    authority.life = 20
    auth = sign_in()
    await auth.login()
    assert await auth.get_token() == await auth.get_token()
    assert authority.refreshes == 0


async def test_a_token_of_which_nobody_said_when_it_ends_is_used(
    authority: Authority, sign_in: SignInOf
) -> None:
    authority.answers = lambda answer: answer.pop("expires_in")
    auth = sign_in()
    await auth.login()
    await auth.get_token()
    assert auth.tokens is not None
    assert auth.tokens.expires_at is None
    assert authority.refreshes == 0


async def test_rotated_refresh_tokens_are_kept(
    authority: Authority, sign_in: SignInOf, store: TokenStore
) -> None:
    authority.life = 0
    auth = sign_in()
    await auth.login()
    for _ in range(3):
        await auth.get_token()
    await sign_in().get_token()
    assert authority.refreshes == 4
    spent = [form["refresh_token"] for form in authority.asked[1:]]
    assert len(set(spent)) == 4
    kept = store.load("desk")
    assert kept is not None
    assert kept.refresh_token not in spent
    assert kept.extra["id_token"]


@pytest.mark.parametrize("life", ["3600.5", "soon", "", [], {}, None, -5, "nan", "1e999"])
async def test_a_life_that_makes_no_sense_costs_no_refresh_token(
    authority: Authority, sign_in: SignInOf, expired: TokenData, store: TokenStore, life: object
) -> None:
    authority.life = life
    token = await sign_in().get_token()
    kept = store.load("desk")
    assert kept is not None
    assert kept.access_token == token != expired.access_token
    await sign_in().refresh_token()
    assert authority.refreshes == 2


@pytest.mark.parametrize("body", ["[" * 50_000, '{"error": ' + "[" * 50_000])
async def test_an_answer_without_an_end_is_an_auth_error(
    authority: Authority, sign_in: SignInOf, expired: TokenData, body: str
) -> None:
    authority.replaced["/token"] = says(200, body, "application/json")
    with pytest.raises(AuthError, match="no JSON"):
        await sign_in().get_token()


async def test_what_was_granted_stays_granted(
    authority: Authority, sign_in: SignInOf, store: TokenStore
) -> None:
    store.save("desk", TokenData("SECRETa", authority.given(), SYSTEM_CLOCK.now() - 1, ["openid"]))
    await sign_in(scopes=["openid", "mail"]).get_token()
    kept = store.load("desk")
    assert kept is not None
    assert kept.scopes == ["openid"]


async def test_a_refresh_token_that_stays_is_kept(
    authority: Authority, sign_in: SignInOf, expired: TokenData, store: TokenStore
) -> None:
    authority.answers = lambda answer: answer.pop("refresh_token")
    await sign_in().get_token()
    kept = store.load("desk")
    assert kept is not None
    assert kept.refresh_token == expired.refresh_token


async def test_what_another_process_has_got_is_not_asked_for_again(
    authority: Authority, sign_in: SignInOf, expired: TokenData
) -> None:
    one, other = sign_in(), sign_in()
    token = await one.get_token()
    assert await other.get_token() == token
    assert authority.refreshes == 1


async def test_a_token_that_was_refused_is_replaced_once(
    authority: Authority, sign_in: SignInOf
) -> None:
    one, other = sign_in(), sign_in()
    await one.login()
    token = await other.get_token()
    new = await one.refresh_token()
    assert new != token
    assert await other.refresh_token() == new  # it knows of the old one only, and looks first
    assert authority.refreshes == 1


async def test_a_refused_refresh_ends_the_sign_in_for_all_who_wait(
    authority: Authority, sign_in: SignInOf, store: TokenStore
) -> None:
    authority.pause = 0.03
    store.save("desk", TokenData("SECRETa", "SECRETnever", SYSTEM_CLOCK.now() - 1))
    auth = sign_in()

    async def ask() -> None:
        with pytest.raises(AuthError, match=r"sign in again \(invalid_grant\)"):
            await auth.get_token()

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(ask())
    assert authority.refreshes == 1
    with pytest.raises(AuthError, match=r"sign in again$"):
        await auth.get_token()
    assert authority.refreshes == 1
    assert not auth.is_authenticated


async def test_after_that_somebody_signs_in_again(
    authority: Authority, sign_in: SignInOf, store: TokenStore, browser: Browser
) -> None:
    store.save("desk", TokenData("SECRETa", "SECRETnever", SYSTEM_CLOCK.now() - 1))
    await sign_in().ensure_authenticated()
    assert len(browser.opened) == 1


async def test_who_is_signed_in_is_not_asked_again(
    authority: Authority, sign_in: SignInOf, expired: TokenData, browser: Browser
) -> None:
    auth = sign_in()
    await auth.ensure_authenticated()
    await auth.ensure_authenticated()
    assert (browser.opened, authority.refreshes) == ([], 1)


async def test_a_server_that_is_down_ends_nothing(
    authority: Authority, sign_in: SignInOf, expired: TokenData, store: TokenStore
) -> None:
    authority.replaced["/token"] = says(503, "later")
    auth = sign_in()
    with pytest.raises(ProviderUnavailable, match="HTTP 503"):
        await auth.get_token()
    del authority.replaced["/token"]
    assert (await auth.get_token()).startswith("SECRETaccess")


async def test_all_who_wait_hear_that_a_server_is_down(
    authority: Authority, sign_in: SignInOf, expired: TokenData
) -> None:
    async def down(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.03)
        return web.Response(status=503)

    authority.replaced["/token"] = down
    auth = sign_in()

    async def ask() -> None:
        with pytest.raises(ProviderUnavailable, match="HTTP 503"):
            await auth.get_token()

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(ask())
    assert len(authority.asked) == 1


@pytest.mark.parametrize("status", [503, 400])
async def test_a_token_that_has_not_ended_yet_is_used_if_no_other_can_be_had(
    authority: Authority, sign_in: SignInOf, store: TokenStore, status: int
) -> None:
    authority.replaced["/token"] = says(status, '{"error": "invalid_grant"}', "application/json")
    store.save("desk", TokenData("SECRETlast", "SECRETspent", SYSTEM_CLOCK.now() + 30))
    auth = sign_in()
    assert await auth.get_token() == "SECRETlast"
    with pytest.raises((AuthError, ProviderUnavailable)):
        await auth.refresh_token()


async def test_a_refresh_that_was_begun_is_ended_whoever_is_cancelled(
    authority: Authority, sign_in: SignInOf, expired: TokenData, store: TokenStore
) -> None:
    authority.pause = 0.05
    auth = sign_in()
    asking = asyncio.create_task(auth.get_token())
    while not authority.asked:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    token = await auth.get_token()
    kept = store.load("desk")
    assert kept is not None
    assert kept.access_token == token != expired.access_token
    assert authority.refreshes == 1


@pytest.mark.parametrize(
    "changes",
    [
        lambda answer: answer.update(id_token="no.proof.atall"),
        lambda answer: answer.update(id_token=answer["id_token"].replace("a", "b")),
    ],
)
async def test_a_refresh_that_names_somebody_else_is_not_taken(
    authority: Authority, sign_in: SignInOf, changes: Callable[[dict[str, Any]], None]
) -> None:
    auth = sign_in()
    await auth.login()
    assert auth.tokens is not None
    proof = auth.tokens.extra["id_token"]

    def answers(answer: dict[str, Any]) -> None:
        answer["id_token"] = proof
        changes(answer)

    authority.answers = answers
    with pytest.raises(AuthError, match="id token"):
        await auth.refresh_token()


async def test_a_server_that_repeats_an_old_proof_of_who_signed_in_signs_nobody_out(
    authority: Authority, sign_in: SignInOf, store: TokenStore
) -> None:
    auth = sign_in()
    await auth.login()
    long_ago: dict[str, object] = {"iss": authority.url, "aud": "desk", "sub": "u1", "exp": 1}
    authority.answers = lambda answer: answer.update(id_token=id_token(long_ago))
    token = await auth.refresh_token()
    kept = store.load("desk")
    assert kept is not None
    assert kept.access_token == token


async def test_who_signs_out_has_no_tokens_and_the_server_knows(
    authority: Authority, sign_in: SignInOf, store: TokenStore
) -> None:
    auth = sign_in()
    await auth.login()
    tokens = auth.tokens
    assert tokens is not None
    await auth.logout()
    await auth.logout()
    assert store.load("desk") is None
    assert not auth.is_authenticated
    assert authority.revoked == [tokens.refresh_token, tokens.access_token]
    with pytest.raises(AuthError, match="not signed in"):
        await auth.get_token()


async def test_what_is_handed_back_is_what_somebody_else_has_got(
    authority: Authority, sign_in: SignInOf, store: TokenStore
) -> None:
    auth, other = sign_in(), sign_in()
    await auth.login()
    await other.refresh_token()
    kept = store.load("desk")
    assert kept is not None
    await auth.logout()
    assert authority.revoked == [kept.refresh_token, kept.access_token]


async def test_who_signs_out_has_no_tokens_even_if_the_server_is_down(
    authority: Authority, sign_in: SignInOf, store: TokenStore
) -> None:
    auth = sign_in()
    await auth.login()
    authority.replaced["/revoke"] = says(500, "")
    await auth.logout()
    assert store.load("desk") is None


async def test_a_lock_that_is_never_let_go_is_said(
    authority: Authority,
    sign_in: SignInOf,
    store: TokenStore,
    expired: TokenData,
) -> None:
    made = sign_in()
    server = await made._resolve_server()

    def impatient() -> SignIn:
        return SignIn(
            made._client,
            server,
            store=store,
            session=made._session,
            device=False,
            hosts=(),
            lock_seconds=0.05,
        )

    with _file_lock.try_lock(store.lock("desk")):
        for ask in (impatient().get_token, impatient().login, impatient().logout):
            with pytest.raises(AuthError, match="another program does not let go"):
                await ask()
    assert authority.refreshes == 0
    assert (await sign_in().get_token()).startswith("SECRETaccess")


async def test_a_folder_that_cannot_be_written_to_is_enough_for_a_good_token(
    sign_in: SignInOf, store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save("desk", TokenData("SECRETa", None, SYSTEM_CLOCK.now() + 3600))

    def closed(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied", "desk.json.lock")

    monkeypatch.setattr("os.open", closed)
    assert await sign_in().get_token() == "SECRETa"
    with pytest.raises(AuthError, match="cannot be locked: Permission denied"):
        await sign_in().refresh_token()


async def test_a_program_without_the_extra_is_told_which(
    authority: Authority, store: TokenStore, expired: TokenData
) -> None:
    asks = (
        "import sys; sys.modules['oauthlib'] = None\n"
        "import asyncio; from agentouto import ConfigurationError, OAuth, TokenStore\n"
        "auth = OAuth(sys.argv[1], 'desk', name='desk', store=TokenStore(sys.argv[2]))\n"
        "for ask in (auth.login, auth.get_token):\n"
        "    try: asyncio.run(ask())\n"
        "    except ConfigurationError as error: print(error.code, error.fix, error)\n"
    )
    command = (sys.executable, "-c", asks, authority.url, str(store.directory))
    async with async_child(*command, stdout=PIPE) as process:
        told, _ = await process.communicate()
    install = 'pip install "agentouto[oauth]"'
    needed = f"signing in takes the extra oauth, which is not installed: {install}"
    needed = f"extra-missing {install} {needed}"
    assert told.decode().splitlines() == [needed, needed]


async def test_the_lock_of_a_process_that_was_killed_is_free(
    authority: Authority, sign_in: SignInOf, store: TokenStore, expired: TokenData, tmp_path: Path
) -> None:
    holds = (
        "import sys, time; from pathlib import Path; from agentouto.auth._file_lock import try_lock\n"
        "with try_lock(Path(sys.argv[1])) as held:\n"
        "    print(held, flush=True); time.sleep(60)"
    )
    command = (sys.executable, "-c", holds, str(store.lock("desk")))
    async with async_child(*command, stdout=PIPE) as process:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"True\n"
        asking = asyncio.create_task(sign_in().get_token())
        done, _ = await asyncio.wait([asking], timeout=0.05)
        assert not done
        process.kill()
        assert (await asking).startswith("SECRETaccess")


FORKS = """
import asyncio, os, sys, threading
from agentouto import OAuth, TokenStore

auth = OAuth(sys.argv[1], "desk", name="desk", store=TokenStore(sys.argv[2]))

def ask():
    token = asyncio.run(asyncio.wait_for(auth.get_token(), 5))
    os.write(1, f"{token}\\n".encode())

asking = threading.Thread(target=ask)
asking.start()
sys.stdin.readline()
child = os.fork()
if child == 0:
    try:
        os.write(1, b"forked\\n")
        ask()
    finally:
        os._exit(0)
asking.join()
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not made by forking here")
async def test_a_process_that_was_forked_meanwhile_is_not_kept_waiting(
    authority: Authority, expired: TokenData, store: TokenStore
) -> None:
    asked, forked = asyncio.Event(), asyncio.Event()

    async def wait(_: web.Request) -> web.StreamResponse:
        asked.set()
        await forked.wait()
        answer = {"access_token": "SECRETnew", "refresh_token": "SECRETr", "expires_in": 3600}
        return web.json_response(answer)

    authority.replaced["/token"] = wait
    command = (sys.executable, "-c", FORKS, authority.url, str(store.directory))
    async with async_child(*command, stdin=PIPE, stdout=PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        await asked.wait()
        process.stdin.write(b"fork\n")
        assert await process.stdout.readline() == b"forked\n"
        forked.set()
        told, _ = await process.communicate()
    assert told.split() == [b"SECRETnew"] * 2
    assert authority.refreshes == 1
