"""Model APIs. One module for each wire format, one transport for all of them.

``open_backend`` turns a provider into something that can be asked. A new kind of provider is one
row in its table. A format is loaded when it is first spoken, so nobody pays for those that are not.
"""

from __future__ import annotations

from collections.abc import Callable

from agentouto._domain.limits import Price
from agentouto._domain.participants import Provider
from agentouto._domain.ports import Backend


def open_backend(provider: Provider) -> Backend:
    """Return what reaches ``provider``, whose kind is one of those there are.

    Whoever signs in to a plan (``auth=`` has a ``plan_url``) is spoken to as the plan wants it.
    """
    if isinstance(plan_url := getattr(provider.auth, "plan_url", None), str):
        return _plan(provider, plan_url)
    return _OPENERS[provider.kind](provider)


def missing_key(provider: Provider) -> str | None:
    """Return the variable that should hold the key ``provider`` lacks, or ``None``."""
    from agentouto.providers import _keys

    return _keys.missing_key(provider)


def price_of(provider: Provider, model: str) -> Price | None:
    """Return what ``model`` costs at ``provider``, if anybody here knows."""
    from agentouto.providers import _prices

    return _prices.price_of(provider, model)


def _openai(provider: Provider) -> Backend:
    from agentouto.providers._http import HttpBackend
    from agentouto.providers._openai_home import open_wire
    from agentouto.providers._wires import wire_to

    return HttpBackend(provider, wire_to(provider, open_wire))


def _openai_responses(provider: Provider) -> Backend:
    from agentouto.providers._http import HttpBackend
    from agentouto.providers._wires import wire_to
    from agentouto.providers.openai_responses import OpenAIResponsesWire

    return HttpBackend(provider, wire_to(provider, OpenAIResponsesWire))


def _plan(provider: Provider, plan_url: str) -> Backend:
    from agentouto.providers._http import HttpBackend
    from agentouto.providers._openai_plan import OpenAIPlanWire

    return HttpBackend(provider, OpenAIPlanWire(provider, plan_url))


def _anthropic(provider: Provider) -> Backend:
    from agentouto.providers._http import HttpBackend
    from agentouto.providers._wires import wire_to
    from agentouto.providers.anthropic import AnthropicWire

    return HttpBackend(provider, wire_to(provider, AnthropicWire))


def _google(provider: Provider) -> Backend:
    from agentouto.providers._http import HttpBackend
    from agentouto.providers._wires import wire_to
    from agentouto.providers.google import GeminiWire

    return HttpBackend(provider, wire_to(provider, GeminiWire))


def _script(provider: Provider) -> Backend:
    from agentouto.providers.script import open_script

    return open_script(provider)


def _record(provider: Provider) -> Backend:
    from agentouto.providers.record import open_record

    return open_record(provider, open_backend)


_OPENERS: dict[str, Callable[[Provider], Backend]] = {
    "openai": _openai,
    "openai_responses": _openai_responses,
    "anthropic": _anthropic,
    "google": _google,
    "script": _script,
    "record": _record,
}
"""How each kind is opened."""
