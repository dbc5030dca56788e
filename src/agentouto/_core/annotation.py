"""What a type annotation says, and how to say a little more with it.

Annotations are values here, not types: they come from other people's functions. Nothing in this
module knows functions, schemas or pydantic.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from functools import reduce
from types import NoneType, UnionType
from typing import Protocol, cast

TypedDictMaker: typing.TypeAlias = Callable[[str, dict[str, object]], type]
UNIONS = frozenset((typing.Union, UnionType))
MARKS = frozenset((typing.Required, typing.NotRequired))


class _Form(Protocol):
    """What every annotation can do."""

    def __getitem__(self, inner: object) -> object: ...
    def __or__(self, other: object) -> object: ...


ANNOTATED = cast("_Form", typing.Annotated)
NOT_REQUIRED = cast("_Form", typing.NotRequired)


def either(one: object, other: object) -> object:
    """Return the union of two annotations."""
    return cast("_Form", one) | other


def note_of(annotation: object) -> str | None:
    """Return the first text that an annotation carries, also inside a union."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        texts = (note for note in inner[1:] if isinstance(note, str))
        return next(texts, None) or note_of(inner[0])
    if origin in UNIONS:
        return next(filter(None, map(note_of, inner)), None)
    return None


def allows_none(annotation: object) -> bool:
    """Whether ``None`` is of the annotated type."""
    if annotation in (object, None, NoneType) or repr(annotation) == "typing.Any":
        return True
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return allows_none(inner[0])
    if origin is typing.Literal:
        return None in inner
    return origin in UNIONS and any(map(allows_none, inner))


def rebuild(annotation: object, make: TypedDictMaker, seen: tuple[object, ...] = ()) -> object:
    """Return ``annotation`` with ``make`` having made every ``TypedDict`` in it anew.

    One that contains itself is left as it is where it does.
    """
    if annotation in seen:
        return annotation
    if typing.is_typeddict(annotation):
        return _rebuild_dict(cast("type", annotation), make, seen)
    inner, origin = typing.get_args(annotation), typing.get_origin(annotation)
    if not inner or origin in {typing.Literal, Callable}:
        return annotation
    if origin is typing.Annotated:
        return ANNOTATED[(rebuild(inner[0], make, seen), *inner[1:])]
    renewed = [rebuild(one, make, seen) for one in inner]
    if renewed == list(inner):
        return annotation
    if origin in UNIONS:
        return reduce(either, renewed)
    return cast("_Form", origin)[tuple(renewed) if len(renewed) > 1 else renewed[0]]


def _rebuild_dict(typed_dict: type, make: TypedDictMaker, seen: tuple[object, ...]) -> type:
    required: frozenset[str] = getattr(typed_dict, "__required_keys__", frozenset[str]())
    fields: dict[str, object] = {}
    for name, hint in typing.get_type_hints(typed_dict, include_extras=True).items():
        renewed = rebuild(hint, make, (*seen, typed_dict))
        marked = typing.get_origin(hint) in MARKS
        fields[name] = renewed if marked or name in required else NOT_REQUIRED[renewed]
    made = make(typed_dict.__name__, fields)
    made.__doc__, made.__module__ = typed_dict.__doc__, typed_dict.__module__
    return made
