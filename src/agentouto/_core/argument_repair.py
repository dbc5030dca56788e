"""Mends arguments that a check refused, where only one meaning is possible, and finds extra fields.

Two habits of models are mended, and only where the check has failed: an array or object that comes
as JSON text (vLLM's and LiteLLM's parsers hand some models' arguments on like this), and ``null``
for something that has a default. Nothing else is guessed.

Fields that a nested type does not have are found, too: pydantic drops them without a word, so that
``{"mode": "latest", "offset": 100}`` would be done without its offset. A model that is configured
with ``extra="ignore"`` drops them on purpose and is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import msgspec

from agentouto._core.tool_arguments import Mismatch

Path = tuple[str | int, ...]

MAX_ROUNDS = 3
"""How often arguments are mended and checked again: text may hide objects that hide texts."""

_CONTAINER_ERRORS = frozenset(
    {
        "dataclass_type",
        "dict_type",
        "frozen_set_type",
        "iterable_type",
        "list_type",
        "mapping_type",
        "model_attributes_type",
        "model_type",
        "set_type",
        "tuple_type",
    }
)
"""The types of pydantic's errors for a value that should be an array or an object ("Validation
Errors")."""


class CheckError(msgspec.Struct, frozen=True):
    """One error of a check, in pydantic's words."""

    type: str
    path: Path
    value: object
    message: str


def repaired(
    arguments: Mapping[str, object], errors: Sequence[CheckError]
) -> dict[str, object] | None:
    """Return ``arguments`` with what can be mended at the places of ``errors``; else ``None``."""
    by_place: dict[Path, list[CheckError]] = {}
    for error in errors:
        by_place.setdefault(_place(arguments, error.path), []).append(error)
    mended: object = arguments
    for place, there in by_place.items():
        if not place:
            continue
        value = there[0].value
        if value is None:
            mended = _replaced(mended, place, _LeftOut)
        elif isinstance(value, str) and _wants_container(there):
            decoded = _container_in_text(value)
            if decoded is not None:
                mended = _replaced(mended, place, decoded)
    return None if mended is arguments else cast("dict[str, object]", mended)


def extra_fields(value: object, written: object, path: Path = ()) -> Iterator[Mismatch]:
    """Yield the fields in ``written`` that the type of ``value``, made of it, does not have."""
    root = getattr(value, "root", value) if hasattr(value, "__pydantic_root_model__") else value
    if isinstance(written, Mapping):
        fields = cast("Mapping[object, object]", written)
        known = _writable_fields(root, fields)
        if known is None:
            return
        for name, inner in fields.items():
            place = (*path, cast("str", name))
            if name in known:
                yield from extra_fields(known[name], inner, place)
            else:
                names = tuple(dict.fromkeys(map(str, known)))
                yield Mismatch(place, inner, "", allowed=names)
    elif isinstance(written, list) and isinstance(root, list | tuple):
        items, made = cast("list[object]", written), cast("Sequence[object]", root)
        if len(items) == len(made):
            for index, (item, one) in enumerate(zip(items, made, strict=True)):
                yield from extra_fields(one, item, (*path, index))


def _writable_fields(
    value: object, written: Mapping[object, object]
) -> dict[object, object] | None:
    """Return the fields of ``value`` by every name they can be written with, if all are known."""
    cls = type(value)
    if isinstance(value, dict):
        made = cast("dict[object, object]", value)
        if len(made) >= len(written):
            return {name: made.get(name) for name in written}
        return made
    declared = getattr(cls, "__pydantic_fields__", None)
    if declared is None:
        declared = getattr(cls, "__dataclass_fields__", None)
    if declared is None or _drops_on_purpose(cls):
        return None
    fields: dict[object, object] = {}
    for name, field in cast("Mapping[str, object]", declared).items():
        aliases = [getattr(field, each, None) for each in ("alias", "validation_alias")]
        if any(alias is not None and not isinstance(alias, str) for alias in aliases):
            return None  # an AliasPath or AliasChoices may read any field
        for each in (*filter(None, aliases), name):
            fields[each] = getattr(value, name, None)
    return fields


def _drops_on_purpose(cls: type) -> bool:
    """Whether ``cls`` says itself what becomes of unknown fields, or reads the fields itself."""
    config: Mapping[str, object] = (
        getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", None) or {}
    )
    decorators = getattr(cls, "__pydantic_decorators__", None)
    validators = cast("Mapping[str, object]", getattr(decorators, "model_validators", {}))
    return "extra" in config or bool(validators)


def _place(arguments: object, path: Path) -> Path:
    """Return the part of ``path`` that is found in ``arguments``: pydantic names branches, too."""
    found: list[str | int] = []
    at = arguments
    for step in path:
        if isinstance(at, Mapping) and step in at:
            at = cast("Mapping[object, object]", at)[step]
        elif isinstance(at, list) and isinstance(step, int):
            items = cast("list[object]", at)
            if step >= len(items):
                continue
            at = items[step]
        else:
            continue
        found.append(step)
    return tuple(found)


def _wants_container(errors: Sequence[CheckError]) -> bool:
    """Whether no text would fit where ``errors`` are, but an array or object may."""
    types = {error.type for error in errors}
    text = any(each.startswith("string_") and each != "string_type" for each in types)
    return bool(types & _CONTAINER_ERRORS) and not text


def _container_in_text(text: str) -> object:
    """Return the array or object that is the whole of ``text``; else ``None``."""
    try:
        value: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return cast("object", value) if isinstance(value, list | dict) else None


class _LeftOut:
    """Stands for a field that is removed, so that its default is taken."""


def _replaced(container: object, path: Path, value: object) -> object:
    """Return ``container`` with ``value`` at ``path``; what is on the way is copied."""
    step, *rest = path
    if isinstance(container, Mapping):
        fields = dict(cast("Mapping[object, object]", container))
        if rest:
            fields[step] = _replaced(fields[step], tuple(rest), value)
        elif value is _LeftOut:
            del fields[step]
        else:
            fields[step] = value
        return fields
    items = list(cast("list[object]", container))
    if rest:
        items[cast("int", step)] = _replaced(items[cast("int", step)], tuple(rest), value)
    elif value is _LeftOut:
        return container  # an item of a list has no default
    else:
        items[cast("int", step)] = value
    return items
