"""Decides which key is sent with a request, and knows what is secret in the settings of a provider.

A vendor's own variable is read only for the vendor's own host, so that its key never reaches
another server that ``base_url`` names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar, cast

from agentouto._domain.errors import AuthError, ConfigurationError, ProviderError
from agentouto._domain.kinds import kind_spec
from agentouto._domain.participants import Provider, Signer
from agentouto._domain.redaction import secrets_in, secrets_in_address
from agentouto._domain.secret import Secret, secret_values
from agentouto._network import is_local, shown
from agentouto.providers._transport.sessions import Renewal

_CARRIES_A_KEY = frozenset({"authorization", "api-key", "x-api-key", "x-goog-api-key", "key"})
"""Headers and fields of queries in which vendors take keys: Azure's is ``api-key``, Google's are
the last two. A user who sets one has brought a key."""

T = TypeVar("T")


def own_variable(name: str) -> str:
    """Return the environment variable for the key of the provider called ``name``."""
    return f"AGENTOUTO_{re.sub('[^0-9A-Z]', '_', name.upper())}_API_KEY"


def find_key(provider: Provider) -> str:
    """Return the key that may be sent to ``provider``, or an empty one."""
    if provider.api_key:
        return Secret(provider.api_key.strip())
    variables: tuple[str, ...] = (own_variable(provider.name),)
    if provider.base_url is None:
        variables += kind_spec(provider.kind).key_variables
    return Secret(
        next((key for name in variables if (key := os.environ.get(name, "").strip())), "")
    )


def missing_key(provider: Provider) -> str | None:
    """Return the variable to set before ``provider`` can be asked, or ``None`` if it can be."""
    variables = kind_spec(provider.kind).key_variables
    has_own = provider.base_url is not None or provider.auth or _carries_key(provider)
    return None if not variables or has_own or find_key(provider) else variables[0]


def key_wanted(provider: Provider, refusal: AuthError) -> AuthError:
    """Return the error for a ``refusal`` of a request that had no key."""
    text = str(refusal).removeprefix(f"[{refusal.provider_name}] the key was refused: ")
    variable = own_variable(provider.name)
    return AuthError(
        provider.name,
        f"the server wants a key, and none was given. Set {variable}, or give "
        f"Provider(..., api_key=). It said: {text}",
    ).coded("key-missing")


def secrets(provider: Provider) -> tuple[str, ...]:
    """Return the values in the provider's settings that are hidden in texts."""
    of_address = secrets_in_address(provider.base_url or "")
    return secrets_in(provider.query) + of_address + secrets_in(provider.headers)


async def resolve_key(provider: Provider, url: str) -> str:
    """Return the key for one request to ``url``; empty where none is needed."""
    if _signer(provider) is not None:
        return ""
    if provider.auth is not None:
        return _sendable(provider, await _call_auth(provider, url, provider.resolve_api_key))
    key = find_key(provider)
    variables = kind_spec(provider.kind).key_variables
    if variables and not key and provider.base_url is None and not _carries_key(provider):
        raise AuthError(
            provider.name,
            f"no API key. Set {' or '.join(variables)}, or give Provider(..., api_key=); a server "
            "of your own needs Provider(..., base_url=) and often no key. No key at hand? "
            'Provider(kind="script") answers from a script',
        ).coded("key-missing")
    return _sendable(provider, key)


async def signed(provider: Provider, method: str, url: str, body: bytes) -> Mapping[str, str]:
    """Return the headers that ``auth=`` puts on a request, if it signs requests."""
    signer = _signer(provider)
    if signer is None:
        return {}
    auth_headers = secret_values(
        await _call_auth(provider, url, lambda: signer.headers(method, url, body))
    )
    return {name: _sendable(provider, value) for name, value in auth_headers.items()}


async def renewed(
    provider: Provider, url: str, refused: str, renewal: Renewal, seen: int
) -> str | None:
    """Return another token than the ``refused`` one; ``None`` if there is none.

    If several requests are refused at once, one renews the token for all. ``seen`` is how often it
    had been renewed when the caller got its own token: a higher count means that it was since.
    """
    if provider.auth is None:
        return None
    async with renewal.lock:
        if renewal.count == seen:
            # Before the wait: if it fails or is cancelled, those behind it do not try once more.
            renewal.count += 1
            renewal.token = None
            renewal.token = await _next_token(provider, url, refused)
        return renewal.token


async def _next_token(provider: Provider, url: str, refused: str) -> str | None:
    if _signer(provider) is None:
        token = await resolve_key(provider, url)
        if token != refused:
            return token
    refresh: object = getattr(provider.auth, "refresh_token", None)
    if not callable(refresh):
        return None
    refreshed = await _call_auth(provider, url, cast("Callable[[], Awaitable[object]]", refresh))
    if _signer(provider) is not None:
        return ""
    token = Secret(refreshed) if isinstance(refreshed, str) else refused
    return _sendable(provider, token) if token != refused else None


def _signer(provider: Provider) -> Signer | None:
    signs = callable(getattr(provider.auth, "headers", None))
    return cast("Signer", provider.auth) if signs else None


def _carries_key(provider: Provider) -> bool:
    names = {name.lower() for name in (*provider.headers, *provider.query)}
    return bool(names & _CARRIES_A_KEY)


async def _call_auth(provider: Provider, url: str, call: Callable[[], Awaitable[T]]) -> T:
    """Return the result of a method of ``auth=``; other errors become ``AuthError``."""
    if not (url.startswith("https://") or is_local(url)):
        raise AuthError(
            provider.name,
            f"auth= is for https:// addresses and this machine only, and {shown(url)} is neither",
        )
    try:
        return await call()
    except (AuthError, ConfigurationError, ProviderError):
        raise
    except Exception as error:
        raise AuthError(provider.name, f"auth= handed out no token: {error!r}") from error


def _sendable(provider: Provider, key: object) -> str:
    if not isinstance(key, str):
        raise AuthError(provider.name, f"auth= handed out {type(key).__name__}, not a text")
    key = Secret(key)  # a traceback with variables does not show it
    if key.isascii() and (not key or key.isprintable()):
        return key
    raise AuthError(provider.name, "the API key has characters in it that no header may carry")
