"""Encodes requests for a ChatGPT plan: OpenAI's Responses API with fewer fields.

Source: the open-source Codex CLI (github.com/openai/codex), whose server it is: it answers 400
unless ``store`` is false and ``stream`` is true, and to fields for sampling and for the length of a
reply. A field that the user has set nevertheless is left out, with one warning in the log. Signing
in belongs to ``auth``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from msgspec import structs

from agentouto._domain.memory import Memory
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import ModelRequest
from agentouto.providers._format.wire import WireRequest
from agentouto.providers._openai.responses_wire import OpenAIResponsesWire

_WHY = "a ChatGPT plan does not take it"
"""The reason in the warning about a setting that is not sent."""

_FIXED: Mapping[str, object] = MappingProxyType({"store": False, "stream": True})
"""Fields that a plan requires with these values."""

_NOT_TAKEN = frozenset(
    {
        "max_output_tokens",
        "max_tool_calls",
        "service_tier",
        "temperature",
        "top_logprobs",
        "top_p",
        "truncation",
    }
)
"""Fields that a plan refuses."""


class OpenAIPlanWire(OpenAIResponsesWire):
    """The Responses API of a ChatGPT plan."""

    def __init__(self, provider: Provider, plan_url: str, memory: Memory | None = None) -> None:
        at_plan = replace(provider, base_url=provider.base_url or plan_url)
        super().__init__(at_plan, memory)

    def encode(self, request: ModelRequest) -> WireRequest:
        """Encode ``request`` without the fields that a plan refuses."""
        return super().encode(structs.replace(request, agent=self._allowed(request.agent)))

    def _allowed(self, agent: Agent) -> Agent:
        """Return ``agent`` with settings that a plan takes."""
        quirks = self._quirks_for(agent)
        refused = [field for field in agent.extra if field in _NOT_TAKEN]
        refused += ["max_output_tokens"] if agent.max_output_tokens is not None else []
        refused += ["temperature"] if agent.temperature != 1.0 else []
        for field in refused:
            quirks.warn_once(field, _WHY)
        extra = {name: value for name, value in agent.extra.items() if name not in _NOT_TAKEN}
        return replace(agent, max_output_tokens=None, temperature=1.0, extra={**extra, **_FIXED})
