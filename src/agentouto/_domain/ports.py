"""The interface between the engine and the backends that reach models.

The engine and the providers both import this module and never each other.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

import msgspec

from agentouto._domain.content import Entry, Transcript
from agentouto._domain.delta import Delta
from agentouto._domain.message import Attachment
from agentouto._domain.participants import Agent


class ToolSpec(msgspec.Struct, frozen=True, gc=False):
    """The description of a tool for models. ``parameters`` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, object]


class Draft:
    """A backend's scratch paper for one call: what it wrote down for the request before.

    Transcripts only grow, so the next request begins with the entries of the last one. A backend
    keeps their encoding here and encodes new entries only: to encode all of them in every turn
    would take time that grows with the square of the turns. Only backends read a draft.

    Attributes:
        options: How the entries were encoded: a value of the format that is compared with ``==``.
            What is written with other options is dropped. ``None`` if there is nothing.
        native_refused_by: The origin that has refused its own native items in this call: replies
            go there as text and tool calls from then on. Empty if there is none.
        last: The last encoded entry. A transcript with this very object at its place is longer.
        last_written: The last entry that has an encoding: some have none.
        count: The number of encoded entries.
        written: The encoded entries, one behind the other, so that a request copies them at once
            however many there are.
        files: The downloaded files for attachments with an address.
    """

    __slots__ = (
        "_seen",
        "count",
        "files",
        "last",
        "last_written",
        "native_refused_by",
        "options",
        "written",
    )

    def __init__(self) -> None:
        self.options: object = None
        self.native_refused_by: str = ""
        self.last: Entry | None = None
        self.last_written: Entry | None = None
        self.count: int = 0
        self.written: bytearray = bytearray()
        self.files: dict[Attachment, Attachment] = {}
        self._seen: tuple[object, int, Entry | None] = (None, 0, None)

    def unseen(self, transcript: Transcript, by: object) -> tuple[Entry, ...]:
        """Return the entries that ``by`` has not passed to ``see`` yet."""
        who, count, last = self._seen
        entries = transcript.entries
        if who is by and 0 < count <= len(entries) and entries[count - 1] is last:
            return entries[count:]
        return entries

    def see(self, transcript: Transcript, by: object) -> None:
        """Note that ``by`` has processed all of ``transcript``."""
        entries = transcript.entries
        self._seen = by, len(entries), entries[-1] if entries else None

    def unwritten(self, transcript: Transcript, options: object) -> tuple[Entry, ...]:
        """Return the entries that are not encoded with ``options`` yet; drop a stale encoding."""
        entries = transcript.entries
        grown = self.options == options and 0 < self.count <= len(entries)
        if not (grown and entries[self.count - 1] is self.last):
            self.options, self.count = options, 0
            self.last_written, self.written = None, bytearray()
        new = entries[self.count :]
        if new:
            self.count, self.last = len(entries), new[-1]
        return new


Admit: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]
"""The context of one try to reach a model. Entering it may wait for a slot, or raise
``LimitReached``; leaving it frees the slot."""


def never() -> bool:
    """Return ``False``."""
    return False


class ModelRequest(msgspec.Struct, frozen=True, gc=False):
    """One request to one model, in no vendor's format.

    ``tools`` is the same object for every request of a run, so a backend may encode it once.
    ``path`` is the place of the request in the run: agent names and places, the same whenever the
    run is done again. ``form`` is the schema of the JSON object that the reply has to be, for
    providers that can enforce it. ``admit`` counts each try against the limits. ``summary`` marks a
    request for a summary of earlier turns. ``repeatable`` returns whether no part of the reply was
    used so far, so that the request may be made again after a part has arrived.
    """

    agent: Agent
    transcript: Transcript
    tools: tuple[ToolSpec, ...]
    draft: Draft
    call_id: str
    turn: int
    path: str
    form: Mapping[str, object] | None = None
    admit: Admit | None = None
    summary: bool = False
    repeatable: Callable[[], bool] = never


class Backend(Protocol):
    """Sends a request to a model and yields its reply."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta], None]:
        """Yield the deltas that arrived together, until the reply is complete.

        Raises nothing but ``ProviderError`` and ``AuthError``. Closing it early ends the
        request.
        """
        ...

    def window(self, agent: Agent) -> int | None:
        """Return the context window of the agent's model in tokens, if it is known by now."""
        ...

    async def find_window(self, agent: Agent) -> None:
        """Look the context window up, so that ``window`` can return it. Raises nothing."""
        ...
