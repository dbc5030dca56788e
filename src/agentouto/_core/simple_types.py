"""Reads annotations of simple types, for a check of arguments that needs no pydantic model.

To import pydantic's models takes longer than to import all of this package. For text, numbers,
truth values, literals of text, and lists and unions with ``None`` of these, the same validator can
be made of ``pydantic_core`` alone, which takes a sixth of that. It is made when a model first
writes a value of another type than the parameter has: values of the very type need no validator.
Every other type is left to pydantic. A test compares both for every form that is read here.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from types import MappingProxyType, NoneType
from typing import Protocol, TypeAlias, cast

import msgspec

from agentouto._core.annotation import UNIONS
from agentouto._core.argument_repair import CheckError
from agentouto._core.signature import CallableInfo

Written: TypeAlias = dict[str, object]
"""A schema: of ``pydantic_core``, or of JSON Schema."""


Checked: TypeAlias = tuple[Mapping[str, object], set[str]]
"""The values of the fields ``p0``, ``p1`` and so on, and which of them were given."""

Validate: TypeAlias = Callable[[Mapping[str, object]], Checked]
"""Returns the values of arguments, or raises ``Unfit``."""


class Unfit(Exception):
    """Arguments that do not fit their types, with the errors of the check."""

    def __init__(self, errors: Sequence[CheckError]) -> None:
        super().__init__()
        self.errors = errors


def validated(validate: Validate, written: Mapping[str, object]) -> Checked:
    """Return what a check of pydantic's returns, or raise ``Unfit``."""
    from pydantic_core import ValidationError  # noqa: PLC0415

    try:
        return validate(written)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        errors = [CheckError(one["type"], one["loc"], one["input"], one["msg"]) for one in found]
    raise Unfit(errors)


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

_TYPES = MappingProxyType({core: type_ for type_, (core, _) in _SCALARS.items()})


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


class _OtherType(Exception):
    """A value that ``pydantic_core`` has to look at: it may convert the value, or refuse it."""


def _same(form: Written, value: object) -> object:
    """Return ``value`` if it has the very type of ``form``; lists are copied."""
    kind = cast("str", form["type"])
    if type(value) is _TYPES.get(kind) and not (type(value) is str and _has_surrogates(value)):
        return value
    if kind == "nullable":
        return None if value is None else _same(cast("Written", form["schema"]), value)
    if kind == "list" and type(value) is list:
        items = cast("Written", form["items_schema"])
        return [_same(items, item) for item in cast("list[object]", value)]
    if kind == "literal" and type(value) is str and value in cast("list[str]", form["expected"]):
        return value
    raise _OtherType


def is_same_in_json(value: object) -> bool:
    """Return whether JSON has ``value`` as it is: ``None``, a truth value, an integer or a text."""
    if type(value) is str:
        return not _has_surrogates(value)
    return value is None or type(value) in {bool, int}


def _has_surrogates(text: str) -> bool:
    """Return whether ``text`` is no Unicode text, which ``pydantic_core`` refuses."""
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)


class SimpleField(msgspec.Struct, frozen=True):
    """A parameter of a simple type.

    Attributes:
        name: Its name.
        core: What ``pydantic_core`` calls its type.
        optional: Whether it has a default.
    """

    name: str
    core: Written
    optional: bool

    def schema(self) -> Written:
        """Return the field as ``pydantic_core`` makes a validator of it."""
        core = self.core
        if self.optional:
            core = {"type": "default", "schema": core, "default_factory": NoneType}
        return {"type": "model-field", "schema": core, "validation_alias": self.name}


class _SimpleCheck:
    """The check of arguments whose types are simple."""

    __slots__ = ("_fields", "_validator")

    def __init__(self, fields: Mapping[str, SimpleField]) -> None:
        self._fields = fields
        self._validator: _Validator | None = None

    def __call__(self, written: Mapping[str, object]) -> Checked:
        try:
            return self._unchanged(written)
        except _OtherType:
            return validated(self._validate, written)

    def _unchanged(self, written: Mapping[str, object]) -> Checked:
        """Return the values as they are written, where all have the very types."""
        values, present = dict[str, object](), set[str]()
        for key, field in self._fields.items():
            if field.name in written:
                values[key] = _same(field.core, written[field.name])
                present.add(key)
            elif field.optional:
                values[key] = None
            else:
                raise _OtherType
        return values, present

    def _validate(self, written: Mapping[str, object]) -> Checked:
        if self._validator is None:
            from pydantic_core import SchemaValidator  # noqa: PLC0415

            make = cast("Callable[[Written], _Validator]", SchemaValidator)
            fields = {key: field.schema() for key, field in self._fields.items()}
            self._validator = make({"type": "model-fields", "fields": fields})
        values, _, present = self._validator.validate_python(written)
        return values, present


def simple_model(callee: CallableInfo) -> tuple[Validate, Written] | None:
    """Return the check of the arguments of ``callee``, and the schema of its parameters.

    ``None`` if a type is not simple. No default is a pydantic ``Field``.
    """
    fields, properties, required = dict[str, SimpleField](), Written(), list[str]()
    for place, parameter in enumerate(callee.parameters):
        form = simple_form(callee.read_hint(parameter))
        if form is None:
            return None
        if parameter.default is None and form.core["type"] != "nullable":
            form = or_none(form)
        optional = parameter.default is not Parameter.empty
        if not optional:
            required.append(parameter.name)
        fields[f"p{place}"] = SimpleField(parameter.name, form.core, optional)
        properties[parameter.name] = form.schema
    schema: Written = {"properties": properties, "type": "object"}
    return _SimpleCheck(fields), {**schema, "required": required} if required else schema
