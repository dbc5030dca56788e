"""Reads the event lines of runs, and answers questions about them.

``RunStream.lines()`` and ``agentouto run --jsonl`` give such lines; ``docs/events.md`` describes
their form. The functions take any number of lines of one run, from its first line on. Of a run that
was cut off they answer what can be said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import msgspec

from agentouto._core.critical_path import Held, Work, find_critical, find_held
from agentouto._core.event_table import COMMON, LINE_TYPES, LINE_VERSION, LineField, LineType
from agentouto._core.figures import Doing, Figures, PersonWait, Repetition, Straggler
from agentouto._core.recorded_run import RecordedRun
from agentouto._core.run_checks import Finding, find_failures
from agentouto._core.run_figures import count_figures
from agentouto._core.run_history import Line, RunHistory
from agentouto._domain.configuration_error import ConfigurationError

__all__ = [
    "COMMON",
    "LINE_TYPES",
    "LINE_VERSION",
    "Doing",
    "Figures",
    "Finding",
    "Held",
    "LineField",
    "LineType",
    "PersonWait",
    "Repetition",
    "Straggler",
    "Work",
    "critical",
    "figures",
    "held",
    "lint",
    "read",
]


def read(path: str | Path) -> list[dict[str, object]]:
    """Return the lines of a file of JSON lines.

    A last line that was not written to its end, as after a crash, is left out.

    Args:
        path: The file, for example the output of ``agentouto run --jsonl``.

    Raises:
        ConfigurationError: It has a line that is no event, or was written by a newer agentouto.
        OSError: The file cannot be read.
    """
    lines: list[dict[str, object]] = []
    rows = Path(path).read_bytes().split(b"\n")
    for number, row in enumerate(rows, 1):
        if not row.strip():
            continue
        try:
            line: object = msgspec.json.decode(row)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            if number == len(rows):  # without a newline: it was cut off
                break
            raise ConfigurationError(f"{path}, line {number}: no JSON ({error})") from error
        if not isinstance(line, dict) or "type" not in line or "v" not in line:
            raise ConfigurationError(
                f"{path}, line {number} is no event of a run: it has no 'v' and 'type'; "
                "agentouto run --jsonl writes such files"
            )
        fields = cast("dict[str, object]", line)
        _check_version(fields, f"{path}, line {number}")
        lines.append(fields)
    return lines


def held(lines: Iterable[Line]) -> list[Held]:
    """Return who acts at the end of ``lines``, and whom each of them holds up.

    Persons come first, then those that hold up most calls. Empty if no call is open.

    Raises:
        ConfigurationError: The lines were written by a newer agentouto.
    """
    return find_held(RunHistory(_in_this_form(lines)))


def critical(lines: Iterable[Line]) -> list[Work]:
    """Return the chain of work that decided when the answer came, in the order of time.

    Its pieces follow each other without a gap, from the start of the run to the answer, or to the
    last line if there is none yet. Empty before the first call.

    Raises:
        ConfigurationError: The lines were written by a newer agentouto.
    """
    return find_critical(RunHistory(_in_this_form(lines)))


def figures(lines: Iterable[Line]) -> Figures:
    """Return what can be counted of a run: times, messages, repetitions, waits for people.

    Raises:
        ConfigurationError: The lines were written by a newer agentouto.
    """
    return count_figures(RunHistory(_in_this_form(lines)))


def lint(lines: Iterable[Line]) -> list[Finding]:
    """Return what went wrong between the agents, where the lines show it, in the order of time.

    ``docs/figures.md`` has the checks, with their terms in the MAST taxonomy.

    Raises:
        ConfigurationError: The lines were written by a newer agentouto.
    """
    return find_failures(RecordedRun(_in_this_form(lines)))


def _in_this_form(lines: Iterable[Line]) -> Iterator[Line]:
    for number, line in enumerate(lines, 1):
        _check_version(line, f"line {number}")
        yield line


def _check_version(line: Line, where: str) -> None:
    version = line.get("v")
    if version != LINE_VERSION:
        newer = isinstance(version, int) and version > LINE_VERSION
        why = "it was written by a newer agentouto; install that" if newer else "no such form"
        raise ConfigurationError(
            f"{where} has the form v={version!r}, and this version reads v={LINE_VERSION}: {why}"
        )
