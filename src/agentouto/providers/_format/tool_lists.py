"""Encodes lists of tools, each once for all requests that send it.

A run hands the same list to every request, and so do runs with the same tools, so encoded lists are
kept by the identity of the list. Schemas are the largest part of most first requests: encoding them
once makes a request cheaper, and its beginning the same bytes each time, which prompt caches need.
How a tool is encoded is decided by the format.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

from agentouto._domain.memory import Memory
from agentouto._domain.ports import ToolSpec
from agentouto.providers._format.json import Json, dump

_MAX_ENCODED_LISTS = 256
"""How many lists are kept in one format: more than the agents of all runs at one time have. All are
dropped when there are more, because encoding one again costs less than tracking their use."""

Write: TypeAlias = Callable[[tuple[ToolSpec, ...]], bytes]
"""A format's encoder of a list of tools."""

EncodedLists: TypeAlias = dict[int, tuple[tuple[ToolSpec, ...], bytes]]
"""Encoded lists by ``id``. The lists are kept alive, so that no other object gets the same id."""


class EncodedListsByFormat:
    """Encoded lists, by format."""

    __slots__ = ("_by_format",)

    def __init__(self) -> None:
        self._by_format: dict[Write, EncodedLists] = {}

    def by(self, write: Write) -> EncodedLists:
        """Return the lists that ``write`` has encoded."""
        return self._by_format.setdefault(write, {})

    def forget(self) -> None:
        """Forget all encoded lists."""
        for written in tuple(self._by_format.values()):
            written.clear()


def pop_added_tools(head: Json) -> list[object]:
    """Remove the tools that ``Agent(extra={"tools": [...]})`` adds from ``head``, and return them.

    These are tools that the provider hosts, such as a web search. They come after the run's own,
    because without those an agent could neither call a peer nor return. What is no list stays in
    ``head``, for the server to judge.
    """
    added = head.get("tools")
    if not isinstance(added, list):
        return []
    del head["tools"]
    return cast("list[object]", added)


class ToolLists:
    """Lists of tools in one format, shared by all wires of the format and memory."""

    __slots__ = ("_encoded", "_write")

    def __init__(self, write: Write, memory: Memory) -> None:
        self._write = write
        self._encoded = memory.part(EncodedListsByFormat).by(write)

    def written(self, tools: tuple[ToolSpec, ...]) -> bytes:
        """Return ``tools`` as they stand in a request."""
        encoded = self._encoded.get(id(tools))
        if encoded is not None:
            return encoded[1]
        text = self._write(tools)
        if len(self._encoded) >= _MAX_ENCODED_LISTS:
            self._encoded.clear()
        self._encoded[id(tools)] = tools, text
        return text

    def with_added(self, tools: tuple[ToolSpec, ...], added: list[object]) -> bytes:
        """Return ``tools`` as they stand in a request, then ``added``; no bytes if there are none.

        Args:
            tools: The tools of the run.
            added: More tools, in the format of the API.
        """
        own = self.written(tools) if tools else b""
        if not added:
            return own
        more = dump(added)
        return own[:-1] + b"," + more[1:] if own else more
