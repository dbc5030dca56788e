"""What is known of Claude models: how they think, what they can be told, how much they may write.

Rows are found by the beginning of a name, whatever a host has put in front of it or behind it. A
model that is not in the table is spoken to as the newest ones are; what its server refuses is left
out the next time.
"""

from __future__ import annotations

import re

import msgspec

from agentouto._domain.participants import EFFORTS

SAFE_CAP = 16_384
"""How much a model that is not known may write."""

LEAST_BUDGET = 1_024
ROOM_FOR_WORDS = 4_096
"""How much a reply may say beside a budget for thinking, where nobody has set a limit."""

_BUDGETS = {"minimal": 1_024, "low": 4_096, "medium": 8_192, "high": 24_576}
_LARGEST_BUDGET = 40_960


class Manners(msgspec.Struct, frozen=True):
    """How one model is spoken to.

    Attributes:
        thinks: The type of ``thinking`` that switches it on; empty if the model cannot think.
        rests: The type that switches it off; empty where leaving it out is all that can be done.
        always: Whether the model thinks even so.
        efforts: The efforts it takes, weakest first.
        sampling: Whether it takes a temperature, when it does not think.
        most: How many tokens a reply may have; ``None`` if unknown.
    """

    thinks: str = "adaptive"
    rests: str = ""
    always: bool = False
    efforts: tuple[str, ...] = ()
    sampling: bool = False
    most: int | None = 128_000


_TO_HIGH = ("low", "medium", "high")
_ALL = (*_TO_HIGH, "xhigh", "max")

_BY_DEFAULT = Manners(rests="disabled", efforts=_ALL)
_ALWAYS = Manners(always=True, efforts=_ALL)
_BUDGET = Manners("enabled", sampling=True, most=64_000)
_SMALL_BUDGET = Manners("enabled", sampling=True, most=32_000)

_FAMILIES: tuple[tuple[tuple[str, ...], Manners], ...] = (
    (("opus-5-5", "fable-5", "mythos"), _ALWAYS),
    (("sonnet-5-5",), Manners(rests="between_tools", efforts=_ALL)),
    (("opus-5", "sonnet-5", "haiku-5-5"), _BY_DEFAULT),
    (("opus-4-7", "opus-4-8"), Manners(efforts=_ALL)),
    (("opus-4-6", "sonnet-4-6"), Manners(efforts=(*_TO_HIGH, "max"), sampling=True)),
    (("opus-4-5",), Manners("enabled", efforts=_TO_HIGH, sampling=True, most=64_000)),
    (("opus-4-1", "opus-4-0", "opus-4-20250514"), _SMALL_BUDGET),
    (("sonnet-4-5", "haiku-4-5", "sonnet-4-0", "sonnet-4-20250514", "3-7-sonnet"), _BUDGET),
    (("3-5",), Manners("", sampling=True, most=8_192)),
    (("3", "2", "instant"), Manners("", sampling=True, most=4_096)),
)
_UNKNOWN_CLAUDE = Manners(efforts=_ALL, sampling=True, most=None)
_STRANGER = Manners("enabled", sampling=True, most=None)


def manners(model: str) -> Manners:
    """Return how ``model`` is spoken to."""
    name = model.lower().replace(".", "-").replace("@", "-")
    _, claude, rest = name.rpartition("claude-")
    if not claude:
        return _STRANGER
    for prefixes, family in _FAMILIES:
        if any(re.match(rf"{prefix}(?![0-9a-z])", rest) for prefix in prefixes):
            return family
    return _UNKNOWN_CLAUDE


def nearest(efforts: tuple[str, ...], effort: str) -> str:
    """Return the weakest of ``efforts`` that is at least ``effort``, else the strongest."""
    wanted = EFFORTS.index(effort)
    return next((one for one in efforts if EFFORTS.index(one) >= wanted), efforts[-1])


def budget_for(effort: str) -> int:
    """Return how many tokens of thinking come closest to ``effort``."""
    return _BUDGETS.get(effort, _LARGEST_BUDGET)
