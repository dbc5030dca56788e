"""Looks up context windows of models that are in no table, and stores what was found.

The wire of a format says what to request from a server and reads the answer; this module decides
whether to ask, and keeps the results in the memory of the host. That a server does not say it is a
result too. The public service LCW (https://lcw-api.blp.sh) is asked about models of vendors only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from typing import TypeAlias, cast

from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.memory import Newest
from agentouto._domain.participants import Agent
from agentouto.providers._format.json import as_object, as_str
from agentouto.providers._format.lookups import plausible_window, window_in_error
from agentouto.providers._format.wire import ModelLookup, WireRequest, endpoint, with_query
from agentouto.providers._models.catalog import plain, window_of

LookUp: TypeAlias = Callable[[WireRequest], Awaitable[object]]
"""Returns the JSON that a server answers with; ``None`` if it does not answer for now."""

MAX_WINDOWS = 1_024
"""Windows that are kept. Names of models come from users; a process needs a few dozen."""

LCW = "https://lcw-api.blp.sh"
"""The usual address of the service."""

# LCW, a public service with the limits of many models ---------------------------------------------


def lcw_address() -> str | None:
    """Return the address of the service, or ``None`` if the environment switches it off."""
    if os.environ.get("AGENTOUTO_LCW", "").strip().lower() in {"0", "false", "no", "off"}:
        return None
    own_address = os.environ.get("AGENTOUTO_LCW_URL", "").strip() or None
    try:
        return endpoint(own_address, LCW, "", "/context-window")
    except ConfigurationError:
        return None


def lcw_lookup(address: str, model: str) -> ModelLookup | None:
    """Return the lookup of ``model``; ``None`` if its name may be private (fine-tuned ones)."""
    name = re.sub(r"^(models|openai|anthropic|google)/", "", model)
    return None if re.search("[/:]", name) else _ask_lcw(address, name)


def _ask_lcw(address: str, model: str) -> ModelLookup:
    """Request the window; an answer about another model is ignored.

    The service answers about the most similar name if it does not have the very one.
    """
    answer = as_object((yield WireRequest(with_query(address, {"model": model}), b"")))
    data = as_object(answer.get("data"))
    names = {_folded(as_str(data.get(field))) for field in ("name", "slug")}
    same = answer.get("success") is True and _folded(model) in names
    return plausible_window(data.get("contextWindow")) if same else None


def _folded(name: str) -> str:
    return plain(re.sub(r"[\s_]+", "-", name.strip())).replace(".", "-")


# What was found -----------------------------------------------------------------------------------


class FoundWindows:
    """Windows by source and model; ``None`` where a source does not have one.

    A source is the address of a server or of the service.
    """

    __slots__ = ("by_place",)

    def __init__(self, most: int = MAX_WINDOWS) -> None:
        self.by_place: Newest[tuple[str, str], int | None] = Newest(most)

    def forget(self) -> None:
        """Drop all windows, so that they are looked up again."""
        self.by_place.clear()


_NO_SOURCES: frozenset[tuple[str, str]] = frozenset()


class Windows:
    """The context windows of one backend's models.

    Attributes:
        place: The address of the server that has the models.
        lcw: The address of the service; ``None`` if it is not asked.
    """

    __slots__ = ("_found", "_silent", "lcw", "place")

    def __init__(self, place: str, lcw: str | None, found: FoundWindows) -> None:
        self.place = place
        self.lcw = lcw
        self._found = found.by_place
        self._silent = _NO_SOURCES

    def known(self, agent: Agent) -> int | None:
        """Return how many tokens the agent's model can read; ``None`` before that was found."""
        model = agent.model
        known = agent.context_window or self._found.get((self.place, model)) or window_of(model)
        return known or (self._found.get((self.lcw, model)) if self.lcw else None)

    def learn(self, agent: Agent, error_text: str) -> None:
        """Store the window that the text of an overflow names, if it names one.

        It goes before the table of models: a server may allow fewer tokens than the model can read.
        """
        if window := window_in_error(error_text):
            self._found.put((self.place, agent.model), window)

    def is_open(self, agent: Agent, place: str) -> bool:
        """Return whether ``place`` should be asked.

        It is unless the window is known, or it has answered any backend, or has not answered this
        one.
        """
        key = place, agent.model
        return self.known(agent) is None and key not in self._found and key not in self._silent

    async def ask(
        self, agent: Agent, place: str, model_lookup: ModelLookup, look_up: LookUp
    ) -> None:
        """Ask ``place``, and store what is found.

        A server that does not answer is not asked again by this backend. That the service does not
        answer is stored for all backends: each would wait for it.
        """
        key, answered = (place, agent.model), True
        try:
            question = next(model_lookup)
            while True:
                answer = await look_up(question)
                answered = answered and answer is not None
                question = model_lookup.send(answer)
        except StopIteration as end:
            window = cast("int | None", end.value)
        if answered or place == self.lcw:
            self._found.put(key, window)
        else:
            self._silent |= {key}

    async def ask_lcw(self, agent: Agent, look_up: LookUp) -> None:
        """Ask the service about a model whose window no other source has."""
        if self.lcw is None or not self.is_open(agent, self.lcw):
            return
        if model_lookup := lcw_lookup(self.lcw, agent.model):
            await self.ask(agent, self.lcw, model_lookup, look_up)
