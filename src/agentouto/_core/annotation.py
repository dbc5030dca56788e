"""Reads and rebuilds type annotations: descriptions, ``None``, unions, ``TypedDict``.

Annotations are handled as values, because they come from functions of the user and are seen at run
time only. The rules are those of the ``typing`` module (PEP 484, 586, 593, 655). This module does
not depend on functions, schemas or pydantic.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from functools import reduce
from types import NoneType, UnionType
from typing import Protocol, cast

TypedDictMaker: typing.TypeAlias = Callable[[str, dict[str, object]], type]
"""``TypedDict`` of ``typing`` or ``typing_extensions``: makes a class from a name and fields."""

UNIONS = frozenset((typing.Union, UnionType))
"""``Union[int, str]`` and ``int | str`` are of different types before Python 3.14."""

REQUIRED_MARKS = frozenset((typing.Required, typing.NotRequired))
"""The marks of a ``TypedDict``'s field (PEP 655)."""


class _SpecialForm(Protocol):
    """The operators of an annotation, which ``typing`` declares for checkers only."""

    def __getitem__(self, inner: object) -> object: ...
    def __or__(self, other: object) -> object: ...


ANNOTATED = cast("_SpecialForm", typing.Annotated)
NOT_REQUIRED = cast("_SpecialForm", typing.NotRequired)


def union_of(one: object, other: object) -> object:
    """Return the union of two annotations."""
    return cast("_SpecialForm", one) | other


def behind_names(annotation: object) -> object:
    """Return what an alias (``type N = ...``, PEP 695) or a ``NewType`` stands for."""
    for _ in range(MAX_ALIASES):
        named = cast("object", typing.get_origin(annotation)) or annotation
        attribute = dict(_ALIAS_ATTRIBUTES).get(type(named).__name__)
        if attribute is None:
            break
        try:
            annotation = cast("object", getattr(named, attribute))
        except NameError:  # it names something that is not defined yet
            break
    return annotation


MAX_ALIASES = 20
"""How many aliases of aliases are followed: ``type A = A`` never ends."""

_ALIAS_ATTRIBUTES = (("TypeAliasType", "__value__"), ("NewType", "__supertype__"))
"""By the name of the type: Python 3.11 has no ``typing.TypeAliasType``, but ``typing_extensions``
makes one there."""


def description_of(annotation: object) -> str | None:
    """Return the first text in the metadata of ``Annotated`` (PEP 593), also inside a union."""
    annotation = behind_names(annotation)
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        texts = (note for note in inner[1:] if isinstance(note, str))
        return next(texts, None) or description_of(inner[0])
    if origin in UNIONS:
        return next(filter(None, map(description_of, inner)), None)
    return None


def allows_none(annotation: object) -> bool:
    """Whether ``None`` is of the annotated type."""
    annotation = behind_names(annotation)
    if annotation in (object, None, NoneType) or repr(annotation) == "typing.Any":
        return True
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return allows_none(inner[0])
    if origin is typing.Literal:
        return None in inner
    return origin in UNIONS and any(map(allows_none, inner))


def rebuild_typed_dicts(
    annotation: object, make: TypedDictMaker, seen: tuple[object, ...] = ()
) -> object:
    """Return ``annotation`` with every ``TypedDict`` in it replaced by one that ``make`` returns.

    A ``TypedDict`` that contains itself is kept as it is at the inner place.
    """
    if annotation in seen:
        return annotation
    if typing.is_typeddict(annotation):
        return _rebuild_dict(cast("type", annotation), make, seen)
    inner, origin = typing.get_args(annotation), typing.get_origin(annotation)
    if not inner or origin in {typing.Literal, Callable}:
        return annotation
    if origin is typing.Annotated:
        return ANNOTATED[(rebuild_typed_dicts(inner[0], make, seen), *inner[1:])]
    rebuilt = [rebuild_typed_dicts(one, make, seen) for one in inner]
    if rebuilt == list(inner):
        return annotation
    if origin in UNIONS:
        return reduce(union_of, rebuilt)
    return cast("_SpecialForm", origin)[tuple(rebuilt) if len(rebuilt) > 1 else rebuilt[0]]


def _rebuild_dict(typed_dict: type, make: TypedDictMaker, seen: tuple[object, ...]) -> type:
    required: frozenset[str] = getattr(typed_dict, "__required_keys__", frozenset[str]())
    fields: dict[str, object] = {}
    for name, hint in typing.get_type_hints(typed_dict, include_extras=True).items():
        rebuilt = rebuild_typed_dicts(hint, make, (*seen, typed_dict))
        marked = typing.get_origin(hint) in REQUIRED_MARKS
        fields[name] = rebuilt if marked or name in required else NOT_REQUIRED[rebuilt]
    made = make(typed_dict.__name__, fields)
    made.__doc__, made.__module__ = typed_dict.__doc__, typed_dict.__module__
    return made
