"""Lists of tools, each written down once for all the requests that tell of them.

A run hands the same list to every request, so the list itself is what it is known by. How a tool is
told of is the format's business.
"""

from __future__ import annotations

from collections.abc import Callable

from agentouto._domain.ports import ToolSpec

_MOST = 64
"""How many lists are kept: enough for the runs of one moment."""


class ToolLists:
    """Lists of tools in one format. They are kept alive, so that no other takes their place."""

    __slots__ = ("_known", "_write")

    def __init__(self, write: Callable[[tuple[ToolSpec, ...]], bytes]) -> None:
        self._write = write
        self._known: dict[int, tuple[tuple[ToolSpec, ...], bytes]] = {}

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
