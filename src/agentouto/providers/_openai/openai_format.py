"""Encodes what requests of OpenAI's two formats have in common.

Both post one JSON object to a path below ``/v1``: ``model``, ``stream``, the fields that we choose,
and the agent's ``extra`` on top of them (OpenAI's API reference, "Create chat completion" and
"Create a model response"). A format adds its fields, the conversation and the tools.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TypeVar

from agentouto._domain.memory import Memory
from agentouto._domain.participants import Provider
from agentouto._domain.ports import ModelRequest
from agentouto.providers._format.json import Json, merged
from agentouto.providers._format.json_wire import Field, JsonWire
from agentouto.providers._format.quirks import LearnedQuirks, Quirks
from agentouto.providers._format.wire import WireRequest, endpoint, split_extra

H = TypeVar("H", bound=Quirks)


class OpenAIFormatWire(JsonWire[H]):
    """One server that speaks one of OpenAI's formats."""

    def __init__(
        self, provider: Provider, memory: Memory, host: str, learned: type[LearnedQuirks[H]]
    ) -> None:
        """Make a wire to a server of the format.

        Args:
            provider: Whose server it is.
            memory: Holds encoded tool lists and learned quirks.
            host: OpenAI's own address, with the version of the API.
            learned: The part of ``memory`` that has the quirks of this format.
        """
        url = endpoint(provider.base_url, host, "/v1", self.path)
        super().__init__(provider, url, host, memory.part(learned))

    def encode(self, request: ModelRequest) -> WireRequest:
        """Encode ``request``; ``ProviderError`` if the format cannot express it."""
        agent = request.agent
        quirks = self._quirks_for(agent)
        chosen = self._chosen(request, quirks)
        extra, headers = split_extra(self._name, agent.extra)
        head = merged({"model": agent.model, "stream": True, **chosen}, extra)
        body = self._body(self._fields(head, request, quirks))
        return WireRequest(self._url, body, headers, self._optional(chosen, extra))

    @abstractmethod
    def _chosen(self, request: ModelRequest, quirks: H) -> Json:
        """Return the fields that we choose to send, and may stop sending."""

    @abstractmethod
    def _optional(self, chosen: Json, extra: Json) -> frozenset[str]:
        """Return the paths of chosen fields that the user's ``extra`` has left as they are."""

    @abstractmethod
    def _fields(self, head: Json, request: ModelRequest, quirks: H) -> Iterator[Field]:
        """Yield the fields of the body: ``head`` first, then what grows with the conversation."""
