"""Whose account a reply was got with: a part of where it comes from.

What a reply came with (signatures, encrypted thinking, ids) goes back to where it came from and to
nowhere else, another account at the same server included. Which accounts there are, and what a key
is good for, is not known here.
"""

from __future__ import annotations

from hashlib import blake2b

from agentouto._domain.participants import Provider
from agentouto.providers._keys import find_key, secrets


def account(provider: Provider) -> str:
    """Return a mark for the account of ``provider`` that gives no key away.

    The same name and the same key, in whichever header or query, have the same mark in every
    process. Tokens that ``auth=`` hands out change, so whoever uses one is told apart without them.
    """
    key = "" if provider.auth else find_key(provider)
    named = "\0".join((provider.name, key, *sorted(secrets(provider)))).encode("utf-8", "replace")
    return blake2b(named, digest_size=6).hexdigest()
