"""Imports the wire or backend that a kind of provider names, and checks that a wire is one.

Each is imported when a provider of its kind is first opened, so that a program does not pay for
formats that it does not use.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from typing import cast

from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.kinds import BuiltInKind, kind_spec
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Provider
from agentouto.providers._format.wire import AccountBound, Wire
from agentouto.providers._transport.accounts import account

_METHODS = (
    "credentials",
    "needed_downloads",
    "encode",
    "decoder",
    "error_for",
    "adapt",
    "model_lookup",
)
"""The methods of the protocol ``Wire``; ``isinstance`` would not say which of them is missing.

A test compares this list with the protocol.
"""


def load(place: str) -> object:
    """Import and return what ``place`` names, in the form ``module:name``."""
    module, _, name = place.partition(":")
    return cast("object", attrgetter(name)(import_module(module)))


def open_wire(provider: Provider, memory: Memory | None = None) -> Wire:
    """Return a new wire of the provider's kind for ``provider``.

    Wires of built-in kinds that have a parameter ``memory`` get the ``memory``.

    Raises:
        ConfigurationError: It cannot be imported or created, or lacks a member of ``Wire``.
    """
    spec = kind_spec(provider.kind)
    where = f"Provider {provider.name!r}: the wire of kind {spec.name!r}"
    make = _loaded(where, spec.wire) if isinstance(spec.wire, str) else spec.wire
    shares = isinstance(spec, BuiltInKind) and _takes_memory(make)
    try:
        if shares:
            wire = cast("Callable[..., object]", make)(provider, memory=memory)
        else:
            wire = cast("Callable[[Provider], object]", make)(provider)
    except ConfigurationError:
        raise
    except Exception as error:  # code of the user's may raise anything
        raise ConfigurationError(
            f"{where} cannot be made: {type(error).__name__}: {error}; it is called with the "
            "Provider and nothing else"
        ) from error
    missing = [name for name in _METHODS if not callable(getattr(wire, name, None))]
    if not isinstance(getattr(wire, "url", None), str):
        missing.insert(0, "url")
    if missing:
        raise ConfigurationError(
            f"{where} is no Wire: {type(wire).__name__} lacks {', '.join(missing)}; "
            "agentouto.wires.Wire says what each of them does"
        )
    if isinstance(wire, AccountBound):
        wire.bind_account(account(provider))
    return cast("Wire", wire)


def _takes_memory(make: object) -> bool:
    """Return whether ``make`` has a parameter ``memory``.

    ``inspect.signature`` takes 40 µs for that, which every run would pay.
    """
    function: object = getattr(make, "__init__", None) if isinstance(make, type) else make
    return "memory" in getattr(function, "__annotations__", ())


def _loaded(where: str, place: str) -> object:
    try:
        return load(place)
    except Exception as error:  # whatever the module raises while it is imported
        raise ConfigurationError(
            f"{where} cannot be imported from {place!r}: {type(error).__name__}: {error}; "
            "wire= takes a class, or 'module:name' of one"
        ) from error
