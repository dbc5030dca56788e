"""``agentouto login``, ``logout`` and ``whoami``, as people and scripts use them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from aiohttp import ClientSession

from agentouto import TokenData, TokenStore
from agentouto._domain.clock import SYSTEM_CLOCK
from auth.authority import Authority, Browser, id_token
from children import PIPE, async_child
from cli.terminal import COMMAND, Ended, Terminal, agentouto

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/authorize\S+")


async def command(*arguments: str, cwd: Path) -> Ended:
    return await asyncio.to_thread(agentouto, *arguments, cwd=cwd)


async def signed_in(authority: Authority, here: Path) -> Ended:
    authority.approved = True
    arguments = ("login", authority.url, "--client-id", "desk", "--device", "--no-browser")
    return await command(*arguments, cwd=here)


async def test_who_signs_in_is_known_until_signing_out(
    authority: Authority, tmp_path: Path
) -> None:
    done = await signed_in(authority, tmp_path)
    assert (done.code, done.out) == (0, "")
    assert "enter the code ABCD-EFGH" in done.err
    assert "Signed in: ada@example.com" in done.err
    done = await command("whoami", authority.url, cwd=tmp_path)
    assert (done.code, done.out.splitlines()[0]) == (0, "ada@example.com")
    assert "The token is renewed when it expires." in done.out
    done = await command("logout", authority.url, cwd=tmp_path)
    assert done.code == 0
    assert len(authority.revoked) == 2
    done = await command("whoami", authority.url, cwd=tmp_path)
    assert done.code == 1
    assert done.err == (
        f"You are not signed in at {authority.url}. To sign in: agentouto login {authority.url}\n"
    )


async def test_no_token_is_shown(authority: Authority, tmp_path: Path) -> None:
    told = [
        await signed_in(authority, tmp_path),
        await command("whoami", authority.url, "--verbose", cwd=tmp_path),
        await command("logout", authority.url, "--verbose", cwd=tmp_path),
    ]
    assert "SECRET" not in "".join(done.out + done.err for done in told)


async def test_the_program_is_known_from_the_last_time(
    authority: Authority, tmp_path: Path
) -> None:
    await signed_in(authority, tmp_path)
    done = await command("login", authority.url, "--device", "--no-browser", cwd=tmp_path)
    assert done.code == 0
    assert {form["client_id"] for form in authority.asked} == {"desk"}


async def test_the_address_is_shown_and_the_browser_comes_back(
    authority: Authority, tmp_path: Path
) -> None:
    arguments = ("login", authority.url, "--client-id", "desk", "--no-browser")
    async with async_child(
        *(*COMMAND, *arguments), cwd=tmp_path, stdin=asyncio.subprocess.DEVNULL, stderr=PIPE
    ) as process:
        assert process.stderr is not None
        await process.stderr.readline()
        address = (await process.stderr.readline()).decode().strip()
        assert ADDRESS.fullmatch(address)
        browser = Browser()
        await browser(address)
        assert "You are signed in" in browser.text
        assert b"Signed in: ada@example.com" in await process.stderr.read()
        assert await process.wait() == 0


async def test_at_a_terminal_the_last_address_can_be_pasted(
    authority: Authority, tmp_path: Path
) -> None:
    arguments = ("login", authority.url, "--client-id", "desk", "--no-browser")
    with Terminal(*arguments, cwd=tmp_path, columns=1000) as terminal:
        await asyncio.to_thread(terminal.wait_for, "Paste the address")
        found = ADDRESS.search(terminal.seen)
        assert found
        async with (
            ClientSession() as session,
            session.get(found[0], allow_redirects=False) as answer,
        ):
            terminal.type(answer.headers["Location"] + "\n")
        done = await asyncio.to_thread(terminal.end)
    assert done.code == 0
    assert "Signed in: ada@example.com" in done.err


async def test_ctrl_c_ends_the_wait(authority: Authority, tmp_path: Path) -> None:
    arguments = ("login", authority.url, "--client-id", "desk", "--no-browser")
    with Terminal(*arguments, cwd=tmp_path) as terminal:
        await asyncio.to_thread(terminal.wait_for, "Paste the address")
        terminal.interrupt()
        done = await asyncio.to_thread(terminal.end)
    assert done.code == 130
    assert "Traceback" not in done.err


async def test_a_refusal_is_one_line(authority: Authority, tmp_path: Path) -> None:
    authority.document = lambda said: said.pop("device_authorization_endpoint")
    done = await signed_in(authority, tmp_path)
    assert done.code == 4
    assert done.err.endswith("the server offers no sign-in on another device\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("login", "claude"), "claude needs the id that it gave to your program: --client-id ID"),
        (("login", "opnai"), "There is no sign-in called 'opnai'. There are: openai, claude"),
        (("whoami", "opnai"), "There is no sign-in called 'opnai'."),
    ],
)
async def test_wrong_usage_says_what_there_is(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    done = await command(*arguments, cwd=tmp_path)
    assert done.code == 2
    assert told in done.err


async def test_a_vendor_has_a_name(tmp_path: Path) -> None:
    proof = id_token({"name": "Ada\x1b[31m"})
    extra = {"client_id": "desk", "id_token": proof}
    TokenStore().save(
        "claude_oauth", TokenData("SECRETa", None, SYSTEM_CLOCK.now() + 599, ["a"], extra)
    )
    for name in ("claude", "anthropic"):
        done = await command("whoami", name, cwd=tmp_path)
        assert done.out == "Ada\nMay: a\nThe token is valid until it expires.\n"
        assert done.err == ""
    done = await command("logout", "claude", cwd=tmp_path)
    assert (done.code, done.err) == (0, "Signed out of claude.\n")
    done = await command("logout", "claude", cwd=tmp_path)
    assert (done.code, done.err) == (0, "You are not signed in at claude.\n")


async def test_a_sign_in_that_has_ended_is_nobody(tmp_path: Path) -> None:
    extra = {"client_id": "desk"}
    TokenStore().save(
        "google_oauth", TokenData("SECRETa", None, SYSTEM_CLOCK.now() - 1, ["a"], extra)
    )
    done = await command("whoami", "google", cwd=tmp_path)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("The sign-in has ended at google.")


async def test_a_vendor_s_terms_are_told_when_somebody_signs_in(tmp_path: Path) -> None:
    arguments = ("login", "claude", "--client-id", "x", "--device", "--no-browser")
    done = await command(*arguments, cwd=tmp_path)
    assert done.code == 4
    warning, refusal = done.err.splitlines()
    assert warning.startswith("Anthropic does not allow other programs")
    assert "suppress_warning" not in warning
    assert "no sign-in on another device" in refusal


@pytest.mark.parametrize(
    "arguments",
    [
        ("whoami", "google"),
        ("logout", "google"),
        ("login", "google", "--client-id", "x", "--no-browser"),
    ],
)
def test_a_home_that_cannot_be_used_is_no_refusal_of_the_server(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "file").write_text("no folder")
    done = agentouto(*arguments, cwd=tmp_path, env={"AGENTOUTO_HOME": str(tmp_path / "file")})
    assert (done.code, done.out) == (3, "")
    assert done.err.splitlines()[-1].endswith("AGENTOUTO_HOME names another folder.")
    assert "[google_oauth]" not in done.err
