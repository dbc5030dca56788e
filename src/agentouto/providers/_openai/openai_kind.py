"""Opens the wire of a provider of the kind ``openai``.

OpenAI's own host is asked in two formats, a server with a ``base_url`` in one. So most servers do
not need the other format, nor what chooses between both, and each is imported here when it is.
"""

from __future__ import annotations

from agentouto._domain.memory import Memory
from agentouto._domain.participants import Provider
from agentouto.providers._format.wire import Wire


def open_openai(provider: Provider, memory: Memory | None = None) -> Wire:
    """Return the wire for a provider of the kind ``openai``."""
    if provider.base_url is None:
        from agentouto.providers._openai.openai_host import OpenAIWire  # noqa: PLC0415

        return OpenAIWire(provider, memory)
    from agentouto.providers._openai.chat_wire import OpenAIChatWire  # noqa: PLC0415

    return OpenAIChatWire(provider, memory)
