"""Which wire reaches a provider: one for all runs that use the same ``Provider``.

A wire follows from its provider and from the key in the environment. So it is made once for as long
as the provider lives, and anew if that key, or a header of the provider's, is another. Nothing of a
run is kept here.
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import ref

from agentouto._domain.participants import Provider
from agentouto.providers._keys import find_key
from agentouto.providers._wire import Wire

_WIRES: dict[int, tuple[ref[Provider], int, Wire]] = {}
"""What has been made, by the number of the provider. No key stays behind in it."""


def wire_to(provider: Provider, make: Callable[[Provider], Wire]) -> Wire:
    """Return the wire that ``make`` makes for ``provider``, or has made for it before."""
    number, key = id(provider), "" if provider.auth else find_key(provider)
    made_of = hash((key, *provider.headers.items(), None, *provider.query.items()))
    known = _WIRES.get(number)
    if known is not None and known[0]() is provider and known[1] == made_of:
        return known[2]
    wire = make(provider)

    def forget(gone: ref[Provider]) -> None:
        if (last := _WIRES.get(number)) is not None and last[0] is gone:
            del _WIRES[number]

    _WIRES[number] = ref(provider, forget), made_of, wire
    return wire
