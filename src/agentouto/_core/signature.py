"""Reads the name, docstring, parameters and type hints of anything that can be called.

Functions, bound methods, partials and objects with ``__call__`` are read alike. A signature that a
model could not fill in raises ``ConfigurationError`` with the file and line of the function. This
module does not know JSON Schema or pydantic.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import typing
from collections.abc import Callable, Mapping
from inspect import Parameter
from types import MappingProxyType

import msgspec

from agentouto._domain.configuration_error import ConfigurationError

if sys.version_info >= (3, 14):
    import annotationlib

NAMED_KINDS = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
"""The kinds of parameters that can be passed by name, as the arguments of a tool call are."""

TYPES_OF_DEFAULTS: Mapping[type, object] = MappingProxyType(
    {kind: kind for kind in (bool, int, float, list, dict)}
)
"""Types that a parameter without an annotation takes from its default."""


class CallableInfo(msgspec.Struct, frozen=True):
    """What can be read from a function.

    Attributes:
        name: The name that models use.
        function: The function behind partials, bindings and static methods.
        parameters: The parameters that a model may fill in.
        doc: The docstring, with its indentation removed.
        hints: Types that needed the locals of the place of definition, read while those exist.
            All other types are read when the schema is built.
    """

    name: str
    function: Callable[..., object]
    parameters: tuple[Parameter, ...]
    doc: str
    hints: dict[str, object]

    def read_hint(self, parameter: Parameter) -> object:
        """Return the type of ``parameter``."""
        if parameter.name in self.hints:
            return self.hints[parameter.name]
        try:
            return evaluate_hint(self.function, parameter, {})
        except Exception as error:
            raise self.error(
                f"its type cannot be read ({error}); use names that are defined in the module of "
                "the function",
                parameter,
            ) from error

    def error(self, what: str, parameter: Parameter | None = None) -> ConfigurationError:
        """Return a ``ConfigurationError`` that names the function, the parameter and the line."""
        return signature_error(self.name, self.function, what, parameter)


def read_signature(
    function: Callable[..., object], name: str | None, names: Mapping[str, object]
) -> CallableInfo:
    """Return the name, docstring and parameters of ``function``.

    Args:
        function: Anything that can be called.
        name: The name for models; ``None`` takes the function's own.
        names: Names that type hints may use beside those of the function's module: the locals of
            the place where it was defined.

    Raises:
        ConfigurationError: A model could not call it.
    """
    called = name or "?"
    if inspect.isclass(function) or not callable(function):
        what = "a class" if inspect.isclass(function) else "not callable"
        raise signature_error(called, function, f"{function!r} is {what}; pass a function")
    core = underlying_function(function)
    called = name or str(getattr(core, "__name__", type(function).__name__))
    if core.__name__ == "__call__" and not inspect.isroutine(strip_wrappers(function)):
        called = name or type(strip_wrappers(function)).__name__
    if inspect.isgeneratorfunction(core) or inspect.isasyncgenfunction(core):
        raise signature_error(called, core, "it yields; return the whole result at once instead")
    parameters = tuple(_parameters_for_models(called, function, core))
    callee = CallableInfo(called, core, parameters, _doc(function, core), {})
    for parameter in parameters:
        if names and isinstance(parameter.annotation, str):
            try:
                callee.hints[parameter.name] = evaluate_hint(core, parameter, names)
            except Exception:  # noqa: BLE001, S112 - the name may be defined by the first call
                continue
    return callee


def is_async(function: Callable[..., object]) -> bool:
    """Whether ``function``, or the ``__call__`` of an object, is an ``async def``."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - the method is inspected, not called
    )


def strip_wrappers(function: Callable[..., object]) -> Callable[..., object]:
    """Return the callable inside partials and static methods."""
    while isinstance(function, functools.partial | staticmethod):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    return function


def underlying_function(function: Callable[..., object]) -> Callable[..., object]:
    """Return the plain function that runs when ``function`` is called."""
    function = strip_wrappers(function)
    if inspect.ismethod(function):
        return function.__func__
    return function if inspect.isroutine(function) else type(function).__call__


def evaluate_hint(
    function: Callable[..., object], parameter: Parameter, names: Mapping[str, object]
) -> object:
    """Return the type of ``parameter``: its annotation, else the type of its default, else str."""
    if parameter.annotation is Parameter.empty:
        default: object = parameter.default
        return TYPES_OF_DEFAULTS.get(type(default), str)
    innermost = inspect.unwrap(function)

    def holder() -> None: ...

    holder.__annotations__ = {parameter.name: parameter.annotation}
    generics = {each.__name__: each for each in getattr(innermost, "__type_params__", ())}
    known = {**generics, **names, **_closure_names(innermost)}
    space: dict[str, object] = getattr(innermost, "__globals__", {})
    return typing.get_type_hints(holder, space, known, include_extras=True)[parameter.name]


def signature_error(
    name: str, function: object, what: str, parameter: Parameter | None = None
) -> ConfigurationError:
    """Return the error for a tool or one of its parameters, with the file and line."""
    whose = f"Tool `{name}`"
    if parameter is not None:
        bare = parameter.replace(default=Parameter.empty)
        whose = f"{whose}, parameter `{str(bare).replace(chr(39), '')}`"
    location = _source_location(function)
    where = f"{whose}{location}"
    return ConfigurationError(f"{whose}: {what}.{location}").coded("tool-schema", where=where)


def _parameters_for_models(
    name: str, function: Callable[..., object], core: Callable[..., object]
) -> typing.Iterator[Parameter]:
    try:
        parameters = list(_signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        what = "Python cannot read its parameters; wrap it in a function with named parameters"
        raise signature_error(name, core, what) from error
    bound = _bound_names(function)
    named = [parameter for parameter in parameters if parameter.kind in NAMED_KINDS]
    for parameter in parameters:
        if parameter.kind is Parameter.POSITIONAL_ONLY:
            what = "models pass arguments by name; remove the `/` from the signature"
            raise signature_error(name, core, what, parameter)
        if parameter.kind not in NAMED_KINDS and not named:
            what = (
                "a model cannot know what to put here; name the parameters (a decorator without "
                "functools.wraps hides them)"
            )
            raise signature_error(name, core, what, parameter)
    for place, parameter in enumerate(named):
        if place == 0 and parameter.name in {"self", "cls"}:
            what = f"it is a method; pass a bound one: Tool(thing.{core.__name__})"
            raise signature_error(name, core, what, parameter)
        if parameter.name not in bound:
            yield parameter


def _signature(function: Callable[..., object]) -> inspect.Signature:
    """Return the signature of ``function`` as it has to be called.

    ``functools.wraps`` lets ``inspect`` show the wrapped function's parameters. That is right for a
    wrapper that passes everything on, and wrong for one with parameters of its own, which may fill
    in the others itself.
    """
    try:
        own = _inspect(function, follow_wrapped=False)
    except (TypeError, ValueError):  # functools.cache has a wrapper in C, without a signature
        return _inspect(function, follow_wrapped=True)
    if all(each.kind in NAMED_KINDS for each in own.parameters.values()):
        return own
    wrapped = getattr(function, "__wrapped__", None)
    if callable(wrapped) and inspect.isfunction(function):
        return _signature(wrapped)
    return _inspect(function, follow_wrapped=True)


def _inspect(function: Callable[..., object], *, follow_wrapped: bool) -> inspect.Signature:
    if sys.version_info >= (3, 14):
        return inspect.signature(
            function,
            follow_wrapped=follow_wrapped,
            annotation_format=annotationlib.Format.FORWARDREF,
        )
    return inspect.signature(function, follow_wrapped=follow_wrapped)


def _bound_names(function: Callable[..., object]) -> set[str]:
    names = set[str]()
    while isinstance(function, functools.partial):
        names.update(function.keywords)
        function = function.func
    return names


def _doc(function: Callable[..., object], core: Callable[..., object]) -> str:
    own = inspect.getdoc(core)
    if own and not core.__qualname__.startswith("object."):
        return own
    thing = strip_wrappers(function)
    return "" if inspect.isroutine(thing) else inspect.cleandoc(type(thing).__doc__ or "")


def _closure_names(function: Callable[..., object]) -> Mapping[str, object]:
    return inspect.getclosurevars(function).nonlocals if inspect.isfunction(function) else {}


def _source_location(function: object) -> str:
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    if not inspect.iscode(code):
        return ""
    return f" ({code.co_filename.rpartition(os.sep)[2]}:{code.co_firstlineno})"
