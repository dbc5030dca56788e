"""Texts and codes by which errors are classified, whichever server sent them.

Each table has one meaning. A row names the server and has an example of what it sends. Rows of
OpenAI, Anthropic and Gemini follow the lists of errors in their API references ("Error codes",
"Errors", "Troubleshooting"); all other rows come from recorded answers and from reports about that
server. ``errors.py`` decides in which order the tables are asked, and ``quirks.py`` uses the last
two. What only one vendor's format needs stands in that vendor's ``server_messages.py``.
"""

from __future__ import annotations

import re

from agentouto.providers._format.message_patterns import MessagePattern, message_table

TIME_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(ms|s|m|h)", re.IGNORECASE)
"""One number with its unit. Go servers write durations so: ``1m30.5s``."""

QUOTA_EXHAUSTED = message_table(
    MessagePattern(
        r"insufficient_quota", "OpenAI (code)", "insufficient_quota You exceeded your current quota"
    ),
    MessagePattern(
        r"billing_hard_limit",
        "OpenAI (code)",
        "billing_hard_limit_reached Billing hard limit has been reached",
    ),
    MessagePattern(r"billing_error", "Anthropic (type)", "billing_error"),
    MessagePattern(r"credit_balance", "OpenAI (code)", "credit_balance_exhausted"),
    MessagePattern(
        r"spend_limit_(exceeded|reached)",
        "OpenAI and Anthropic (codes)",
        "project_spend_limit_exceeded",
    ),
    MessagePattern(
        r"organization_usage_limit", "OpenAI (code)", "organization_usage_limit_exceeded"
    ),
    MessagePattern(
        r"credit balance is too low",
        "Anthropic",
        "Your credit balance is too low to access the Anthropic API.",
    ),
    MessagePattern(
        r"insufficient (credits|balance|funds)",
        "OpenRouter, DeepSeek and MiniMax",
        "Insufficient Balance",
    ),
    MessagePattern(
        r"FAILED_PRECONDITION\b.*\bbilling",
        "Gemini",
        "FAILED_PRECONDITION Please enable billing on your project",
    ),
    MessagePattern(
        r"\b\w+PerDay", "Gemini (quotaId)", "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
    ),
)
"""The account has no money or quota left: waiting does not help."""

CONTEXT_EXCEEDED = message_table(
    MessagePattern(r"context_length_exceeded", "OpenAI (code)", "context_length_exceeded"),
    MessagePattern(r"exceed_context_size", "llama.cpp (type)", "exceed_context_size_error"),
    MessagePattern(r"request_too_large", "Anthropic (type)", "request_too_large"),
    MessagePattern(
        r"maximum context length(?! (option|parameter|field|setting)s?\b)",
        "OpenAI and vLLM",
        "This model's maximum context length is 4096 tokens",
    ),
    MessagePattern(
        r"number of tokens allowed",
        "Gemini",
        "The input is longer than the maximum number of tokens allowed",
    ),
    MessagePattern(
        r"reduce the length of the (messages|input|prompt)",
        "vLLM, Groq and OpenRouter",
        "Please reduce the length of the messages or completion.",
    ),
    MessagePattern(
        r"prompt is too long", "Anthropic", "prompt is too long: 210000 tokens > 200000 maximum"
    ),
    MessagePattern(r"input is too long", "Bedrock", "Input is too long for requested model."),
    MessagePattern(
        r"input tokens exceed", "Bedrock", "input tokens exceeded the limit of the model"
    ),
    MessagePattern(
        r"exceeds (the )?(available )?context (size|window|length)",
        "llama.cpp and Ollama",
        "the request exceeds the available context size (2048 tokens)",
    ),
    MessagePattern(
        r"input token count .{0,60}exceeds",
        "Gemini",
        "The input token count (1200000) exceeds the maximum of 1048576",
    ),
    MessagePattern(
        r"context window of this model",
        "OpenAI Responses",
        "Your input exceeds the context window of this model.",
    ),
    MessagePattern(
        r"exceed context limit",
        "Anthropic",
        "input length and `max_tokens` exceed context limit: 198000 + 8192 > 200000",
    ),
    MessagePattern(
        r"maximum prompt length",
        "xAI",
        "the maximum prompt length is 131072 but there are 537812 tokens.",
    ),
    MessagePattern(
        r"prompt token count of \d+ exceeds",
        "GitHub Copilot",
        "prompt token count of 70000 exceeds the limit of 64000",
    ),
    MessagePattern(
        r"exceeded model token limit", "Moonshot", "Your request exceeded model token limit: 262144"
    ),
    MessagePattern(
        r"context window exceeds", "MiniMax", "invalid params, context window exceeds limit (2013)"
    ),
    MessagePattern(
        r"greater than the context length",
        "LM Studio",
        "the number of tokens to keep is greater than the context length",
    ),
    MessagePattern(
        r"loaded with context length of",
        "LM Studio",
        "the model is loaded with context length of only 4096 tokens",
    ),
)
"""The request is longer than the model can read."""

WINDOW_SIZE = message_table(
    MessagePattern(
        r"maximum context length is ([\d,]{1,12})",
        "OpenAI, vLLM, llama-cpp-python and OpenRouter",
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
    ),
    MessagePattern(
        r"context size \(([\d,]{1,12})",
        "llama.cpp",
        "request (5000 tokens) exceeds the available context size (2048 tokens), try increasing it",
    ),
    MessagePattern(
        r"prompt is too long: [\d,]{1,12} tokens > ([\d,]{1,12})",
        "Anthropic",
        "prompt is too long: 210000 tokens > 200000 maximum",
    ),
    MessagePattern(
        r"exceed context limit: \d{1,12} \+ \d{1,12} > (\d{1,12})",
        "Anthropic",
        "input length and `max_tokens` exceed context limit: 198000 + 8192 > 200000",
    ),
    MessagePattern(
        r"exceeds the maximum (?:number of tokens allowed|of) \(?([\d,]{1,12})",
        "Gemini",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    ),
    MessagePattern(
        r"maximum prompt length is ([\d,]{1,12})",
        "xAI",
        "the maximum prompt length is 131072 but there are 537812 tokens.",
    ),
    MessagePattern(
        r"prompt token count of \d{1,12} exceeds the limit of (\d{1,12})",
        "GitHub Copilot",
        "prompt token count of 70000 exceeds the limit of 64000",
    ),
    MessagePattern(
        r"model token limit: (\d{1,12})",
        "Moonshot",
        "Your request exceeded model token limit: 262144",
    ),
    MessagePattern(
        r"loaded with context length of only (\d{1,12})",
        "LM Studio",
        "the model is loaded with context length of only 4096 tokens",
    ),
)
"""How many tokens the model can read, in the text of an error about a longer request. The one group
of each row is the number."""

CONTENT_BLOCKED = message_table(
    MessagePattern(r"content_filter", "Azure OpenAI (code)", "content_filter"),
    MessagePattern(r"content_policy_violation", "OpenAI (code)", "content_policy_violation"),
    MessagePattern(
        r"responsible ?ai ?policy", "Azure OpenAI (code)", "ResponsibleAIPolicyViolation"
    ),
    MessagePattern(r"invalid_prompt", "OpenAI Responses (code)", "invalid_prompt"),
    MessagePattern(r"bio_policy", "OpenAI Responses (code)", "bio_policy"),
    MessagePattern(
        r"misalignment_policy", "OpenAI Responses (code)", "misalignment_policy_violation"
    ),
)
"""The server's rules forbid the question or the answer."""

KEY_REFUSED = message_table(
    MessagePattern(r"invalid_api_key", "OpenAI (code)", "invalid_api_key"),
    MessagePattern(r"incorrect_api_key", "Azure OpenAI (code)", "incorrect_api_key"),
    MessagePattern(
        r"API_KEY_INVALID", "Gemini (reason), with status 400", "API_KEY_INVALID API key not valid."
    ),
    MessagePattern(r"authentication_error", "Anthropic (type)", "authentication_error"),
    MessagePattern(
        r"\blogin fail",
        "MiniMax, with status 200",
        "1004 login fail: please carry the API secret key",
    ),
)
"""The key is wrong, whatever the status is."""

TEMPORARY_CODES = message_table(
    MessagePattern(r"overloaded", "Anthropic (type)", "overloaded_error"),
    MessagePattern(r"server_error", "OpenAI (code)", "server_error"),
    MessagePattern(r"api_error", "Anthropic (type)", "api_error"),
    MessagePattern(r"internal_error", "Groq and Cohere (type)", "internal_error"),
    MessagePattern(r"unavailable", "Gemini (status)", "UNAVAILABLE"),
    MessagePattern(r"timeout", "Anthropic (type)", "timeout_error"),
)
"""Codes of errors that may not happen a second time."""

RATE_LIMIT_CODES = message_table(
    MessagePattern(r"rate_limit", "OpenAI (code) and Anthropic (type)", "rate_limit_exceeded"),
    MessagePattern(r"too_many_requests", "Azure OpenAI and Mistral (code)", "too_many_requests"),
    MessagePattern(r"resource_exhausted", "Gemini (status)", "RESOURCE_EXHAUSTED"),
)
"""Codes that ask to wait."""

PERMANENT_CODES = message_table(
    MessagePattern(r"\binvalid_", "OpenAI (code)", "invalid_request_error"),
    MessagePattern(r"\bimage_", "OpenAI Responses (code)", "image_too_large"),
    MessagePattern(r"\bunsupported_", "OpenAI Responses (code)", "unsupported_image_media_type"),
    MessagePattern(r"\bempty_image", "OpenAI Responses (code)", "empty_image_file"),
    MessagePattern(r"\bdata_residency", "OpenAI Responses (code)", "data_residency_mismatch"),
    flags=re.NOFLAG,
)
"""Codes inside an answer that say that the same request can never succeed."""

QUOTA_TEXT = message_table(
    MessagePattern(
        r"exceeded your current quota",
        "OpenAI and Gemini",
        "You exceeded your current quota, please check your plan.",
    ),
)
"""Without a code for a rate limit, and without a wait, this is about money."""

LARGER_THAN_LIMIT = message_table(
    MessagePattern(
        r"request too large\b.{0,300}\blimit (\d+), requested (\d+)",
        "OpenAI and Groq",
        "Request too large for m on tokens per min: Limit 10000, Requested 20000.",
    ),
)
"""One request that asks for more than a minute's limit: no wait makes it smaller."""

RETRY_IN = message_table(
    MessagePattern(
        rf"(?:try again|retry) in ((?:{TIME_SPAN.pattern})+)",
        "OpenAI and Groq",
        "Please try again in 1m30.5s.",
    ),
)
"""How long to wait, where no header says so."""

FIELD_REFUSED = message_table(
    MessagePattern(
        r"unsupported",
        "OpenAI",
        "Unsupported parameter: 'temperature' is not supported with this model.",
    ),
    MessagePattern(r"unknown", "OpenAI and Gemini", "Unknown parameter: 'stream_options'."),
    MessagePattern(
        r"unrecogni[sz]ed", "OpenAI", "Unrecognized request argument supplied: reasoning_effort"
    ),
    MessagePattern(
        r"not support", "Groq and xAI", "this model does not support `reasoning_effort`"
    ),
    MessagePattern(r"n.t support", "Mistral", "The server doesn't support stream_options"),
    MessagePattern(
        r"unexpected", "llama-cpp-python", "got an unexpected keyword argument 'stream_options'"
    ),
    MessagePattern(r"extra", "Mistral and FastAPI", "Extra inputs are not permitted"),
    MessagePattern(
        r"not permitted", "Pydantic, as FastAPI servers show it", "Extra inputs are not permitted"
    ),
    MessagePattern(r"not allowed", "Cohere", "the field stream_options is not allowed"),
    MessagePattern(r"not accepted", "Together", "stream_options is not accepted"),
    MessagePattern(r"deprecated", "Anthropic", "`temperature` is deprecated for this model."),
    MessagePattern(r"instead", "OpenAI", "Use 'max_completion_tokens' instead."),
    MessagePattern(r"only the default", "OpenAI", "Only the default (1) value is supported."),
    MessagePattern(
        r"invalid (field|param|argument)", "Azure OpenAI", "invalid parameter: stream_options"
    ),
)
"""The server does not take a field at all, as opposed to one value of it."""

VALUE_REFUSED = message_table(
    MessagePattern(r"maximum value", "OpenAI", "Expected a value <= 128000, the maximum value"),
    MessagePattern(
        r"minimum value", "OpenAI", "integer below minimum value. Expected a value >= 16"
    ),
    MessagePattern(r"expected a value", "OpenAI", "Invalid 'max_tokens': expected a value >= 1"),
    MessagePattern(
        r"(less|greater) than or equal",
        "Pydantic, as vLLM and FastAPI servers show it",
        "Input should be less than or equal to 2",
    ),
    MessagePattern(r"but got", "Hugging Face TGI", "`temperature` must be positive but got -1"),
    MessagePattern(
        r"(above|below) (the )?(maximum|minimum)",
        "OpenAI",
        "Invalid 'temperature': decimal above maximum value.",
    ),
)
"""The server takes the field, but not this value: other requests may still send the field."""

OLLAMA_CONTEXT = message_table(
    MessagePattern(
        r"^num_ctx\s+(\d{1,12})\s*$",
        "Ollama (`parameters` of /api/show)",
        "num_ctx                        8192",
    ),
    flags=re.MULTILINE,
)
"""The context window that a Modelfile sets. Ollama's API answers with its lines as one text."""
