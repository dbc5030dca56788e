"""Remembers which fields a server refuses for a model, so that they are not sent again.

Compatible servers lag behind the APIs that they imitate, and no list says which fields each takes.
So a request has what the agent wants, and a refusal corrects the next one: a wire's ``adapt`` reads
the error, and the transport sends the request again. Only fields that we chose are ever left out,
never those that a user put into ``extra``; and quirks are only added, so the number of corrections
of one request is bounded.

This module has what is the same for every format: what was refused, and which field an error is
about. What a format sends instead is decided by its wire.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from agentouto._domain.errors import AuthError, ContextOverflow, ProviderError, QuotaExhausted
from agentouto._domain.memory import Newest
from agentouto._domain.participants import Agent
from agentouto.providers._format.errors import ErrorDetails
from agentouto.providers._format.json import Json, as_object
from agentouto.providers._format.server_messages import VALUE_REFUSED
from agentouto.providers._models.families import effort_for_budget

log = logging.getLogger("agentouto")


_AMBIGUOUS_NAMES = frozenset({"include", "store"})
"""Fields whose names are also ordinary words of an error text. They count only if the text points
at them: ``'include'``, ``field store``."""

_POINTER = r"(?:['\"`.]|: |\b(?:field|param|parameter|argument|key|property) )"
"""What stands in front of a field that a text points at."""


CRASHED = 500
"""The status with which servers report an exception, a refusal of the request included:
llama-cpp-python for a message it cannot validate, llama.cpp for a chat template that raises."""

MOST_QUIRKS = 1_000
"""How many models, by server, are remembered in each format; the oldest is forgotten first. It is
far more than one program uses, and bounds the memory of one that makes up names of models."""

_INDEXES = re.compile(r"\[\d+\]|\.\d+(?=\.)")
"""Places in lists, which are no part of a field's path: OpenAI writes ``tools[0].name``, Pydantic
``tools.0.name``."""


class Quirks:
    """What one server refuses and requires for one model.

    Quirks are only added, so two requests that learn the same at the same time agree.

    Attributes:
        origin: Server and model, for the log.
        left_out: Paths of fields that are no longer sent.
        warned: Settings of users about which the log has a warning.
    """

    __slots__ = ("left_out", "origin", "warned")

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.left_out: set[str] = set()
        self.warned: set[str] = set()

    def warn_once(self, field: str, why: str) -> None:
        """Log, once, that a setting of the user is not sent."""
        if field not in self.warned:
            self.warned.add(field)
            log.warning("%s: %s is not sent: %s", self.origin, field, why)

    def wanted_effort(self, agent: Agent) -> str:
        """Return the effort that ``agent`` asks for; a token budget becomes the nearest effort."""
        effort: str = agent.reasoning_effort
        if agent.reasoning_budget is not None and effort == "medium":
            effort = effort_for_budget(agent.reasoning_budget)
            self.warn_once("reasoning_budget", f"this API takes efforts; {effort!r} comes closest")
        return effort


H = TypeVar("H", bound=Quirks)


class LearnedQuirks(Generic[H]):
    """The quirks of all models of one format, by server and model."""

    __slots__ = ("_by_origin",)

    def __init__(self) -> None:
        self._by_origin: Newest[str, H] = Newest(MOST_QUIRKS)

    def __len__(self) -> int:
        return len(self._by_origin)

    def of(self, origin: str, new: Callable[[str], H]) -> H:
        """Return the quirks of ``origin``; ``new`` makes those of one that is asked first."""
        quirks = self._by_origin.get(origin)
        return self._by_origin.setdefault(origin, new(origin)) if quirks is None else quirks

    def forget(self) -> None:
        """Forget all quirks: every server is asked as if it had refused nothing."""
        self._by_origin.clear()


def is_correctable(error: ProviderError | AuthError) -> bool:
    """Return whether another request may avoid ``error``."""
    return not isinstance(error, AuthError | ContextOverflow | QuotaExhausted)


def is_about_value(details: ErrorDetails) -> bool:
    """Return whether ``details`` is about one value of a field that the server does take."""
    return VALUE_REFUSED.matches(details.message)


def field_named(optional: frozenset[str], details: ErrorDetails) -> str:
    """Return the path in ``optional`` that ``details`` names first; empty if it names none.

    Fields within fields are paths: ``reasoning.effort``. An error about ``reasoning`` is about all
    paths that begin with it. ``param`` counts for more than the text, which may mention others.
    """
    if is_about_value(details):
        return ""
    groups = {field.rpartition(".")[0] for field in optional} - {""}
    param = _INDEXES.sub("", details.param)
    if param in groups:
        return param
    while param:
        if param in optional:
            return param
        param = param.rpartition(".")[0]
    if details.param:
        return ""  # the server points at another field, whatever its text mentions
    message = _INDEXES.sub("", details.message)
    places = {
        field: (found.start(), -len(field))
        for field in optional | groups
        if (found := _mention_of(field).search(message))
    }
    return min(places, key=places.__getitem__, default="")


def _mention_of(field: str) -> re.Pattern[str]:
    pointing = _POINTER if field in _AMBIGUOUS_NAMES else r"\b"
    return re.compile(rf"{pointing}{re.escape(field)}(?!\.?\w)")


def paths(fields: Json, under: str = "", whole: Collection[str] = ()) -> set[str]:
    """Return the paths of all values in ``fields`` that are no objects, or are in ``whole``."""
    found: set[str] = set()
    for name, value in fields.items():
        path = under + name
        inner = {} if path in whole else as_object(value)
        found |= paths(inner, f"{path}.", whole) if inner else {path}
    return found


def without(fields: Json, path: str) -> None:
    """Remove the value at ``path`` from ``fields``, and the objects that are empty then."""
    name, _, rest = path.partition(".")
    inner = as_object(fields.get(name))
    if rest and inner:
        without(inner, rest)
    if not rest or not inner:
        fields.pop(name, None)
