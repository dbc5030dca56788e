"""Keeps the schemas of functions, so that pydantic builds each only once for all runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from weakref import WeakKeyDictionary

import msgspec

from agentouto._core.schema import ArgumentModel, build_schema
from agentouto._core.signature import CallableInfo


class _CachedSchema(msgspec.Struct, frozen=True):
    """The schema of a function, and the signature that it was built from.

    It holds no reference to the function, which would otherwise never be collected.
    """

    name: str
    doc: str
    parameters: tuple[inspect.Parameter, ...]
    model: ArgumentModel

    def matches(self, callee: CallableInfo) -> bool:
        """Whether ``callee`` still has the same signature."""
        return (
            (self.name, self.doc, len(self.parameters))
            == (callee.name, callee.doc, len(callee.parameters))
        ) and all(
            old.name == new.name and old.annotation is new.annotation and old.default is new.default
            for old, new in zip(self.parameters, callee.parameters, strict=True)
        )


class SchemaCache:
    """The schemas of plain functions in ``tools=``, each built once for all runs.

    A function in ``tools=`` becomes a new ``Tool`` in every run, and pydantic takes one or two
    milliseconds to build a schema.
    """

    __slots__ = ("_cached",)

    def __init__(self) -> None:
        self._cached: WeakKeyDictionary[Callable[..., object], _CachedSchema] = WeakKeyDictionary()

    def of(self, callee: CallableInfo) -> ArgumentModel:
        """Return the schema of a function, built if it is new or has changed."""
        function = callee.function
        if not inspect.isfunction(function):
            return build_schema(callee)
        cached = self._cached.get(function)
        if cached is None or not cached.matches(callee):
            cached = _CachedSchema(callee.name, callee.doc, callee.parameters, build_schema(callee))
            self._cached[function] = cached
        return cached.model

    def forget(self) -> None:
        """Drop all schemas."""
        self._cached.clear()
