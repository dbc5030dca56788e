"""OpenID Connect: discovery of a server's endpoints, and checks of id tokens.

The id token comes straight from the token endpoint over TLS, so its claims are checked and its
signature need not be (OpenID Connect Core 1.0 §3.1.3.7, item 6).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from msgspec.structs import replace

from agentouto._domain.errors import AuthError
from agentouto._network import is_safe
from agentouto.auth._client import AuthServer
from agentouto.auth._http import ask
from agentouto.auth._oauth_messages import secrets_equal
from agentouto.auth._token_data import read_claims

DISCOVERY_PATH = "/.well-known/openid-configuration"
"""OpenID Connect Discovery 1.0 §4."""

CLOCK_SKEW_SECONDS = 60.0
"""How far the clocks of this machine and of the server may differ."""


async def discover(name: str, server: AuthServer) -> AuthServer:
    """Return ``server`` completed from its discovery document; values already set stay.

    Raises:
        AuthError: There is no such document, or it is of another issuer.
        ProviderUnavailable: The server did not answer.
    """
    answer = await ask(name, server.issuer.rstrip("/") + DISCOVERY_PATH)
    document = answer.fields
    if answer.status != 200 or document is None:
        raise AuthError(name, f"{server.issuer} does not say how to sign in: HTTP {answer.status}")
    if _comparable(_text_field(document, "issuer")) != _comparable(server.issuer):
        raise AuthError(name, f"{server.issuer} says that it is another server")
    methods = document.get("token_endpoint_auth_methods_supported")
    found = replace(
        server,
        issuer=_text_field(document, "issuer"),
        authorize=server.authorize or _text_field(document, "authorization_endpoint"),
        token=server.token or _text_field(document, "token_endpoint"),
        device=server.device or _text_field(document, "device_authorization_endpoint"),
        revoke=server.revoke or _text_field(document, "revocation_endpoint"),
        sends_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        # OpenID Connect Discovery 1.0 §3: without the list, it is client_secret_basic.
        basic=not isinstance(methods, list) or "client_secret_basic" in methods,
    )
    for url in (found.authorize, found.token, found.device, found.revoke):
        if url and not is_safe(url):
            raise AuthError(name, f"{server.issuer} names an address that is not safe")
    if not found.token:
        raise AuthError(name, f"{server.issuer} does not say where it gives out tokens")
    return found


def check_id_token(
    name: str, id_token: str, issuer: str, client_id: str, nonce: str | None, now: float | None
) -> None:
    """Raise ``AuthError`` unless ``id_token`` was issued by ``issuer`` for this program, just now.

    ``nonce`` is the nonce of this sign-in, or ``None`` if none was sent. ``now`` is the time in
    seconds since the epoch, or ``None`` if the token may have expired.
    """
    if wrong := _id_token_fault(read_claims(id_token), issuer, client_id, nonce, now):
        raise AuthError(name, f"the proof of who signed in (id token) {wrong}")


def _id_token_fault(
    claims: Mapping[str, object], issuer: str, client_id: str, nonce: str | None, now: float | None
) -> str:
    audience = claims.get("aud")
    audiences = cast("list[object]", audience) if isinstance(audience, list) else [audience]
    expires_at = claims.get("exp")
    if issuer and _comparable(_text_field(claims, "iss")) != _comparable(issuer):
        return "comes from another server"
    # OpenID Connect Core 1.0 §3.1.3.7, items 3 to 5.
    if client_id not in audiences or claims.get("azp", client_id) != client_id:
        return "is for another program"
    if not isinstance(expires_at, int | float):
        return "does not say when it ends"
    if now is not None and expires_at < now - CLOCK_SKEW_SECONDS:
        return "has ended already (is the clock of this machine right?)"
    if nonce is not None and not secrets_equal(_text_field(claims, "nonce"), nonce):
        return "belongs to another sign-in"
    return ""


def _text_field(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return str(value) if isinstance(value, str) else ""


def _comparable(issuer: str) -> str:
    """Return ``issuer`` without scheme and trailing slash.

    Google's id tokens have carried the issuer without ``https://``, and Auth0 adds a slash.
    """
    return issuer.removeprefix("https://").rstrip("/")
