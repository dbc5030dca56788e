"""What a sign-in leaves behind: tokens, and how long they are good for.

Where they are kept and how they are got is not known here. None of them shows itself in a ``repr``,
so neither does anything that holds one.
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
"""How long before its end a token is replaced, at most."""

COUNTED_SECONDS = 1.0
"""Servers count in whole seconds, so a token may end that much earlier than they say."""

LIFETIME = "expires_in"
"""Under which name ``extra`` has the whole life of a token, in seconds."""

CLIENT_ID = "client_id"
"""Under which name ``extra`` has what the server calls the program."""

HINT = "id_token_hint"
"""Under which name a server is reminded of who signed in the last time, with that very proof."""

ID_TOKEN = "id_token"  # noqa: S105 - the name of a field
"""Under which name ``extra`` has the proof of who signed in."""


@dataclass(frozen=True, slots=True)
class TokenData:
    """What a sign-in left behind.

    Attributes:
        access_token: What lets requests in.
        refresh_token: What another access token is got with, if the server gave one.
        expires_at: When the access token ends, in seconds since the epoch; ``None`` if nobody said.
        scopes: What was granted.
        extra: What else belongs to it, such as the id token. Never shown.
    """

    access_token: str
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    scopes: list[str] = field(default_factory=list[str], hash=False)
    extra: Mapping[str, object] = field(default_factory=dict[str, object], repr=False, hash=False)

    def __post_init__(self) -> None:
        """Let no value show itself."""
        object.__setattr__(self, "access_token", Secret(self.access_token))
        if self.refresh_token is not None:
            object.__setattr__(self, "refresh_token", Secret(self.refresh_token))
        hidden = {
            name: Secret(value) if isinstance(value, str) else value
            for name, value in self.extra.items()
        }
        object.__setattr__(self, "extra", hidden)

    def told(self, name: str) -> str:
        """Return the text that ``extra`` has under ``name``, or an empty one."""
        value = self.extra.get(name)
        return value if isinstance(value, str) else ""


def is_valid(tokens: TokenData, now: float) -> bool:
    """Return whether the access token has not ended."""
    return tokens.expires_at is None or now < tokens.expires_at


def is_fresh(tokens: TokenData, now: float) -> bool:
    """Return whether the access token will last for a request or two: a tenth of its life."""
    life = tokens.extra.get(LIFETIME)
    tenth = max(life / 10, 0.0) if isinstance(life, int | float) else EARLY_SECONDS
    return is_valid(tokens, now + min(EARLY_SECONDS, COUNTED_SECONDS + tenth))


def number_of(value: object) -> float | None:
    """Return the number that a server sent, maybe as a text; ``None`` if it is none."""
    try:
        number = float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None
    return number if number is not None and isfinite(number) else None


def claims_of(id_token: str) -> Mapping[str, object]:
    """Return what an id token says; nothing if it is none."""
    parts = id_token.split(".")
    try:
        body = urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)) if len(parts) == 3 else b""
        read: object = msgspec.json.decode(body)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return {}
    return cast("dict[str, object]", read) if isinstance(read, dict) else {}
