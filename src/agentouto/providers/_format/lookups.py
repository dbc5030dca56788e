"""Asks servers for the context window of a model, and reads their answers.

A lookup is a generator: it yields the next request and is sent the answer; the transport sends the
request. ``GET /models`` is OpenAI's "List models". OpenAI's rows have no context window, but those
of vLLM, OpenRouter, Groq, Mistral, LM Studio and llama.cpp do, under the names of ``_FIELDS``. Two
servers need a second request: Ollama's ``POST /api/show`` and LM Studio's ``GET /api/v0/models``,
each in its own documentation of the REST API. Answers come from servers of any kind, so only whole
numbers that can be a context window are believed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from agentouto._domain.secret import address
from agentouto.providers._format import server_messages
from agentouto.providers._format.json import Json, as_count, as_list, as_object, as_str, dump
from agentouto.providers._format.server_messages import OLLAMA_CONTEXT
from agentouto.providers._format.wire import ModelLookup, WireRequest

_MIN_WINDOW = 1_024
"""Fewer tokens are no context window: servers write 0 or -1 for "unknown"."""

_MAX_WINDOW = 100_000_000
"""More tokens are no context window: the largest model reads ten million."""

_FIELDS = (
    "loaded_context_length",
    "max_input_tokens",
    "inputTokenLimit",
    "max_model_len",
    "context_length",
    "context_window",
    "max_context_length",
    "n_ctx",
    "n_ctx_train",
)
"""Names of the field: LM Studio, Anthropic, Gemini, vLLM, OpenRouter, Groq, LM Studio, llama.cpp.
What the server has loaded comes before what the model could read at most."""


def plausible_window(value: object) -> int | None:
    """Return ``value`` if it can be a context window, else ``None``."""
    count = as_count(value)
    return count if count is not None and _MIN_WINDOW <= count <= _MAX_WINDOW else None


def window_in_error(text: str) -> int | None:
    """Return the context window that the text of a ``ContextOverflow`` names, if it names one."""
    found = server_messages.WINDOW_SIZE.search(text)
    number = next(filter(None, found.groups()), "") if found else ""
    return plausible_window(int(number.replace(",", ""))) if number.strip(",") else None


def replace_path(url: str, path: str, other: str) -> str:
    """Return ``url`` with ``other`` in place of ``path`` at its end."""
    parts = urlsplit(url)
    return address(parts._replace(path=parts.path.removesuffix(path) + other).geturl())


def look_up_in_list(models_url: str, model: str) -> ModelLookup:
    """Ask for a server's list of models, and for more where the list has no context window.

    A server with a single model answers for it, whatever name is asked for.
    """
    rows = list(_rows((yield WireRequest(models_url, b""))))
    row = next(
        (row for row in rows if model in _model_names(row)), rows[0] if len(rows) == 1 else {}
    )
    if window := window_in(row):
        return window
    root = re.sub(r"(/v\d\w*)?/models$", "", urlsplit(models_url).path)
    match as_str(row.get("owned_by")):
        case "library":  # Ollama
            url = replace_path(models_url, urlsplit(models_url).path, f"{root}/api/show")
            return _ollama_window((yield WireRequest(url, dump({"model": model}))))
        case "organization_owner":  # LM Studio
            url = replace_path(models_url, urlsplit(models_url).path, f"{root}/api/v0/models")
            rows = list(_rows((yield WireRequest(url, b""))))
            return next((window_in(row) for row in rows if model in _model_names(row)), None)
        case _:
            return None


def window_in(row: Json) -> int | None:
    """Return the context window in a server's row for one model, under any name."""
    places = (row, as_object(row.get("meta")))
    found = (plausible_window(place.get(field)) for place in places for field in _FIELDS)
    return next(filter(None, found), None)


def _rows(answer: object) -> Iterator[Json]:
    """Yield the row of each model in an answer."""
    body = as_object(answer)
    for row in as_list(answer) or as_list(body.get("data")) or as_list(body.get("models")):
        yield as_object(row)


def _model_names(row: Json) -> set[str]:
    """Return the names of a model, also without Ollama's default tag ``:latest``."""
    values = [*map(row.get, ("id", "name", "key", "slug")), *as_list(row.get("aliases"))]
    names = {as_str(name) for name in values}
    return names | {name.removesuffix(":latest") for name in names}


def _ollama_window(answer: object) -> int | None:
    """Return the window that is set for Ollama, else the one that the model has."""
    body = as_object(answer)
    if found := OLLAMA_CONTEXT.search(as_str(body.get("parameters"))):
        return plausible_window(int(found[1]))
    facts = as_object(body.get("model_info")).items()
    return next(
        (plausible_window(value) for name, value in facts if name.endswith(".context_length")), None
    )
