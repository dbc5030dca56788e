"""The JSON Schema of a function's parameters, and the check of arguments against it.

The only module that imports pydantic, and it does so when a schema is first wanted, because that
import costs more than all of this package. It does not know how a function is called or by whom.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from inspect import Parameter
from types import NoneType
from typing import NamedTuple, Protocol, Self, TypeAlias, cast

import msgspec

from agentouto._core.annotation import (
    ANNOTATED,
    TypedDictMaker,
    allows_none,
    either,
    note_of,
    rebuild,
)
from agentouto._core.arguments import BadArguments, Fault, explain
from agentouto._core.signature import Callee, read
from agentouto._domain.misuse import ConfigurationError
from agentouto._domain.ports import ToolSpec

Schema: TypeAlias = dict[str, object]


class Slot(NamedTuple):
    """Where a checked argument lies, and whose it is.

    ``optional`` says that the function has a value of its own for it.
    """

    key: str
    name: str
    optional: bool


class Blueprint(msgspec.Struct, frozen=True):
    """A tool as models are told of it, and the check of what they send."""

    spec: ToolSpec
    check: Callable[[Mapping[str, object]], dict[str, object]]
    """Return arguments of the right types, or raise ``BadArguments``."""


def describe(
    function: Callable[..., object], name: str | None = None, description: str | None = None
) -> ToolSpec:
    """Return how a model is told of ``function``.

    Raises:
        ConfigurationError: A model could not call it; the text says which parameter is why.
    """
    return draw(read(function, name, {}), description).spec


def draw(callee: Callee, description: str | None = None) -> Blueprint:
    """Return the schema of ``callee`` and the check that goes with it.

    Raises:
        ConfigurationError: A parameter cannot be put into words for a model.
    """
    from agentouto._core.docstring import read_docstring  # noqa: PLC0415

    words = read_docstring(callee.doc, [parameter.name for parameter in callee.parameters])
    model, raw = _build(callee, callee.parameters)
    definitions = cast("dict[str, Schema]", raw.get("$defs", {}))
    properties = cast("dict[str, Schema]", raw.get("properties", {}))
    for parameter in callee.parameters:
        if parameter.name not in properties:
            what = "it has an alias; call the parameter what models should call it"
            raise callee.trouble(what, parameter)
        _complete(callee, parameter, properties[parameter.name], words.parameters)
    parameters: Schema = {"type": "object", "properties": properties}
    if "required" in raw:
        parameters["required"] = raw["required"]
    choices = {name: body for name, body in definitions.items() if "enum" in body}
    if len(definitions) > len(choices):
        kept = {name: body for name, body in definitions.items() if name not in choices}
        parameters["$defs"] = kept
    spec = ToolSpec(
        callee.name,
        words.description if description is None else description,
        tidy(parameters, choices),
    )
    return Blueprint(spec, _checker(callee, model))


def shape(output_type: object, name: str, description: str) -> Blueprint:
    """Return a tool called ``name`` that takes one thing: ``result``, of a type.

    Raises:
        ConfigurationError: A model cannot be told what the type is.
    """

    def returns(result: object) -> object:
        return result

    returns.__annotations__ = {"result": output_type}
    returns.__name__ = returns.__qualname__ = name
    try:
        return draw(read(returns, name, {}), description)
    except Exception as error:  # a stranger's type may raise anything when it is looked at
        raise ConfigurationError(
            f"output_type={output_type!r} is no type a model can be asked for; take one that "
            f"pydantic can check, such as a BaseModel, a dataclass or list[str] ({error})"
        ) from error


def render(value: object) -> str:
    """Return ``value`` as JSON text; as bare text what JSON could only put into quotes.

    What JSON has no form for is told by ``str()``.
    """
    from pydantic_core import PydanticSerializationError, to_json  # noqa: PLC0415

    try:
        text = to_json(value, fallback=_simplify, bytes_mode="base64")
    except (PydanticSerializationError, ValueError, RecursionError):
        return str(value)
    return msgspec.json.decode(text, type=str) if text.startswith(b'"') else text.decode()


def tidy(schema: Schema, choices: Mapping[str, Schema]) -> Schema:
    """Return ``schema`` as model APIs like it best.

    No titles; a constant is a choice of one; choices stand where they are used; no patterns beyond
    the syntax that all of them know; the type first and the default last.
    """
    schema = dict(schema)
    referred = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    if referred in choices:
        del schema["$ref"]
        schema = {**choices[referred], **schema}
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    tidied: Schema = {}
    for key in sorted(schema, key=_rank):
        value = schema[key]
        if key in _LEFT_OUT or (key == "pattern" and "(?" in str(value)):
            continue
        if key in _MAPS:
            inner = cast("dict[str, Schema]", value)
            tidied[key] = {name: tidy(one, choices) for name, one in inner.items()}
        elif key in _LISTS:
            tidied[key] = [tidy(one, choices) for one in cast("list[Schema]", value)]
        elif key in _SCHEMAS and isinstance(value, dict):
            tidied[key] = tidy(cast("Schema", value), choices)
        else:
            tidied[key] = value
    return tidied


_LEFT_OUT = frozenset(("title", "discriminator"))
_MAPS = frozenset(("properties", "$defs", "patternProperties"))
_LISTS = frozenset(("anyOf", "oneOf", "allOf", "prefixItems"))
_SCHEMAS = frozenset(("items", "additionalProperties", "propertyNames", "contains", "not"))
_FIRST = ("type", "enum", "$ref", "description", "anyOf", "oneOf", "properties", "required")
_LAST = ("default", "$defs")


def _rank(key: str) -> int:
    if key in _LAST:
        return len(_FIRST) + 1 + _LAST.index(key)
    return _FIRST.index(key) if key in _FIRST else len(_FIRST)


def _simplify(value: object) -> object:
    return msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else str(value)


def _complete(
    callee: Callee, parameter: Parameter, schema: Schema, told: Mapping[str, str]
) -> None:
    """Add what pydantic was not told: the description and the function's own default."""
    description = note_of(callee.read_hint(parameter)) or schema.get("description")
    description = description or told.get(parameter.name)
    if description:
        schema["description"] = description
    if _has_default(parameter):
        schema["default"] = _as_json(callee, parameter)


def _as_json(callee: Callee, parameter: Parameter) -> object:
    from pydantic_core import PydanticSerializationError, to_json  # noqa: PLC0415

    default: object = parameter.default
    if isinstance(default, set | frozenset):
        default = sorted(cast("frozenset[object]", default), key=repr)
    try:
        return msgspec.json.decode(to_json(default, inf_nan_mode="constants"))
    except (PydanticSerializationError, msgspec.DecodeError, ValueError) as error:
        what = f"its default {default!r} cannot be written as JSON; use one that can, such as None"
        raise callee.trouble(what, parameter) from error


def _has_default(parameter: Parameter) -> bool:
    """Whether the function has a value of its own for ``parameter``."""
    return parameter.default is not Parameter.empty and not _is_field(parameter.default)


def _is_field(default: object) -> bool:
    from pydantic.fields import FieldInfo  # noqa: PLC0415

    return isinstance(default, FieldInfo)


class _Model(Protocol):
    """What is used of a pydantic model."""

    __pydantic_fields_set__: set[str]

    @classmethod
    def model_validate(cls, obj: object) -> Self:
        """Return a model made of ``obj``."""
        ...

    @classmethod
    def model_json_schema(cls) -> Schema:
        """Return the schema of what ``model_validate`` takes."""
        ...


def _build(callee: Callee, parameters: tuple[Parameter, ...]) -> tuple[type[_Model], Schema]:
    """Return a pydantic model with one field for each of ``parameters``, and its schema."""
    from pydantic import create_model  # noqa: PLC0415
    from pydantic.errors import PydanticUserError  # noqa: PLC0415

    fields = {f"p{place}": _field(callee, one) for place, one in enumerate(parameters)}
    try:
        model = cast("Callable[..., type[_Model]]", create_model)("Arguments", **fields)
        return model, model.model_json_schema()
    except (PydanticUserError, TypeError, ValueError, NameError) as error:
        if len(parameters) > 1:
            for parameter in parameters:
                _build(callee, (parameter,))
        what = (
            "a model cannot be told what to put here; use str, int, float, bool, list, dict, "
            "Literal, Enum, or a dataclass, TypedDict or pydantic model made of these "
            f"({str(error).splitlines()[0].split('. ')[0].rstrip('.')})"
        )
        raise callee.trouble(what, parameters[0] if len(parameters) == 1 else None) from error


def _field(callee: Callee, parameter: Parameter) -> tuple[object, object]:
    """Return the type and the default of a pydantic field for ``parameter``."""
    from pydantic import Field  # noqa: PLC0415

    annotation = callee.read_hint(parameter)
    if sys.version_info < (3, 12):  # there pydantic takes no other TypedDict
        from typing_extensions import TypedDict  # noqa: PLC0415

        annotation = rebuild(annotation, cast("TypedDictMaker", TypedDict))
    default: object = ...
    if _is_field(parameter.default):
        default = parameter.default
    elif parameter.default is not Parameter.empty:
        default = Field(default_factory=NoneType)
        if parameter.default is None and not allows_none(annotation):
            annotation = either(annotation, None)
    return ANNOTATED[annotation, Field(alias=parameter.name)], default


def _checker(
    callee: Callee, model: type[_Model]
) -> Callable[[Mapping[str, object]], dict[str, object]]:
    """Return the function that turns arguments into what ``callee`` is called with."""
    from pydantic import ValidationError  # noqa: PLC0415

    slots = tuple(
        Slot(
            f"p{place}", one.name, one.default is not Parameter.empty and not _is_field(one.default)
        )
        for place, one in enumerate(callee.parameters)
    )
    known = {slot.name: None for slot in slots}
    called = callee.name  # and not the function, which may be gone before what was drawn of it
    validate = model.model_validate

    def check(arguments: Mapping[str, object]) -> dict[str, object]:
        faults: list[Fault] = []
        try:
            checked = validate(dict(arguments))
        except ValidationError as error:
            for one in error.errors(include_url=False, include_context=False):
                missing = one["type"] == "missing"
                faults.append(Fault(one["loc"], one["input"], one["msg"], missing))
        else:
            if arguments.keys() <= known.keys():
                values, given = checked.__dict__, checked.__pydantic_fields_set__
                return {
                    name: values[key]
                    for key, name, optional in slots
                    if not optional or key in given
                }
        raise BadArguments(called, explain(faults, arguments, known))

    return check
