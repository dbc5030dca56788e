"""How much models read that are in no table: who is asked, and what of the answers is believed.

A question is put by whoever can reach its server; here is what to ask for next and what an answer
means. Answers come from anybody, so nothing is believed but whole numbers that a window can have.
What was found is kept for the whole process, and so is that there was nothing to be found.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeAlias, cast
from urllib.parse import urlsplit

from agentouto._domain.misuse import ConfigurationError
from agentouto._domain.participants import Agent
from agentouto.providers._catalog import plain, window_of
from agentouto.providers._json import Json, as_count, as_list, as_object, as_text, dump
from agentouto.providers._wire import Inquiry, WireRequest, endpoint, with_query

LookUp: TypeAlias = Callable[[WireRequest], Awaitable[object]]
"""Returns the JSON that a server answers with; ``None`` if it does not answer, now at least."""

MANY = 1_024
"""So many windows are kept before the oldest is forgotten."""

LCW = "https://lcw-api.blp.sh"

_LEAST, _MOST = 1_024, 100_000_000
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
"""What servers call it. What is true of the model as it is served comes first."""

_NUM_CTX = re.compile(r"^num_ctx\s+(\d{1,12})\s*$", re.MULTILINE)


def sensible(value: object) -> int | None:
    """Return ``value`` if it is a number of tokens that a model may be able to read."""
    count = as_count(value)
    return count if count is not None and _LEAST <= count <= _MOST else None


def beside(url: str, path: str, other: str) -> str:
    """Return ``url`` with ``other`` at its end where ``path`` was."""
    parts = urlsplit(url)
    return parts._replace(path=parts.path.removesuffix(path) + other).geturl()


# Servers ------------------------------------------------------------------------------------------


def listed(models_url: str, model: str) -> Inquiry:
    """Ask for a server's list of models; of those whose list says too little, at another place.

    A server with one model answers with that, whatever it is asked for.
    """
    rows = list(_rows((yield WireRequest(models_url, b""))))
    row = next((row for row in rows if model in _names(row)), rows[0] if len(rows) == 1 else {})
    if window := told_in(row):
        return window
    root = re.sub(r"(/v\d\w*)?/models$", "", urlsplit(models_url).path)
    match as_text(row.get("owned_by")):
        case "library":  # Ollama
            url = beside(models_url, urlsplit(models_url).path, f"{root}/api/show")
            return _shown((yield WireRequest(url, dump({"model": model}))))
        case "organization_owner":  # LM Studio
            url = beside(models_url, urlsplit(models_url).path, f"{root}/api/v0/models")
            rows = list(_rows((yield WireRequest(url, b""))))
            return next((told_in(row) for row in rows if model in _names(row)), None)
        case _:
            return None


def told_in(row: Json) -> int | None:
    """Return the window that what a server says of one model holds, under any name."""
    places = (row, as_object(row.get("meta")))
    found = (sensible(place.get(field)) for place in places for field in _FIELDS)
    return next(filter(None, found), None)


def _rows(answer: object) -> Iterator[Json]:
    """Yield what an answer says of each model."""
    body = as_object(answer)
    for row in as_list(answer) or as_list(body.get("data")) or as_list(body.get("models")):
        yield as_object(row)


def _names(row: Json) -> set[str]:
    """Return what a model is called by its server, an unspoken ``:latest`` left out too."""
    said = [*map(row.get, ("id", "name", "key", "slug")), *as_list(row.get("aliases"))]
    names = {as_text(name) for name in said}
    return names | {name.removesuffix(":latest") for name in names}


def _shown(answer: object) -> int | None:
    """Return how much of a model Ollama uses, or else how much there is to be used."""
    body = as_object(answer)
    if said := _NUM_CTX.search(as_text(body.get("parameters"))):
        return sensible(int(said[1]))
    facts = as_object(body.get("model_info")).items()
    return next(
        (sensible(value) for name, value in facts if name.endswith(".context_length")), None
    )


# LCW, a public service that knows many models -----------------------------------------------------


def lcw_address() -> str | None:
    """Return where the service is asked, or ``None`` if it may not be."""
    if os.environ.get("AGENTOUTO_LCW", "").strip().lower() in {"0", "false", "no", "off"}:
        return None
    given = os.environ.get("AGENTOUTO_LCW_URL", "").strip() or None
    try:
        return endpoint(given, LCW, "", "/context-window")
    except ConfigurationError:
        return None


def asks_lcw(address: str, model: str) -> Inquiry | None:
    """Return how the service is asked about ``model``, unless its name may be somebody's secret."""
    name = re.sub(r"^(models|openai|anthropic|google)/", "", model)
    return None if re.search("[/:]", name) else _told_by_lcw(address, name)


def _told_by_lcw(address: str, model: str) -> Inquiry:
    """Believe what is said of this very model: the service may answer for one that is alike."""
    answer = as_object((yield WireRequest(with_query(address, {"model": model}), b"")))
    data = as_object(answer.get("data"))
    names = {_folded(as_text(data.get(field))) for field in ("name", "slug")}
    same = answer.get("success") is True and _folded(model) in names
    return sensible(data.get("contextWindow")) if same else None


def _folded(name: str) -> str:
    return plain(re.sub(r"[\s_]+", "-", name.strip())).replace(".", "-")


# What was found -----------------------------------------------------------------------------------

_FOUND: dict[tuple[str, str], int | None] = {}
"""Windows, by who told them and of which model; ``None`` where there was none to be told."""


_NOBODY: frozenset[tuple[str, str]] = frozenset()


class Windows:
    """What one backend knows of windows, and who has not answered it.

    Attributes:
        place: The server that the models are at.
        lcw: Where the service is asked, if it may be.
    """

    __slots__ = ("_silent", "lcw", "place")

    def __init__(self, place: str, *, home: bool) -> None:
        self.place = place
        self.lcw = lcw_address() if home else None
        self._silent = _NOBODY

    def known(self, agent: Agent) -> int | None:
        """Return how much the agent's model can read, as far as it is known by now."""
        model = agent.model
        known = agent.context_window or window_of(model) or _FOUND.get((self.place, model))
        return known or (_FOUND.get((self.lcw, model)) if self.lcw else None)

    def is_open(self, agent: Agent, place: str) -> bool:
        """Return whether it is worth while to ask at ``place``."""
        what = place, agent.model
        return self.known(agent) is None and what not in _FOUND and what not in self._silent

    async def ask(self, agent: Agent, place: str, inquiry: Inquiry, look_up: LookUp) -> None:
        """Ask at ``place``, and keep what is found.

        Whoever does not answer is not asked again by this backend, and the service by nobody.
        """
        what, answered = (place, agent.model), True
        try:
            question = next(inquiry)
            while True:
                answer = await look_up(question)
                answered = answered and answer is not None
                question = inquiry.send(answer)
        except StopIteration as end:
            window = cast("int | None", end.value)
        if answered or place == self.lcw:
            _keep(what, window)
        else:
            self._silent |= {what}

    async def ask_lcw(self, agent: Agent, look_up: LookUp) -> None:
        """Ask the service, if it may be, about a model that nobody else knows."""
        if self.lcw is None or not self.is_open(agent, self.lcw):
            return
        if inquiry := asks_lcw(self.lcw, agent.model):
            await self.ask(agent, self.lcw, inquiry, look_up)


def _keep(what: tuple[str, str], window: int | None) -> None:
    _FOUND[what] = window
    while len(_FOUND) > MANY:
        _FOUND.pop(next(iter(_FOUND)), None)
