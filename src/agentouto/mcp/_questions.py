"""Turns a server's request for input into a question to a person, and the answer back.

Source: MCP 2025-11-25 and 2026-07-28, Client Features, Elicitation. A form asks for an object of
texts, numbers, booleans and choices, without nesting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal, TypeAlias, cast

Value: TypeAlias = str | int | float | bool | list[str] | None
"""A value of a field of a form."""

Action: TypeAlias = Literal["accept", "decline", "cancel"]

MAX_ATTEMPTS = 3
"""How often a person is asked before a form counts as cancelled: the server waits meanwhile."""

_TRUE = frozenset({"true", "yes", "y", "1", "on"})
_FALSE = frozenset({"false", "off", "0"})
"""Not "no": it declines every form."""


class BadAnswer(Exception):
    """An answer does not fit the form. Its text says why, for the person."""


def question_text(message: str, fields: Mapping[str, Mapping[str, object]]) -> str:
    """Return the question of a form with ``fields``, and how it is answered."""
    if not fields:
        return f"{message}\n(yes, or no to decline)"
    lines = [f"  {name}: {_field_text(field)}" for name, field in fields.items()]
    how = "Answer with the value" if len(fields) == 1 else "Answer with a JSON object of these"
    return "\n".join([message, *lines, f"({how}; no declines)"])


def fields_of(schema: Mapping[str, object]) -> Mapping[str, Mapping[str, object]]:
    """Return the fields of a form by name."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    return {
        str(name): cast("Mapping[str, object]", field)
        for name, field in cast("Mapping[object, object]", properties).items()
        if isinstance(field, Mapping)
    }


def choices_of(field: Mapping[str, object]) -> tuple[str, ...]:
    """Return the values that ``field`` can have, if it is a choice of one of several texts."""
    listed = field.get("enum")
    if isinstance(listed, list):
        return tuple(map(str, cast("list[object]", listed)))
    for key in ("oneOf", "anyOf"):
        titled = field.get(key)
        if isinstance(titled, list):
            rows = cast("list[Mapping[str, object]]", titled)
            return tuple(str(row["const"]) for row in rows if "const" in row)
    return ()


def read_answer(
    text: str, schema: Mapping[str, object]
) -> tuple[Action, Mapping[str, Value] | None]:
    """Return what a person's answer to a form means: the action, and the content of the form.

    Fields that are left out get the default of the schema (SEP-1034).

    Raises:
        BadAnswer: The answer does not fit the form.
    """
    answer = text.strip()
    # MCP has three actions: an empty answer dismisses the question, "no" refuses it.
    if not answer:
        return "cancel", None
    if answer.lower() == "no":
        return "decline", None
    fields = fields_of(schema)
    values = _values(answer, fields)
    required = schema.get("required")
    content: dict[str, Value] = {}
    for name, field in fields.items():
        if name in values:
            content[name] = _converted(name, values[name], field)
        elif "default" in field:
            content[name] = cast("Value", field["default"])
        elif isinstance(required, list) and name in cast("list[object]", required):
            raise BadAnswer(f"{name} is missing.")
    return "accept", content


def _values(answer: str, fields: Mapping[str, object]) -> Mapping[str, object]:
    if not fields:
        return {}
    try:
        parsed = json.loads(answer)
    except ValueError:
        parsed = answer
    if isinstance(parsed, dict):
        given = cast("dict[str, object]", parsed)
        unknown = ", ".join(given.keys() - fields.keys())
        if unknown:
            raise BadAnswer(f"There is no {unknown}. There are: {', '.join(fields)}.")
        return given
    if len(fields) > 1:
        raise BadAnswer(f"This is no JSON object of {', '.join(fields)}.")
    [name] = fields
    return {name: answer}


def _converted(name: str, value: object, field: Mapping[str, object]) -> Value:
    kind = field.get("type", "string")
    text = value.strip() if isinstance(value, str) else json.dumps(value)
    if kind == "boolean":
        if isinstance(value, bool) or text.lower() in _TRUE | _FALSE:
            return value if isinstance(value, bool) else text.lower() in _TRUE
        raise BadAnswer(f"{name} is true or false, not {text}.")
    if kind in ("integer", "number"):
        try:
            return int(text) if kind == "integer" else float(text)
        except ValueError:
            raise BadAnswer(f"{name} is a number, not {text}.") from None
    if kind == "array":
        return _several(name, value, field)
    choices = choices_of(field)
    chosen = value if isinstance(value, str) else text
    if choices and chosen not in choices:
        raise BadAnswer(f"{name} is one of {', '.join(choices)}, not {chosen}.")
    return chosen


def _several(name: str, value: object, field: Mapping[str, object]) -> list[str]:
    if isinstance(value, str):
        value = [each.strip() for each in value.strip("[] ").split(",") if each.strip()]
    listed = [str(each).strip('"') for each in cast("list[object]", value)]
    items = field.get("items")
    choices = choices_of(cast("Mapping[str, object]", items)) if isinstance(items, Mapping) else ()
    for each in listed:
        if choices and each not in choices:
            raise BadAnswer(f"{name} has {each}, which is none of {', '.join(choices)}.")
    return listed


def _field_text(field: Mapping[str, object]) -> str:
    kind = str(field.get("type", "text")).replace("string", "text")
    items = field.get("items")
    inner = cast("Mapping[str, object]", items) if isinstance(items, Mapping) else field
    parts = [" | ".join(choices_of(inner)) or kind]
    parts += [str(field[key]) for key in ("title", "description") if field.get(key)]
    if "default" in field:
        parts.append(f"default {json.dumps(field['default'], ensure_ascii=False)}")
    return ", ".join(parts)
