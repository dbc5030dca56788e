"""Parses what the scripted peers receive: tool results as JSON, and file names in messages.

File names stand between backticks, the Markdown convention for code. ``scripted_peers.py`` decides
what to do with them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentouto.testing import Request

DATA = ("csv", "json", "jsonl", "lock", "map", "svg", "tsv", "xml")
"""Endings of data files. Their lines repeat by nature, so they are not searched for repeats."""


def parsed_results(request: Request, tool_name: str) -> list[Mapping[str, Any]]:
    """Return the result of every successful use of a tool."""
    return [json.loads(text) for text in request.results(tool_name) if text.startswith("{")]


def last_result(request: Request, tool_name: str) -> Mapping[str, Any] | None:
    """Return the last result of a tool, or ``None`` if no use of it succeeded."""
    results = parsed_results(request, tool_name)
    return results[-1] if results else None


def quote_names(names: Iterable[str]) -> str:
    """Return names in the form in which a message contains them."""
    return ", ".join(f"`{name}`" for name in names if "`" not in name)


def quoted_names(text: str) -> list[str]:
    """Return the names between backticks in a message."""
    return re.findall("`([^`]+)`", text)


def is_location(name: str) -> bool:
    """Return whether a name is ``file:line``."""
    return re.search(r":\d+$", name) is not None


def name_of_largest(numbers: Mapping[str, int]) -> str:
    """Return the name with the highest number, or an empty string if there is none."""
    return max(numbers, key=lambda name: numbers[name], default="")


def parallel_parts(listing: Mapping[str, Any]) -> list[list[str]]:
    """Split the listed files into up to four groups that can be counted in parallel."""
    folders = [name for name in listing["folders"] if name != "."]
    loose = [name for name in listing["files"] if "/" not in name]
    all_shown = sum(listing["folders"].values()) == listing["files_in_all"]
    if not (folders and all_shown and len(loose) == listing["folders"].get(".", 0)):
        return [["."]]
    return [[name] for name in folders[:3]] + [part for part in [folders[3:] + loose] if part]


def data_patterns(files: Sequence[str]) -> list[str]:
    """Return file patterns for the data files."""
    return [f"*.{ending}" for ending in DATA if any(file.endswith(f".{ending}") for file in files)]


def background_result(report: str) -> str:
    """Return the result in the text that ``get_messages`` gives about a background agent."""
    return report.partition("Result: ")[2].partition("\n")[0]
