"""Where ids come from.

Only a run's id is drawn by chance. A call's id follows from the call it was made in and its place
there, so that doing the same thing again gives the same ids. Ids of tool calls come from models,
which repeat them, leave them empty or make them of any letters; identity cannot be left to them.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from agentouto._domain.content import Part, Reply, ToolCall


def call_id(parent: str, place: str) -> str:
    """Return the id of the call made in ``parent`` at ``place``: 32 hex digits."""
    return blake2b(f"{parent}/{place}".encode(), digest_size=16).hexdigest()


def task_id(parent: str, place: str) -> str:
    """Return the id of the background call made in ``parent`` at ``place``."""
    return f"bg_{call_id(parent, place)[:12]}"


def starter_id(run_id: str, place: int, *, background: bool) -> str:
    """Return the id of a starting agent's call: readable for background runs, else hashed."""
    if not background:
        return call_id(run_id, str(place))
    return run_id if place == 0 else f"{run_id}_{place}"


def placed(reply: Reply, turn: int, taken: set[str]) -> Reply:
    """Return ``reply`` with its tool calls placed in ``turn`` and told apart by id.

    Ids in ``taken`` are not used again; the ids of this reply are added to it.
    """
    if not any(isinstance(part, ToolCall) for part in reply.parts):
        return reply
    parts: list[Part] = []
    index = 0
    for part in reply.parts:
        if isinstance(part, ToolCall):
            place = f"{turn}.{index}"
            index += 1
            id_ = part.id
            if not id_ or id_ in taken:
                id_ = f"call_{place.replace('.', '_')}"
                while id_ in taken:
                    id_ += "_"
            taken.add(id_)
            part = ToolCall(id_, part.name, part.arguments, place)
        parts.append(part)
    return msgspec.structs.replace(reply, parts=tuple(parts))
