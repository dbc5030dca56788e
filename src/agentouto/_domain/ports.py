"""What the engine needs from the outside, said as protocols.

Engine, providers, tools and test doubles all point here and never at each other.
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
    """A tool as a model is told of it. ``parameters`` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, object]


class Draft:
    """A backend's scratch paper for one call: what it wrote down for the request before.

    Transcripts only grow, so the next request begins with the last one. A backend keeps here what
    it has encoded so far and encodes only what is new. Nobody else reads it.

    Attributes:
        wire: Who wrote this: drafts of another wire or model are of no use.
        last: The last entry written down, by which a transcript is recognised as a longer one.
        count: How many entries are written down.
        pieces: The encoded entries.
        files: What was found at the addresses of attachments that had to be fetched.
    """

    __slots__ = ("_seen", "count", "files", "last", "pieces", "wire")

    def __init__(self) -> None:
        self.wire: str = ""
        self.last: Entry | None = None
        self.count: int = 0
        self.pieces: list[bytes] = []
        self.files: dict[Attachment, Attachment] = {}
        self._seen: tuple[object, int, Entry | None] = (None, 0, None)

    def unseen(self, transcript: Transcript, by: object) -> tuple[Entry, ...]:
        """Return the entries that ``by`` has not been through, as ``see`` has noted."""
        who, count, last = self._seen
        entries = transcript.entries
        if who is by and 0 < count <= len(entries) and entries[count - 1] is last:
            return entries[count:]
        return entries

    def see(self, transcript: Transcript, by: object) -> None:
        """Note that ``by`` has been through all of ``transcript``."""
        entries = transcript.entries
        self._seen = by, len(entries), entries[-1] if entries else None

    def unwritten(self, transcript: Transcript, wire: str) -> tuple[Entry, ...]:
        """Return the entries that still have to be encoded for ``wire``; forget what is stale."""
        entries = transcript.entries
        grown = self.wire == wire and 0 < self.count <= len(entries)
        if not (grown and entries[self.count - 1] is self.last):
            self.wire, self.count, self.pieces = wire, 0, []
        new = entries[self.count :]
        if new:
            self.count, self.last = len(entries), new[-1]
        return new


Admit: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]
"""Entered before each try to reach a model, and left when it has ended. It may wait, or raise."""


class ModelRequest(msgspec.Struct, frozen=True, gc=False):
    """One question to one model, in our own words.

    ``tools`` is the same object for every request of a run, so a backend may encode it once.
    ``path`` is where in the run the question is asked: agent names and places, the same whenever
    the run is done again. ``form`` is the schema of an object that text has to be, where data of a
    type is asked for and a provider may be able to promise it. ``admit`` counts what is sent, and
    ``summary`` says that not the next turn is asked for but a summary of earlier ones.
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


class Backend(Protocol):
    """Puts a request to a model and tells what comes back."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta], None]:
        """Yield the deltas that arrived together, until the reply is complete.

        Raises nothing but ``ProviderError`` and ``AuthError``. Closing it early ends the
        request.
        """
        ...

    def window(self, agent: Agent) -> int | None:
        """Return how many tokens the agent's model can read, if that is known by now."""
        ...

    async def find_window(self, agent: Agent) -> None:
        """Ask who may know, so that ``window`` can tell. Raises nothing."""
        ...
