"""How families of models reason, by name: which settings they take, and how much they write.

Source, as of November 2026: the vendors' guides "Reasoning models" (OpenAI), "Extended thinking",
"Adaptive thinking" and "Effort" (Anthropic) and "Thinking" (Gemini), and the model profiles of
pydantic-ai (github.com/pydantic/pydantic-ai), whose comments record trials on the vendors' servers.

A vendor's models are rows of one table, found by the beginnings of their names. The first row that
fits decides, so a more special name comes first. A model in no row is asked for what the user
wants, and what its server refuses is left out the next time: a wrong row costs a setting, a missing
one only a request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias, TypeVar

import msgspec
from msgspec.structs import replace

from agentouto._domain.participants import EFFORTS

_Facts = TypeVar("_Facts")
_Table: TypeAlias = Iterable[tuple[Sequence[str], _Facts]]


def _first_row(table: _Table[_Facts], begins: Callable[[str], object]) -> _Facts | None:
    return next((facts for prefixes, facts in table if any(map(begins, prefixes))), None)


def nearest(efforts: Sequence[str], effort: str) -> str:
    """Return the weakest of ``efforts`` that is at least ``effort``, else the strongest."""
    wanted = EFFORTS.index(effort)
    return next((one for one in efforts if EFFORTS.index(one) >= wanted), efforts[-1])


def effort_for_budget(tokens: int) -> str:
    """Return the effort that comes closest to a budget of ``tokens`` for thinking.

    The steps lie between the budgets that Gemini's API uses for efforts (``_GEMINI_BUDGETS``).
    """
    steps = ((1_024, "minimal"), (4_096, "low"), (16_384, "medium"), (49_152, "high"))
    return next((effort for most, effort in steps if tokens <= most), "xhigh")


_TO_HIGH = ("low", "medium", "high")
_TO_XHIGH = (*_TO_HIGH, "xhigh")
_TO_MAX = (*_TO_XHIGH, "max")
_FROM_MINIMAL = ("minimal", *_TO_HIGH)
"""Ranges of efforts, weakest first, that families of several vendors take."""


# OpenAI -------------------------------------------------------------------------------------------


class Gpt(msgspec.Struct, frozen=True):
    """How one family of OpenAI's models reasons.

    Attributes:
        by_default: Whether it reasons if the request does not say.
        efforts: The efforts that it takes, weakest first; empty if it does not reason.
        max_on_responses: Whether it also takes ``max``, through the Responses API only.
        no_tools_on_chat: Whether Chat Completions refuses tools while it reasons.
    """

    by_default: bool = False
    efforts: tuple[str, ...] = ()
    max_on_responses: bool = False
    no_tools_on_chat: bool = False

    @property
    def can_be_off(self) -> bool:
        """Whether its reasoning can be switched off."""
        return "none" in self.efforts

    @property
    def on_responses(self) -> Gpt:
        """How it reasons if it is asked through the Responses API."""
        return replace(self, efforts=(*self.efforts, "max")) if self.max_on_responses else self


_REASONS_BY_DEFAULT = Gpt(by_default=True, efforts=("none", *_TO_XHIGH), no_tools_on_chat=True)
_REASONS_ON_REQUEST = Gpt(efforts=("none", *_TO_XHIGH))
"""What most rows have in common: GPT-5.5 and later, and GPT-5.2 to 5.4."""

_GPTS: _Table[Gpt] = (
    (
        ("gpt-6-astra", "gpt-6.1-sol"),
        replace(_REASONS_BY_DEFAULT, efforts=_TO_XHIGH, max_on_responses=True),
    ),
    (
        ("gpt-6.1-terra", "gpt-6-sol", "gpt-6-luna", "gpt-5.6"),
        replace(_REASONS_BY_DEFAULT, max_on_responses=True),
    ),
    (
        ("gpt-5.5-pro", "gpt-5.4-pro"),
        replace(_REASONS_BY_DEFAULT, efforts=("medium", "high", "xhigh")),
    ),
    (("gpt-5.5",), _REASONS_BY_DEFAULT),
    (("gpt-5.4",), replace(_REASONS_ON_REQUEST, no_tools_on_chat=True)),
    (("gpt-5.3", "gpt-5.2"), _REASONS_ON_REQUEST),
    (("gpt-5.1",), Gpt(efforts=("none", *_TO_HIGH))),
    (("gpt-5-pro",), Gpt(by_default=True, efforts=("high",))),
    (("gpt-5",), Gpt(by_default=True, efforts=_FROM_MINIMAL)),
    (("o1", "o3", "o4"), Gpt(by_default=True, efforts=_TO_HIGH)),
)
"""GPT-5.4 and later refuse tools on Chat Completions while they reason; from 5.5 on they also
reason by default, so that leaving the effort out is refused as well."""

_CHAT_LATEST = Gpt(by_default=True, efforts=("medium",))
"""The models behind ChatGPT, ``gpt-5.x-chat-latest``, take no other effort."""


@lru_cache(maxsize=256)
def gpt_family(model: str) -> Gpt | None:
    """Return the family of ``model``, or ``None`` if no row has its name."""
    name = model.rpartition("/")[2]
    if name.startswith("gpt-5.") and name.endswith("-chat-latest"):
        return _CHAT_LATEST
    if name.startswith(("gpt-4", "gpt-3.5", "chatgpt-")):
        return Gpt()
    return _first_row(_GPTS, lambda prefix: f"{name}-".startswith(f"{prefix}-"))


# Anthropic ----------------------------------------------------------------------------------------


class Claude(msgspec.Struct, frozen=True):
    """How one family of Anthropic's models thinks.

    Attributes:
        thinks: The type of ``thinking`` that switches thinking on; empty if it cannot think.
        rests: The type that switches it off; empty if only leaving ``thinking`` out does so.
        always: Whether it thinks even so.
        efforts: The efforts that it takes, weakest first.
        sampling: Whether it takes a temperature while it does not think.
        most: How many tokens a reply may have; ``None`` if unknown.
    """

    thinks: str = "adaptive"
    rests: str = ""
    always: bool = False
    efforts: tuple[str, ...] = ()
    sampling: bool = False
    most: int | None = 128_000


_BUDGET = Claude("enabled", sampling=True, most=64_000)
"""Models up to 4.5: thinking has a budget of tokens instead of an effort."""

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
"""By what stands behind ``claude-``. Models from 4.7 on refuse budgets. Opus 5.5, Fable and Mythos
also refuse ``disabled``, and Sonnet 5.5 takes ``between_tools`` instead of it (Anthropic, "Adaptive
thinking")."""

_UNKNOWN_CLAUDE = Claude(efforts=_TO_MAX, sampling=True, most=None)
"""A Claude that is in no row is probably newer than the table."""

_OTHER_VENDOR = Claude("enabled", sampling=True, most=None)
"""A model of another vendor that is asked through this API: such servers imitate its older
versions."""


@lru_cache(maxsize=256)
def claude_family(model: str) -> Claude:
    """Return the family of ``model``, whatever a host has put around its name."""
    name = model.lower().replace(".", "-").replace("@", "-")
    _, claude, rest = name.rpartition("claude-")
    if not claude:
        return _OTHER_VENDOR
    found = _first_row(_CLAUDES, lambda prefix: re.match(rf"{prefix}(?![0-9a-z])", rest))
    return found or _UNKNOWN_CLAUDE


def claude_budget(effort: str) -> int:
    """Return the budget for ``effort``.

    Anthropic names none, so these are Gemini's, with a step between ``minimal`` and ``medium``;
    1,024 is the least that Anthropic takes.
    """
    budgets = {"minimal": 1_024, "low": 4_096, "medium": 8_192, "high": 24_576}
    return budgets.get(effort, 40_960)


# Google -------------------------------------------------------------------------------------------


class Gemini(msgspec.Struct, frozen=True):
    """How one family of Google's models thinks.

    Attributes:
        levels: The values of ``thinkingLevel`` that it takes, least first; empty for none.
        budget: The least and the highest ``thinkingBudget``; ``None`` if it takes none.
        can_be_off: Whether it takes a budget of 0.
        validates: Whether it takes the calling mode ``VALIDATED``.
        recent: Whether it requires its signatures, and takes files inside of results.
    """

    levels: tuple[str, ...] = ()
    budget: tuple[int, int] | None = None
    can_be_off: bool = False
    validates: bool = False
    recent: bool = False

    @property
    def thinks(self) -> bool:
        """Whether it takes settings for thinking."""
        return bool(self.levels or self.budget)

    def thinking(self, effort: str, tokens: int | None) -> dict[str, object]:
        """Return the fields of ``thinkingConfig`` for ``effort``, or for a budget of ``tokens``.

        An effort of ``none`` is the least that it takes.
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
        """Return the nearest level; of two as near, the lower one."""
        wanted = EFFORTS.index(effort)
        return min(self.levels, key=lambda level: abs(EFFORTS.index(level) - wanted))


_GEMINI_BUDGETS = MappingProxyType(
    {"minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576}
)
"""What Google itself takes ``reasoning_effort`` for (ai.google.dev, "OpenAI compatibility",
thinking)."""

_RECENT = Gemini(levels=_TO_HIGH, validates=True, recent=True)
_FLASH = Gemini(budget=(1, 24_576), can_be_off=True, validates=True)
"""What most rows have in common: Gemini 3 and later, and the Flash models of Gemini 2.5."""

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
"""The budgets are those of "Thinking" (range of each model); from Gemini 3 on, levels replace
them."""

_NO_THINKING = re.compile(r"-image|-tts|embedding|-audio|-live")
"""Models of these families that take no settings for thinking and no ``VALIDATED``."""

UNKNOWN_GEMINI = Gemini(levels=_FROM_MINIMAL)
"""A model that is in no row: it gets settings for thinking only if the user sets them."""


@lru_cache(maxsize=256)
def gemini_family(model: str) -> Gemini | None:
    """Return the family of ``model``, or ``None`` if no row has its name."""
    name = model.rpartition("/")[2]
    found = _first_row(_GEMINIS, name.startswith)
    if found is not None and _NO_THINKING.search(name):
        return replace(found, levels=(), budget=None, validates=False)
    return found
