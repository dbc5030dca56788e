"""Takes the texts out of event lines, for reports that others may read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import cast

from agentouto._core.run_history import Line

_TEXTS = frozenset(
    {"error", "from", "options", "output", "reason", "result", "role", "text", "raw_arguments"}
)
"""Fields with texts of people, models and tools. ``from`` of ``model.switch`` is a model's name and
stays, as all names do."""

_KEPT = MappingProxyType({"model.switch": frozenset({"from"})})


def without_content(lines: Iterable[Line]) -> list[Line]:
    """Return ``lines`` with empty texts, arguments and results.

    Names, times, tokens, costs, sizes of files and kinds of errors stay.
    """
    return [dict(_emptied(line)) for line in lines]


def _emptied(line: Line) -> Iterator[tuple[str, object]]:
    kept = _KEPT.get(str(line["type"]), frozenset[str]())
    for name, value in line.items():
        if name == "raw_arguments":
            continue
        if name in _TEXTS and name not in kept:
            yield name, _empty(value)
        elif name == "arguments":
            yield name, {}
        elif name in {"files", "outputs", "agents", "peers"} and isinstance(value, list):
            yield name, [_emptied_row(row) for row in cast("list[object]", value)]
        else:
            yield name, value


def _emptied_row(row: object) -> object:
    if not isinstance(row, Mapping):
        return row
    fields = cast("Mapping[str, object]", row)
    texts = {"text", "role"} | ({"name"} if "size" in fields else set[str]())
    return {name: _empty(value) if name in texts else value for name, value in fields.items()}


def _empty(value: object) -> object:
    """Return the empty value of the same JSON type."""
    if isinstance(value, list):
        return []
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, object]", value)
        return {name: each if name == "code" else "" for name, each in fields.items()}
    return None if value is None else ""
