"""Cuts the arguments of tool calls out of a chunk of the Gemini API, as the model wrote them.

``functionCall.args`` is an object within the chunk (API reference, ``FunctionCall``), not a string
as in the other APIs. Parsing and writing it again would change numbers (``1.0`` and ``1``, or 20
digits), so ``msgspec.Raw`` keeps the bytes.
"""

from __future__ import annotations

import msgspec

from agentouto.providers._format.json import as_object, dump, unwrap_object


class _RawCall(msgspec.Struct):
    args: msgspec.Raw = msgspec.Raw(b"{}")


class _RawPart(msgspec.Struct, rename="camel"):
    function_call: _RawCall | None = None


class _RawContent(msgspec.Struct):
    parts: list[_RawPart]


class _RawCandidate(msgspec.Struct):
    content: _RawContent


class _RawChunk(msgspec.Struct):
    """A chunk whose arguments of tool calls are not parsed."""

    candidates: list[_RawCandidate]


_read_raw = msgspec.json.Decoder(_RawChunk).decode


def written_arguments(event: bytes, parts: list[object]) -> list[str]:
    """Return the arguments of each tool call in ``event``, as written, without white space."""
    calls = [as_object(part) for part in parts if "functionCall" in as_object(part)]
    if not calls:
        return []
    try:
        raw = [part.function_call for part in _read_raw(event).candidates[0].content.parts]
        written = [bytes(call.args) for call in raw if call is not None]
        texts = [msgspec.json.format(args, indent=-1).decode() for args in written]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IndexError):
        texts = []
    if len(texts) != len(calls):
        texts = [dump(as_object(call["functionCall"]).get("args")).decode() for call in calls]
    return [_object_text(text) for text in texts]


def _object_text(written: str) -> str:
    """Return the object that ``written`` is or encodes; ``null`` stands for an empty one."""
    empty = {"null": "{}", '""': ""}
    return empty[written] if written in empty else unwrap_object(written)
