"""Model APIs. One module for each wire format, one transport for all of them.

``open_backend`` turns a provider into something that can be asked. A new kind of provider is one
row in its table.
"""

from __future__ import annotations

from collections.abc import Callable

from agentouto._domain.errors import ConfigurationError
from agentouto._domain.participants import Provider
from agentouto._domain.ports import Backend
from agentouto.providers._http import HttpBackend
from agentouto.providers._keys import missing_key
from agentouto.providers._wire import Wire
from agentouto.providers.openai import OpenAIChatWire
from agentouto.providers.record import open_record
from agentouto.providers.script import open_script

__all__ = ["missing_key", "open_backend"]

_WIRES: dict[str, Callable[[Provider], Wire]] = {"openai": OpenAIChatWire}
"""How each kind is spoken over HTTP."""

_OPENERS: dict[str, Callable[[Provider], Backend]] = {
    "script": open_script,
    "record": lambda provider: open_record(provider, open_backend),
}
"""How the kinds are opened that are not HTTP."""


def open_backend(provider: Provider) -> Backend:
    """Return what reaches ``provider``; ``ConfigurationError`` if nothing can."""
    if wire := _WIRES.get(provider.kind):
        return HttpBackend(provider, wire(provider))
    if opener := _OPENERS.get(provider.kind):
        return opener(provider)
    known = ", ".join(repr(kind) for kind in (*_WIRES, *_OPENERS))
    raise ConfigurationError(
        f"Provider {provider.name!r}: kind {provider.kind!r} cannot be spoken yet; {known} can. "
        "Many servers also speak the format of kind 'openai': give their address as base_url="
    )
