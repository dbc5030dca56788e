"""What a Python function says of itself: its name, its words, what it wants to be called with.

Whatever can be called is read the same way: functions, bound methods, partials, objects with
``__call__``. A signature no model could fill in is refused here, with the place where it stands.
This module does not know JSON Schema or pydantic.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import typing
from collections.abc import Callable, Mapping
from inspect import Parameter

import msgspec

from agentouto._domain.misuse import ConfigurationError

if sys.version_info >= (3, 14):
    import annotationlib

NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)

UNTOLD: Mapping[type, object] = {kind: kind for kind in (bool, int, float, list, dict)}
"""Types that a default may stand for where there is no annotation."""


class Callee(msgspec.Struct, frozen=True):
    """A function, as far as its own words tell.

    Attributes:
        name: What models call it.
        function: The function behind partials, bindings and static methods.
        parameters: What a model may fill in.
        doc: The docstring, with its indentation removed.
        hints: Types that could be read already; the rest is read when it is asked for.
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
            return evaluate(self.function, parameter, {})
        except Exception as error:
            raise self.trouble(
                f"its type cannot be read ({error}); use names that the module of the function "
                "knows",
                parameter,
            ) from error

    def trouble(self, what: str, parameter: Parameter | None = None) -> ConfigurationError:
        """Return the error that says what is wrong, with whom, and where."""
        return trouble(self.name, self.function, what, parameter)


def read(function: Callable[..., object], name: str | None, names: Mapping[str, object]) -> Callee:
    """Return what ``function`` says of itself.

    Args:
        function: Anything that can be called.
        name: What to call it; ``None`` takes its own name.
        names: Names that types may use beside those of the function's module: the locals of the
            place where it was defined.

    Raises:
        ConfigurationError: A model could not call it.
    """
    called = name or "?"
    if inspect.isclass(function) or not callable(function):
        what = "a class" if inspect.isclass(function) else "no function"
        raise trouble(called, function, f"{function!r} is {what}; give it a function")
    core = unwrap(function)
    called = name or str(getattr(core, "__name__", type(function).__name__))
    if core.__name__ == "__call__" and not inspect.isroutine(strip(function)):
        called = name or type(strip(function)).__name__
    if inspect.isgeneratorfunction(core) or inspect.isasyncgenfunction(core):
        raise trouble(called, core, "it yields; return the whole result at once instead")
    parameters = tuple(_parameters(called, function, core))
    callee = Callee(called, core, parameters, _doc(function, core), {})
    for parameter in parameters:
        if names and isinstance(parameter.annotation, str):
            try:
                callee.hints[parameter.name] = evaluate(core, parameter, names)
            except Exception:  # noqa: BLE001, S112 - it may become readable later
                continue
    return callee


def strip(function: Callable[..., object]) -> Callable[..., object]:
    """Return what a partial or a static method is made of."""
    while isinstance(function, functools.partial | staticmethod):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    return function


def unwrap(function: Callable[..., object]) -> Callable[..., object]:
    """Return the plain function that does the work when ``function`` is called."""
    function = strip(function)
    if inspect.ismethod(function):
        return function.__func__
    return function if inspect.isroutine(function) else type(function).__call__


def evaluate(
    function: Callable[..., object], parameter: Parameter, names: Mapping[str, object]
) -> object:
    """Return the type that an annotation stands for; without one, that of the default, or text."""
    if parameter.annotation is Parameter.empty:
        default: object = parameter.default
        return UNTOLD.get(type(default), str)
    innermost = inspect.unwrap(function)

    def holder() -> None: ...

    holder.__annotations__ = {parameter.name: parameter.annotation}
    known = {**names, **_enclosed(innermost)}
    space: dict[str, object] = getattr(innermost, "__globals__", {})
    return typing.get_type_hints(holder, space, known, include_extras=True)[parameter.name]


def trouble(
    name: str, function: object, what: str, parameter: Parameter | None = None
) -> ConfigurationError:
    """Return the error that names a tool, one of its parameters, and where it stands."""
    whose = f"Tool `{name}`"
    if parameter is not None:
        bare = parameter.replace(default=Parameter.empty)
        whose = f"{whose}, parameter `{str(bare).replace(chr(39), '')}`"
    return ConfigurationError(f"{whose}: {what}.{_place(function)}")


def _parameters(
    name: str, function: Callable[..., object], core: Callable[..., object]
) -> typing.Iterator[Parameter]:
    try:
        parameters = list(_signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        what = "Python does not tell what it takes; wrap it in a function that says so"
        raise trouble(name, core, what) from error
    bound = _bound(function)
    named = [parameter for parameter in parameters if parameter.kind in NAMED]
    for parameter in parameters:
        if parameter.kind is Parameter.POSITIONAL_ONLY:
            what = "models give arguments by name; take the `/` out of the signature"
            raise trouble(name, core, what, parameter)
        if parameter.kind not in NAMED and not named:
            what = (
                "a model cannot know what to put here; name the parameters (a decorator without "
                "functools.wraps hides them)"
            )
            raise trouble(name, core, what, parameter)
    for place, parameter in enumerate(named):
        if place == 0 and parameter.name in {"self", "cls"}:
            what = f"it is a method; make the tool of a bound one: Tool(thing.{core.__name__})"
            raise trouble(name, core, what, parameter)
        if parameter.name not in bound:
            yield parameter


def _signature(function: Callable[..., object]) -> inspect.Signature:
    if sys.version_info >= (3, 14):
        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(function)


def _bound(function: Callable[..., object]) -> set[str]:
    names = set[str]()
    while isinstance(function, functools.partial):
        names.update(function.keywords)
        function = function.func
    return names


def _doc(function: Callable[..., object], core: Callable[..., object]) -> str:
    own = inspect.getdoc(core)
    if own and not core.__qualname__.startswith("object."):
        return own
    thing = strip(function)
    return "" if inspect.isroutine(thing) else inspect.cleandoc(type(thing).__doc__ or "")


def _enclosed(function: Callable[..., object]) -> Mapping[str, object]:
    return inspect.getclosurevars(function).nonlocals if inspect.isfunction(function) else {}


def _place(function: object) -> str:
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    if not inspect.iscode(code):
        return ""
    return f" ({code.co_filename.rpartition(os.sep)[2]}:{code.co_firstlineno})"
