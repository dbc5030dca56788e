"""What OpenID Connect adds: a server that says what it offers, and a proof of who signed in.

The proof comes straight from the server that was asked, over a connection that shows who it is; so
what it says is checked, and its signature need not be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from msgspec.structs import replace

from agentouto._domain.errors import AuthError
from agentouto._network import is_safe
from agentouto.auth._client import Server
from agentouto.auth._http import ask
from agentouto.auth._protocol import same
from agentouto.auth._token import claims_of

DOCUMENT = "/.well-known/openid-configuration"
CLOCKS_DIFFER_SECONDS = 60.0


async def discovered(name: str, server: Server) -> Server:
    """Return ``server`` with all that it says of itself; what was given stays.

    Raises:
        AuthError: It says nothing, or is another one.
        ProviderUnavailable: There was no answer.
    """
    answer = await ask(name, server.issuer.rstrip("/") + DOCUMENT)
    said = answer.fields
    if answer.status != 200 or said is None:
        raise AuthError(name, f"{server.issuer} does not say how to sign in: HTTP {answer.status}")
    if _bare(_text(said, "issuer")) != _bare(server.issuer):
        raise AuthError(name, f"{server.issuer} says that it is another server")
    methods = said.get("token_endpoint_auth_methods_supported")
    found = replace(
        server,
        issuer=_text(said, "issuer"),
        authorize=server.authorize or _text(said, "authorization_endpoint"),
        token=server.token or _text(said, "token_endpoint"),
        device=server.device or _text(said, "device_authorization_endpoint"),
        revoke=server.revoke or _text(said, "revocation_endpoint"),
        names_itself=said.get("authorization_response_iss_parameter_supported") is True,
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
    """Raise ``AuthError`` unless ``id_token`` was made for this program, by ``issuer``, just now.

    ``nonce`` is what this very sign-in was marked with; ``None`` if it was not. ``now`` is the
    time; ``None`` if it may have been made earlier.
    """
    if wrong := _wrong_with(claims_of(id_token), issuer, client_id, nonce, now):
        raise AuthError(name, f"the proof of who signed in (id token) {wrong}")


def _wrong_with(
    claims: Mapping[str, object], issuer: str, client_id: str, nonce: str | None, now: float | None
) -> str:
    audience = claims.get("aud")
    audiences = cast("list[object]", audience) if isinstance(audience, list) else [audience]
    ends = claims.get("exp")
    if issuer and _bare(_text(claims, "iss")) != _bare(issuer):
        return "comes from another server"
    if client_id not in audiences or claims.get("azp", client_id) != client_id:
        return "is for another program"
    if not isinstance(ends, int | float):
        return "does not say when it ends"
    if now is not None and ends < now - CLOCKS_DIFFER_SECONDS:
        return "has ended already (is the clock of this machine right?)"
    if nonce is not None and not same(_text(claims, "nonce"), nonce):
        return "belongs to another sign-in"
    return ""


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return str(value) if isinstance(value, str) else ""


def _bare(issuer: str) -> str:
    """Return ``issuer`` without what some servers write in one place and not in another."""
    return issuer.removeprefix("https://").rstrip("/")
