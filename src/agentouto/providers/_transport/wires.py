"""Keeps one wire for each ``Provider`` object, for all runs that use it.

A wire depends on its provider and on the key in the environment. It is created once for as long as
the provider lives, and replaced if that key, a header or a query of the provider has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from weakref import ref

from agentouto._domain.participants import Provider
from agentouto.providers._format.wire import Wire
from agentouto.providers._transport.accounts import account
from agentouto.providers._transport.keys import find_key


class Wires:
    """Wires by the ``id`` of their provider, each with a hash of the keys it was created with."""

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: dict[int, tuple[ref[Provider], int, Wire, str]] = {}

    def to(self, provider: Provider, make: Callable[[Provider], Wire]) -> Wire:
        """Return the wire for ``provider``, created by ``make`` if there is none yet."""
        return self.opened(provider, make)[0]

    def opened(self, provider: Provider, make: Callable[[Provider], Wire]) -> tuple[Wire, str]:
        """Return the wire for ``provider``, and the hash of its account, which takes 30 µs to make.

        The wire gets a copy of the provider: a user's wire may refer to it, and then an entry here
        would keep the provider itself alive.
        """
        provider_id, key = id(provider), "" if provider.auth else find_key(provider)
        made_of = hash((key, *provider.headers.items(), None, *provider.query.items()))
        entry = self._made.get(provider_id)
        if entry is not None and entry[0]() is provider and entry[1] == made_of:
            return entry[2], entry[3]
        wire, made, account_id = make(copy(provider)), self._made, account(provider)

        def forget(gone: ref[Provider]) -> None:
            if (last := made.get(provider_id)) is not None and last[0] is gone:
                del made[provider_id]

        made[provider_id] = ref(provider, forget), made_of, wire, account_id
        return wire, account_id

    def forget(self) -> None:
        """Drop all wires, so that they are created again."""
        self._made.clear()
