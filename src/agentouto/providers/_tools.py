"""Lists of tools, each written down once for all the requests that tell of them.

A run hands the same list to every request, and so do runs with the same tools: the list itself is
what it is known by. How a tool is told of is the format's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from agentouto._domain.ports import ToolSpec

_MOST = 256
"""How many lists are kept in one format: enough for the runs of one moment."""

Write: TypeAlias = Callable[[tuple[ToolSpec, ...]], bytes]

_LISTS: dict[Write, dict[int, tuple[tuple[ToolSpec, ...], bytes]]] = {}
"""What has been written, by format. Lists are kept alive, so that no other takes their place."""


class ToolLists:
    """Lists of tools in one format: the same for all who write in it."""

    __slots__ = ("_known", "_write")

    def __init__(self, write: Write) -> None:
        self._write = write
        self._known = _LISTS.setdefault(write, {})

    def written(self, tools: tuple[ToolSpec, ...]) -> bytes:
        """Return ``tools`` as they stand in a request."""
        known = self._known.get(id(tools))
        if known is not None:
            return known[1]
        text = self._write(tools)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[id(tools)] = tools, text
        return text
