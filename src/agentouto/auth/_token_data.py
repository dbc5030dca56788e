"""The tokens of a sign-in and their lifetimes.

Every token is a ``Secret``, so no ``repr`` shows it.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import cast

import msgspec

from agentouto._domain.secret import Secret

EARLY_SECONDS = 60.0
"""A token is replaced at most this long before it expires: long enough for one request."""

COUNTED_SECONDS = 1.0
"""``expires_in`` is in whole seconds (RFC 6749 §5.1), so a token may end this much earlier."""

LIFETIME = "expires_in"
"""Key in ``extra``: the whole lifetime of the access token, in seconds."""

CLIENT_ID = "client_id"
"""Key in ``extra``: the program's identifier at the server."""

HINT = "id_token_hint"
"""Request parameter with the id token of the last sign-in (OpenID Connect Core 1.0 §3.1.2.1)."""

ID_TOKEN = "id_token"  # noqa: S105 - the name of a field
"""Key in ``extra``: the id token."""


@dataclass(frozen=True, slots=True)
class TokenData:
    """The tokens of a sign-in.

    Attributes:
        access_token: The token that authorizes requests.
        refresh_token: The token that gets a new access token, or ``None``.
        expires_at: When the access token expires, in seconds since the epoch; ``None`` if unknown.
        scopes: The scopes that were granted.
        extra: Further values of the response, such as the id token. Never shown.
    """

    access_token: str
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    scopes: list[str] = field(default_factory=list[str], hash=False)
    extra: Mapping[str, object] = field(default_factory=dict[str, object], repr=False, hash=False)

    def __post_init__(self) -> None:
        """Turn every text into a ``Secret``."""
        object.__setattr__(self, "access_token", Secret(self.access_token))
        if self.refresh_token is not None:
            object.__setattr__(self, "refresh_token", Secret(self.refresh_token))
        hidden = {
            name: Secret(value) if isinstance(value, str) else value
            for name, value in self.extra.items()
        }
        object.__setattr__(self, "extra", hidden)

    def extra_text(self, name: str) -> str:
        """Return the text in ``extra`` under ``name``, or an empty text."""
        value = self.extra.get(name)
        return value if isinstance(value, str) else ""


def is_valid(tokens: TokenData, now: float) -> bool:
    """Return whether the access token has not expired."""
    return tokens.expires_at is None or now < tokens.expires_at


def is_fresh(tokens: TokenData, now: float) -> bool:
    """Return whether the access token lasts for another request or two.

    The margin is a tenth of its lifetime, at most ``EARLY_SECONDS``.
    """
    lifetime = tokens.extra.get(LIFETIME)
    tenth = max(lifetime / 10, 0.0) if isinstance(lifetime, int | float) else EARLY_SECONDS
    return is_valid(tokens, now + min(EARLY_SECONDS, COUNTED_SECONDS + tenth))


def parse_number(value: object) -> float | None:
    """Return a number that a server sent as a number or as text; ``None`` if it is none."""
    try:
        number = float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None
    return number if number is not None and isfinite(number) else None


def read_claims(id_token: str) -> Mapping[str, object]:
    """Return the claims of an id token (RFC 7519 §3), unverified; empty if it is not a JWT."""
    parts = id_token.split(".")
    try:
        body = urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)) if len(parts) == 3 else b""
        read: object = msgspec.json.decode(body)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return {}
    return cast("dict[str, object]", read) if isinstance(read, dict) else {}
