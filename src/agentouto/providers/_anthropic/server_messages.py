"""Texts of servers of the Messages API that tell what to change in the next request.

Anthropic explains a refusal in prose: its error has a type (``invalid_request_error``) and a text,
and no field that names the cause (API reference, "Errors"). Other servers of the format word the
same refusals in their own way. ``quirks.py`` decides what follows from a match.
"""

from __future__ import annotations

import re

from agentouto.providers._format.message_patterns import MessagePattern, message_table

CHOICE_REFUSED = message_table(
    MessagePattern(r"unsupported", "LiteLLM", "Unsupported parameter: thinking"),
    MessagePattern(r"not support", "Anthropic", "adaptive thinking is not supported on this model"),
    MessagePattern(r"not available", "Anthropic", "between_tools is not available for this model"),
    MessagePattern(r"not enabled", "Bedrock", "effort is not enabled for this model"),
    MessagePattern(r"n.t (support|allow)", "LiteLLM", "bedrock doesn't support cache_control"),
    MessagePattern(
        r"not (allowed|permitted)", "Anthropic", "output_config: Extra inputs are not permitted"
    ),
    MessagePattern(r"unknown", "vLLM", "unknown field: output_config"),
    MessagePattern(r"unrecogni[sz]ed", "Vertex AI", "unrecognized field cache_control"),
    MessagePattern(r"unexpected", "vLLM", "unexpected field: thinking"),
    MessagePattern(r"extra", "Anthropic", "cache_control: Extra inputs are not permitted"),
    MessagePattern(r"deprecated", "Anthropic", "`temperature` is deprecated for this model."),
    MessagePattern(r"cannot", "Anthropic", "thinking: cannot be disabled on this model"),
    MessagePattern(
        r"may only", "Anthropic", "`temperature` may only be set to 1 when thinking is enabled."
    ),
    MessagePattern(r"invalid", "Bedrock", "invalid effort level"),
    MessagePattern(
        r"should be",
        "Pydantic, as Anthropic shows it",
        "output_config.effort: Input should be 'low', 'medium' or 'high'",
    ),
    MessagePattern(r"must be", "Anthropic", "thinking.type: must be adaptive"),
    MessagePattern(r"range", "Vertex AI", "temperature: range: 0..1"),
)
"""The server refuses a field that we chose to send, or its value."""

ABOUT_OUTPUT_LIMIT = message_table(
    MessagePattern(
        r"max_tokens",
        "Anthropic",
        "max_tokens: 200000 > 64000, which is the maximum allowed number of output tokens",
    ),
    MessagePattern(
        r"max(imum)? (output )?tokens",
        "Bedrock",
        "The maximum tokens you requested exceeds the model limit of 4096.",
    ),
    MessagePattern(r"output tokens", "OpenRouter", "this model writes at most 8192 output tokens"),
)
"""The error is about the length of the reply."""

INPUT_PLUS_OUTPUT = message_table(
    MessagePattern(
        r"(?P<input>\d{1,12}) \+ \d{1,12} > (?P<window>\d{1,12})",
        "Anthropic",
        "input length and `max_tokens` exceed context limit: 198000 + 8192 > 200000",
    ),
    flags=re.NOFLAG,
)
"""Input and ``max_tokens`` together exceed the context window."""

WINDOW_MINUS_INPUT = message_table(
    MessagePattern(
        r"> (?P<window>\d+) - (?P<input>\d+)", "vLLM", "max_tokens is too large: 5000 > 4096 - 1000"
    ),
    flags=re.NOFLAG,
)
"""The same, written as a difference."""

OUTPUT_LIMIT = message_table(
    MessagePattern(r"> (\d+)", "Anthropic", "max_tokens: 200000 > 64000"),
    MessagePattern(
        r"(?:limit|maximum|at most|up to|lower than|less than|exceed|<)\D{0,40}(\d[\d,]{2,})",
        "Bedrock",
        "exceeds the model limit of 4,096",
    ),
)
"""The highest ``max_tokens`` that the model takes; one of two groups has the number."""

THINKING_BOUND = message_table(
    MessagePattern(
        r"bound to a different conversation",
        "Anthropic",
        "The block is bound to a different conversation.",
    ),
)
"""Thinking blocks were made in a conversation with another beginning."""

THINKING_REFUSED = message_table(
    MessagePattern(
        r"signature", "Anthropic", "messages.1.content.0: Invalid `signature` in `thinking` block"
    ),
    MessagePattern(
        r"thinking` blocks .{0,60}cannot be modified",
        "Anthropic",
        "`thinking` or `redacted_thinking` blocks in the latest message cannot be modified",
    ),
    MessagePattern(
        r"must contain thinking", "Anthropic", "each thinking block must contain thinking"
    ),
    MessagePattern(r"cannot contain `?thinking", "Bedrock", "messages.1 cannot contain `thinking`"),
    MessagePattern(
        r"first block must be",
        "Anthropic",
        "When thinking is disabled, the first block must be text",
    ),
    MessagePattern(
        r"cannot be `?(redacted_)?thinking",
        "Anthropic",
        "The final block in an assistant message cannot be `thinking`.",
    ),
    MessagePattern(
        r"messages\.\d+\.content\S* .{0,20}extra inputs",
        "Vertex AI",
        "messages.1.content.0: Extra inputs are not permitted",
    ),
)
"""The server does not take thinking blocks back as they were sent."""

THINKING_MISSING = message_table(
    MessagePattern(
        r"must start with a thinking block",
        "Anthropic",
        "a final `assistant` message must start with a thinking block",
    ),
    MessagePattern(
        r"expected `?thinking",
        "Anthropic",
        "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
    ),
    MessagePattern(
        r"thinking.{0,40} must be passed back",
        "DeepSeek",
        "The content[].thinking in the thinking mode must be passed back to the API.",
    ),
)
"""An earlier reply lacks the thinking that it was made with."""

API_VERSION = message_table(
    MessagePattern(
        r"\b20\d\d-\d\d-\d\d\b",
        "Anthropic",
        "anthropic-version: 2023-06-01 is not valid; use 2026-10-21",
    ),
)
"""Versions of the API that the text names."""

INPUT_POSITION = message_table(
    MessagePattern(
        r"\b(messages|tools|system)[.\[]\d",
        "Anthropic",
        "messages.3.content.0.cache_control: Extra inputs are not permitted",
    ),
    flags=re.NOFLAG,
)
"""The error is about a place in the conversation, which is not a choice of ours."""

OUTPUT_FORMAT_REFUSED = message_table(
    MessagePattern(
        r"output_config\.format",
        "Anthropic",
        "output_config.format: Extra inputs are not permitted",
    ),
    MessagePattern(
        r"output_format",
        "Anthropic",
        "output_format: This model does not support structured output",
    ),
    MessagePattern(r"compiled grammar", "Anthropic", "The compiled grammar is too large"),
    MessagePattern(r"schema is too complex", "Anthropic", "The schema is too complex"),
    flags=re.NOFLAG,
)
"""The server does not constrain the answer to a JSON schema."""
