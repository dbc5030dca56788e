"""Reads annotations of simple types, for a check of arguments that needs no pydantic model.

To import pydantic's models takes longer than to import all of this package. For text, numbers,
truth values, literals of text, and lists and unions with ``None`` of these, the same validator can
be made of ``pydantic_core`` alone, which takes a sixth of that. Every other type is left to
pydantic. A test compares both for every form that is read here.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from inspect import Parameter
from types import MappingProxyType, NoneType
from typing import Protocol, TypeAlias, cast

import msgspec

from agentouto._core.annotation import UNIONS
from agentouto._core.signature import CallableInfo

Written: TypeAlias = dict[str, object]
"""A schema: of ``pydantic_core``, or of JSON Schema."""


Validate: TypeAlias = Callable[[Mapping[str, object]], tuple[Mapping[str, object], set[str]]]
"""Returns the values of the fields ``p0``, ``p1`` and so on, and which of them were given. Raises
the ``ValidationError`` of ``pydantic_core``."""


class SimpleForm(msgspec.Struct, frozen=True):
    """A simple type, as two schemas.

    Attributes:
        core: What ``pydantic_core`` makes a validator of: what pydantic writes for this type.
        schema: The JSON Schema, as pydantic writes it.
    """

    core: Written
    schema: Written


_SCALARS = MappingProxyType(
    {
        str: ("str", "string"),
        int: ("int", "integer"),
        float: ("float", "number"),
        bool: ("bool", "boolean"),
    }
)
"""What ``pydantic_core`` and JSON Schema call a type."""


def simple_form(annotation: object) -> SimpleForm | None:
    """Return the form of ``annotation``; ``None`` if only pydantic can read it."""
    if isinstance(annotation, type) and annotation in _SCALARS:
        core, name = _SCALARS[annotation]
        return SimpleForm({"type": core}, {"type": name})
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        # A text is a description, which is read elsewhere. Anything else may be a constraint.
        return simple_form(inner[0]) if all(type(note) is str for note in inner[1:]) else None
    if origin is typing.Literal:
        return _literal(inner)
    if origin is list:
        item = simple_form(inner[0])
        return item and SimpleForm(
            {"type": "list", "items_schema": item.core}, {"type": "array", "items": item.schema}
        )
    if origin in UNIONS and len(inner) == 2 and NoneType in inner:
        (other,) = (each for each in cast("tuple[object, ...]", inner) if each is not NoneType)
        form = simple_form(other)
        return form and or_none(form)
    return None


def or_none(form: SimpleForm) -> SimpleForm:
    """Return the form of a union of a type and ``None``."""
    return SimpleForm(
        {"type": "nullable", "schema": form.core}, {"anyOf": [form.schema, {"type": "null"}]}
    )


def _literal(values: tuple[object, ...]) -> SimpleForm | None:
    if not all(type(value) is str for value in values):
        return None
    named: Written = {"const": values[0]} if len(values) == 1 else {"enum": list(values)}
    core: Written = {"type": "literal", "expected": list(values)}
    return SimpleForm(core, {**named, "type": "string"})


class _Validator(Protocol):
    """The part of a validator of ``pydantic_core`` that is used here."""

    def validate_python(self, values: object, /) -> tuple[dict[str, object], object, set[str]]:
        """Return the values of fields, further fields, and the names of the fields that are set."""
        ...


def simple_model(callee: CallableInfo) -> tuple[Validate, Written] | None:
    """Return the check of the arguments of ``callee``, and the schema of its parameters.

    ``None`` if a type is not simple. No default is a pydantic ``Field``.
    """
    fields, properties, required = Written(), Written(), list[str]()
    for place, parameter in enumerate(callee.parameters):
        form = simple_form(callee.read_hint(parameter))
        if form is None:
            return None
        if parameter.default is None and form.core["type"] != "nullable":
            form = or_none(form)
        core = form.core
        if parameter.default is Parameter.empty:
            required.append(parameter.name)
        else:
            core = {"type": "default", "schema": core, "default_factory": NoneType}
        field = {"type": "model-field", "schema": core, "validation_alias": parameter.name}
        fields[f"p{place}"] = field
        properties[parameter.name] = form.schema
    from pydantic_core import SchemaValidator  # noqa: PLC0415

    make = cast("Callable[[Written], _Validator]", SchemaValidator)
    validator = make({"type": "model-fields", "fields": fields})

    def validate(written: Mapping[str, object]) -> tuple[Mapping[str, object], set[str]]:
        values, _, present = validator.validate_python(written)
        return values, present

    schema: Written = {"properties": properties, "type": "object"}
    return validate, {**schema, "required": required} if required else schema
