"""Getting tokens: for a code, for a refresh token, for the code of a device.

The words are made and read elsewhere; here they are sent, and what comes back is checked.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import cast
from urllib.parse import quote_plus

from msgspec import structs

from agentouto._domain.errors import AuthError, ProviderUnavailable
from agentouto._domain.secret import Secret
from agentouto._domain.world import REAL
from agentouto.auth._client import Client, Server
from agentouto.auth._http import Answer, ask
from agentouto.auth._oidc import check_id_token
from agentouto.auth._protocol import read_tokens, token_form
from agentouto.auth._token import (
    CLIENT_ID,
    ID_TOKEN,
    LIFETIME,
    TokenData,
    claims_of,
    number_of,
)


async def tokens_for(
    client: Client, server: Server, grant: str, fields: Mapping[str, str], nonce: str | None = None
) -> TokenData:
    """Return what the server gives on the grounds of ``grant``; with ``nonce``, who it is for.

    Raises:
        AuthError: It gives nothing, or something else.
        Denied: It says no.
        ProviderUnavailable: There was no answer.
    """
    form = token_form(grant, fields)
    asked_at = REAL.now()
    answer = await ask_as(client, server, server.token, form)
    read = read_tokens(client.name, answer.status, answer.fields, _hidden(client, form))
    tokens = _kept(client, read, asked_at)
    proof = tokens.told(ID_TOKEN)
    if proof:
        # who refreshes has proved it before, and some servers say it again as they said it then
        now = None if grant == "refresh_token" else REAL.now()
        check_id_token(client.name, proof, server.issuer, client.client_id, nonce, now)
    elif nonce is not None:
        raise AuthError(client.name, "the server does not say who signed in (no id token)")
    missing = [scope for scope in client.required if scope not in tokens.scopes]
    if missing:
        raise AuthError(client.name, f"the sign-in does not allow {', '.join(missing)}")
    return tokens


async def refreshed(client: Client, server: Server, old: TokenData) -> TokenData:
    """Return the tokens that come after ``old``; its refresh token may be spent by this.

    Raises:
        AuthError: There are none, or they are somebody else's.
        Denied: The server says no.
        ProviderUnavailable: There was no answer.
    """
    if not old.refresh_token:
        raise AuthError(client.name, "the sign-in has ended, somebody has to sign in again")
    if old.scopes:  # a server that grants what it had granted before need not say so
        client = structs.replace(client, scopes=tuple(old.scopes))
    new = await tokens_for(client, server, "refresh_token", {"refresh_token": old.refresh_token})
    before, after = claims_of(old.told(ID_TOKEN)), claims_of(new.told(ID_TOKEN))
    if before and after and before.get("sub") != after.get("sub"):
        raise AuthError(client.name, "the server renewed the sign-in of somebody else")
    return replace(
        new,
        refresh_token=new.refresh_token or old.refresh_token,
        extra={**old.extra, **new.extra},
    )


async def revoke(client: Client, server: Server, tokens: TokenData) -> bool:
    """Hand ``tokens`` back; return whether the server took them."""
    if not server.revoke:
        return False
    kinds = {"refresh_token": tokens.refresh_token, "access_token": tokens.access_token}
    taken = True
    for kind, token in kinds.items():
        if token:
            form = {"token": token, "token_type_hint": kind}
            try:
                answer = await ask_as(client, server, server.revoke, form)
            except (AuthError, ProviderUnavailable):
                return False
            taken = taken and answer.status == 200
    return taken


async def ask_as(client: Client, server: Server, url: str, form: Mapping[str, str]) -> Answer:
    """Post ``form`` to ``url``, with what the server knows the program by."""
    headers: dict[str, str] = {}
    form = dict(form)
    if client.client_secret and server.basic:
        headers["Authorization"] = _basic(client)
    else:
        form[CLIENT_ID] = client.client_id
        if client.client_secret:
            form["client_secret"] = client.client_secret
    return await ask(client.name, url, form, headers=headers, as_json=server.takes_json)


def _basic(client: Client) -> Secret:
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    return Secret(f"Basic {b64encode(pair.encode()).decode()}")


def _kept(client: Client, read: Mapping[str, object], asked_at: float) -> TokenData:
    """Return an answer as tokens, with all that later questions need."""
    life = number_of(read.get("expires_in"))
    ends = None if life is None else asked_at + life
    extra: dict[str, object] = {CLIENT_ID: client.client_id}
    if isinstance(proof := read.get(ID_TOKEN), str):
        extra[ID_TOKEN] = proof
    if ends is not None:
        extra[LIFETIME] = life
    refresh, scopes = read.get("refresh_token"), read.get("scope")
    said = cast("list[object]", scopes) if isinstance(scopes, list) else client.scopes
    return TokenData(
        str(read["access_token"]),
        refresh if isinstance(refresh, str) and refresh else None,
        ends,
        [str(scope) for scope in said],
        extra,
    )


def _hidden(client: Client, form: Mapping[str, str]) -> tuple[str, ...]:
    return (*(value for name, value in form.items() if name != "grant_type"), client.client_secret)
