"""Checks the arguments of a tool whose JSON Schema comes from elsewhere.

Checked are the required names, and the type and the choices (``enum``) of each top-level parameter:
a model corrects those after one sentence. Everything else that a schema can say is left to the
owner of the tool, who knows it better.

Source: JSON Schema 2020-12, Validation, §6.1.1 (``type``), §6.1.2 (``enum``), §6.5.3
(``required``); Core, §10.3.2.3 (``additionalProperties``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import cast

import msgspec

from agentouto._core.schema import ArgumentModel, CheckedArguments
from agentouto._core.tool_arguments import BadArguments, Mismatch, explain_mismatches, quote_json
from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.ports import ToolSpec


def _is_integer(value: object) -> bool:
    if isinstance(value, float):
        return value.is_integer()  # 1.0 is an integer: §6.1.1
    return isinstance(value, int) and not isinstance(value, bool)


_JSON_TYPES: Mapping[str, Callable[[object], bool]] = MappingProxyType(
    {
        "string": lambda value: isinstance(value, str),
        "integer": _is_integer,
        "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
        "boolean": lambda value: isinstance(value, bool),
        "object": lambda value: isinstance(value, Mapping),
        "array": lambda value: isinstance(value, list),
        "null": lambda value: value is None,
    }
)


def foreign_arguments(
    name: str, description: str, parameters: Mapping[str, object]
) -> ArgumentModel:
    """Return a tool called ``name`` as models see it, and the check of its arguments.

    Checked arguments are one argument again, called ``arguments``.

    Raises:
        ConfigurationError: ``parameters`` is no JSON Schema of an object.
    """
    where = f"Tool.foreign({name!r})"
    if not isinstance(cast("object", description), str):
        raise ConfigurationError(f"{where}: description={description!r:.60} is not text")
    if not isinstance(cast("object", parameters), Mapping):
        raise ConfigurationError(f"{where}: parameters={parameters!r:.60} is no JSON Schema")
    schema = {**parameters}
    if schema.setdefault("type", "object") != "object":
        raise ConfigurationError(
            f"{where}: parameters is the JSON Schema of an object, not of type {schema['type']!r}"
        )
    schema.setdefault("properties", {})  # OpenAI and Gemini refuse an object without it
    try:
        msgspec.json.encode(schema)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise ConfigurationError(
            f"{where}: parameters cannot be written as JSON: {error}"
        ) from error

    def check(arguments: Mapping[str, object]) -> CheckedArguments:
        accepted = _check_foreign(name, schema, arguments)
        return CheckedArguments({"arguments": accepted}, accepted)

    return ArgumentModel(ToolSpec(name, description, schema), check)


def _check_foreign(
    tool_name: str, parameters: Mapping[str, object], arguments: Mapping[str, object]
) -> dict[str, object]:
    properties = _mapping(parameters.get("properties"))
    closed = parameters.get("additionalProperties") is False
    names = properties.keys() if closed else {**properties, **arguments}.keys()
    mismatches = list(_mismatches(parameters, properties, arguments))
    if mismatches or not arguments.keys() <= names:
        raise BadArguments(tool_name, explain_mismatches(mismatches, arguments, names))
    return dict(arguments)


def _mismatches(
    parameters: Mapping[str, object],
    properties: Mapping[str, object],
    arguments: Mapping[str, object],
) -> Iterator[Mismatch]:
    for name in _list(parameters.get("required")):
        if name not in arguments:
            yield Mismatch((str(name),), None, "", missing=True)
    for name, value in arguments.items():
        expected = _expectation(_mapping(properties.get(name)), value)
        if expected:
            yield Mismatch((name,), value, expected)


def _expectation(schema: Mapping[str, object], value: object) -> str:
    """Return what ``value`` should be, as the end of a sentence; an empty text if it fits."""
    types = schema.get("type")
    names = [str(name) for name in (_list(types) or ([types] if types else []))]
    checks = [_JSON_TYPES.get(name) for name in names]
    known = [check for check in checks if check is not None]
    if len(known) == len(checks) and known and not any(check(value) for check in known):
        return f"must be of type {' or '.join(names)}"
    choices = schema.get("enum")
    if isinstance(choices, list) and value not in cast("list[object]", choices):
        return f"must be one of {', '.join(map(quote_json, _list(cast('object', choices))))}"
    return ""


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
