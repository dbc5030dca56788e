"""The browser sign-in: authorization code flow with PKCE (RFC 6749 §4.1, RFC 7636, RFC 8252).

The redirect arrives at a callback server on this machine, or the person pastes the URL at which
the browser ended. The first of the two wins.

The order matters. The server listens before the browser is opened: the URL has its port, and the
redirect may come at once. The tokens are saved before ``completed`` is set: until then the browser
waits for its page, which must not say that it worked when nothing was stored. The server is closed
last, so that the page is delivered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import cast
from urllib.parse import parse_qsl

from msgspec.structs import replace

from agentouto._domain.clock import new_id
from agentouto._domain.errors import AuthError
from agentouto._domain.secret import Secret
from agentouto.auth._callback_server import LAST_PAGE_SECONDS, CallbackServer, open_callback_server
from agentouto.auth._client import AuthServer, Client, SignInSession
from agentouto.auth._oauth_messages import read_redirect, secrets_equal, sign_in_url
from agentouto.auth._token_data import CLIENT_ID, HINT, TokenData
from agentouto.auth._token_requests import request_tokens

PASTE_PROMPT = "Paste the address at which the browser ended, or press Enter to wait for it: "


async def sign_in(
    client: Client,
    server: AuthServer,
    session: SignInSession,
    save: Callable[[TokenData], Awaitable[None]],
) -> None:
    """Let the person sign in with a browser, and save the tokens.

    The browser shows that it worked only when ``save`` has returned.

    Raises:
        AuthError: The sign-in was refused or did not finish in time.
        ProviderUnavailable: The server did not answer.
    """
    if not server.authorize:
        raise AuthError(client.name, "the server offers no sign-in with a browser")
    if client.redirect.elsewhere and session.ask is None:
        raise AuthError(client.name, "the server shows a code to paste, and there is no ask=")
    try:
        async with asyncio.timeout(session.seconds):
            await _run_flow(client, server, session, save)
            return
    except TimeoutError:
        late = AuthError(client.name, f"the sign-in was not finished within {session.seconds:g} s")
    raise late


async def _run_flow(
    client: Client,
    server: AuthServer,
    session: SignInSession,
    save: Callable[[TokenData], Awaitable[None]],
) -> None:
    # 64 hex digits each: RFC 7636 §4.1 wants a verifier of 43 to 128 characters.
    state, nonce, verifier = (Secret(new_id() + new_id()) for _ in range(3))
    async with open_callback_server(client.name, client.redirect, state) as callback:
        url = Secret(sign_in_url(client, server, callback.address, state, nonce, verifier))
        shown = sign_in_url(_without_hint(client), server, callback.address, state, nonce, verifier)
        session.tell(f"To sign in, open this address:\n{shown}")
        loop = asyncio.get_running_loop()
        opening = loop.create_task(_open_sign_in_page(client, session, url, callback))
        asking = loop.create_task(_ask_for_redirect(client, session, callback, state))
        try:
            fields = await asyncio.shield(callback.received)
            code = read_redirect(client, server, state, fields)
            await save(
                await _exchange_code(client, server, callback, fields, code, nonce, verifier)
            )
            callback.completed.set_result(None)
        finally:
            callback.completed.cancel()  # has no effect once it is done
            asking.cancel()
            try:
                await asyncio.wait([opening], timeout=LAST_PAGE_SECONDS)
            finally:
                opening.cancel()
                await asyncio.wait([opening, asking])


async def _exchange_code(
    client: Client,
    server: AuthServer,
    callback: CallbackServer,
    fields: Mapping[str, str],
    code: Secret,
    nonce: Secret,
    verifier: Secret,
) -> TokenData:
    """Exchange the authorization ``code`` for tokens (RFC 6749 §4.1.3)."""
    assigned_id = fields.get(CLIENT_ID, "")
    if client.may_be_renamed and assigned_id:
        client = replace(client, client_id=str(assigned_id))
    form = {"code": code, "redirect_uri": callback.address, "code_verifier": verifier}
    if server.takes_json:  # Anthropic's, whose own client sends the state here too
        form["state"] = fields["state"]
    expected = nonce if "openid" in client.scopes else None
    return await request_tokens(client, server, "authorization_code", form, expected)


def _without_hint(client: Client) -> Client:
    """Return ``client`` without the id token hint, for a URL that may be logged."""
    return replace(
        client, more={name: value for name, value in client.more.items() if name != HINT}
    )


async def _open_sign_in_page(
    client: Client, session: SignInSession, url: str, callback: CallbackServer
) -> None:
    if session.open_browser is not None:
        await _call_user_function(client, callback, "open_browser=", session.open_browser, url)


async def _ask_for_redirect(
    client: Client, session: SignInSession, callback: CallbackServer, state: Secret
) -> None:
    if session.ask is None:
        return
    answer = await _call_user_function(client, callback, "ask=", session.ask, PASTE_PROMPT)
    pasted = Secret(answer.strip() if isinstance(answer, str) else "")
    if not pasted or callback.received.done():
        return
    fields = _parse_pasted(pasted)
    # RFC 6749 §10.12: a redirect of another sign-in would bind this program to another account.
    if secrets_equal(fields.get("state", ""), state):
        callback.received.set_result(fields)
    else:
        callback.received.set_exception(
            AuthError(client.name, "what was pasted does not belong to this sign-in")
        )


async def _call_user_function(
    client: Client,
    callback: CallbackServer,
    option: str,
    function: Callable[[str], object],
    text: str,
) -> object:
    """Call a function of the user's and return its result; if it fails, the sign-in fails."""
    try:
        result = function(text)
        return await cast("Awaitable[object]", result) if isawaitable(result) else result
    except Exception as error:  # noqa: BLE001 - any error of the user's function ends the sign-in
        if not callback.received.done():
            failed = AuthError(client.name, f"{option} failed: {type(error).__name__}: {error}")
            failed.__cause__ = error
            callback.received.set_exception(failed)
        return None


def _parse_pasted(text: str) -> Mapping[str, str]:
    """Return the fields of a pasted URL, of its query, or of ``code#state``.

    Anthropic's callback page shows the last form.
    """
    query = text.partition("?")[2].partition("#")[0] if "?" in text else text
    fields = {name: Secret(value) for name, value in parse_qsl(query)}
    if "state" not in fields:
        code, _, state = text.partition("#")
        fields = {"code": Secret(code), "state": Secret(state)}
    return fields
