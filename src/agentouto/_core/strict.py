"""JSON Schemas that a provider can hold a model to, word for word.

Providers that promise a form take a part of JSON Schema only: objects say all their fields, need
them all and allow no others. A schema outside of that part is left to the check of what comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, cast

Schema: TypeAlias = Mapping[str, object]

_PLAIN = frozenset({"type", "description", "enum"})
_TYPES = frozenset({"string", "integer", "number", "boolean", "null"})


def closed(schema: Schema) -> Schema | None:
    """Return ``schema`` as a promise can be asked for, or ``None`` if it cannot.

    Nothing is dropped from it: what a provider could not promise makes it ``None``.
    """
    definitions = cast("Schema", schema.get("$defs", {}))
    whole = _closed({key: value for key, value in schema.items() if key != "$defs"})
    if whole is None or not definitions:
        return whole
    inner = {name: _closed(cast("Schema", one)) for name, one in definitions.items()}
    return None if None in inner.values() else {**whole, "$defs": inner}


def _closed(schema: Schema) -> Schema | None:
    if "$ref" in schema:
        return schema if schema.keys() <= {"$ref", "description"} else None
    if "anyOf" in schema:
        return _either(schema)
    kind = schema.get("type")
    if kind == "object":
        return _object(schema)
    if kind == "array":
        return _array(schema)
    return schema if kind in _TYPES and schema.keys() <= _PLAIN else None


def _object(schema: Schema) -> Schema | None:
    fields = cast("Schema", schema.get("properties", {}))
    needed = cast("list[str]", schema.get("required", []))
    known = {"type", "description", "properties", "required", "additionalProperties"}
    if not fields or set(needed) != set(fields) or not schema.keys() <= known:
        return None
    if schema.get("additionalProperties"):
        return None
    inner = {name: _closed(cast("Schema", one)) for name, one in fields.items()}
    if None in inner.values():
        return None
    return {**schema, "properties": inner, "additionalProperties": False}


def _array(schema: Schema) -> Schema | None:
    items = schema.get("items")
    if not isinstance(items, Mapping) or not schema.keys() <= {"type", "description", "items"}:
        return None
    inner = _closed(cast("Schema", items))
    return None if inner is None else {**schema, "items": inner}


def _either(schema: Schema) -> Schema | None:
    if not schema.keys() <= {"anyOf", "description"}:
        return None
    choices = [_closed(one) for one in cast("list[Schema]", schema["anyOf"])]
    return None if None in choices else {**schema, "anyOf": choices}
