"""Model APIs: one package for each vendor, and one transport for all of them.

``open_backend`` returns the backend of a provider. The kinds of providers stand in
``_domain/kinds.py``. A format is imported when a provider first needs it, so that a program does
not pay for formats that it never uses; functions of this module import inside for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from agentouto._domain.kinds import BUILT_IN, BuiltInKind, kind_spec
from agentouto._domain.limits import Price
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Provider
from agentouto._domain.ports import Backend


def open_backend(provider: Provider, memory: Memory | None = None) -> Backend:
    """Return the backend of ``provider``, which shares the parts of ``memory`` with others.

    A provider of a built-in kind that signs in to a plan (``auth=`` has a ``plan_url``) gets the
    wire of that plan. A kind of the user's own always gets its own wire.

    Raises:
        ConfigurationError: The provider's settings cannot work, or its wire is not valid.
    """
    memory = memory or Memory()
    spec = kind_spec(provider.kind)
    if isinstance(spec, BuiltInKind):
        if isinstance(plan_url := getattr(provider.auth, "plan_url", None), str):
            return _plan(provider, plan_url, memory)
        if spec.backend:
            return _backend(provider, spec.backend, memory)
    from agentouto.providers._transport.http_backend import HttpBackend
    from agentouto.providers._transport.wire_loading import open_wire
    from agentouto.providers._transport.wires import Wires

    wires = memory.part(Wires)
    wire, server = wires.opened(provider, lambda one: open_wire(one, memory))
    return HttpBackend(provider, wire, memory, server=server)


def missing_key(provider: Provider) -> str | None:
    """Return the variable that should hold the key ``provider`` lacks, or ``None``."""
    from agentouto.providers._transport import keys

    return keys.missing_key(provider)


def price_of(
    provider: Provider, model: str, memory: Memory | None = None, *, look_up: bool = True
) -> Price | None:
    """Return the price of ``model`` at ``provider``, or ``None`` if it is unknown.

    Without ``look_up`` only our own table is asked: ``genai-prices`` takes a while to load.
    """
    from agentouto.providers._models.catalog import listed_price
    from agentouto.providers._models.prices import Prices

    return (memory or Memory()).part(Prices).of(provider, model) if look_up else listed_price(model)


def example_models() -> dict[str, str]:
    """Return the name of a model for each built-in kind that reaches a vendor."""
    return {name: row.example_model for name, row in BUILT_IN.items() if row.example_model}


def known_models() -> dict[str, dict[str, tuple[int, Price]]]:
    """Return window and price of every model in the table, by kind and name."""
    from agentouto.providers._models.catalog import models_by_kind

    return {
        kind: {
            name: (row.window, Price(row.input, row.output, row.cached))
            for name, row in rows.items()
        }
        for kind, rows in models_by_kind().items()
    }


def key_variables() -> dict[str, tuple[str, ...]]:
    """Return the environment variables that may hold a key, by built-in kind."""
    return {name: row.key_variables for name, row in BUILT_IN.items() if row.key_variables}


def _backend(provider: Provider, place: str, memory: Memory) -> Backend:
    from agentouto.providers._transport.wire_loading import load

    return cast("Callable[[Provider, Memory], Backend]", load(place))(provider, memory)


def _plan(provider: Provider, plan_url: str, memory: Memory) -> Backend:
    from agentouto.providers._openai.chatgpt_plan import OpenAIPlanWire
    from agentouto.providers._transport.accounts import account
    from agentouto.providers._transport.http_backend import HttpBackend

    wire = OpenAIPlanWire(provider, plan_url, memory)
    wire.bind_account(account(provider))
    return HttpBackend(provider, wire, memory)
