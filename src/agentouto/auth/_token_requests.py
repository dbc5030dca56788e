"""Token requests: exchange a code, refresh, revoke (RFC 6749 §4.1.3, §6; RFC 7009).

Forms and responses are encoded and decoded by ``_oauth_messages.py``; this module sends them and
checks what comes back.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast
from urllib.parse import quote_plus

from msgspec import structs

from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.errors import AuthError, ProviderUnavailable
from agentouto._domain.secret import Secret
from agentouto.auth._client import AuthServer, Client
from agentouto.auth._http import AuthResponse, ask
from agentouto.auth._oauth_messages import read_tokens, token_form
from agentouto.auth._oidc import check_id_token
from agentouto.auth._token_data import (
    CLIENT_ID,
    ID_TOKEN,
    LIFETIME,
    TokenData,
    parse_number,
    read_claims,
)


async def request_tokens(
    client: Client,
    server: AuthServer,
    grant: str,
    fields: Mapping[str, str],
    nonce: str | None = None,
) -> TokenData:
    """Request tokens with a ``grant``; with ``nonce``, require an id token that carries it.

    Raises:
        AuthError: The response holds no tokens, or tokens that fail a check.
        AccessDenied: The server refused.
        ProviderUnavailable: The server did not answer.
    """
    form = token_form(grant, fields)
    asked_at = SYSTEM_CLOCK.now()  # before: no token is thought to live longer than it does
    answer = await post_as_client(client, server, server.token, form)
    tokens = _read_answer(client, answer, form, asked_at)
    _check_tokens(client, server, tokens, nonce, SYSTEM_CLOCK.now())
    return tokens


async def refresh_tokens(
    client: Client, server: AuthServer, old: TokenData, keep: Callable[[Secret], None]
) -> TokenData:
    """Return new tokens for ``old``. Its refresh token may be used up by this.

    ``keep`` is called with the next refresh token before anything in the answer is checked: a
    server that rotates refresh tokens (RFC 9700 §4.14.2) has invalidated the old one by then.

    Raises:
        AuthError: The response holds no tokens, or those of another person.
        AccessDenied: The server refused.
        ProviderUnavailable: The server did not answer.
    """
    if not old.refresh_token:
        raise AuthError(client.name, "the sign-in has ended; sign in again")
    if old.scopes:  # RFC 6749 §5.1: a response without scope grants what was granted before
        client = structs.replace(client, scopes=tuple(old.scopes))
    form = token_form("refresh_token", {"refresh_token": old.refresh_token})
    asked_at = SYSTEM_CLOCK.now()
    answer = await post_as_client(client, server, server.token, form)
    rotated = (answer.fields or {}).get("refresh_token") if answer.status == 200 else None
    if isinstance(rotated, str) and rotated and rotated != old.refresh_token:
        keep(Secret(rotated))
    new = _read_answer(client, answer, form, asked_at)
    # Some servers repeat the first id token, whose time is over by then.
    _check_tokens(client, server, new, nonce=None, now=None)
    # OpenID Connect Core 1.0 §12.2: ``sub`` must be that of the first id token.
    before, after = read_claims(old.extra_text(ID_TOKEN)), read_claims(new.extra_text(ID_TOKEN))
    if before and after and before.get("sub") != after.get("sub"):
        raise AuthError(client.name, "the server renewed the sign-in of another person")
    return replace(
        new,
        # RFC 6749 §6: a server that sends no new refresh token goes on taking the old one.
        refresh_token=new.refresh_token or old.refresh_token,
        extra={**old.extra, **new.extra},
    )


async def revoke(client: Client, server: AuthServer, tokens: TokenData) -> bool:
    """Revoke ``tokens`` at the server; return whether it accepted all of them."""
    if not server.revoke:
        return False
    # RFC 7009 §2.1: with the refresh token, a server should end its access tokens too. So it is the
    # first; a token that is not valid any more is answered with 200 as well (§2.2).
    kinds = {"refresh_token": tokens.refresh_token, "access_token": tokens.access_token}
    accepted = True
    for kind, token in kinds.items():
        if token:
            form = {"token": token, "token_type_hint": kind}
            try:
                answer = await post_as_client(client, server, server.revoke, form)
            except (AuthError, ProviderUnavailable):
                return False
            accepted = accepted and answer.status == 200
    return accepted


async def post_as_client(
    client: Client, server: AuthServer, url: str, form: Mapping[str, str]
) -> AuthResponse:
    """Post ``form`` to ``url`` with the client's credentials (RFC 6749 §2.3.1)."""
    headers: dict[str, str] = {}
    form = dict(form)
    if client.client_secret and server.basic:
        headers["Authorization"] = _basic(client)
    else:
        form[CLIENT_ID] = client.client_id
        if client.client_secret:
            form["client_secret"] = client.client_secret
    return await ask(client.name, url, form, headers=headers, as_json=server.takes_json)


def _read_answer(
    client: Client, answer: AuthResponse, form: Mapping[str, str], asked_at: float
) -> TokenData:
    """Return the tokens in an answer to ``form``; error texts do not show what was sent."""
    sent = (value for name, value in form.items() if name != "grant_type")
    hidden = (*sent, client.client_secret)
    fields = read_tokens(client.name, answer.status, answer.fields, hidden)
    return _as_token_data(client, fields, asked_at)


def _check_tokens(
    client: Client, server: AuthServer, tokens: TokenData, nonce: str | None, now: float | None
) -> None:
    """Raise ``AuthError`` unless ``tokens`` are for this program and allow what it requires."""
    id_token = tokens.extra_text(ID_TOKEN)
    if id_token:
        check_id_token(client.name, id_token, server.issuer, client.client_id, nonce, now)
    elif nonce is not None:
        raise AuthError(client.name, "the server does not say who signed in (no id token)")
    missing = [scope for scope in client.required if scope not in tokens.scopes]
    if missing:
        raise AuthError(client.name, f"the sign-in does not allow {', '.join(missing)}")


def _basic(client: Client) -> Secret:
    # RFC 6749 §2.3.1: both are form-encoded first, so that a colon in the id does not end it.
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    return Secret(f"Basic {b64encode(pair.encode()).decode()}")


def _as_token_data(client: Client, read: Mapping[str, object], asked_at: float) -> TokenData:
    """Return the fields of a token response as ``TokenData``, with what a refresh needs."""
    lifetime = parse_number(read.get("expires_in"))
    expires_at = None if lifetime is None else asked_at + lifetime
    extra: dict[str, object] = {CLIENT_ID: client.client_id}
    if isinstance(id_token := read.get(ID_TOKEN), str):
        extra[ID_TOKEN] = id_token
    if expires_at is not None:
        extra[LIFETIME] = lifetime
    refresh, scopes = read.get("refresh_token"), read.get("scope")
    # RFC 6749 §5.1: a response may leave out the scope if it grants what was asked for.
    granted = cast("list[object]", scopes) if isinstance(scopes, list) else client.scopes
    return TokenData(
        str(read["access_token"]),
        refresh if isinstance(refresh, str) and refresh else None,
        expires_at,
        [str(scope) for scope in granted],
        extra,
    )
