"""How the scripted peers read what they are told: results of tools, and names in messages.

Names of files stand between backticks, as people write them too. What follows from what is read is
decided in ``models.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentouto.testing import Request

DATA = ("csv", "json", "jsonl", "lock", "map", "svg", "tsv", "xml")
"""Endings of files that repeat themselves because they are data."""


def split(seen: Request, tool_name: str) -> list[Mapping[str, Any]]:
    """Return what every use of a tool has given, of those that went well."""
    return [json.loads(text) for text in seen.results(tool_name) if text.startswith("{")]


def latest(seen: Request, tool_name: str) -> Mapping[str, Any] | None:
    """Return what a tool has given last, or ``None`` if it has not been used with success."""
    results = split(seen, tool_name)
    return results[-1] if results else None


def quoted(names: Iterable[str]) -> str:
    """Return names as they stand in a message."""
    return ", ".join(f"`{name}`" for name in names if "`" not in name)


def quoted_in(text: str) -> list[str]:
    """Return the names that stand in a message."""
    return re.findall("`([^`]+)`", text)


def is_place(name: str) -> bool:
    """Return whether a name is ``file:line``."""
    return re.search(r":\d+$", name) is not None


def most(numbers: Mapping[str, int]) -> str:
    """Return the name with the highest number; nothing if there is none."""
    return max(numbers, key=lambda name: numbers[name], default="")


def parts(listing: Mapping[str, Any]) -> list[list[str]]:
    """Return everything that is listed in up to four parts, which can be looked at in parallel."""
    folders = [name for name in listing["folders"] if name != "."]
    loose = [name for name in listing["files"] if "/" not in name]
    all_shown = sum(listing["folders"].values()) == listing["files_in_all"]
    if not (folders and all_shown and len(loose) == listing["folders"].get(".", 0)):
        return [["."]]
    return [[name] for name in folders[:3]] + [part for part in [folders[3:] + loose] if part]


def data_in(files: Sequence[str]) -> list[str]:
    """Return patterns for the files that are data."""
    return [f"*.{ending}" for ending in DATA if any(file.endswith(f".{ending}") for file in files)]


def found_by(report: str) -> str:
    """Return what a background agent has returned, out of the report on it."""
    return report.partition("Result: ")[2].partition("\n")[0]
