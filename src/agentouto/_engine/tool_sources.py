"""Reads the tools of sources before the first call of a run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from typing import Protocol, TypeGuard, cast

import msgspec

from agentouto._core.builtin_tools import RESERVED_NAMES
from agentouto._core.roster import check_for_agents, check_tool_names
from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.errors import ToolError
from agentouto._engine.tool import AnyTool, Tool

log = logging.getLogger("agentouto")


class ToolSource(Protocol):
    """An object that has tools: a server, a database of tools, a file.

    It stands in ``tools=`` beside tools. Each run reads it once, before its first call. It may have
    three attributes besides: ``name``, what errors call it; ``required``: ``False`` lets a run
    begin without it if it cannot be read; ``search``: ``True`` lets models look for its tools with
    ``find_tools``, instead of listing them. That happens to all tools of sources where they are
    more than 40.
    """

    def tools(self) -> Awaitable[Sequence[AnyTool]]:
        """Return the tools; while they are the same, the same objects."""
        ...


MOST_LISTED = 40
"""Tools of sources that models are shown. 300 are 28,600 tokens in every request."""


class SourcedTools(msgspec.Struct, frozen=True):
    """What the sources of a run have.

    Attributes:
        tools: The tools by name.
        missing: Why each missing source is missing, by its name.
        hidden: The names of the tools that models find instead of being shown them.
    """

    tools: dict[str, AnyTool]
    missing: Mapping[str, str]
    hidden: frozenset[str]


def is_source(value: object) -> TypeGuard[ToolSource]:
    """Whether ``value`` is a source of tools."""
    return not isinstance(value, Tool | type) and callable(getattr(value, "tools", None))


def source_name(source: ToolSource) -> str:
    """Return what errors call ``source``."""
    return str(getattr(source, "name", "") or type(source).__name__)


async def read_sources(
    sources: Iterable[ToolSource],
    own: Collection[str],
    participants: Collection[str],
    agents: Collection[str],
) -> SourcedTools:
    """Return what ``sources`` have.

    Args:
        sources: They are read at once.
        own: The names of the run's other tools.
        participants: The names of all participants.
        agents: The names of those that have a model.

    Raises:
        ToolError: A source that is required cannot be read.
        ConfigurationError: It has something else than tools, or a name that is taken.
    """
    async with asyncio.TaskGroup() as group:
        reading = [(source, group.create_task(_read_source(source))) for source in sources]
    tools: list[AnyTool] = []
    missing: dict[str, str] = {}
    searched: list[AnyTool] = []
    for source, task in reading:
        name, found = source_name(source), task.result()
        if not isinstance(found, Exception):
            tools += found
            searched += found if getattr(source, "search", False) else []
        elif isinstance(found, ConfigurationError):
            raise found
        elif getattr(source, "required", True):
            raise ToolError(name, f"the tools of {name} cannot be read: {found}") from found
        else:
            missing[name] = f"{type(found).__name__}: {found}"
            log.warning("The run goes on without the tools of %s: %s", name, found)
    for tool in tools:
        if tool.name in RESERVED_NAMES:
            raise ConfigurationError(
                f"a source has a tool called {tool.name!r}: that is the name of a built-in tool"
            )
        check_for_agents(tool.name, tool.for_agents or (), agents)
    check_tool_names([*own, *(tool.name for tool in tools)], participants)
    hidden = tools if len(tools) > MOST_LISTED else searched
    return SourcedTools(
        {tool.name: tool for tool in tools}, missing, frozenset(tool.name for tool in hidden)
    )


async def _read_source(source: ToolSource) -> list[AnyTool] | Exception:
    """Return the tools of ``source``, or the reason why there are none."""
    name = source_name(source)
    try:
        tools = cast("object", await source.tools())
    except Exception as error:  # noqa: BLE001 - whatever it is, the run or its readers hear of it
        return error
    if isinstance(tools, str) or not isinstance(tools, Iterable):
        return ConfigurationError(f"tools() of {name} returned {tools!r:.60}, not a list of Tools")
    found = list(cast("Iterable[object]", tools))
    for tool in found:
        if not isinstance(tool, Tool):
            return ConfigurationError(f"tools() of {name} returned {tool!r:.60} among its Tools")
    return cast("list[AnyTool]", found)
