"""A ChatGPT plan: OpenAI's Responses API, with less to choose.

Nothing is stored, everything is streamed, and neither sampling nor the length of a reply can be
set. What the user has set nevertheless is said once, and not sent. How one signs in is not known
here.
"""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import ModelRequest
from agentouto.providers._wire import WireRequest
from agentouto.providers.openai_responses import OpenAIResponsesWire

_WHY = "a ChatGPT plan does not take it"
_FIXED: dict[str, object] = {"store": False, "stream": True}
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


class OpenAIPlanWire(OpenAIResponsesWire):
    """The Responses API as a plan may use it."""

    def __init__(self, provider: Provider, plan_url: str) -> None:
        super().__init__(replace(provider, base_url=provider.base_url or plan_url))

    def encode(self, request: ModelRequest) -> WireRequest:
        """Write ``request`` down, without what a plan does not take."""
        return super().encode(structs.replace(request, agent=self._allowed(request.agent)))

    def _allowed(self, agent: Agent) -> Agent:
        """Return ``agent`` as a plan may ask its model."""
        habits = self._habits_for(agent)
        given = [field for field in agent.extra if field in _NOT_TAKEN]
        given += ["max_output_tokens"] if agent.max_output_tokens is not None else []
        given += ["temperature"] if agent.temperature != 1.0 else []
        for field in given:
            habits.note(field, _WHY)
        extra = {name: value for name, value in agent.extra.items() if name not in _NOT_TAKEN}
        return replace(agent, max_output_tokens=None, temperature=1.0, extra={**extra, **_FIXED})
