"""Replies of Chat Completions that servers do send, and that were once read slowly or late.

``how`` is one of ``ODD``; the work of reading ``number`` should grow as ``number`` does.
"""

from __future__ import annotations

import json
from collections.abc import Callable


def _chunk(delta: object, reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def _call(number: int, arguments: str) -> dict[str, object]:
    told = {"name": "work", "arguments": arguments}
    return {"id": f"call_{number}", "type": "function", "function": told}


def _unnumbered(number: int) -> bytes:
    """Tool calls without an index, all in one chunk."""
    calls = [_call(place, f'{{"i": {place}}}') for place in range(number)]
    return _chunk({"tool_calls": calls}) + _chunk({}, "tool_calls") + b"data: [DONE]\n\n"


def _pieces(number: int) -> bytes:
    """One tool call in so many pieces, each with the id of the call and without an index."""
    pieces = ['{"i":', *[" "] * number, "1}"]
    said = b"".join(_chunk({"tool_calls": [_call(0, piece)]}) for piece in pieces)
    return said + _chunk({}, "tool_calls") + b"data: [DONE]\n\n"


def _comments(number: int) -> bytes:
    """So many comments, which keep a connection open, before the answer."""
    return b": ping\n\n" * number + _whole() + b"data: [DONE]\n\n"


def _whole(number: int = 0) -> bytes:
    """A text, and no ``[DONE]`` after it."""
    del number
    return _chunk({"role": "assistant", "content": "all done"}) + _chunk({}, "stop")


ODD: dict[str, Callable[[int], bytes]] = {
    "unnumbered": _unnumbered,
    "pieces": _pieces,
    "comments": _comments,
    "open": _whole,
}
"""By name. The last is not ended either: the connection stays as it is."""
