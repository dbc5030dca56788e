"""Chooses between Chat Completions and the Responses API for each model of OpenAI.

OpenAI's models from GPT-5.4 on refuse tools on Chat Completions while they reason: 400 with
``param: reasoning_effort`` and a text that names ``/v1/responses``. They are asked through the
Responses API, all others through Chat Completions. The table of models decides, and the error where
a model is not in the table. A server with a ``base_url`` is always asked in the format of its kind:
few compatible servers have both.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from agentouto._domain.errors import AuthError, ProviderError
from agentouto._domain.memory import Memory, Newest
from agentouto._domain.message import Attachment
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import ModelRequest
from agentouto.providers._format.errors import ErrorDetails, classify_error
from agentouto.providers._format.quirks import MOST_QUIRKS
from agentouto.providers._format.wire import Decoder, ModelLookup, Wire, WireRequest
from agentouto.providers._models.families import gpt_family
from agentouto.providers._openai import OPENAI_URL, chat_encoder, responses_encoder
from agentouto.providers._openai.chat_wire import OpenAIChatWire
from agentouto.providers._openai.responses_wire import OpenAIResponsesWire
from agentouto.providers._openai.server_messages import RESPONSES_REQUIRED

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
"""Fields that only Chat Completions has. An agent with one of them in ``extra`` is asked there."""


class ModelsOnResponses:
    """Models that are asked through the Responses API.

    Attributes:
        learned: Models whose errors required it.
        logged: Models for which the log says so.
    """

    __slots__ = ("learned", "logged")

    def __init__(self) -> None:
        self.learned: Newest[str, None] = Newest(MOST_QUIRKS)
        self.logged: Newest[str, None] = Newest(MOST_QUIRKS)

    def forget(self) -> None:
        """Forget what errors required: the table of models decides alone."""
        self.learned.clear()
        self.logged.clear()


class OpenAIWire:
    """Both formats of OpenAI's own host: one for each model."""

    def __init__(
        self,
        provider: Provider,
        memory: Memory | None = None,
        *,
        host: str = OPENAI_URL,
    ) -> None:
        memory = memory or Memory()
        self._name = provider.name
        self._host = host
        self._chat = OpenAIChatWire(provider, memory, host=host)
        self._responses = OpenAIResponsesWire(provider, memory, host=host)
        self._on_responses = memory.part(ModelsOnResponses)

    def bind_account(self, account: str) -> None:
        """Use ``account`` in both formats."""
        self._chat.bind_account(account)
        self._responses.bind_account(account)

    @property
    def url(self) -> str:
        """Where most requests are posted; all go to the same host."""
        return self._chat.url

    def credentials(self, api_key: str) -> Mapping[str, str]:
        """Return the headers that carry ``api_key``."""
        return self._chat.credentials(api_key)

    def needed_downloads(self, request: ModelRequest) -> list[Attachment]:
        """Return the files to download before ``request`` can be encoded."""
        return self._wire_for(request.agent).needed_downloads(request)

    def encode(self, request: ModelRequest) -> WireRequest:
        """Encode ``request`` in the format of its model."""
        return self._wire_for(request.agent).encode(request)

    def decoder(self, request: ModelRequest) -> Decoder:
        """Return a reader for the answer to ``request``."""
        return self._wire_of(request).decoder(request)

    def error_for(self, details: ErrorDetails) -> ProviderError | AuthError:
        """Return the error that an unsuccessful answer stands for."""
        return classify_error(self._name, details, self._host)

    def adapt(self, request: ModelRequest, sent: WireRequest, details: ErrorDetails) -> None:
        """Learn which format a model requires, or what the format learns from ``details``."""
        wire, agent = self._wire_of(request), request.agent
        if (
            wire is self._chat
            and RESPONSES_REQUIRED.matches(details.message)
            and _may_switch(agent)
        ):
            self._on_responses.learned.put(agent.model, None)
        else:
            wire.adapt(request, sent, details)

    def model_lookup(self, agent: Agent) -> ModelLookup | None:
        """Return ``None``: OpenAI's list of models has no context windows."""
        return self._chat.model_lookup(agent)

    def _wire_for(self, agent: Agent) -> Wire:
        family = gpt_family(agent.model)
        needs_responses = agent.model in self._on_responses.learned or (
            family is not None and family.no_tools_on_chat
        )
        if not (needs_responses and _may_switch(agent)):
            return self._chat
        if agent.model not in self._on_responses.logged:
            self._on_responses.logged.put(agent.model, None)
            log.info("%s: %s is asked through the Responses API", self._name, agent.model)
        return self._responses

    def _wire_of(self, request: ModelRequest) -> Wire:
        """Return the wire that encoded ``request``, whatever was learned since."""
        # An error must be read by the wire that has sent the request: another task may have learned
        # meanwhile that the model needs the other one.
        match request.draft.options:
            case responses_encoder.ResponsesOptions():
                return self._responses
            case chat_encoder.ChatOptions():
                return self._chat
            case _:
                return self._wire_for(request.agent)


def _may_switch(agent: Agent) -> bool:
    return not _CHAT_ONLY & agent.extra.keys()
