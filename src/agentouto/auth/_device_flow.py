"""The sign-in on another device: show a code, poll for tokens (RFC 8628)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable

from agentouto._domain.errors import AuthError, ProviderUnavailable
from agentouto._domain.secret import Secret
from agentouto._network import is_safe
from agentouto.auth._client import AuthServer, Client, SignInSession
from agentouto.auth._oauth_messages import AccessDenied, access_denied
from agentouto.auth._token_data import TokenData, parse_number
from agentouto.auth._token_requests import post_as_client, request_tokens

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
"""RFC 8628 §3.4."""

DEVICE_POLL_SECONDS = 5.0
"""RFC 8628 §3.2: the polling interval if the server names none; §3.5: what ``slow_down`` adds."""

MOST_FAILED_POLLS = 5
"""So many polls in a row may fail. With the usual interval they take 150 seconds, half of the time
that a person has: long enough for a server to restart."""


async def sign_in_on_device(
    client: Client,
    server: AuthServer,
    session: SignInSession,
    save: Callable[[TokenData], Awaitable[None]],
) -> None:
    """Show the person a code to type on another device, and save the tokens.

    Raises:
        AuthError: The sign-in was refused or did not finish in time.
        ProviderUnavailable: The server did not answer.
    """
    if not server.device:
        raise AuthError(client.name, "the server offers no sign-in on another device")
    form = {"scope": " ".join(client.scopes)} if client.scopes else {}
    answer = await post_as_client(client, server, server.device, form)
    fields = answer.fields or {}
    texts = {name: value for name, value in fields.items() if isinstance(value, str)}
    device_code, user_code = texts.get("device_code", ""), texts.get("user_code", "")
    # RFC 8628 §3.2 says verification_uri; Google's server says verification_url.
    url = texts.get("verification_uri", "") or texts.get("verification_url", "")
    if answer.status != 200 or not (device_code and user_code and url):
        why = (texts.get("error", ""), texts.get("error_description", f"HTTP {answer.status}"))
        raise access_denied(
            client.name, "the server gave out no code", *why, (client.client_secret,)
        )
    complete_url = texts.get("verification_uri_complete", url)
    if not (is_safe(url) and is_safe(complete_url) and user_code.isprintable()):
        raise AuthError(client.name, "the server gave out a code or an address that is not safe")
    seconds = min(session.seconds, _positive_number(fields.get("expires_in"), session.seconds))
    try:
        async with asyncio.timeout(seconds):
            session.tell(f"To sign in, open {url} on any device, and enter the code {user_code}")
            await _open_on_this_device(session, complete_url)
            interval = _positive_number(fields.get("interval"), DEVICE_POLL_SECONDS)
            tokens = await _poll_for_tokens(client, server, Secret(device_code), interval)
    except TimeoutError:
        late = AuthError(client.name, f"the sign-in was not finished within {seconds:g} s")
    else:
        await save(tokens)
        return
    raise late


async def _poll_for_tokens(
    client: Client, server: AuthServer, code: Secret, interval: float
) -> TokenData:
    """Ask for tokens until the person has entered the code (RFC 8628 §3.4, §3.5).

    After a poll that failed, the pause is doubled, as RFC 8628 §3.5 recommends for connections
    that time out. The person may have entered the code by then, so one failure ends nothing.
    """
    failed = 0
    while True:
        try:
            return await request_tokens(client, server, DEVICE_GRANT, {"device_code": code})
        except AccessDenied as error:
            failed = 0
            if error.code == "slow_down":
                interval += DEVICE_POLL_SECONDS
            elif error.code != "authorization_pending":
                raise
        except ProviderUnavailable:
            failed += 1
            if failed == MOST_FAILED_POLLS:
                raise
        await asyncio.sleep(interval * 2**failed)


async def _open_on_this_device(session: SignInSession, url: str) -> None:
    if session.open_browser is not None:
        opening = session.open_browser(url)
        if isawaitable(opening):
            await opening


def _positive_number(value: object, otherwise: float) -> float:
    number = parse_number(value)
    return number if number is not None and number > 0 else otherwise
