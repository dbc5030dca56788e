"""The names of spans, attributes, events and metrics.

``gen_ai.*`` are those of OpenTelemetry's semantic conventions for generative AI, which are in
development: https://github.com/open-telemetry/semantic-conventions-genai. They are constants of our
own, because the Python package of the conventions marks all of them as moved. ``input.value`` and
``output.value`` are OpenInference's, which viewers show in their lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

OPERATION = "gen_ai.operation.name"
WORKFLOW_NAME = "gen_ai.workflow.name"
CONVERSATION = "gen_ai.conversation.id"
AGENT_NAME = "gen_ai.agent.name"
AGENT_ID = "gen_ai.agent.id"
AGENT_DESCRIPTION = "gen_ai.agent.description"
PROVIDER_NAME = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
ALL_INPUT_TOKENS = "gen_ai.aggregated_usage.input_tokens"
"""Sums have another name than the usage of a request: viewers add that up themselves."""
ALL_OUTPUT_TOKENS = "gen_ai.aggregated_usage.output_tokens"
FINISH_REASONS = "gen_ai.response.finish_reasons"
FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
USED_TOOL = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
TOOL_CALL_ID = "gen_ai.tool.call.id"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_RESULT = "gen_ai.tool.call.result"
TRANSFER_MODE = "gen_ai.transfer.mode"
TRANSFER_TARGET = "gen_ai.transfer.target.name"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - tokens of models
ERROR_TYPE = "error.type"
INPUT_VALUE = "input.value"
OUTPUT_VALUE = "output.value"

CALL_ID = "agentouto.call.id"
PARENT_CALL_ID = "agentouto.parent_call.id"
COST = "agentouto.cost"
"""US dollars."""
UNFINISHED = "agentouto.unfinished"
"""Of a run whose end is not recorded: the span ends with the last line."""

TOKEN_USAGE = "gen_ai.client.token.usage"  # noqa: S105
DURATION = "gen_ai.client.operation.duration"
TIME_TO_FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk"

PROVIDERS: Mapping[str, str] = MappingProxyType(
    {"google": "gcp.gemini", "openai_responses": "openai", "script": "script"}
)
"""Well-known names of providers, where they differ from ours."""

FINISHES: Mapping[str, str] = MappingProxyType(
    {
        "complete": "stop",
        "out_of_tokens": "length",
        "refused": "content_filter",
        "paused": "pause",
        "broken": "error",
    }
)
"""How a reply has ended, in the words of the conventions where they have one."""
