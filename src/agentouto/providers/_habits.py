"""What servers teach those who ask them: fields that one of them refuses, and is not sent again.

The part of it that is the same for every format: who refused what, and which field a complaint is
about. What a format writes instead is its own business.
"""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import TypeVar

from agentouto._domain.errors import AuthError, ContextOverflow, ProviderError, QuotaExhausted
from agentouto._domain.participants import Agent
from agentouto.providers._json import Json, as_object
from agentouto.providers._models import effort_for_budget
from agentouto.providers._refusal import Fault

log = logging.getLogger("agentouto")

REFUSING = re.compile(
    r"unsupported|unknown|unrecogni[sz]ed|not support|n.t support|unexpected|extra|not permitted"
    r"|not allowed|not accepted|deprecated|instead|only the default|invalid (field|param|argument)",
    re.IGNORECASE,
)
"""What a server says that does not take a field at all, as opposed to a value of it."""

_VERBS = frozenset({"include", "store"})
"""Names of fields that a complaint may use for words, unless it points at them."""

_POINTING = r"(?:['\"`.]|: |\b(?:field|param|parameter|argument|key|property) )"

_OF_A_VALUE = re.compile(
    r"maximum value|minimum value|expected a value|(less|greater) than or equal|but got"
    r"|(above|below) (the )?(maximum|minimum)",
    re.IGNORECASE,
)
"""What a server says of one value of a field that it does take: nothing for others to learn."""

MOST_REMEMBERED = 1_000
"""So many servers' models are remembered in each format; the oldest is forgotten first."""

_PLACES = re.compile(r"\[\d+\]|\.\d+(?=\.)")


class Habits:
    """How one server wants one model to be asked: what it has refused, what it insists on.

    Habits are only ever added, so two requests that learn the same thing at once agree.
    """

    __slots__ = ("hushed", "left_out", "origin")

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.left_out: set[str] = set()
        self.hushed: set[str] = set()

    def note(self, field: str, why: str) -> None:
        """Say, once, that a setting of the user's is not sent."""
        if field not in self.hushed:
            self.hushed.add(field)
            log.warning("%s: %s is not sent: %s", self.origin, field, why)

    def wanted_effort(self, agent: Agent) -> str:
        """Return how hard ``agent`` wants to think; a budget is taken for the nearest effort."""
        effort: str = agent.reasoning_effort
        if agent.reasoning_budget is not None and effort == "medium":
            effort = effort_for_budget(agent.reasoning_budget)
            self.note("reasoning_budget", f"this API takes efforts; {effort!r} comes closest")
        return effort


H = TypeVar("H", bound=Habits)


def remembered(all_: OrderedDict[str, H], origin: str, new: Callable[[str], H]) -> H:
    """Return what is known of ``origin``: out of ``all_``, or ``new`` there."""
    known = all_.get(origin)
    if known is None:
        known = all_.setdefault(origin, new(origin))
        while len(all_) > MOST_REMEMBERED:
            all_.popitem(last=False)
    return known


def is_lesson(error: ProviderError | AuthError) -> bool:
    """Return whether a request that failed so could have been written better."""
    return not isinstance(error, AuthError | ContextOverflow | QuotaExhausted)


def is_of_a_value(fault: Fault) -> bool:
    """Return whether ``fault`` is about one value of a field that the server does take."""
    return _OF_A_VALUE.search(fault.message) is not None


def named(ours: frozenset[str], fault: Fault) -> str:
    """Return the field of ours that ``fault`` names first, or nothing.

    Fields within fields are written as paths: ``reasoning.effort``. A complaint about ``reasoning``
    is about all that begin so.
    """
    if is_of_a_value(fault):
        return ""
    groups = {field.rpartition(".")[0] for field in ours} - {""}
    param = _PLACES.sub("", fault.param)
    if param in groups:
        return param
    while param:
        if param in ours:
            return param
        param = param.rpartition(".")[0]
    if fault.param:
        return ""  # it points at something else, whatever it mentions besides
    message = _PLACES.sub("", fault.message)
    places = {
        field: (found.start(), -len(field))
        for field in ours | groups
        if (found := _mention(field).search(message))
    }
    return min(places, key=places.__getitem__, default="")


def _mention(field: str) -> re.Pattern[str]:
    pointing = _POINTING if field in _VERBS else r"\b"
    return re.compile(rf"{pointing}{re.escape(field)}(?!\.?\w)")


def paths(fields: Json, under: str = "", whole: Collection[str] = ()) -> set[str]:
    """Return the path of every value in ``fields`` that is no object itself, or is in ``whole``."""
    found: set[str] = set()
    for name, value in fields.items():
        path = under + name
        inner = {} if path in whole else as_object(value)
        found |= paths(inner, f"{path}.", whole) if inner else {path}
    return found


def without(fields: Json, path: str) -> None:
    """Take what is at ``path`` out of ``fields``, and what is empty then."""
    name, _, rest = path.partition(".")
    inner = as_object(fields.get(name))
    if rest and inner:
        without(inner, rest)
    if not rest or not inner:
        fields.pop(name, None)
