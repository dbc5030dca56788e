"""Which key is sent, and to whom.

A vendor's own variable is read only for the vendor's own host, so that a cloud key never reaches a
server somebody named in ``base_url``. The environment is read here and nowhere else below the
command line.
"""

from __future__ import annotations

import os
import re

from agentouto._domain.errors import AuthError, ProviderError
from agentouto._domain.participants import Provider
from agentouto.providers._wire import is_local, shown

VENDOR_VARIABLES: dict[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "openai_responses": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "google": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
}


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
    if not vendors or provider.base_url is not None or provider.auth or find_key(provider):
        return None
    return vendors[0]


async def resolve_key(provider: Provider, url: str) -> str:
    """Return the key for one request to ``url``; empty where none is needed."""
    if provider.auth is not None:
        return _sendable(provider, await _token(provider, url))
    key = find_key(provider)
    if not key and provider.base_url is None:
        variable = VENDOR_VARIABLES[provider.kind][0]
        raise AuthError(
            provider.name,
            f"no API key. Set {variable}, or give Provider(..., api_key=); a server of your own "
            "needs Provider(..., base_url=) and often no key. No key at hand? "
            'Provider(kind="script") answers from a script',
        )
    return _sendable(provider, key)


async def _token(provider: Provider, url: str) -> str:
    if not (url.startswith("https://") or is_local(url)):
        raise AuthError(
            provider.name,
            f"auth= is for https:// addresses and this machine only, and {shown(url)} is neither",
        )
    try:
        return await provider.resolve_api_key()
    except (AuthError, ProviderError):
        raise
    except Exception as error:  # whatever a stranger's auth raises, the caller gets AuthError
        raise AuthError(provider.name, f"auth= handed out no token: {error!r}") from error


def _sendable(provider: Provider, key: str) -> str:
    if key.isascii() and (not key or key.isprintable()):
        return key
    raise AuthError(provider.name, "the API key has characters in it that no header may carry")
