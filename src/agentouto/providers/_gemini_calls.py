"""The arguments of Gemini's tool calls, as the model wrote them.

They come as JSON within JSON. Reading them and writing them down again would turn numbers into
other numbers, so they are cut out of the chunk instead. What they mean is not asked here.
"""

from __future__ import annotations

import msgspec

from agentouto.providers._json import as_object, dump, unwrapped


class _RawCall(msgspec.Struct):
    args: msgspec.Raw = msgspec.Raw(b"{}")


class _RawPart(msgspec.Struct, rename="camel"):
    function_call: _RawCall | None = None


class _RawContent(msgspec.Struct):
    parts: list[_RawPart]


class _RawCandidate(msgspec.Struct):
    content: _RawContent


class _RawChunk(msgspec.Struct):
    """The same chunk with the arguments of tool calls left as they were written."""

    candidates: list[_RawCandidate]


_read_raw = msgspec.json.Decoder(_RawChunk).decode


def written_arguments(event: bytes, parts: list[object]) -> list[str]:
    """Return the arguments of each tool call in ``event``, as they were written, without blanks."""
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
    return [_meant(text) for text in texts]


def _meant(written: str) -> str:
    """Return the object that ``written`` is or stands for; nothing stands for an empty one."""
    empty = {"null": "{}", '""': ""}
    return empty[written] if written in empty else unwrapped(written)
