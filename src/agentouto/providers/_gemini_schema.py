"""What Gemini reads of a JSON schema, and how the rest is told to it in words.

Fields that the API refuses are left out; bounds and formats that it does not know become part of a
description. What tools are for is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from agentouto.providers._json import Json, as_list, as_object, dump

_DROPPED = frozenset({"$schema", "title", "discriminator", "examples"})
_NAMED_SCHEMAS = frozenset({"properties", "$defs", "definitions"})
_ONE_SCHEMA = frozenset({"items", "additionalProperties"})
_SCHEMAS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_TOLD = {"exclusiveMinimum": "more than {}", "exclusiveMaximum": "less than {}"}


def declared(parameters: Mapping[str, object]) -> Json | None:
    """Return the parameters of a tool in words Gemini reads; ``None`` if there are none."""
    schema = _slim(dict(parameters))
    if schema.get("properties") or schema.keys() & {"$ref", "anyOf", "oneOf", "allOf"}:
        return schema
    return schema if schema.get("additionalProperties") else None


def _slim(schema: Json) -> Json:
    """Return ``schema`` without what is refused; what can be said in words is said in words."""
    slim: Json = {}
    notes: list[str] = []
    for key, value in schema.items():
        if key in _DROPPED:
            continue
        if key in _TOLD and not isinstance(value, bool):
            notes.append(_TOLD[key].format(dump(value).decode()))
        elif key == "format" and schema.get("type") == "string":
            notes.append(f"format: {value}")
        elif key == "const":
            slim["enum"] = [value]
        else:
            slim[key] = _slim_value(key, value)
    if notes:
        said = slim.get("description")
        slim["description"] = "; ".join([said, *notes] if isinstance(said, str) else notes)
    if "$ref" in slim and any(not key.startswith("$") for key in slim):
        slim = {"anyOf": [{"$ref": slim.pop("$ref")}], **slim}
    return slim


def _slim_value(key: str, value: object) -> object:
    if key in _NAMED_SCHEMAS:
        return {name: _slim_item(item) for name, item in as_object(value).items()}
    if key in _ONE_SCHEMA:
        return _slim_item(value)
    if key in _SCHEMAS:
        return [_slim_item(item) for item in as_list(value)]
    return value


def _slim_item(item: object) -> object:
    return _slim(cast("Json", item)) if isinstance(item, dict) else item
