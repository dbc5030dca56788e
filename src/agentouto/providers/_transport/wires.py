"""Keeps one wire for each ``Provider`` object, and what follows from both, for all runs.

A wire depends on its provider and on the key in the environment. It is created once for as long as
the provider lives, and replaced if that key, a header or a query of the provider has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from urllib.parse import urlsplit
from weakref import ref

import msgspec

from agentouto._domain.participants import Provider
from agentouto._network import proxy_for, shown
from agentouto.providers._format.wire import Wire
from agentouto.providers._transport.accounts import account
from agentouto.providers._transport.keys import find_key


class ModelServer(msgspec.Struct, frozen=True, gc=False):
    """The server of a provider, as the requests of all runs to it know it.

    Attributes:
        host: The beginning of its address.
        shown: Its address, without what may be secret in it.
        account: A hash of the account there.
    """

    host: str
    shown: str
    account: str


def server_of(provider: Provider, wire: Wire) -> ModelServer:
    """Return the server of ``provider``.

    Raises:
        ConfigurationError: The proxy that the environment names for it cannot be used.
    """
    url = wire.url
    proxy_for(url)
    parts = urlsplit(url)
    return ModelServer(f"{parts.scheme}://{parts.netloc}", shown(url), account(provider))


class Wires:
    """Wires by the ``id`` of their provider, each with a hash of the keys it was created with."""

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: dict[int, tuple[ref[Provider], int, Wire, ModelServer]] = {}

    def to(self, provider: Provider, make: Callable[[Provider], Wire]) -> Wire:
        """Return the wire for ``provider``, created by ``make`` if there is none yet."""
        return self.opened(provider, make)[0]

    def opened(
        self, provider: Provider, make: Callable[[Provider], Wire]
    ) -> tuple[Wire, ModelServer]:
        """Return the wire for ``provider``, and its server.

        The wire gets a copy of the provider: a user's wire may refer to it, and then an entry here
        would keep the provider itself alive.
        """
        provider_id, key = id(provider), "" if provider.auth else find_key(provider)
        made_of = hash((key, *provider.headers.items(), None, *provider.query.items()))
        entry = self._made.get(provider_id)
        if entry is not None and entry[0]() is provider and entry[1] == made_of:
            return entry[2], entry[3]
        wire, made = make(copy(provider)), self._made
        server = server_of(provider, wire)

        def forget(gone: ref[Provider]) -> None:
            if (last := made.get(provider_id)) is not None and last[0] is gone:
                del made[provider_id]

        made[provider_id] = ref(provider, forget), made_of, wire, server
        return wire, server

    def forget(self) -> None:
        """Drop all wires, so that they are created again."""
        self._made.clear()
