"""Tells the accounts of one server apart, by a hash.

Signatures, encrypted thinking and ids in a reply are valid for the account that it was requested
with. They are sent back to that account only, so every reply notes which one it was.
"""

from __future__ import annotations

from hashlib import blake2b

from agentouto._domain.participants import Provider
from agentouto.providers._transport.keys import find_key, secrets


def account(provider: Provider) -> str:
    """Return a hash for the account of ``provider``, from which no key can be read.

    It depends on the provider's name and its keys, those in headers and query included, and is
    the same in every process. Tokens of ``auth=`` change and are not part of it: then the name,
    headers and query tell accounts apart.
    """
    key = "" if provider.auth else find_key(provider)
    named = "\0".join((provider.name, key, *sorted(secrets(provider)))).encode("utf-8", "replace")
    return blake2b(named, digest_size=6).hexdigest()  # 48 bits: a user has a few accounts
