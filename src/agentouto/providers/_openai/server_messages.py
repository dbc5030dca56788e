"""Texts of servers of OpenAI's two formats that tell what to change in the next request.

OpenAI names a refused field in ``error.param`` (API reference, "Error codes"). Compatible servers
often have nothing but the text. ``chat_wire.py`` and ``responses_wire.py`` decide what follows from
a match.
"""

from __future__ import annotations

import re

from agentouto.providers._format.message_patterns import MessagePattern, message_table

REASONING_FIELD_MISSING = message_table(
    MessagePattern(
        r"missing", "DeepSeek", "Missing `reasoning_content` field in the assistant message"
    ),
    MessagePattern(
        r"required", "Moonshot", "reasoning_content is required in assistant tool call messages"
    ),
    MessagePattern(
        r"must be (passed|provided|included)",
        "DeepSeek",
        "The `reasoning_content` in the thinking mode must be passed back to the API.",
    ),
)
"""A field of earlier replies that the server requires."""

NATIVE_FIELD = message_table(
    MessagePattern(
        r"\breasoning_content\b",
        "Groq",
        "'messages.1' : property 'reasoning_content' is unsupported",
    ),
    MessagePattern(
        r"\breasoning_details\b",
        "LiteLLM",
        "messages.1.reasoning_details: Extra inputs are not permitted",
    ),
    MessagePattern(
        r"\breasoning\b",
        "Mistral",
        "messages.1.assistant.reasoning: Extra inputs are not permitted",
    ),
    MessagePattern(
        r"\bextra_content\b", "Gemini's OpenAI endpoint", 'Unknown name "extra_content"'
    ),
    flags=re.NOFLAG,
)
"""A field that came with a reply, named where the server refuses to take it back."""

EFFORT_NONE_REQUIRED = message_table(
    MessagePattern(
        r"""to ['"`]?none\b""",
        "OpenAI",
        "Function tools are not supported with reasoning_effort; set reasoning_effort to 'none'",
    ),
)
"""The server requires the effort ``none``."""

SHORT_IDS_REQUIRED = message_table(
    MessagePattern(
        r"tool.?call.?id.{0,80}(length of 9|9 characters|nine)",
        "Mistral",
        "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.",
    ),
)
"""Ids of tool calls must be nine letters and digits."""

ALTERNATION_REQUIRED = message_table(
    MessagePattern(
        r"roles must alternate",
        "templates of Mistral and Gemma models, in llama.cpp and vLLM",
        "Conversation roles must alternate user/assistant/user/assistant/...",
    ),
    MessagePattern(
        r"unexpected role .{0,3}user.{0,3} after",
        "Mistral",
        "Unexpected role 'user' after role 'tool'",
    ),
)
"""A reply must stand between two user messages, and between a tool's and a user's message."""

NULL_CONTENT_REFUSED = message_table(
    MessagePattern(
        r"\bcontent\b.{0,300}\b(valid string|type: string|string type|is required)",
        "llama-cpp-python, with status 500",
        "ChatCompletionRequestAssistantMessage content Input should be a valid string",
    ),
    MessagePattern(
        r"\bcontent\b.{0,80}\b(null|none)\b",
        "Hugging Face TGI and older vLLM",
        "messages[1].content: invalid type: null, expected a string",
    ),
)
"""A reply without text must have ``""`` as its content."""

RESPONSE_FORMAT_REFUSED = message_table(
    MessagePattern(r"response_?format", "OpenAI and vLLM", "response_format is not supported"),
    MessagePattern(r"json_schema", "DeepSeek", "This json_schema type is unavailable now"),
    MessagePattern(r"json mode", "Groq", "json mode cannot be combined with tool/function calling"),
    MessagePattern(
        r"\bgrammar\b", "llama.cpp", "Cannot use custom grammar constraints with tools."
    ),
    MessagePattern(
        r"structured output", "SGLang", "structured outputs are not supported with tools"
    ),
    MessagePattern(
        r"guided.?(decoding|json)", "vLLM", "guided_json is not supported by this backend"
    ),
)
"""The server does not constrain the answer to a JSON schema, or not beside tools."""

REASONING_UNREADABLE = message_table(
    MessagePattern(r"invalid_encrypted_content", "OpenAI (code)", "invalid_encrypted_content"),
    MessagePattern(
        r"encrypted[ _]content\b.{0,80}\b(could not|cannot|failed|invalid)",
        "OpenAI",
        "The encrypted content for item rs_1 could not be verified.",
    ),
    MessagePattern(
        r"without its required",
        "OpenAI",
        "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
    ),
    MessagePattern(
        r"are not persisted", "OpenAI", "Items are not persisted when `store` is set to false."
    ),
)
"""The server can no longer read its own reasoning items."""

INPUT_ITEM = message_table(
    MessagePattern(
        r"\binput\[\d+\](?:\.(\w+)(?![\w.\[]))?",
        "OpenAI (param)",
        "Unknown parameter: 'input[2].status'.",
    ),
    flags=re.NOFLAG,
)
"""An item of the input; group 1 is one field of it, if the text names one."""

ITEM_TYPE_REQUIRED = message_table(
    MessagePattern(
        r"cannot determine type of 'item'", "llama.cpp", "Cannot determine type of 'item'"
    ),
    MessagePattern(
        r"\binput\b.{0,80}\btype\b.{0,20}\b(missing|required)",
        "vLLM, as Pydantic says it",
        "body.input.0.type: Field required",
    ),
)
"""An item of the input must have a ``type``."""

ALLOWED_VALUES = message_table(
    MessagePattern(
        r"values (?:are|is)\b(.*)", "OpenAI", "Supported values are: 'low', 'medium', and 'high'."
    ),
    MessagePattern(r"one of\b(.*)", "vLLM and xAI", "reasoning.effort must be one of low, high"),
    flags=re.IGNORECASE | re.DOTALL,
)
"""Which values a field takes; one of two groups has the list."""

ENCRYPTED_CONTENT_REFUSED = message_table(
    MessagePattern(
        r"encrypted content", "OpenAI", "Encrypted content is not supported with this model."
    ),
)
"""The model has no encrypted reasoning to include in its answer."""

RESPONSES_REQUIRED = message_table(
    MessagePattern(
        r"v1/responses",
        "OpenAI",
        "Function tools with reasoning_effort are not supported in /v1/chat/completions. "
        "Please use /v1/responses instead.",
    ),
    flags=re.NOFLAG,
)
"""The model answers such a request through the Responses API only."""
