"""Builds the JSON Schema of a function's parameters, and checks arguments against it.

This is the only module that imports pydantic. It does so when the first schema is built that needs
it, because that import takes longer than importing all of this package: parameters of simple types
need ``pydantic_core`` at most. It does not know how a function is called or by whom.

Schemas are JSON Schema 2020-12 as pydantic writes them, reduced by ``simplify_schema`` to what the
four model APIs take (OpenAI "Function calling", Anthropic "Tool use", Gemini "Function calling").
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from inspect import Parameter
from types import NoneType
from typing import Protocol, Self, TypeAlias, cast

import msgspec

from agentouto._core.annotation import (
    ANNOTATED,
    TypedDictMaker,
    allows_none,
    description_of,
    rebuild_typed_dicts,
    union_of,
)
from agentouto._core.argument_repair import MAX_ROUNDS, CheckError, extra_fields, repaired
from agentouto._core.signature import CallableInfo, read_signature
from agentouto._core.simple_types import (
    Checked,
    Unfit,
    Validate,
    is_same_in_json,
    simple_model,
    validated,
)
from agentouto._core.tool_arguments import BadArguments, Mismatch, explain_mismatches
from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.ports import ToolSpec

Schema: TypeAlias = dict[str, object]
"""A JSON Schema, of any keywords."""


class ModelField(msgspec.Struct, frozen=True):
    """Which field of the pydantic model holds which argument.

    Attributes:
        key: The field's name: ``p0``, ``p1`` and so on, because pydantic refuses some names that
            Python takes for parameters (``_x``, ``model_config``).
        name: The parameter's name.
        optional: Whether the function has a default for it.
    """

    key: str
    name: str
    optional: bool


class CheckedArguments(msgspec.Struct, frozen=True):
    """Arguments that have passed the check.

    Attributes:
        values: What the function is called with, by name.
        accepted: What the check took, as the model wrote it: the values before their types were
            made of them. This is shown for approval, since it hides nothing: types such as
            pydantic's ``SecretStr`` do not show what they hold.
    """

    values: dict[str, object]
    accepted: dict[str, object]


class ArgumentModel(msgspec.Struct, frozen=True):
    """The description of a tool for models, and the check of the arguments that they send."""

    spec: ToolSpec
    check: Callable[[Mapping[str, object]], CheckedArguments]
    """Return arguments of the right types, or raise ``BadArguments``."""


def describe_tool(
    function: Callable[..., object], name: str | None = None, description: str | None = None
) -> ToolSpec:
    """Return the description of ``function`` for models.

    Raises:
        ConfigurationError: A model could not call it; the text names the parameter and the reason.
    """
    return build_schema(read_signature(function, name, {}), description).spec


def build_schema(callee: CallableInfo, description: str | None = None) -> ArgumentModel:
    """Return the schema of ``callee`` and the check that goes with it.

    Raises:
        ConfigurationError: JSON Schema cannot describe a parameter.
    """
    description_of_all, described = _read_docstring(callee)
    plain = not any(_is_field(one.default) for one in callee.parameters)
    simple = simple_model(callee) if plain else None
    validate, raw = simple or pydantic_model(callee, callee.parameters)
    definitions = cast("dict[str, Schema]", raw.get("$defs", {}))
    properties = cast("dict[str, Schema]", raw.get("properties", {}))
    for parameter in callee.parameters:
        if parameter.name not in properties:
            what = "it has an alias; give the parameter the name that models should use"
            raise callee.error(what, parameter)
        _add_description_and_default(callee, parameter, properties[parameter.name], described)
    parameters: Schema = {"type": "object", "properties": properties}
    if "required" in raw:
        parameters["required"] = raw["required"]
    choices = {name: body for name, body in definitions.items() if "enum" in body}
    if len(definitions) > len(choices):
        parameters["$defs"] = {
            name: body for name, body in definitions.items() if name not in choices
        }
    spec = ToolSpec(
        callee.name,
        description_of_all if description is None else description,
        simplify_schema(parameters, choices),
    )
    nested = len(definitions) > len(choices)
    return ArgumentModel(spec, _argument_check(callee, validate, nested=nested))


def _read_docstring(callee: CallableInfo) -> tuple[str, dict[str, str]]:
    """Return what the docstring says of the function, and of its parameters."""
    if "\n" not in callee.doc and ":" not in callee.doc:  # no style describes parameters so
        return callee.doc.strip(), {}
    from agentouto._core.docstring import read_docstring  # noqa: PLC0415

    return read_docstring(callee.doc, [parameter.name for parameter in callee.parameters])


def build_result_schema(output_type: object, name: str, description: str) -> ArgumentModel:
    """Return a tool called ``name`` with one parameter: ``result``, of type ``output_type``.

    Raises:
        ConfigurationError: JSON Schema cannot describe the type.
    """

    def returns(result: object) -> object:
        return result

    returns.__annotations__ = {"result": output_type}
    returns.__name__ = returns.__qualname__ = name
    try:
        return build_schema(read_signature(returns, name, {}), description)
    except Exception as error:  # the hooks of a foreign type may raise anything
        raise ConfigurationError(
            f"output_type={output_type!r} is not a type that pydantic can check; use one, such as "
            f"a BaseModel, a dataclass or list[str] ({error})"
        ) from error


def simplify_schema(schema: Schema, choices: Mapping[str, Schema]) -> Schema:
    """Return ``schema`` in the form that all four model APIs take.

    Titles are removed: they repeat names and cost tokens. ``const`` becomes an ``enum`` of one,
    because Gemini knows no ``const``. Definitions of enums are put where they are used. A pattern
    with a group such as ``(?=`` is removed, because RE2, which Gemini uses, has no lookaround. The
    type comes first and the default last, so that equal schemas are equal bytes.
    """
    schema = dict(schema)
    referred = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    if referred in choices:
        del schema["$ref"]
        schema = {**choices[referred], **schema}
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    simplified: Schema = {}
    for key in sorted(schema, key=_key_order):
        value = schema[key]
        if key in _REMOVED or (key == "pattern" and "(?" in str(value)):
            continue
        if key in _KEYWORDS_OF_MAPPINGS:
            inner = cast("dict[str, Schema]", value)
            simplified[key] = {name: simplify_schema(one, choices) for name, one in inner.items()}
        elif key in _KEYWORDS_OF_LISTS:
            simplified[key] = [simplify_schema(one, choices) for one in cast("list[Schema]", value)]
        elif key in _KEYWORDS_OF_SCHEMAS and isinstance(value, dict):
            simplified[key] = simplify_schema(cast("Schema", value), choices)
        else:
            simplified[key] = value
    return simplified


_REMOVED = frozenset(("title", "discriminator"))
"""``discriminator`` is a keyword of OpenAPI, not of JSON Schema."""

_KEYWORDS_OF_MAPPINGS = frozenset(("properties", "$defs", "patternProperties"))
_KEYWORDS_OF_LISTS = frozenset(("anyOf", "oneOf", "allOf", "prefixItems"))
_KEYWORDS_OF_SCHEMAS = frozenset(
    ("items", "additionalProperties", "propertyNames", "contains", "not")
)
"""The keywords of JSON Schema 2020-12 whose value is a mapping of schemas, a list, or one schema
(draft-bhutton-json-schema-01, section 10)."""

_FIRST = ("type", "enum", "$ref", "description", "anyOf", "oneOf", "properties", "required")
_LAST = ("default", "$defs")
"""The keywords that come first and last in a schema, so that equal schemas are equal bytes."""


def _key_order(key: str) -> int:
    if key in _LAST:
        return len(_FIRST) + 1 + _LAST.index(key)
    return _FIRST.index(key) if key in _FIRST else len(_FIRST)


def _add_description_and_default(
    callee: CallableInfo, parameter: Parameter, schema: Schema, descriptions: Mapping[str, str]
) -> None:
    """Add what pydantic does not see: the description and the function's own default."""
    description = description_of(callee.read_hint(parameter)) or schema.get("description")
    description = description or descriptions.get(parameter.name)
    if description:
        schema["description"] = description
    if _has_default(parameter):
        schema["default"] = _default_as_json(callee, parameter)


def _default_as_json(callee: CallableInfo, parameter: Parameter) -> object:
    default: object = parameter.default
    if is_same_in_json(default):
        return default
    from pydantic_core import PydanticSerializationError, to_json  # noqa: PLC0415

    if isinstance(default, set | frozenset):
        default = sorted(cast("frozenset[object]", default), key=repr)
    try:
        return msgspec.json.decode(to_json(default, inf_nan_mode="constants"))
    except (PydanticSerializationError, msgspec.DecodeError, ValueError) as error:
        what = f"its default {default!r} cannot be written as JSON; use one that can, such as None"
        raise callee.error(what, parameter) from error


def _has_default(parameter: Parameter) -> bool:
    """Whether the function has a default for ``parameter``; a ``Field(...)`` is none."""
    return parameter.default is not Parameter.empty and not _is_field(parameter.default)


def _is_field(default: object) -> bool:
    if "pydantic.fields" not in sys.modules:  # else there can be none
        return False
    from pydantic.fields import FieldInfo  # noqa: PLC0415

    return isinstance(default, FieldInfo)


class _Model(Protocol):
    """The part of a pydantic model that is used here."""

    __pydantic_fields_set__: set[str]

    @classmethod
    def model_validate(cls, obj: object) -> Self:
        """Return a model made of ``obj``."""
        ...

    @classmethod
    def model_json_schema(cls) -> Schema:
        """Return the schema of what ``model_validate`` takes."""
        ...


def pydantic_model(
    callee: CallableInfo, parameters: tuple[Parameter, ...]
) -> tuple[Validate, Schema]:
    """Return the check of a pydantic model with a field for each of ``parameters``, and its schema.

    Raises:
        ConfigurationError: JSON Schema cannot describe a parameter.
    """
    from pydantic import create_model  # noqa: PLC0415
    from pydantic.errors import PydanticUserError  # noqa: PLC0415

    fields = {f"p{place}": _pydantic_field(callee, one) for place, one in enumerate(parameters)}
    try:
        model = cast("Callable[..., type[_Model]]", create_model)("Arguments", **fields)
        schema = model.model_json_schema()
    except (PydanticUserError, TypeError, ValueError, NameError) as error:
        if len(parameters) > 1:
            for parameter in parameters:
                pydantic_model(callee, (parameter,))
        what = (
            "its type cannot be described to a model; use str, int, float, bool, list, dict, "
            "Literal, Enum, or a dataclass, TypedDict or pydantic model made of these "
            f"({str(error).splitlines()[0].split('. ')[0].rstrip('.')})"
        )
        raise callee.error(what, parameters[0] if len(parameters) == 1 else None) from error

    def validate(written: Mapping[str, object]) -> Checked:
        checked = model.model_validate(written)
        return checked.__dict__, checked.__pydantic_fields_set__

    return partial(validated, validate), schema


def _pydantic_field(callee: CallableInfo, parameter: Parameter) -> tuple[object, object]:
    """Return the type and the default of a pydantic field for ``parameter``."""
    from pydantic import Field  # noqa: PLC0415

    annotation = callee.read_hint(parameter)
    if sys.version_info < (3, 12):  # pydantic refuses typing.TypedDict there: it lacks metadata
        from typing_extensions import TypedDict  # noqa: PLC0415

        annotation = rebuild_typed_dicts(annotation, cast("TypedDictMaker", TypedDict))
    default: object = ...
    if _is_field(parameter.default):
        default = parameter.default
    elif parameter.default is not Parameter.empty:
        default = Field(default_factory=NoneType)
        if parameter.default is None and not allows_none(annotation):
            annotation = union_of(annotation, None)
    return ANNOTATED[annotation, Field(alias=parameter.name)], default


def _argument_check(
    callee: CallableInfo, validate: Validate, *, nested: bool
) -> Callable[[Mapping[str, object]], CheckedArguments]:
    """Return the function that turns arguments into what ``callee`` is called with."""
    slots = tuple(
        ModelField(
            f"p{place}", one.name, one.default is not Parameter.empty and not _is_field(one.default)
        )
        for place, one in enumerate(callee.parameters)
    )
    known = {slot.name: None for slot in slots}.keys()
    called = callee.name  # a closure over callee would keep the function alive for ever

    def check(arguments: Mapping[str, object]) -> CheckedArguments:
        written: dict[str, object] = dict(arguments)
        errors: Sequence[CheckError] = ()
        for _ in range(MAX_ROUNDS):
            try:
                values, present = validate(written)
            except Unfit as unfit:
                errors = unfit.errors
                mended = repaired(written, errors)
                if mended is None:
                    break
                written = mended
            else:
                extra = list(_extra_fields_of(slots, values, written)) if nested else []
                if extra or not arguments.keys() <= known:
                    raise BadArguments(called, explain_mismatches(extra, written, known))
                used = {
                    slot.name: values[slot.key]
                    for slot in slots
                    if not slot.optional or slot.key in present
                }
                return CheckedArguments(used, written)
        mismatches = [_mismatch(each, arguments) for each in errors]
        raise BadArguments(called, explain_mismatches(mismatches, {**arguments, **written}, known))

    return check


def _extra_fields_of(
    slots: Sequence[ModelField], values: Mapping[str, object], written: Mapping[str, object]
) -> Iterator[Mismatch]:
    """Yield the fields in the values of arguments that their types do not have."""
    for slot in slots:
        if slot.name in written:
            yield from extra_fields(values[slot.key], written[slot.name], (slot.name,))


def _mismatch(error: CheckError, arguments: Mapping[str, object]) -> Mismatch:
    """Return ``error`` for the model; a required ``null`` was left out when it was mended."""
    missing = error.type == "missing"
    if missing and len(error.path) == 1 and error.path[0] in arguments:
        return Mismatch(error.path, None, "must not be null")
    return Mismatch(error.path, error.value, error.message, missing)
