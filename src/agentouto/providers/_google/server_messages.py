"""Texts of servers of the Gemini API that tell what to change in the next request.

Rows of "Gemini" are texts of generativelanguage.googleapis.com, rows of "Vertex AI" of the same
API at Google Cloud. The texts about unknown names are those of protobuf's JSON parser, which spells
fields both ``snake_case`` and ``camelCase``. ``wire.py`` decides what follows from a match.
"""

from __future__ import annotations

from agentouto.providers._format.message_patterns import MessagePattern, message_table

_THINKING_CONFIG = "generationConfig.thinkingConfig"
_CALLING_MODE = "toolConfig.functionCallingConfig.mode"
"""Paths of fields that several texts are about."""

REFUSED_CHOICES = message_table(
    MessagePattern(
        r"include.?thoughts",
        "Gemini",
        'Unknown name "includeThoughts"',
        about=f"{_THINKING_CONFIG}.includeThoughts",
    ),
    MessagePattern(
        r"thinking.?level",
        "Gemini",
        "Thinking level MINIMAL is not supported for this model.",
        about=f"{_THINKING_CONFIG}.thinkingLevel",
    ),
    MessagePattern(
        r"thinking.?budget",
        "Gemini",
        'Unknown name "thinkingBudget"',
        about=f"{_THINKING_CONFIG}.thinkingBudget",
    ),
    MessagePattern(
        r"\bbudget \S+ is invalid",
        "Gemini 2.5 Pro",
        "Budget 0 is invalid. This model only works in thinking mode.",
        about=f"{_THINKING_CONFIG}.thinkingBudget",
    ),
    MessagePattern(
        r"thinking[_ ]?config",
        "Gemini",
        "Invalid value at 'generation_config.thinking_config'",
        about=_THINKING_CONFIG,
    ),
    MessagePattern(
        r"\bthinking is not\b",
        "Gemini 2 and older",
        "Thinking is not enabled for this model",
        about=_THINKING_CONFIG,
    ),
    MessagePattern(r"\bVALIDATED\b", "Vertex AI", "Invalid value VALIDATED", about=_CALLING_MODE),
    MessagePattern(
        r"function.?calling.?config",
        "Gemini",
        "Invalid value at 'tool_config.function_calling_config.mode'",
        about=_CALLING_MODE,
    ),
    MessagePattern(r"tool.?config", "Gemini", 'Unknown name "toolConfig"', about=_CALLING_MODE),
    MessagePattern(
        r"too many states",
        "Gemini",
        "The specified schema produces a constraint that has too many states for serving.",
        about=_CALLING_MODE,
    ),
)
"""Errors about fields that we chose to send; ``about`` is the path of the field."""

REFUSED_SETTINGS = message_table(
    MessagePattern(
        r"\btemperature\b",
        "Gemini",
        'Unknown name "temperature": Cannot find field.',
        about="generationConfig.temperature",
    ),
    MessagePattern(
        r"max.?output.?tokens",
        "Gemini",
        'Unknown name "maxOutputTokens": Cannot find field.',
        about="generationConfig.maxOutputTokens",
    ),
)
"""The same for fields that the user set: left out only if the server does not know them."""

UNKNOWN_FIELD = message_table(
    MessagePattern(
        r"cannot find field",
        "Gemini",
        'Invalid JSON payload received. Unknown name "temperature": Cannot find field.',
    ),
)
"""The server does not know a field."""

ABOUT_SIGNATURE = message_table(
    MessagePattern(
        r"thought.?signature",
        "Gemini",
        "Function call is missing a thought_signature in functionCall parts.",
    ),
)
"""The error is about the signature of a thought."""

SIGNATURE_MISSING = message_table(
    MessagePattern(r"missing", "Gemini", "Function call is missing a thought_signature"),
    MessagePattern(r"required", "Vertex AI", "thought_signature is required"),
    MessagePattern(r"without", "Gemini", "function call without thought_signature"),
)
"""Such an error, where the request has no signature at all."""

CALL_ID_REFUSED = message_table(
    MessagePattern(
        r"""unknown name ["'`]?id\b""",
        "Gemini 2 and older",
        "Unknown name \"id\" at 'contents[1].parts[0].function_call': Cannot find field.",
    ),
)
"""Older models do not take ids of calls."""

RESPONSE_SCHEMA_REFUSED = message_table(
    MessagePattern(
        r"response_?(json_?)?schema",
        "Gemini",
        "Invalid value at 'generation_config.response_json_schema'",
    ),
    MessagePattern(
        r"response_?mime_?type",
        "Gemini",
        "Function calling with a response mime type: 'responseMimeType' is unsupported",
    ),
)
"""The server does not constrain the answer to a JSON schema."""
