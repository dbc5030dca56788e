"""Turns a JSON Schema into the strict form that providers can enforce while a model writes.

Providers that enforce a schema (OpenAI "Structured Outputs: supported schemas", and servers that
follow it) take a part of JSON Schema only: an object lists all of its fields as required and allows
no others, and most validation keywords are missing. A schema outside of that part is not sent; the
answer is checked when it has arrived, as it is in every case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, cast

JsonSchema: TypeAlias = Mapping[str, object]

_SCALAR_KEYWORDS = frozenset({"type", "description", "enum"})
_SCALAR_TYPES = frozenset({"string", "integer", "number", "boolean", "null"})
"""What a schema without inner schemas may consist of. OpenAI takes more keywords, such as
``pattern``, but not for every model ("Supported schemas"), and compatible servers differ."""


def strict_schema(schema: JsonSchema) -> JsonSchema | None:
    """Return ``schema`` in strict form, or ``None`` if it has no strict form.

    No keyword is dropped: a schema with a keyword that cannot be enforced gives ``None``.
    """
    definitions = cast("JsonSchema", schema.get("$defs", {}))
    whole = _strict({key: value for key, value in schema.items() if key != "$defs"})
    if whole is None or not definitions:
        return whole
    inner = {name: _strict(cast("JsonSchema", one)) for name, one in definitions.items()}
    return None if None in inner.values() else {**whole, "$defs": inner}


def _strict(schema: JsonSchema) -> JsonSchema | None:
    if "$ref" in schema:
        return schema if schema.keys() <= {"$ref", "description"} else None
    if "anyOf" in schema:
        return _strict_any_of(schema)
    kind = schema.get("type")
    if kind == "object":
        return _strict_object(schema)
    if kind == "array":
        return _strict_array(schema)
    return schema if kind in _SCALAR_TYPES and schema.keys() <= _SCALAR_KEYWORDS else None


def _strict_object(schema: JsonSchema) -> JsonSchema | None:
    fields = cast("JsonSchema", schema.get("properties", {}))
    needed = cast("list[str]", schema.get("required", []))
    known = {"type", "description", "properties", "required", "additionalProperties"}
    if not fields or set(needed) != set(fields) or not schema.keys() <= known:
        return None
    if schema.get("additionalProperties"):
        return None
    inner = {name: _strict(cast("JsonSchema", one)) for name, one in fields.items()}
    if None in inner.values():
        return None
    return {**schema, "properties": inner, "additionalProperties": False}


def _strict_array(schema: JsonSchema) -> JsonSchema | None:
    items = schema.get("items")
    if not isinstance(items, Mapping) or not schema.keys() <= {"type", "description", "items"}:
        return None
    inner = _strict(cast("JsonSchema", items))
    return None if inner is None else {**schema, "items": inner}


def _strict_any_of(schema: JsonSchema) -> JsonSchema | None:
    if not schema.keys() <= {"anyOf", "description"}:
        return None
    choices = [_strict(one) for one in cast("list[JsonSchema]", schema["anyOf"])]
    return None if None in choices else {**schema, "anyOf": choices}
