"""JSON as bytes, forgiving where servers and people are careless.

Reading and writing are msgspec's. What it refuses (half of a surrogate pair, a number beyond all
bounds) is tried again with the standard library, so that one odd letter costs no reply. This
module does not know what the JSON is about.
"""

from __future__ import annotations

import json
from typing import cast

import msgspec

Json = dict[str, object]
"""A JSON object."""

_read = msgspec.json.Decoder().decode
_read_object = msgspec.json.Decoder(dict[str, object]).decode
_write = msgspec.json.Encoder().encode


def parse(text: bytes | str) -> object:
    """Return what ``text`` says; ``ValueError`` if it is no JSON."""
    try:
        return _read(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (msgspec.DecodeError, msgspec.ValidationError):
        try:
            value: object = json.loads(text)
            return _mended(value)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


def parse_object(text: bytes | str) -> Json | None:
    """Return the object that ``text`` is, or ``None`` if it is anything else."""
    try:
        value = parse(text)
    except ValueError:
        return None
    return cast("Json", value) if isinstance(value, dict) else None


def unquoted(text: str) -> str:
    """Return what a JSON string says; ``text`` itself if it is none."""
    try:
        inner = parse(text)
    except ValueError:
        return text
    return inner if isinstance(inner, str) else text


def object_text(written: str) -> str:
    """Return arguments that a server can read, whatever a model wrote: JSON of an object."""
    try:
        _read_object(written)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return dump(object_of(written)).decode()
    return written


def object_of(written: str) -> Json:
    """Return the object that arguments stand for, whatever a model wrote."""
    if not written.strip():
        return {}
    meant = parse_object(written)
    if meant is None:
        meant = parse_object(unquoted(written))
    return {"_invalid_json": written} if meant is None else meant


def unwrapped(written: str) -> str:
    """Return the object that was written as a JSON string, if that is what it was."""
    if not written.lstrip().startswith('"'):
        return written
    inner = unquoted(written)
    return written if parse_object(inner) is None else inner


def dump(value: object) -> bytes:
    """Write ``value`` down; ``TypeError`` or ``ValueError`` if JSON has no form for it."""
    try:
        try:
            return _write(value)
        except (UnicodeEncodeError, OverflowError):
            return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def as_object(value: object) -> Json:
    """Return ``value`` if it is an object, else an empty one."""
    return cast("Json", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """Return ``value`` if it is a list, else an empty one."""
    return cast("list[object]", value) if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Return ``value`` if it is text, else none."""
    return value if isinstance(value, str) else ""


def as_count(value: object) -> int | None:
    """Return ``value`` if it is a whole number, else ``None``."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def merged(under: Json, over: Json) -> Json:
    """Return ``under`` with ``over`` laid on it, objects within objects too."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            value = merged(cast("Json", below), cast("Json", value))
        result[key] = value
    return result


def _mended(value: object) -> object:
    """Return ``value`` with every lone half of a surrogate pair replaced."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_mended(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {key: _mended(item) for key, item in cast("Json", value).items()}
    return value
