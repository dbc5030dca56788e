"""Derives the ids of calls, background tasks and tool calls.

Only the id of a run and those of the user's letters are random. The id of a call is a hash of its
parent's id and its place there, so that a run which is done again gets the same ids. A letter comes
from outside of the run: if letters were counted, two processes that work on one run in turn
would give one id twice. Ids of tool calls come from models: some repeat them, leave them empty, or
use characters that other APIs refuse. An id that is empty or taken is therefore replaced, and tool
calls are told apart by their place.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from agentouto._domain.content import Part, Place, Reply, ToolCall


def call_id(parent: str, place: str) -> str:
    """Return the id of the call made in ``parent`` at ``place``: 32 hex digits, as a run's id."""
    return blake2b(f"{parent}/{place}".encode(), digest_size=16).hexdigest()


def id_of_use(call: str, place: str) -> str:
    """Return the id of the run in which a tool is used elsewhere, at ``place`` in ``call``."""
    return call_id(call, f"{place}.elsewhere")


def task_id(parent: str, place: str) -> str:
    """Return the id of the background call made in ``parent`` at ``place``."""
    return f"bg_{call_id(parent, place)[:12]}"


def approval_id(call: str, place: str, arguments: str) -> str:
    """Return the id of the request to approve one tool call, at ``place``, with ``arguments``."""
    digest = blake2b(f"{call}/{place}/{arguments}".encode(errors="replace"), digest_size=16)
    return f"ap_{digest.hexdigest()}"


def starter_id(run_id: str, place: int, *, background: bool) -> str:
    """Return the id of a starting agent's call: readable for background runs, else hashed."""
    if not background:
        return call_id(run_id, str(place))
    return run_id if place == 0 else f"{run_id}_{place}"


def assign_ids(reply: Reply, turn: int, taken: set[str]) -> Reply:
    """Return ``reply`` with a place in ``turn`` and a unique id for each of its tool calls.

    Ids in ``taken`` are not used again. The ids of this reply are added to ``taken``.
    """
    parts: list[Part] = []
    index = 0
    for part in reply.parts:
        if isinstance(part, ToolCall):
            id_ = part.id
            if not id_ or id_ in taken:
                id_ = f"call_{turn}_{index}"
                while id_ in taken:
                    id_ += "_"
            taken.add(id_)
            part = ToolCall(id_, part.name, part.arguments, Place(turn, index))
            index += 1
        parts.append(part)
    if not index:
        return reply
    return msgspec.structs.replace(reply, parts=tuple(parts))
