"""Parses and writes JSON, tolerating the mistakes of servers and models.

msgspec parses and writes. What it refuses is tried again with the standard library: lone halves of
surrogate pairs, which RFC 8259 §8.2 leaves undefined and models produce when they cut a character,
and integers beyond 64 bits (§6 sets no bound). So one such character does not cost a whole reply.
The values that are not of the expected type are replaced by empty ones: a decoder never fails
because a server sends ``null`` or a number where its API promises text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import cast

import msgspec

Json = dict[str, object]
"""A JSON object."""

_parse_json = msgspec.json.Decoder().decode
_decode_object = msgspec.json.Decoder(dict[str, object]).decode
_encode_json = msgspec.json.Encoder().encode


def parse(text: bytes | str) -> object:
    """Return the value of ``text``; ``ValueError`` if it is no JSON."""
    try:
        return _parse_json(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (msgspec.DecodeError, msgspec.ValidationError):
        try:
            value: object = json.loads(text)
            return replace_lone_surrogates(value)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


def parse_object(text: bytes | str) -> Json | None:
    """Return the object of ``text``, or ``None`` if it is anything else."""
    try:
        value = parse(text)
    except ValueError:
        return None
    return cast("Json", value) if isinstance(value, dict) else None


def unquote_string(text: str) -> str:
    """Return the content of a JSON string; ``text`` itself if it is none."""
    try:
        inner = parse(text)
    except ValueError:
        return text
    return inner if isinstance(inner, str) else text


def arguments_text(written: str) -> str:
    """Return arguments as JSON of an object, whatever a model wrote: servers refuse all else."""
    try:
        _decode_object(written)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return dump(arguments_object(written)).decode()
    return written


def arguments_object(written: str) -> Json:
    """Return the object that arguments stand for, whatever a model wrote.

    What is no object at all stands under ``_invalid_json``, so that the model sees what it wrote.
    """
    if not written.strip():
        return {}
    arguments = parse_object(written)
    if arguments is None:
        arguments = parse_object(unquote_string(written))
    return {"_invalid_json": written} if arguments is None else arguments


def unwrap_object(written: str) -> str:
    """Return the object that was encoded twice, as a JSON string; else ``written``."""
    if not written.lstrip().startswith('"'):
        return written
    inner = unquote_string(written)
    return written if parse_object(inner) is None else inner


def dump(value: object) -> bytes:
    """Return ``value`` as JSON; ``TypeError`` or ``ValueError`` if JSON cannot express it."""
    try:
        try:
            return _encode_json(value)
        except (UnicodeEncodeError, OverflowError):
            return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def dump_joined(values: Iterable[object]) -> bytes:
    """Return ``values`` as JSON, joined by commas: an array without its brackets."""
    return b",".join(map(dump, values))


def as_object(value: object) -> Json:
    """Return ``value`` if it is an object, else an empty one."""
    if isinstance(value, dict):
        return value  # pyright: ignore[reportUnknownVariableType] - of JSON; a cast is a call
    return {}


def as_list(value: object) -> list[object]:
    """Return ``value`` if it is a list, else an empty one."""
    if isinstance(value, list):
        return value  # pyright: ignore[reportUnknownVariableType] - of JSON; a cast is a call
    return []


def as_str(value: object) -> str:
    """Return ``value`` if it is text, else none."""
    return value if isinstance(value, str) else ""


def as_count(value: object) -> int | None:
    """Return ``value`` if it is a whole number, else ``None``."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


MOST_TOKENS = 1_000_000_000
"""Counts above this are errors of a server and are cut to it: the largest context windows are a
hundred times smaller. Without a bound, one wrong count would exhaust the limits of a run."""


def as_tokens(value: object) -> int | None:
    """Return a number of tokens between 0 and ``MOST_TOKENS``, or ``None`` if it is no number.

    A count below zero would give a run back what it has spent of its limits.
    """
    if value is None or (type(value) is int and 0 <= value <= MOST_TOKENS):
        return value  # as nearly all servers count
    if isinstance(value, float) and value == value:  # noqa: PLR0124 - false for NaN only
        value = int(min(max(value, 0), MOST_TOKENS))
    count = as_count(value)
    return None if count is None else min(max(count, 0), MOST_TOKENS)


def merged(under: Json, over: Json) -> Json:
    """Return ``under`` updated with ``over``, objects within objects too."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            value = merged(cast("Json", below), cast("Json", value))
        result[key] = value
    return result


def replace_lone_surrogates(value: object) -> object:
    """Return ``value`` with every lone surrogate replaced by U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [replace_lone_surrogates(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {key: replace_lone_surrogates(item) for key, item in cast("Json", value).items()}
    return value
