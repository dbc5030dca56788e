"""Which key is sent, and to whom.

A vendor's own variable is read only for the vendor's own host, so that a cloud key never reaches a
server somebody named in ``base_url``. Below the command line the environment is read here, and
where it says in which folder tokens are kept and whether a public service may be asked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeVar, cast
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

from agentouto._domain.errors import AuthError, ProviderError
from agentouto._domain.participants import Provider, Signer
from agentouto._domain.secret import Secret
from agentouto._network import is_local, shown
from agentouto.providers._belongings import Renewal
from agentouto.providers._refusal import CUT

VENDOR_VARIABLES: dict[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "openai_responses": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "google": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
}

_SHORTEST_SECRET = 8
"""Shorter keys are words such as ``none``, which local servers are given and texts are full of."""

_CARRIES_A_KEY = frozenset({"authorization", "api-key", "x-api-key", "x-goog-api-key", "key"})
_SECRET = re.compile(r"auth|cookie|key|pass|secret|sig|token", re.IGNORECASE)
"""What the name of a header has in it if nobody may read the value."""

_HARMLESS = re.compile(r"version|deployment|model|region", re.IGNORECASE)
"""What the name of a field in a query has in it if anybody may: all others are hidden."""

T = TypeVar("T")


def own_variable(name: str) -> str:
    """Return the environment variable for the key of the provider called ``name``."""
    return f"AGENTOUTO_{re.sub('[^0-9A-Z]', '_', name.upper())}_API_KEY"


def find_key(provider: Provider) -> str:
    """Return the key that may be sent to ``provider``, or an empty one."""
    if provider.api_key:
        return provider.api_key.strip()
    variables = (own_variable(provider.name),)
    if provider.base_url is None:
        variables += VENDOR_VARIABLES.get(provider.kind, ())
    return next((key for name in variables if (key := os.environ.get(name, "").strip())), "")


def missing_key(provider: Provider) -> str | None:
    """Return the variable to set before ``provider`` can be asked, or ``None`` if it can be."""
    vendors = VENDOR_VARIABLES.get(provider.kind, ())
    has_own = provider.base_url is not None or provider.auth or _carries_key(provider)
    return None if not vendors or has_own or find_key(provider) else vendors[0]


def secrets(provider: Provider) -> tuple[str, ...]:
    """Return the values in the provider's settings that may not be shown to anybody."""
    asked = parse_qsl(urlsplit(provider.base_url or "").query)
    queries = (*provider.query.items(), *asked)
    values = [value for name, value in queries if not _HARMLESS.search(name)]
    return in_all_forms(values) + secrets_in(provider.headers)


def secrets_in(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of ``headers`` that may not be shown to anybody."""
    return in_all_forms(
        value
        for name, value in headers.items()
        if _SECRET.search(name) or value.startswith(("Bearer ", "Basic "))
    )


def in_all_forms(values: Iterable[str]) -> tuple[str, ...]:
    """Return ``values`` and the words in them, in every way that servers may repeat them."""
    words = {word.strip(",;") for value in values for word in (value, *value.split())}
    forms = words | {word.replace("/", r"\/") for word in words}
    forms |= {form for word in words for form in (quote(word, ""), quote_plus(word))}
    return tuple(map(Secret, forms))


def hidden_in(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` without ``secrets``, nor the beginning of one where it was cut."""
    for secret in sorted(secrets, key=len, reverse=True):  # none may be a part of the next
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
            sizes = range(len(secret) - 1, 3, -1) if text.endswith(CUT) else ()
            begun = (f"{secret[:size]}{CUT}" for size in sizes)
            if rest := next(filter(text.endswith, begun), ""):
                text = f"{text.removesuffix(rest)}***{CUT}"
    return text


def hide(error: Exception, secrets: Iterable[str]) -> None:
    """Take ``secrets`` out of the text of ``error``."""
    error.args = tuple(hidden_in(str(arg), secrets) for arg in error.args)


async def resolve_key(provider: Provider, url: str) -> str:
    """Return the key for one request to ``url``; empty where none is needed."""
    if _signer(provider) is not None:
        return ""
    if provider.auth is not None:
        return _sendable(provider, await _asked(provider, url, provider.resolve_api_key))
    key = find_key(provider)
    if not key and provider.base_url is None and not _carries_key(provider):
        variable = VENDOR_VARIABLES[provider.kind][0]
        raise AuthError(
            provider.name,
            f"no API key. Set {variable}, or give Provider(..., api_key=); a server of your own "
            "needs Provider(..., base_url=) and often no key. No key at hand? "
            'Provider(kind="script") answers from a script',
        )
    return _sendable(provider, key)


async def signed(provider: Provider, method: str, url: str, body: bytes) -> Mapping[str, str]:
    """Return the headers that ``auth=`` puts on a request, if it signs requests."""
    signer = _signer(provider)
    if signer is None:
        return {}
    made = await _asked(provider, url, lambda: signer.headers(method, url, body))
    return {name: _sendable(provider, value) for name, value in made.items()}


async def renewed(
    provider: Provider, url: str, refused: str, renewal: Renewal, seen: int
) -> str | None:
    """Return another token than the ``refused`` one; ``None`` if there is none to be had.

    Of all who were refused at once, one renews the token for all. ``seen`` is how often it had been
    renewed when the caller got its own.
    """
    if provider.auth is None:
        return None
    async with renewal.lock:
        if renewal.count == seen:
            renewal.count += 1
            renewal.token = None
            renewal.token = await _other(provider, url, refused)
        return renewal.token


async def _other(provider: Provider, url: str, refused: str) -> str | None:
    if _signer(provider) is None:
        token = await resolve_key(provider, url)
        if token != refused:
            return token
    refresh: object = getattr(provider.auth, "refresh_token", None)
    if not callable(refresh):
        return None
    asked = cast("Callable[[], Awaitable[object]]", refresh)
    token = await _asked(provider, url, asked)
    if _signer(provider) is not None:
        return ""
    return _sendable(provider, token) if isinstance(token, str) and token != refused else None


def _signer(provider: Provider) -> Signer | None:
    signs = callable(getattr(provider.auth, "headers", None))
    return cast("Signer", provider.auth) if signs else None


def _carries_key(provider: Provider) -> bool:
    names = {name.lower() for name in (*provider.headers, *provider.query)}
    return bool(names & _CARRIES_A_KEY)


async def _asked(provider: Provider, url: str, ask: Callable[[], Awaitable[T]]) -> T:
    """Return what ``auth=`` says; whatever a stranger's raises, the caller gets ``AuthError``."""
    if not (url.startswith("https://") or is_local(url)):
        raise AuthError(
            provider.name,
            f"auth= is for https:// addresses and this machine only, and {shown(url)} is neither",
        )
    try:
        return await ask()
    except (AuthError, ProviderError):
        raise
    except Exception as error:
        raise AuthError(provider.name, f"auth= handed out no token: {error!r}") from error


def _sendable(provider: Provider, key: str) -> str:
    if key.isascii() and (not key or key.isprintable()):
        return Secret(key)
    raise AuthError(provider.name, "the API key has characters in it that no header may carry")
