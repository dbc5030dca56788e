"""Ranks tools by the words that a model looks for, for runs with more tools than a model is shown.

The ranking is BM25: a word counts more the fewer tools have it, and the more often a short
description has it. Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and
Beyond" (2009), §3.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from agentouto._domain.ports import ToolSpec

SATURATION = 1.2
"""k1 of BM25: how soon more of the same word count no more. The value of the paper."""

LENGTH_WEIGHT = 0.75
"""b of BM25: how much a long description counts against a tool. The value of the paper."""

NAME_WEIGHT = 3
"""How often a word of the name counts: names are short and chosen with care."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")


def ranked_tools(query: str, tools: Iterable[ToolSpec], limit: int) -> Sequence[ToolSpec]:
    """Return the tools that have words of ``query``, best first, ``limit`` at most."""
    listed = list(tools)
    texts = [
        Counter(_words(f"{f'{tool.name} ' * NAME_WEIGHT}{tool.description}")) for tool in listed
    ]
    lengths = [sum(text.values()) for text in texts]
    usual = sum(lengths) / max(1, len(lengths)) or 1.0
    scores = [0.0] * len(listed)
    for word in set(_words(query)):
        having = sum(word in text for text in texts)
        rarity = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
        for place, text in enumerate(texts):
            if count := text[word]:
                length = 1 - LENGTH_WEIGHT + LENGTH_WEIGHT * lengths[place] / usual
                scores[place] += rarity * count * (SATURATION + 1) / (count + SATURATION * length)
    order = sorted(range(len(listed)), key=lambda place: -scores[place])
    return [listed[place] for place in order[:limit] if scores[place] > 0]


def _words(text: str) -> list[str]:
    """Return the words of ``text``, in lower case and without the s of a plural."""
    words = (word.lower() for word in _WORD.findall(text))
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words]
