"""Reads a run from whatever holds it: a result, a handle, a file, or its lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, TypeAlias, cast, runtime_checkable

from agentouto._core.line_writer import all_lines
from agentouto._core.recorded_run import RecordedRun
from agentouto._core.run_history import Line
from agentouto._domain.configuration_error import ConfigurationError
from agentouto._engine.host import Handle
from agentouto.events import read
from agentouto.exports._content import without_content


@runtime_checkable
class HasLines(Protocol):
    """What has the lines of a run: a ``RunResult``, ``error.partial``, a run in a journal."""

    def lines(self) -> Sequence[Line]:
        """Return the lines."""
        ...


RunSource: TypeAlias = HasLines | Handle[object] | str | Path | Iterable[Line]
"""A run: what has its lines, its handle, a file of JSON lines, or the lines themselves."""

_ALWAYS = ("run", "seq", "t", "type")
"""Fields that all exports read of every line."""

_OF_CALLS = ("agent", "call", "parent")
_OF_MESSAGES = ("sender", "receiver", "text")
_NEEDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "run.start": (),
        "run.end": ("status",),
        "forward": (*_OF_CALLS, *_OF_MESSAGES),
        "ask": (*_OF_CALLS, *_OF_MESSAGES),
        "return": (*_OF_CALLS, *_OF_MESSAGES),
        "error": (*_OF_CALLS, "error", "kind"),
        "message": (*_OF_CALLS, *_OF_MESSAGES, "id", "to"),
        "message.read": (*_OF_CALLS, "id", "turn"),
        "message.returned": (*_OF_CALLS, "id", "reason"),
        "model.start": (*_OF_CALLS, "model"),
        "model.wait": (*_OF_CALLS, "why", "error"),
        "model.switch": (*_OF_CALLS, "model", "from", "error"),
        "model.end": (*_OF_CALLS, "stop", "input", "output", "cost"),
        "spent": ("input", "output", "cost"),
        "token": (*_OF_CALLS, "text"),
        "thinking": (*_OF_CALLS, "text"),
        "tool.start": (*_OF_CALLS, "tool_call", "tool", "arguments"),
        "tool.end": (*_OF_CALLS, "tool_call", "tool", "result", "failed"),
        "wait": (*_OF_CALLS, "for"),
        "wait.end": (*_OF_CALLS, "for"),
    }
)
"""The fields that exports read. Lines have more, and newer versions add some."""


def load_run(run: RunSource, *, content: bool = True) -> RecordedRun:
    """Return ``run`` as it is recorded, without its texts unless ``content``.

    Raises:
        ConfigurationError: There are no lines, or they are of several runs, or one of them is no
            event line.
        OSError: The file cannot be read.
    """
    where, lines = _lines_in(run)
    if not lines:
        raise ConfigurationError(f"{where}: there is no event line, so there is no run to show")
    for number, line in enumerate(lines, 1):
        _check_line(line, f"{where}, line {number}")
    # Calls of two runs would be drawn as one team, with times that count from two beginnings.
    ids = list(dict.fromkeys(str(line["run"]) for line in lines))
    if len(ids) > 1:
        raise ConfigurationError(
            f"{where} has lines of {len(ids)} runs ({', '.join(ids[:3])}): pass those of one run"
        )
    return RecordedRun(lines if content else without_content(lines))


def _lines_in(run: RunSource) -> tuple[str, list[Line]]:
    """Return a name for messages, and the lines."""
    if isinstance(run, Handle):  # before str, which it is, too
        handle = cast("Handle[object]", run)
        return f"the run {handle}", list(cast("list[Line]", all_lines(handle.facts)))
    if isinstance(run, str | Path):
        return str(run), list(cast("list[Line]", read(run)))
    if isinstance(run, HasLines):
        return "this run", list(run.lines())
    return "these lines", list(run)


def _check_line(line: object, where: str) -> None:
    if not isinstance(line, Mapping):
        raise ConfigurationError(f"{where} is {type(line).__name__}, not an event line")
    fields = cast("Line", line)
    type_ = str(fields.get("type"))
    needed = (*_ALWAYS, *_NEEDED.get(type_, ()))
    missing = [name for name in needed if name not in fields]
    if missing:
        raise ConfigurationError(f"{where} ({type_}) has no field {missing[0]!r}")
    if not isinstance(fields["t"], int | float) or not isinstance(fields["seq"], int):
        raise ConfigurationError(f"{where} ({type_}): 't' and 'seq' are numbers")
