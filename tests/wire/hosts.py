"""Vendors' own hosts, on this machine."""

from __future__ import annotations

from typing import Any

from agentouto._domain.memory import Memory
from agentouto._domain.participants import Provider
from agentouto.providers._anthropic.wire import AnthropicWire
from agentouto.providers._google.wire import GeminiWire
from agentouto.providers._openai.openai_host import OpenAIWire
from agentouto.providers._openai.responses_wire import OpenAIResponsesWire
from agentouto.providers._transport.http_backend import HttpBackend

WIRES = {
    "openai": OpenAIWire,
    "openai_responses": OpenAIResponsesWire,
    "anthropic": AnthropicWire,
    "google": GeminiWire,
}


def open_at(host: str, provider: Provider, memory: Memory, **settings: Any) -> HttpBackend:
    """Return what ``open_backend`` returns, as if ``host`` were the vendor's own."""
    wire = WIRES[str(provider.kind)](provider, memory, host=host)
    return HttpBackend(provider, wire, memory, **settings)
