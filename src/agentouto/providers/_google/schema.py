"""Reduces a JSON schema to the keywords that the Gemini API takes.

Source: ai.google.dev, "Structured output" (JSON Schema support) and ``parametersJsonSchema`` in the
API reference. Keywords that the API refuses are left out. Bounds and formats that it does not know
become part of the description, so that the model still reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from agentouto.providers._format.json import Json, as_list, as_object, dump

_REFUSED_KEYS = frozenset({"$schema", "title", "discriminator", "examples"})
"""Keywords that the API refuses, and that change nothing about which values are valid."""

_SCHEMA_MAPS = frozenset({"properties", "$defs", "definitions"})
_SINGLE_SCHEMAS = frozenset({"items", "additionalProperties"})
_SCHEMA_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
"""Keywords whose value is a schema, a list of schemas, or a mapping to schemas (JSON Schema
2020-12, Core §10)."""

_AS_TEXT = MappingProxyType(
    {"exclusiveMinimum": "more than {}", "exclusiveMaximum": "less than {}"}
)
"""Keywords that the API does not know, and how a description says the same."""


def gemini_schema(parameters: Mapping[str, object]) -> Json | None:
    """Return the schema of a tool's parameters for Gemini; ``None`` if it has no parameters."""
    schema = _reduced(dict(parameters))
    if schema.get("properties") or schema.keys() & {"$ref", "anyOf", "oneOf", "allOf"}:
        return schema
    return schema if schema.get("additionalProperties") else None


def _reduced(schema: Json) -> Json:
    """Return ``schema`` without refused keywords; some become part of the description."""
    reduced: Json = {}
    notes: list[str] = []
    for key, value in schema.items():
        if key in _REFUSED_KEYS:
            continue
        if key in _AS_TEXT and not isinstance(value, bool):
            notes.append(_AS_TEXT[key].format(dump(value).decode()))
        elif key == "format" and schema.get("type") == "string":
            notes.append(f"format: {value}")
        elif key == "const":
            reduced["enum"] = [value]
        else:
            reduced[key] = _reduced_value(key, value)
    if notes:
        text = reduced.get("description")
        reduced["description"] = "; ".join([text, *notes] if isinstance(text, str) else notes)
    if "$ref" in reduced and any(not key.startswith("$") for key in reduced):
        # beside $ref, the API takes only keywords that begin with $ (API reference,
        # responseJsonSchema)
        reduced = {"anyOf": [{"$ref": reduced.pop("$ref")}], **reduced}
    return reduced


def _reduced_value(key: str, value: object) -> object:
    if key in _SCHEMA_MAPS:
        return {name: _reduced_item(item) for name, item in as_object(value).items()}
    if key in _SINGLE_SCHEMAS:
        return _reduced_item(value)
    if key in _SCHEMA_LISTS:
        return [_reduced_item(item) for item in as_list(value)]
    return value


def _reduced_item(item: object) -> object:
    return _reduced(cast("Json", item)) if isinstance(item, dict) else item
