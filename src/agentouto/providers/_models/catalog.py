"""Context windows and prices of models, by name.

Source, as of November 2026: the vendors' pages (platform.openai.com, "Models" and "Pricing";
Anthropic, "Models overview" and "Pricing"; ai.google.dev, "Gemini models" and "Gemini Developer API
pricing"; api-docs.deepseek.com, "Models & Pricing"), and LiteLLM's table of models
(github.com/BerriAI/litellm, ``model_prices_and_context_window.json``). Prices change; where long
requests cost more, the price of short ones stands here. How a model reasons stands in
``families.py``. For a name that is in no row, both are unknown, and a server may be asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import msgspec

from agentouto._domain.limits import Price


class Model(msgspec.Struct, frozen=True):
    """One family of models.

    Attributes:
        window: How many tokens it can read: less than its context window where the vendor reserves
            some of that for the reply, as OpenAI does (400,000 less 128,000).
        input: US dollars for a million tokens of input.
        output: The same for output.
        cached: The same for input from a cache, if that has a price of its own.
    """

    window: int
    input: float
    output: float
    cached: float | None = None


OPENAI_MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "gpt-6-astra": Model(922_000, 10, 50, 1),
        "gpt-6.1-sol": Model(922_000, 2, 10, 0.1),
        "gpt-6.1-terra": Model(922_000, 1, 5, 0.05),
        "gpt-6-sol": Model(922_000, 2, 10, 0.2),
        "gpt-6-luna": Model(922_000, 0.1, 0.5, 0.01),
        "gpt-5.6-sol": Model(922_000, 4, 20, 0.4),
        "gpt-5.6-terra": Model(922_000, 2, 12, 0.2),
        "gpt-5.6-luna": Model(922_000, 0.2, 1.2, 0.02),
        "gpt-5.5": Model(1_050_000, 5, 30, 0.5),
        "gpt-5.5-pro": Model(1_050_000, 30, 180),
        "gpt-5.4": Model(1_050_000, 2.5, 15, 0.25),
        "gpt-5.4-pro": Model(1_050_000, 30, 180),
        "gpt-5.4-mini": Model(272_000, 0.75, 4.5, 0.075),
        "gpt-5.4-nano": Model(272_000, 0.2, 1.25, 0.02),
        "gpt-5.3-chat": Model(128_000, 1.75, 14, 0.175),
        "gpt-5.3-codex": Model(272_000, 1.75, 14, 0.175),
        "gpt-5.2": Model(272_000, 1.75, 14, 0.175),
        "gpt-5.2-chat": Model(128_000, 1.75, 14, 0.175),
        "gpt-5.2-pro": Model(272_000, 21, 168),
        "gpt-5.1": Model(272_000, 1.25, 10, 0.125),
        "gpt-5.1-chat": Model(128_000, 1.25, 10, 0.125),
        "gpt-5": Model(272_000, 1.25, 10, 0.125),
        "gpt-5-chat": Model(128_000, 1.25, 10, 0.125),
        "gpt-5-mini": Model(272_000, 0.25, 2, 0.025),
        "gpt-5-nano": Model(272_000, 0.05, 0.4, 0.005),
        "gpt-5-pro": Model(272_000, 15, 120),
        "gpt-4.1": Model(1_047_576, 2, 8, 0.5),
        "gpt-4.1-mini": Model(1_047_576, 0.4, 1.6, 0.1),
        "gpt-4.1-nano": Model(1_047_576, 0.1, 0.4, 0.025),
        "gpt-4o": Model(128_000, 2.5, 10, 1.25),
        "gpt-4o-mini": Model(128_000, 0.15, 0.6, 0.075),
        "gpt-4-turbo": Model(128_000, 10, 30),
        "o4-mini": Model(200_000, 1.1, 4.4, 0.275),
        "o3": Model(200_000, 2, 8, 0.5),
        "o3-mini": Model(200_000, 1.1, 4.4, 0.55),
        "o3-pro": Model(200_000, 20, 80),
        "o1": Model(200_000, 15, 60, 7.5),
        "o1-mini": Model(128_000, 1.1, 4.4, 0.55),
    }
)

"""By the beginning of the name. Models from GPT-5.6 on have a context window of 1,050,000 tokens,
of which 128,000 are reserved for the reply."""

CLAUDE_MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "fable-5": Model(1_000_000, 10, 50, 1),
        "fable-5-1": Model(1_000_000, 10, 50, 0.25),
        "fable-5-2": Model(1_000_000, 8, 40, 0.2),
        "mythos-5-2": Model(1_000_000, 8, 40, 0.2),
        "opus-5-5": Model(1_000_000, 4, 20, 0.2),
        "opus-5": Model(1_000_000, 5, 25, 0.5),
        "opus-4-8": Model(1_000_000, 5, 25, 0.5),
        "opus-4-7": Model(1_000_000, 5, 25, 0.5),
        "opus-4-6": Model(1_000_000, 5, 25, 0.5),
        "opus-4-5": Model(200_000, 5, 25, 0.5),
        "opus-4-1": Model(200_000, 15, 75, 1.5),
        "opus-4-0": Model(200_000, 15, 75, 1.5),
        "opus-4": Model(200_000, 15, 75, 1.5),
        "sonnet-5-5": Model(1_000_000, 2, 10, 0.1),
        "sonnet-5": Model(1_000_000, 2, 10, 0.2),
        "sonnet-4-6": Model(1_000_000, 3, 15, 0.3),
        "sonnet-4-5": Model(200_000, 3, 15, 0.3),
        "sonnet-4-0": Model(200_000, 3, 15, 0.3),
        "sonnet-4": Model(200_000, 3, 15, 0.3),
        "haiku-5-5": Model(1_000_000, 0.1, 0.5, 0.01),
        "haiku-4-5": Model(200_000, 1, 5, 0.1),
        "3-7-sonnet": Model(200_000, 3, 15, 0.3),
        "3-5-sonnet": Model(200_000, 3, 15, 0.3),
        "3-5-haiku": Model(200_000, 0.8, 4, 0.08),
        "3-opus": Model(200_000, 15, 75, 1.5),
        "3-haiku": Model(200_000, 0.25, 1.25, 0.03),
    }
)
"""By what stands behind ``claude-``: Bedrock, Vertex AI and gateways put regions and vendors in
front of it."""

OTHER_MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "gemini-4-argon": Model(1_048_576, 2, 10, 0.1),
        "gemini-3.8-flash": Model(1_048_576, 0.75, 3.75, 0.075),
        "gemini-3.7-flash": Model(1_048_576, 0.75, 3.75, 0.075),
        "gemini-3.6-flash": Model(1_048_576, 0.75, 3.75, 0.075),
        "gemini-3.5-flash": Model(1_048_576, 1.5, 9, 0.15),
        "gemini-3.5-flash-lite": Model(1_048_576, 0.3, 2.5, 0.03),
        "gemini-3.1-pro": Model(1_048_576, 2, 12, 0.2),
        "gemini-3.1-flash-lite": Model(1_048_576, 0.25, 1.5, 0.025),
        "gemini-3-pro": Model(1_048_576, 2, 12, 0.2),
        "gemini-3-flash": Model(1_048_576, 0.5, 3, 0.05),
        "gemini-2.5-pro": Model(1_048_576, 1.25, 10, 0.125),
        "gemini-2.5-flash": Model(1_048_576, 0.3, 2.5, 0.03),
        "gemini-2.5-flash-lite": Model(1_048_576, 0.1, 0.4, 0.01),
        "gemini-2.0-flash": Model(1_048_576, 0.1, 0.4, 0.025),
        "gemini-2.0-flash-lite": Model(1_048_576, 0.075, 0.3),
        "deepseek-v4-pro": Model(1_000_000, 1.32, 3.96, 0.044),
        "deepseek-v4-flash": Model(1_000_000, 0.3, 1.2, 0.006),
    }
)

"""Models of other vendors, by the beginning of the name."""

_SPECIAL_MODELS = re.compile(
    r"-(image|tts|audio|live|realtime|transcribe|embedding|search)(?![a-z])"
)
"""Parts of the names of models that have other limits and prices than their family: models for
images, sound, live use, embeddings and search."""

_RELEASE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{2}-\d{2,4}|\d{3,8}|preview|latest|exp|v\d+(:\d+)?")
"""Ends of names that say which release of a model is meant: dates (``2025-04-14``, ``20250514``,
``04-2025``), ``preview``, ``latest``, and Bedrock's ``v1:0``. All releases cost the same."""

_MAX_RELEASE_WORDS = 3
"""Words of the longest release, ``2025-04-14``."""


def models_by_kind() -> dict[str, dict[str, Model]]:
    """Return the families by the kind of provider that reaches them, under their full names."""
    gpts = dict(OPENAI_MODELS)
    return {
        "openai": gpts,
        "openai_responses": gpts,
        "anthropic": {f"claude-{name}": model for name, model in CLAUDE_MODELS.items()},
        "google": {name: each for name, each in OTHER_MODELS.items() if name.startswith("gemini-")},
    }


@lru_cache(maxsize=256)
def plain(model: str) -> str:
    """Return the name of ``model`` without a host's additions and without its release."""
    name = model.lower().rpartition("/")[2].replace("@", "-")
    if name.startswith("ft:"):
        name = name.split(":")[1] + "-ft"  # a fine-tuned model has other prices
    _, claude, rest = name.rpartition("claude-")
    if claude:
        name = claude + rest.replace(".", "-")
    words = name.split("-")
    while length := _length_of_release(words):
        del words[-length:]
    return "-".join(words)


def _length_of_release(words: list[str]) -> int:
    """Return how many of the last ``words`` are the release; the first word never is."""
    for length in range(min(_MAX_RELEASE_WORDS, len(words) - 1), 0, -1):
        if _RELEASE.fullmatch("-".join(words[-length:])):
            return length
    return 0


def window_of(model: str) -> int | None:
    """Return how many tokens ``model`` can read, or ``None`` if no row has its name.

    A model whose name begins with a row can read as much: it is derived from that one.
    """
    family = _family(plain(model))
    return None if family is None else family[1].window


def listed_price(model: str) -> Price | None:
    """Return the price of ``model``, or ``None`` if no row has exactly its name.

    A derived model may have another price, so the beginning of a name is not enough.
    """
    name = plain(model)
    family = _family(name)
    if family is None or family[0] != name.removeprefix("claude-"):
        return None
    return Price(family[1].input, family[1].output, family[1].cached)


@lru_cache(maxsize=256)
def _family(name: str) -> tuple[str, Model] | None:
    """Return the row with the longest name that ``name`` begins with."""
    if _SPECIAL_MODELS.search(name):
        return None
    table = OPENAI_MODELS if name.startswith(("gpt-", "o1", "o3", "o4")) else OTHER_MODELS
    if name.startswith("claude-"):
        table, name = CLAUDE_MODELS, name.removeprefix("claude-")
    longest = max((row for row in table if f"{name}-".startswith(f"{row}-")), key=len, default="")
    return (longest, table[longest]) if longest else None
