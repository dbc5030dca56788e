"""OAuth 2.0 messages, encoded and decoded with ``oauthlib``. Nothing is sent from here.

Callers have checked that an address is safe. ``oauthlib`` refuses plain http even on loopback
addresses, so it is given an https form of every address.
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
from agentouto.auth._client import AuthServer, Client
from agentouto.auth._token_data import LIFETIME

MAX_REASON = 200
"""Characters of a server's reason that are shown: a line or two of a terminal."""

REDACTED = "***"
"""Stands in error texts where a server has repeated a secret; ``Secret`` looks the same."""

_SHORTEST_REDACTED = 8
"""Shorter texts are not replaced: they would match in the middle of words."""

_ENDED = frozenset(
    {
        "invalid_grant",
        "refresh_token_expired",
        "refresh_token_invalidated",
        "refresh_token_reused",
    }
)
"""Error codes after which a refresh token stays invalid.

``invalid_grant`` is RFC 6749 §5.2; the others are OpenAI's.
"""


class AccessDenied(AuthError):
    """The server refused.

    Attributes:
        code: The error code of the response (RFC 6749 §5.2, RFC 8628 §3.5).
    """

    def __init__(self, name: str, message: str, code: str) -> None:
        super().__init__(name, message)
        self.code = code

    @property
    def is_final(self) -> bool:
        """Whether the refresh token stays invalid."""
        return self.code in _ENDED


class OAuthLib(Protocol):
    """The part of ``oauthlib.oauth2.rfc6749.parameters`` that is used here."""

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
        """Return the URL of an authorization request."""
        ...

    def parse_authorization_code_response(self, uri: str, state: str) -> dict[str, str]:
        """Return the fields of a redirect that carries a code."""
        ...

    def prepare_token_request(
        self, grant_type: str, *, include_client_id: bool, **more: str
    ) -> str:
        """Return the encoded form of a token request."""
        ...

    def parse_token_response(self, body: str) -> Mapping[str, object]:
        """Return the fields of a token response."""
        ...


def load_oauthlib() -> OAuthLib:
    """Return the part of ``oauthlib`` that is used here.

    Raises:
        ConfigurationError: The extra ``oauth`` is not installed.
    """
    try:
        from oauthlib.oauth2.rfc6749 import parameters  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError(
            "signing in takes the extra oauth, which is not installed: "
            'pip install "agentouto[oauth]"'
        ).coded("extra-missing", fix='pip install "agentouto[oauth]"') from None
    untyped: object = parameters
    return cast("OAuthLib", untyped)


def sign_in_url(
    client: Client, server: AuthServer, redirect_uri: str, state: str, nonce: str, verifier: str
) -> str:
    """Return the URL at which the person signs in (RFC 6749 §4.1.1, RFC 7636 §4.3)."""
    more = dict(client.more) | ({"nonce": nonce} if "openid" in client.scopes else {})
    address = load_oauthlib().prepare_grant_uri(
        _with_https(server.authorize),
        client.client_id,
        "code",
        redirect_uri=redirect_uri,
        scope=list(client.scopes),
        state=state,
        code_challenge=_code_challenge(verifier),
        code_challenge_method="S256",
        **more,
    )
    # Back to the scheme that it has, which is http on this machine only.
    return urlsplit(address)._replace(scheme=urlsplit(server.authorize).scheme).geturl()


def read_redirect(
    client: Client, server: AuthServer, state: str, fields: Mapping[str, str]
) -> Secret:
    """Return the authorization code of a redirect.

    Raises:
        AuthError: The redirect comes from another server (RFC 9207).
        AccessDenied: The person or the server refused, or it belongs to another sign-in.
    """
    from oauthlib.oauth2 import OAuth2Error  # noqa: PLC0415

    name = client.name
    # RFC 9207 §2.4. A server that never promised ``iss`` may leave it out, but not name another.
    issuer = fields.get("iss", "")
    if issuer != server.issuer and (issuer or server.sends_issuer) and server.issuer:
        raise AuthError(name, "the answer does not come from the server that was asked")
    try:
        uri = Secret(f"https://localhost/?{urlencode(fields)}")
        read = load_oauthlib().parse_authorization_code_response(uri, state)
    except OAuth2Error as error:
        code, why = Secret(error.error or ""), Secret(error.description or "")
    else:
        return Secret(read["code"])
    hidden = (state, fields.get("code", ""))
    raise access_denied(name, "the sign-in was refused", code, why, hidden) from None


def token_form(grant: str, fields: Mapping[str, str]) -> dict[str, Secret]:
    """Return the form of a token request with ``grant``."""
    # The id of the client is added where it is sent: in the form or in a header.
    body = load_oauthlib().prepare_token_request(grant, include_client_id=False, **fields)
    return {name: Secret(value) for name, value in parse_qsl(body)}


def read_tokens(
    name: str, status: int, fields: Mapping[str, object] | None, sent: Iterable[str]
) -> dict[str, object]:
    """Return the fields of a token response. Error texts never show what is in ``sent``.

    Raises:
        AuthError: The response is no JSON object.
        AccessDenied: The server refused, or the response holds no usable token.
    """
    from oauthlib.oauth2 import OAuth2Error  # noqa: PLC0415

    code: str
    why: str
    if fields is None:
        raise AuthError(name, f"the server gave out no token: HTTP {status}, and no JSON")
    try:
        read = _as_secrets(
            load_oauthlib().parse_token_response(
                _response_body({**_without_lifetimes(fields), **_standard_error(fields, status)})
            )
        )
    except OAuth2Error as error:
        code, why = Secret(error.error or ""), Secret(error.description or "")
    except (ValueError, TypeError, AttributeError):
        code, why = "", "its answer makes no sense"
    else:
        token = read.get("access_token")
        # RFC 6749 A.12: printable ASCII. Anything else could not stand in a header.
        if isinstance(token, str) and token and token.isascii() and token.isprintable():
            return {**read, LIFETIME: fields.get(LIFETIME)}
        code, why = "", "the token is not text that can be sent"
    raise access_denied(name, "the server gave out no token", code, why, sent) from None


def access_denied(
    name: str, message: str, code: str, why: str, hidden: Iterable[str]
) -> AccessDenied:
    """Return the error for a refusal: one line of text, without the secrets in ``hidden``."""
    code, why = (_redacted(text, hidden) for text in (code, why))
    reason = f"{code}: {why}" if code and why and code != why else code or why
    return AccessDenied(name, f"{message} ({reason})" if reason else message, code)


def secrets_equal(one: str, other: str) -> bool:
    """Compare two secrets in constant time."""
    return compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def _without_lifetimes(fields: Mapping[str, object]) -> dict[str, object]:
    """Return ``fields`` without lifetimes.

    ``oauthlib`` refuses a whole response for a lifetime it cannot parse, and the new refresh token
    in it would be lost.
    """
    times = {LIFETIME, "expires_at"}
    return {name: value for name, value in fields.items() if name not in times}


def _standard_error(fields: Mapping[str, object], status: int) -> dict[str, object]:
    """Return the error fields in the form of RFC 6749 §5.2.

    OpenAI's server sends an object under ``error``, with ``code`` and ``message``.
    """
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


def _as_secrets(fields: Mapping[str, object]) -> dict[str, object]:
    return {
        name: Secret(value) if isinstance(value, str) else value for name, value in fields.items()
    }


def _response_body(fields: Mapping[str, object]) -> Secret:
    plain = {
        name: str(value) if isinstance(value, str) else value for name, value in fields.items()
    }
    return Secret(msgspec.json.encode(plain).decode())


def _redacted(text: str, hidden: Iterable[str]) -> str:
    for secret in hidden:
        text = text.replace(secret, REDACTED) if len(secret) >= _SHORTEST_REDACTED else text
    text = "".join(char if char.isprintable() else " " for char in text)
    return re.sub(r" +", " ", text).strip()[:MAX_REASON]


def _code_challenge(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _with_https(url: str) -> str:
    return urlsplit(url)._replace(scheme="https").geturl()
