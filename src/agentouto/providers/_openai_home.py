"""OpenAI's own host, asked in whichever of its two formats a model answers best.

Its newer models take no tools on Chat Completions while they reason. Those are asked through the
Responses API, all others as ever; a server that somebody named is never second-guessed. How either
format is written is not known here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from agentouto._domain.errors import AuthError, ProviderError
from agentouto._domain.message import Attachment
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import ModelRequest
from agentouto.providers import openai_responses
from agentouto.providers._models import known_gpt
from agentouto.providers._refusal import Fault, sort_out
from agentouto.providers._wire import Decoder, Inquiry, Wire, WireRequest
from agentouto.providers.openai import HOST, OpenAIChatWire
from agentouto.providers.openai_responses import OpenAIResponsesWire

log = logging.getLogger("agentouto")

_CHAT_ONLY = frozenset(
    {
        "frequency_penalty",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "modalities",
        "n",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "stop",
        "verbosity",
    }
)
"""Fields that only Chat Completions has. Who puts one into ``extra`` wants to be heard there."""

_SWITCHED: set[str] = set()
"""Models that have been asked through the Responses API in this process."""


def open_wire(provider: Provider) -> Wire:
    """Return how a provider of the kind ``openai`` is spoken to."""
    return OpenAIChatWire(provider) if provider.base_url is not None else OpenAIWire(provider)


class OpenAIWire:
    """Both formats of OpenAI's own host: one for each model."""

    def __init__(self, provider: Provider) -> None:
        self._name = provider.name
        self._chat = OpenAIChatWire(provider)
        self._responses = OpenAIResponsesWire(provider)
        self._learnt: set[str] = set()

    @property
    def url(self) -> str:
        """Where most requests are posted; all go to the same host."""
        return self._chat.url

    def credentials(self, api_key: str) -> Mapping[str, str]:
        """Return the headers that carry ``api_key``."""
        return self._chat.credentials(api_key)

    def wanted(self, request: ModelRequest) -> list[Attachment]:
        """Return what must be fetched before ``request`` can be written down."""
        return self._for(request.agent).wanted(request)

    def encode(self, request: ModelRequest) -> WireRequest:
        """Write ``request`` down in the format its model is asked in."""
        return self._for(request.agent).encode(request)

    def decoder(self, request: ModelRequest) -> Decoder:
        """Return a reader for the answer to ``request``."""
        return self._spoken(request).decoder(request)

    def refusal(self, fault: Fault) -> ProviderError | AuthError:
        """Return the error that an unsuccessful answer stands for."""
        return sort_out(self._name, fault, HOST)

    def learn(self, request: ModelRequest, sent: WireRequest, fault: Fault) -> None:
        """Remember which format a model wants to be asked in, and all that the formats learn."""
        wire, agent = self._spoken(request), request.agent
        if wire is self._chat and "v1/responses" in fault.message and _may_switch(agent):
            self._learnt.add(agent.model)
        else:
            wire.learn(request, sent, fault)

    def inquiry(self, agent: Agent) -> Inquiry | None:
        """Return ``None``: the vendor does not say how much its models read."""
        return self._chat.inquiry(agent)

    def _for(self, agent: Agent) -> Wire:
        known = known_gpt(agent.model)
        wanted = agent.model in self._learnt or (known is not None and known.no_tools_on_chat)
        if not (wanted and _may_switch(agent)):
            return self._chat
        if agent.model not in _SWITCHED:
            _SWITCHED.add(agent.model)
            log.info("%s: %s is asked through the Responses API", self._name, agent.model)
        return self._responses

    def _spoken(self, request: ModelRequest) -> Wire:
        """Return the format ``request`` was written in: what was learnt since does not matter."""
        if request.draft.wire.startswith(f"{openai_responses.KIND} "):
            return self._responses
        return self._chat if request.draft.wire else self._for(request.agent)


def _may_switch(agent: Agent) -> bool:
    return not _CHAT_ONLY & agent.extra.keys()
