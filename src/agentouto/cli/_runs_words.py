"""How the commands for saved runs write ids, times and tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import cast

from agentouto import ConfigurationError, SavedRun
from agentouto.cli._terminal_text import format_seconds

SHORT_ID = 8
"""Digits of a random id that are shown: among 500 runs, two begin alike once in 30,000 times."""

STATUS_STYLES: Mapping[str, str] = MappingProxyType(
    {
        "running": "cyan",
        "waiting": "yellow",
        "interrupted": "yellow",
        "returned": "green",
        "failed": "bold red",
        "cancelled": "red",
    }
)
"""Colours by the state of a run. The state is written in words too."""

_RANDOM_ID = re.compile(r"(?:bg_)?[0-9a-f]{12,}")

_DURATION = re.compile(r"([0-9]+)([smhdw])")
_SECONDS = MappingProxyType({"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800})


def short_id(run_id: str) -> str:
    """Return the beginning of a random id; another one was given by a person, and stays whole."""
    if not _RANDOM_ID.fullmatch(run_id):
        return run_id
    return run_id[: SHORT_ID + (3 if run_id.startswith("bg_") else 0)]


def local_time(at: float) -> str:
    """Return a time on the clock of this place, for people."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def utc_time(at: float) -> str:
    """Return a time in UTC, for programs (RFC 3339)."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def took(run: SavedRun) -> str:
    """Return how long a run took; empty if it has not ended."""
    return "" if run.ended is None else duration(run.ended - run.started)


def duration(seconds: float) -> str:
    """Return a duration as people say it: seconds, minutes or hours."""
    if seconds < 100:
        return format_seconds(seconds)
    if seconds < 100 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def parse_duration(text: str) -> float:
    """Return the seconds that ``7d``, ``12h`` or ``30m`` is.

    Raises:
        ConfigurationError: It is no duration.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ConfigurationError(f"{text!r:.40} is no duration, such as 30m, 12h, 7d or 4w")
    return int(found[1]) * _SECONDS[found[2]]


def run_fields(run: SavedRun) -> dict[str, object]:
    """Return what ``--json`` prints of a run in a list."""
    return {
        "id": run.id,
        "status": run.status,
        "message": run.message,
        "started": utc_time(run.started),
        "seconds": None if run.ended is None else round(run.ended - run.started, 3),
        "error": run.error,
        "forked_from": run.forked_from,
        "kept": run.kept,
        "team": run.team,
        "folder": run.folder,
    }


def tokens(used: object) -> str:
    """Return the usage of a line as ``1,240 in / 320 out``; empty if nothing was reported."""
    if not isinstance(used, Mapping):
        return ""
    counts = cast("Mapping[str, int | None]", used)
    read, written = counts.get("input"), counts.get("output")
    if read is None and written is None:
        return ""
    parts = ("?" if count is None else f"{count:,}" for count in (read, written))
    return "{} in / {} out".format(*parts)
