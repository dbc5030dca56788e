"""Signing in with a browser: one address to open, one answer to wait for, one code to hand in.

The answer comes to a page on this machine, or the person pastes the address it came to. Whichever
comes first counts. How either is got is told by the caller; what the words are is known elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import cast
from urllib.parse import parse_qsl

from msgspec.structs import replace

from agentouto._domain.errors import AuthError
from agentouto._domain.secret import Secret
from agentouto._domain.world import fresh_id
from agentouto.auth._client import Client, Server, Sitting
from agentouto.auth._grants import tokens_for
from agentouto.auth._loopback import GOODBYE_SECONDS, Door, opened
from agentouto.auth._protocol import read_redirect, same, sign_in_url
from agentouto.auth._token import CLIENT_ID, HINT, TokenData

QUESTION = "Paste the address at which the browser ended, or press Enter to wait for it: "


async def sign_in(client: Client, server: Server, sitting: Sitting) -> TokenData:
    """Let the person sign in with a browser; return what that gives.

    Raises:
        AuthError: It was refused, or nobody signed in in time.
        ProviderUnavailable: The server did not answer.
    """
    if not server.authorize:
        raise AuthError(client.name, "the server offers no sign-in with a browser")
    if client.redirect.elsewhere and sitting.ask is None:
        raise AuthError(client.name, "the server shows a code to paste, and there is no ask=")
    try:
        async with asyncio.timeout(sitting.seconds):
            return await _signed_in(client, server, sitting)
    except TimeoutError:
        late = AuthError(client.name, f"nobody has signed in within {sitting.seconds:g} s")
    raise late


async def _signed_in(client: Client, server: Server, sitting: Sitting) -> TokenData:
    state, nonce, verifier = (Secret(fresh_id() + fresh_id()) for _ in range(3))
    async with opened(client.name, client.redirect, state) as door:
        url = Secret(sign_in_url(client, server, door.address, state, nonce, verifier))
        told = sign_in_url(_hintless(client), server, door.address, state, nonce, verifier)
        sitting.tell(f"To sign in, open this address:\n{told}")
        loop = asyncio.get_running_loop()
        opening = loop.create_task(_open(client, sitting, url, door))
        asking = loop.create_task(_ask(client, sitting, door, state))
        try:
            fields = await asyncio.shield(door.arrived)
            code = read_redirect(client, server, state, fields)
            tokens = await _handed_in(client, server, door, fields, code, nonce, verifier)
            door.worked.set_result(None)
        finally:
            door.worked.cancel()  # unless it has
            asking.cancel()
            try:
                await asyncio.wait([opening], timeout=GOODBYE_SECONDS)
            finally:
                opening.cancel()
                await asyncio.wait([opening, asking])
    return tokens


async def _handed_in(
    client: Client,
    server: Server,
    door: Door,
    fields: Mapping[str, str],
    code: Secret,
    nonce: Secret,
    verifier: Secret,
) -> TokenData:
    """Return the tokens that ``code`` is good for."""
    named = fields.get(CLIENT_ID, "")
    if client.may_be_renamed and named:
        client = replace(client, client_id=str(named))
    handed = {"code": code, "redirect_uri": door.address, "code_verifier": verifier}
    if server.takes_json:
        handed["state"] = fields["state"]
    expected = nonce if "openid" in client.scopes else None
    return await tokens_for(client, server, "authorization_code", handed, expected)


def _hintless(client: Client) -> Client:
    """Return ``client`` without the id token it reminds the server with: what is told is logged."""
    return replace(client, more={name: said for name, said in client.more.items() if name != HINT})


async def _open(client: Client, sitting: Sitting, url: str, door: Door) -> None:
    if sitting.open_browser is not None:
        await _told(client, door, "open_browser=", sitting.open_browser, url)


async def _ask(client: Client, sitting: Sitting, door: Door, state: Secret) -> None:
    if sitting.ask is None:
        return
    said = await _told(client, door, "ask=", sitting.ask, QUESTION)
    pasted = Secret(said.strip() if isinstance(said, str) else "")
    if not pasted or door.arrived.done():
        return
    fields = _pasted(pasted)
    if same(fields.get("state", ""), state):
        door.arrived.set_result(fields)
    else:
        door.arrived.set_exception(
            AuthError(client.name, "what was pasted does not belong to this sign-in")
        )


async def _told(
    client: Client, door: Door, what: str, stranger: Callable[[str], object], text: str
) -> object:
    """Return what a stranger's function says; if it fails, so does the sign-in."""
    try:
        said = stranger(text)
        return await cast("Awaitable[object]", said) if isawaitable(said) else said
    except Exception as error:  # noqa: BLE001 - a stranger's, told as ours
        if not door.arrived.done():
            failed = AuthError(client.name, f"{what} failed: {type(error).__name__}: {error}")
            failed.__cause__ = error
            door.arrived.set_exception(failed)
        return None


def _pasted(text: str) -> Mapping[str, str]:
    """Return the fields of what was pasted: an address, its query, or ``code#state``."""
    query = text.partition("?")[2].partition("#")[0] if "?" in text else text
    fields = {name: Secret(value) for name, value in parse_qsl(query)}
    if "state" not in fields:
        code, _, state = text.partition("#")
        fields = {"code": Secret(code), "state": Secret(state)}
    return fields
