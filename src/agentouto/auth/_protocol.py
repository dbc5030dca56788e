"""The words of OAuth 2.0, written and read by ``oauthlib``: the door through which it comes in.

Nothing is sent from here. Whether an address is safe has been checked by whoever asks there;
``oauthlib`` takes no server on this machine for a safe one, so it is shown an https address for it.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Protocol, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from agentouto._domain.errors import AuthError, ConfigurationError
from agentouto._domain.secret import Secret
from agentouto.auth._client import Client, Server
from agentouto.auth._token import LIFETIME

LONGEST_REASON = 200
HIDDEN = "***"
_SHORTEST_SECRET = 8

_ENDED = frozenset(
    {
        "invalid_grant",
        "refresh_token_expired",
        "refresh_token_invalidated",
        "refresh_token_reused",
    }
)
"""What a server says of a refresh token that will never be good for anything again."""


class Denied(AuthError):
    """The server said no.

    Attributes:
        code: What it called the reason.
    """

    def __init__(self, name: str, message: str, code: str) -> None:
        super().__init__(name, message)
        self.code = code

    @property
    def is_final(self) -> bool:
        """Whether asking again with the same refresh token is of no use."""
        return self.code in _ENDED


class Words(Protocol):
    """The part of ``oauthlib`` that is used here."""

    def prepare_grant_uri(
        self,
        uri: str,
        client_id: str,
        response_type: str,
        *,
        redirect_uri: str,
        scope: list[str],
        state: str,
        code_challenge: str,
        code_challenge_method: str,
        **more: str,
    ) -> str:
        """Return the address of an authorization request."""
        ...

    def parse_authorization_code_response(self, uri: str, state: str) -> dict[str, str]:
        """Return the fields of a redirect that brings a code."""
        ...

    def prepare_token_request(
        self, grant_type: str, *, include_client_id: bool, **more: str
    ) -> str:
        """Return the form of a token request."""
        ...

    def parse_token_response(self, body: str) -> Mapping[str, object]:
        """Return the fields of an answer that brings tokens."""
        ...


def words() -> Words:
    """Return what writes and reads the words.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        from oauthlib.oauth2.rfc6749 import parameters  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError(
            'signing in takes the extra "oauth", which is not installed: pip install ".[oauth]"'
        ) from None
    untyped: object = parameters
    return cast("Words", untyped)


def sign_in_url(
    client: Client, server: Server, redirect_uri: str, state: str, nonce: str, verifier: str
) -> str:
    """Return the address at which the person signs in."""
    more = dict(client.more) | ({"nonce": nonce} if "openid" in client.scopes else {})
    address = words().prepare_grant_uri(
        _as_if_encrypted(server.authorize),
        client.client_id,
        "code",
        redirect_uri=redirect_uri,
        scope=list(client.scopes),
        state=state,
        code_challenge=_challenge(verifier),
        code_challenge_method="S256",
        **more,
    )
    return urlsplit(address)._replace(scheme=urlsplit(server.authorize).scheme).geturl()


def read_redirect(client: Client, server: Server, state: str, fields: Mapping[str, str]) -> Secret:
    """Return the code that a redirect brought.

    Raises:
        AuthError: It comes from another server.
        Denied: The person or the server said no; or it belongs to another sign-in.
    """
    from oauthlib.oauth2 import OAuth2Error  # noqa: PLC0415

    name = client.name
    said = fields.get("iss", "")
    if said != server.issuer and (said or server.names_itself) and server.issuer:
        raise AuthError(name, "the answer does not come from the server that was asked")
    try:
        uri = Secret(f"https://localhost/?{urlencode(fields)}")
        read = words().parse_authorization_code_response(uri, state)
    except OAuth2Error as error:
        code, why = Secret(error.error or ""), Secret(error.description or "")
    else:
        return Secret(read["code"])
    hidden = (state, fields.get("code", ""))
    raise denied(name, "the sign-in was refused", code, why, hidden) from None


def token_form(grant: str, fields: Mapping[str, str]) -> dict[str, Secret]:
    """Return the form that asks for tokens on the grounds of ``grant``."""
    body = words().prepare_token_request(grant, include_client_id=False, **fields)
    return {name: Secret(value) for name, value in parse_qsl(body)}


def read_tokens(
    name: str, status: int, fields: Mapping[str, object] | None, sent: Iterable[str]
) -> dict[str, object]:
    """Return what a server answered that was asked for tokens; ``sent`` is never shown.

    Raises:
        AuthError: The answer is none.
        Denied: The server said no.
    """
    from oauthlib.oauth2 import OAuth2Error  # noqa: PLC0415

    if fields is None:
        raise AuthError(name, f"the server gave out no token: HTTP {status}, and no JSON")
    try:
        read = _hidden(
            words().parse_token_response(
                _json({**_timeless(fields), **_flat_error(fields, status)})
            )
        )
    except OAuth2Error as error:
        code, why = Secret(error.error or ""), Secret(error.description or "")
    except (ValueError, TypeError, AttributeError):
        code, why = "", "its answer makes no sense"
    else:
        token = read.get("access_token")
        if isinstance(token, str) and token and token.isascii() and token.isprintable():
            return {**read, LIFETIME: fields.get(LIFETIME)}
        code, why = "", "it is no text that can be sent"
    raise denied(name, "the server gave out no token", code, why, sent) from None


def denied(name: str, what: str, code: str, why: str, hidden: Iterable[str]) -> Denied:
    """Return what a server's no is to whoever wanted to sign in: one line, and no secret in it."""
    code, why = (_told(text, hidden) for text in (code, why))
    reason = f"{code}: {why}" if code and why and code != why else code or why
    return Denied(name, f"{what} ({reason})" if reason else what, code)


def same(one: str, other: str) -> bool:
    """Return whether two secrets are the same, in a time that does not tell how much of them is."""
    return compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def _timeless(fields: Mapping[str, object]) -> dict[str, object]:
    """Return an answer without how long it is good for.

    ``oauthlib`` refuses the whole of it for a time it cannot read, and with it the one refresh
    token that is good from now on.
    """
    times = {LIFETIME, "expires_at"}
    return {name: value for name, value in fields.items() if name not in times}


def _flat_error(fields: Mapping[str, object], status: int) -> dict[str, object]:
    """Return the error of an answer as the standard has it; some servers send an object."""
    error = fields.get("error")
    if isinstance(error, dict):
        inner = cast("dict[str, object]", error)
        code = inner.get("code") or inner.get("type") or "error"
        return {"error": str(code), "error_description": str(inner.get("message") or "")}
    if error is not None and not isinstance(error, str):
        return {"error": "error"}
    if error is None and status >= 400:
        return {"error": "error", "error_description": f"HTTP {status}"}
    return {}


def _hidden(fields: Mapping[str, object]) -> dict[str, object]:
    return {
        name: Secret(value) if isinstance(value, str) else value for name, value in fields.items()
    }


def _json(fields: Mapping[str, object]) -> Secret:
    plain = {
        name: str(value) if isinstance(value, str) else value for name, value in fields.items()
    }
    return Secret(msgspec.json.encode(plain).decode())


def _told(text: str, hidden: Iterable[str]) -> str:
    for secret in hidden:
        text = text.replace(secret, HIDDEN) if len(secret) >= _SHORTEST_SECRET else text
    text = "".join(sign if sign.isprintable() else " " for sign in text)
    return re.sub(r" +", " ", text).strip()[:LONGEST_REASON]


def _challenge(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _as_if_encrypted(url: str) -> str:
    return urlsplit(url)._replace(scheme="https").geturl()
