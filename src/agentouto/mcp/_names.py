"""Gives tools of servers names that models take, each its own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

MAX_NAME = 64
"""Characters in a tool's name that OpenAI and Anthropic allow."""

_HASH = 6
"""Hex digits that tell cut names apart: one pair in 16 million is alike."""


def tool_names(server: str, tools: Iterable[str], *, prefix: bool) -> Mapping[str, str]:
    """Return the names for models, by the names that the server has for its tools.

    A name is ``server_tool``. Characters that models do not take become ``_``. A name that is too
    long, or that another tool of the server has already, is cut and ends with a hash of the whole.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    # Names that need no change come first, so that they keep theirs; then the order is that of the
    # alphabet, whatever order the server lists them in: names are the same in every run.
    for tool in sorted(tools, key=lambda one: (_model_name(server, one, prefix) != one, one)):
        name = _model_name(server, tool, prefix)
        if len(name) > MAX_NAME or name in taken:
            digest = hashlib.sha256(tool.encode()).hexdigest()[:_HASH]
            name = f"{name[: MAX_NAME - _HASH - 1]}_{digest}"
        taken.add(name)
        names[tool] = name
    return names


def _model_name(server: str, tool: str, prefix: bool) -> str:  # noqa: FBT001
    full = f"{server}_{tool}" if prefix else tool
    name = re.sub(r"[^A-Za-z0-9_-]", "_", full)
    return name if re.match(r"[A-Za-z_]", name) else f"_{name}"
