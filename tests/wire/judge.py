"""The vendor's published types as judges of our requests: an unknown key is a mistake."""

from __future__ import annotations

import types
from collections.abc import Iterable, Sequence
from functools import cache
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import typing_extensions
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming

COMPATIBLE = {"reasoning", "reasoning_content", "reasoning_details", "extra_content"}
"""Fields of compatible servers that go back to them and that OpenAI does not have."""

REQUIRED = {Required, typing_extensions.Required}
NOT_REQUIRED = {NotRequired, typing_extensions.NotRequired}


def complaints(
    value: object, type_: Any = CompletionCreateParamsStreaming, where: str = "body"
) -> list[str]:
    """Return what is wrong with ``value`` as a ``type_``."""
    origin = get_origin(type_)
    if origin in REQUIRED | NOT_REQUIRED | {Annotated}:
        return complaints(value, get_args(type_)[0], where)
    if origin in {Union, types.UnionType}:
        return _of_any(value, get_args(type_), where)
    if origin in {Literal, typing_extensions.Literal}:
        return (
            [] if value in get_args(type_) else [f"{where}: {value!r} is none of {get_args(type_)}"]
        )
    if typing_extensions.is_typeddict(type_):
        return _of_typed_dict(value, type_, where)
    if origin is dict:
        return [] if isinstance(value, dict) else [f"{where}: no object"]
    if origin is not None and (issubclass(origin, Iterable) or origin is Sequence):
        if not isinstance(value, list):
            return [f"{where}: no list"]
        (item,) = get_args(type_)
        return [c for i, v in enumerate(value) for c in complaints(v, item, f"{where}[{i}]")]
    if getattr(type_, "_is_protocol", False):
        return [] if isinstance(value, list) else [f"{where}: no list"]
    if type_ is float:
        type_ = (int, float)
    if type_ in {object, Any} or (type_ is None and value is None):
        return []
    return [] if isinstance(value, origin or type_) else [f"{where}: {value!r} is no {type_}"]


def _of_any(value: object, choices: Sequence[Any], where: str) -> list[str]:
    """Return what speaks against the choice that speaks least; the first that fits will do."""
    best: list[str] | None = None
    for choice in choices:
        found = complaints(value, choice, where)
        if not found:
            return []
        best = found if best is None or len(found) < len(best) else best
    return best or [f"{where}: nothing fits"]


def _of_typed_dict(value: object, type_: Any, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object"]
    hints, required = _fields(type_)
    missing = [f"{where}: no {key}" for key in required - value.keys()]
    unknown = [f"{where}: unknown {key}" for key in value.keys() - hints.keys() - COMPATIBLE]
    wrong = [
        c
        for key in value.keys() & hints.keys()
        for c in complaints(value[key], hints[key], f"{where}.{key}")
    ]
    return missing + unknown + wrong


@cache
def _fields(type_: Any) -> tuple[dict[str, Any], set[str]]:
    """Return the keys there may be, and those that must be, however the types were written."""
    hints = get_type_hints(type_, include_extras=True)
    always = {key for key, hint in hints.items() if get_origin(hint) in REQUIRED}
    never = {key for key, hint in hints.items() if get_origin(hint) in NOT_REQUIRED}
    return hints, (set(type_.__required_keys__) | always) - never
