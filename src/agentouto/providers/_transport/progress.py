"""Tells progress of a reply from signs of life: pings, empty events, repeated counts.

A server may send signs of life for ever: comments of many proxies, Anthropic's ``ping``, OpenAI's
``keepalive``, empty deltas, a repeated status or usage. Text, thinking, parts of tool calls and
whatever else becomes a part of the reply are progress. One table serves all formats, because the
names of their fields do not overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from agentouto._domain.delta import Delta, ToolCallDelta, UsageDelta
from agentouto.providers._format.json import as_list, as_object, parse

_CONTENT_FIELDS = (
    "choices",  # Chat Completions
    "candidates",  # Gemini
    "delta",  # Messages (an object), Responses (a text)
    "content_block",  # Messages
    "item",  # Responses
    "part",  # Responses
    "partial_image_b64",  # Responses
)
"""Fields of an event that hold parts of the reply. The others describe the event or the reply."""

_LABELS = frozenset(
    {"type", "role", "id", "call_id", "item_id", "object", "index", "status", "usage", "model"}
)
"""Fields inside of those that are the same from one event to the next."""


def is_progress(deltas: Sequence[Delta], events: Sequence[bytes]) -> bool:
    """Return whether ``events``, or the ``deltas`` read from them, add to the reply."""
    for delta in deltas:
        kind = type(delta)
        if kind is ToolCallDelta:
            call = cast("ToolCallDelta", delta)
            if call.arguments or call.name:
                return True
        elif kind is not UsageDelta:
            return True
    return any(map(_may_hold_text, events))


def _may_hold_text(event: bytes) -> bool:
    """Return whether an event holds a text that may become a part of the reply.

    A decoder may hold it back for now: half a tag, a signature, a call without a name.
    """
    try:
        fields = as_object(parse(event))
    except ValueError:
        return False
    return any(_holds_text(fields[place]) for place in _CONTENT_FIELDS if place in fields)


def _holds_text(value: object) -> bool:
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, str) and one:
            return True
        todo += as_list(one)
        todo += (field for name, field in as_object(one).items() if name not in _LABELS)
    return False
