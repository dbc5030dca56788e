"""Signing in on another device: a code to type there, and asking here until it has been typed."""

from __future__ import annotations

import asyncio
from inspect import isawaitable

from agentouto._domain.errors import AuthError
from agentouto._domain.secret import Secret
from agentouto._network import is_safe
from agentouto.auth._client import Client, Server, Sitting
from agentouto.auth._grants import ask_as, tokens_for
from agentouto.auth._protocol import Denied, denied
from agentouto.auth._token import TokenData, number_of

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
PAUSE_SECONDS = 5.0
"""How long to wait between two questions, if the server does not say; and how much longer if it
asks for more time."""


async def sign_in_elsewhere(client: Client, server: Server, sitting: Sitting) -> TokenData:
    """Tell the person a code to type on another device; return what that gives.

    Raises:
        AuthError: It was refused, or nobody signed in in time.
        ProviderUnavailable: The server did not answer.
    """
    if not server.device:
        raise AuthError(client.name, "the server offers no sign-in on another device")
    form = {"scope": " ".join(client.scopes)} if client.scopes else {}
    answer = await ask_as(client, server, server.device, form)
    said = answer.fields or {}
    texts = {name: value for name, value in said.items() if isinstance(value, str)}
    device, code, there = (
        texts.get("device_code", ""),
        texts.get("user_code", ""),
        texts.get("verification_uri", "") or texts.get("verification_url", ""),
    )
    if answer.status != 200 or not (device and code and there):
        why = (texts.get("error", ""), texts.get("error_description", f"HTTP {answer.status}"))
        raise denied(client.name, "the server gave out no code", *why, (client.client_secret,))
    at_once = texts.get("verification_uri_complete", there)
    if not (is_safe(there) and is_safe(at_once) and code.isprintable()):
        raise AuthError(client.name, "the server gave out a code or an address that is not safe")
    seconds = min(sitting.seconds, _number(said.get("expires_in"), sitting.seconds))
    try:
        async with asyncio.timeout(seconds):
            sitting.tell(f"To sign in, open {there} on any device, and enter the code {code}")
            await _open(sitting, at_once)
            pause = _number(said.get("interval"), PAUSE_SECONDS)
            return await _given(client, server, Secret(device), pause)
    except TimeoutError:
        late = AuthError(client.name, f"nobody has signed in within {seconds:g} s")
    raise late


async def _given(client: Client, server: Server, code: Secret, pause: float) -> TokenData:
    """Ask for tokens until there are some."""
    while True:
        try:
            return await tokens_for(client, server, GRANT, {"device_code": code})
        except Denied as error:
            if error.code == "slow_down":
                pause += PAUSE_SECONDS
            elif error.code != "authorization_pending":
                raise
        await asyncio.sleep(pause)


async def _open(sitting: Sitting, url: str) -> None:
    if sitting.open_browser is not None:
        opening = sitting.open_browser(url)
        if isawaitable(opening):
            await opening


def _number(value: object, otherwise: float) -> float:
    number = number_of(value)
    return number if number is not None and number > 0 else otherwise
