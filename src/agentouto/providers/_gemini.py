"""What Gemini models are like: how each is told to think, and what they read of a JSON schema.

The only table of Google's model names. What it does not know is spoken to as the user asked, and
what its server refuses is left out the next time. No request is written here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from agentouto._domain.participants import EFFORTS
from agentouto.providers._json import Json, as_list, as_object, dump

_LEVELS = ("minimal", "low", "medium", "high")
_BUDGETS = {"minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576}
"""What the vendor itself takes an effort for, where its models take budgets."""


@dataclass(frozen=True, slots=True)
class Gemini:
    """What is known of one family of models.

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

    def thinking(self, effort: str, tokens: int | None) -> Json:
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
        wanted = _BUDGETS.get(effort, most) if tokens is None else tokens
        return {"thinkingBudget": min(max(wanted, least), most)}

    def _level(self, effort: str) -> str:
        """Return the level that lies nearest, of two as near the lower one."""
        wanted = EFFORTS.index(effort)
        return min(self.levels, key=lambda level: abs(EFFORTS.index(level) - wanted))


_OLD = Gemini()
_NEW = Gemini(levels=("low", "medium", "high"), validates=True, recent=True)
_OPEN = Gemini(levels=_LEVELS)
"""What is not known: thinking is asked for only where the user asks for it."""

_FAMILIES: tuple[tuple[tuple[str, ...], Gemini], ...] = (
    (("gemma", "learnlm", "gemini-1", "gemini-2.0"), _OLD),
    (
        ("gemini-2.5-flash-lite",),
        Gemini(budget=(512, 24_576), can_be_off=True, validates=True),
    ),
    (("gemini-2.5-flash",), Gemini(budget=(1, 24_576), can_be_off=True, validates=True)),
    (("gemini-2.5",), Gemini(budget=(128, 32_768), validates=True)),
    (("gemini-3-pro",), replace(_NEW, levels=("low", "high"))),
    (("gemini-3.1-pro", "gemini-3.7-flash", "gemini-3.8-flash"), _NEW),
    (("gemini-3",), replace(_NEW, levels=_LEVELS)),
    (("gemini-",), _NEW),
)
_THOUGHTLESS = re.compile(r"-image|-tts|embedding|-audio|-live")


def known(model: str) -> Gemini | None:
    """Return what is known of ``model``, or ``None`` if the name says nothing."""
    name = model.rpartition("/")[2]
    for prefixes, family in _FAMILIES:
        if name.startswith(prefixes):
            if _THOUGHTLESS.search(name):
                return replace(family, levels=(), budget=None, validates=False)
            return family
    return None


def unknown() -> Gemini:
    """Return how a model is spoken to of which nothing is known."""
    return _OPEN


# Schemas ------------------------------------------------------------------------------------------

_DROPPED = frozenset({"$schema", "title", "discriminator", "examples"})
_NAMED_SCHEMAS = frozenset({"properties", "$defs", "definitions"})
_ONE_SCHEMA = frozenset({"items", "additionalProperties"})
_SCHEMAS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_TOLD = {"exclusiveMinimum": "more than {}", "exclusiveMaximum": "less than {}"}


def declared(parameters: Mapping[str, object]) -> Json | None:
    """Return the parameters of a tool in words Gemini reads; ``None`` if there are none."""
    schema = _slim(dict(parameters))
    if schema.get("properties") or schema.keys() & {"$ref", "anyOf", "oneOf", "allOf"}:
        return schema
    return schema if schema.get("additionalProperties") else None


def _slim(schema: Json) -> Json:
    """Return ``schema`` without what is refused; what can be said in words is said in words."""
    slim: Json = {}
    notes: list[str] = []
    for key, value in schema.items():
        if key in _DROPPED:
            continue
        if key in _TOLD and not isinstance(value, bool):
            notes.append(_TOLD[key].format(dump(value).decode()))
        elif key == "format" and schema.get("type") == "string":
            notes.append(f"format: {value}")
        elif key == "const":
            slim["enum"] = [value]
        else:
            slim[key] = _slim_value(key, value)
    if notes:
        said = slim.get("description")
        slim["description"] = "; ".join([said, *notes] if isinstance(said, str) else notes)
    if "$ref" in slim and any(not key.startswith("$") for key in slim):
        slim = {"anyOf": [{"$ref": slim.pop("$ref")}], **slim}
    return slim


def _slim_value(key: str, value: object) -> object:
    if key in _NAMED_SCHEMAS:
        return {name: _slim_item(item) for name, item in as_object(value).items()}
    if key in _ONE_SCHEMA:
        return _slim_item(value)
    if key in _SCHEMAS:
        return [_slim_item(item) for item in as_list(value)]
    return value


def _slim_item(item: object) -> object:
    return _slim(cast("Json", item)) if isinstance(item, dict) else item
