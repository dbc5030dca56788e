"""What is known of models by name: how each thinks, what it can be told, how much it may write.

The only place where models are named. A vendor's models are rows of one table, found by how their
names begin, the first that fits. Of a name that is in no row, nothing is presumed: such a model is
asked for what the user wants, and what its server refuses is left out the next time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias, TypeVar

from agentouto._domain.participants import EFFORTS

_Facts = TypeVar("_Facts")
_Table: TypeAlias = Iterable[tuple[Sequence[str], _Facts]]


def _first(table: _Table[_Facts], begins: Callable[[str], object]) -> _Facts | None:
    return next((facts for prefixes, facts in table if any(map(begins, prefixes))), None)


def nearest(efforts: Sequence[str], effort: str) -> str:
    """Return the weakest of ``efforts`` that is at least ``effort``, else the strongest."""
    wanted = EFFORTS.index(effort)
    return next((one for one in efforts if EFFORTS.index(one) >= wanted), efforts[-1])


def effort_for_budget(tokens: int) -> str:
    """Return the effort that comes closest to a budget of ``tokens`` for thinking."""
    steps = ((1_024, "minimal"), (4_096, "low"), (16_384, "medium"), (49_152, "high"))
    return next((effort for most, effort in steps if tokens <= most), "xhigh")


_TO_HIGH = ("low", "medium", "high")
_TO_XHIGH = (*_TO_HIGH, "xhigh")
_TO_MAX = (*_TO_XHIGH, "max")
_FROM_MINIMAL = ("minimal", *_TO_HIGH)


# OpenAI -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gpt:
    """What is known of one family of OpenAI's models.

    Attributes:
        by_default: Whether it reasons without being told.
        efforts: What it can be told, weakest first; empty if it does not reason.
        max_on_responses: Whether it can be told ``max`` too, through the Responses API only.
        no_tools_on_chat: Whether Chat Completions gives it no tools while it reasons.
    """

    by_default: bool = False
    efforts: tuple[str, ...] = ()
    max_on_responses: bool = False
    no_tools_on_chat: bool = False

    @property
    def can_be_off(self) -> bool:
        """Whether it can be told not to reason."""
        return "none" in self.efforts

    @property
    def on_responses(self) -> Gpt:
        """How it reasons when it is asked through the Responses API."""
        return replace(self, efforts=(*self.efforts, "max")) if self.max_on_responses else self


_REASONS = Gpt(by_default=True, efforts=("none", *_TO_XHIGH), no_tools_on_chat=True)
_CAN_REASON = Gpt(efforts=("none", *_TO_XHIGH))

_GPTS: _Table[Gpt] = (
    (
        ("gpt-6-astra", "gpt-6.1-sol"),
        replace(_REASONS, efforts=_TO_XHIGH, max_on_responses=True),
    ),
    (
        ("gpt-6.1-terra", "gpt-6-sol", "gpt-6-luna", "gpt-5.6"),
        replace(_REASONS, max_on_responses=True),
    ),
    (("gpt-5.5-pro", "gpt-5.4-pro"), replace(_REASONS, efforts=("medium", "high", "xhigh"))),
    (("gpt-5.5",), _REASONS),
    (("gpt-5.4",), replace(_CAN_REASON, no_tools_on_chat=True)),
    (("gpt-5.3", "gpt-5.2"), _CAN_REASON),
    (("gpt-5.1",), Gpt(efforts=("none", *_TO_HIGH))),
    (("gpt-5-pro",), Gpt(by_default=True, efforts=("high",))),
    (("gpt-5",), Gpt(by_default=True, efforts=_FROM_MINIMAL)),
    (("o1", "o3", "o4"), Gpt(by_default=True, efforts=_TO_HIGH)),
)
_CHAT_LATEST = Gpt(by_default=True, efforts=("medium",))


@lru_cache(maxsize=256)
def known_gpt(model: str) -> Gpt | None:
    """Return what is known of ``model``, or ``None`` if the name says nothing."""
    name = model.rpartition("/")[2]
    if name.startswith("gpt-5.") and name.endswith("-chat-latest"):
        return _CHAT_LATEST
    if name.startswith(("gpt-4", "gpt-3.5", "chatgpt-")):
        return Gpt()
    return _first(_GPTS, lambda prefix: f"{name}-".startswith(f"{prefix}-"))


# Anthropic ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claude:
    """What is known of one family of Anthropic's models.

    Attributes:
        thinks: The type of ``thinking`` that switches it on; empty if it cannot think.
        rests: The type that switches it off; empty where leaving it out is all that can be done.
        always: Whether it thinks even so.
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


_BUDGET = Claude("enabled", sampling=True, most=64_000)

_CLAUDES: _Table[Claude] = (
    (("opus-5-5", "fable-5", "mythos"), Claude(always=True, efforts=_TO_MAX)),
    (("sonnet-5-5",), Claude(rests="between_tools", efforts=_TO_MAX)),
    (("opus-5", "sonnet-5", "haiku-5-5"), Claude(rests="disabled", efforts=_TO_MAX)),
    (("opus-4-7", "opus-4-8"), Claude(efforts=_TO_MAX)),
    (("opus-4-6", "sonnet-4-6"), Claude(efforts=(*_TO_HIGH, "max"), sampling=True)),
    (("opus-4-5",), replace(_BUDGET, efforts=_TO_HIGH)),
    (("opus-4-1", "opus-4-0", "opus-4-20250514"), replace(_BUDGET, most=32_000)),
    (("sonnet-4-5", "haiku-4-5", "sonnet-4-0", "sonnet-4-20250514", "3-7-sonnet"), _BUDGET),
    (("3-5",), Claude("", sampling=True, most=8_192)),
    (("3", "2", "instant"), Claude("", sampling=True, most=4_096)),
)
_SOME_CLAUDE = Claude(efforts=_TO_MAX, sampling=True, most=None)
_NO_CLAUDE = Claude("enabled", sampling=True, most=None)


@lru_cache(maxsize=256)
def known_claude(model: str) -> Claude:
    """Return what is known of ``model``, whatever a host has put around its name.

    A Claude that is in no row is taken for one of the newest, anything else for a model that has
    learnt the API from older ones.
    """
    name = model.lower().replace(".", "-").replace("@", "-")
    _, claude, rest = name.rpartition("claude-")
    if not claude:
        return _NO_CLAUDE
    found = _first(_CLAUDES, lambda prefix: re.match(rf"{prefix}(?![0-9a-z])", rest))
    return found or _SOME_CLAUDE


def claude_budget(effort: str) -> int:
    """Return how many tokens of a Claude's thinking come closest to ``effort``."""
    budgets = {"minimal": 1_024, "low": 4_096, "medium": 8_192, "high": 24_576}
    return budgets.get(effort, 40_960)


# Google -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gemini:
    """What is known of one family of Google's models.

    Attributes:
        levels: How hard it can be told to think, least first, where it takes levels.
        budget: The fewest and the most tokens it can be told to think, where it takes budgets.
        can_be_off: Whether a budget of 0 is one.
        validates: Whether it can be held to the schemas of its tools.
        recent: Whether it wants its signatures back, and takes files inside of results.
    """

    levels: tuple[str, ...] = ()
    budget: tuple[int, int] | None = None
    can_be_off: bool = False
    validates: bool = False
    recent: bool = False

    @property
    def thinks(self) -> bool:
        """Whether it can be told how hard to think."""
        return bool(self.levels or self.budget)

    def thinking(self, effort: str, tokens: int | None) -> dict[str, object]:
        """Return how it is told to think: as hard as ``effort``, or for so many ``tokens``.

        An effort of ``none`` is as little as it can be brought to.
        """
        if self.levels:
            return {"thinkingLevel": self._level(effort).upper()}
        if self.budget is None:
            return {}
        least, most = self.budget
        if effort == "none":
            return {"thinkingBudget": 0 if self.can_be_off else least}
        wanted = _GEMINI_BUDGETS.get(effort, most) if tokens is None else tokens
        return {"thinkingBudget": min(max(wanted, least), most)}

    def _level(self, effort: str) -> str:
        """Return the level that lies nearest, of two as near the lower one."""
        wanted = EFFORTS.index(effort)
        return min(self.levels, key=lambda level: abs(EFFORTS.index(level) - wanted))


_GEMINI_BUDGETS = {"minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576}
"""What the vendor itself takes an effort for, where its models take budgets."""

_RECENT = Gemini(levels=_TO_HIGH, validates=True, recent=True)
_FLASH = Gemini(budget=(1, 24_576), can_be_off=True, validates=True)

_GEMINIS: _Table[Gemini] = (
    (("gemma", "learnlm", "gemini-1", "gemini-2.0"), Gemini()),
    (("gemini-2.5-flash-lite",), replace(_FLASH, budget=(512, 24_576))),
    (("gemini-2.5-flash",), _FLASH),
    (("gemini-2.5",), Gemini(budget=(128, 32_768), validates=True)),
    (("gemini-3-pro",), replace(_RECENT, levels=("low", "high"))),
    (("gemini-3.1-pro", "gemini-3.7-flash", "gemini-3.8-flash"), _RECENT),
    (("gemini-3",), replace(_RECENT, levels=_FROM_MINIMAL)),
    (("gemini-",), _RECENT),
)
_THOUGHTLESS = re.compile(r"-image|-tts|embedding|-audio|-live")

SOME_GEMINI = Gemini(levels=_FROM_MINIMAL)
"""How a model is spoken to whose name says nothing: it is told to think only if a user asks."""


@lru_cache(maxsize=256)
def known_gemini(model: str) -> Gemini | None:
    """Return what is known of ``model``, or ``None`` if the name says nothing."""
    name = model.rpartition("/")[2]
    found = _first(_GEMINIS, name.startswith)
    if found is not None and _THOUGHTLESS.search(name):
        return replace(found, levels=(), budget=None, validates=False)
    return found
