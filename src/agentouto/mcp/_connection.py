"""Keeps one server connected for all runs that use it, and makes its tools.

Everything here runs in the loop of the portal, so the state needs no lock but the one around
opening a session.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import mcp_types as types

from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.errors import ToolError
from agentouto._domain.message import ToolResult
from agentouto._domain.redaction import hide
from agentouto._engine.here import Here
from agentouto._engine.tool import AnyTool, Tool
from agentouto.mcp._names import tool_names
from agentouto.mcp._results import tool_result
from agentouto.mcp._session import ServerSession, SessionEnded, SessionForgotten
from agentouto.mcp._settings import Settings

log = logging.getLogger("agentouto.mcp")

MAX_STARTS = 5
"""Starts within ``START_WINDOW``. A server that crashes at each use, or at once, is not started for
ever: every agent of a run that tries it again would start it again."""

START_WINDOW = 60.0
"""Seconds. A server that had to be started ``MAX_STARTS`` times within them is left alone."""


class Origin(NamedTuple):
    """What a tool was made of. The tool stays the same object while this is equal."""

    tool: str
    description: str
    schema: str
    repeatable: bool


class ServerConnection:
    """A server and its tools.

    Args:
        settings: How the server is reached.
        entry: Returns the function that a tool with this origin runs, for any loop.
    """

    def __init__(
        self,
        settings: Settings,
        entry: Callable[[Origin], Callable[[Mapping[str, object]], Awaitable[ToolResult]]],
    ) -> None:
        self._settings = settings
        self._entry = entry
        self._session: ServerSession | None = None
        self._opening = asyncio.Lock()
        self._starts: deque[float] = deque(maxlen=MAX_STARTS)
        self._made: dict[str, tuple[Origin, AnyTool]] = {}
        self._secrets: set[str] = {*settings.secrets()}

    async def tools(self) -> list[AnyTool]:
        """Return the tools that are used; the same objects while the server describes them alike.

        Raises:
            ToolError: The server cannot be reached, or its list cannot be read.
            ConfigurationError: A tool cannot be used as it is, or a setting names one that the
                server does not have.
        """
        settings = self._settings
        try:
            listed = await self._listed()
        except ToolError as error:
            hide(error, self._secrets)
            raise
        settings.check_names(tool.name for tool in listed)
        used = [tool for tool in listed if settings.uses(tool.name)]
        names = [tool.name for tool in used]
        # A server that lists a name twice leaves open which of the two a use of it would reach.
        for name in names:
            if names.count(name) > 1:
                raise ConfigurationError(f"{settings.name} has two tools called {name!r}")
        called = tool_names(settings.name, names, prefix=settings.prefix)
        made = {tool.name: self._tool(tool, called[tool.name]) for tool in used}
        self._made = made
        return [tool for _, tool in made.values()]

    async def _listed(self) -> list[types.Tool]:
        try:
            return await (await self._connected()).list_tools()
        except SessionForgotten:
            # The server was restarted meanwhile. Asking for a list does no harm, so once more.
            try:
                return await (await self._connected()).list_tools()
            except SessionForgotten as error:
                why = "it cannot be reached, or ends the connection when it is asked for its tools"
                raise ToolError(self._settings.name, why) from error

    def _tool(self, listed: types.Tool, name: str) -> tuple[Origin, AnyTool]:
        hints = listed.annotations
        origin = Origin(
            listed.name,
            listed.description or listed.title or "",
            json.dumps(listed.input_schema, sort_keys=True),
            bool(hints and (hints.read_only_hint or hints.idempotent_hint)),
        )
        # The same object: what was encoded for the same tools before is used again.
        before = self._made.get(listed.name)
        if before is not None and before[0] == origin:
            return before
        settings = self._settings
        if before is not None:
            log.warning(
                "%s has changed what it tells models of its tool %s since an earlier run",
                settings.name,
                listed.name,
            )
        try:
            tool = Tool.foreign(
                name,
                origin.description,
                listed.input_schema,
                self._entry(origin),
                needs_approval=settings.approves(listed.name),
                on_restart="run" if origin.repeatable else "report",
            )
        except ConfigurationError as error:
            raise ConfigurationError(
                f"the tool {listed.name!r} of {settings.name} cannot be used: {error}. To go on "
                f"without it: MCPServer(without=[{listed.name!r}])"
            ) from error
        return origin, tool

    async def use(
        self, origin: Origin, arguments: Mapping[str, object], here: Here[Any]
    ) -> ToolResult:
        """Use a tool.

        A server that dies while it works is connected to again. The use is repeated only if the
        server says of the tool that this does no harm, or if the server never looked at it.

        Raises:
            ToolError: It has failed.
        """
        try:
            return await self._use(origin, arguments, here)
        except ToolError as error:
            hide(error, self._secrets)
            raise

    async def _use(
        self, origin: Origin, arguments: Mapping[str, object], here: Here[Any]
    ) -> ToolResult:
        server, tool = self._settings.name, origin.tool
        for attempt in (1, 2):
            session = await self._connected()
            try:
                result = await session.use_tool(tool, {**arguments}, here)
                return tool_result(tool, result)
            except SessionForgotten as error:
                if attempt > 1:
                    raise ToolError(tool, f"{server} forgets its sessions at once") from error
            except SessionEnded as error:
                if attempt > 1 or not origin.repeatable:
                    why = f"{server} died while it worked on this; whether it was done is not known"
                    raise ToolError(tool, why) from error
        raise AssertionError("the second attempt returns or raises")

    async def close(self) -> None:
        """End the session, if there is one."""
        async with self._opening:
            session, self._session = self._session, None
            if session is not None:
                await session.close()

    async def _connected(self) -> ServerSession:
        # Under the lock, so that runs which begin together share one start of the server.
        async with self._opening:
            session = self._session
            if session is not None and not session.is_over:
                return session
            if session is not None:
                await session.close()
            self._session = None
            self._count_start()
            self._session = await ServerSession(self._settings, self._secrets).opened()
            return self._session

    def _count_start(self) -> None:
        now = asyncio.get_running_loop().time()
        starts = self._starts
        if len(starts) == MAX_STARTS and now - starts[0] < START_WINDOW:
            raise ToolError(
                self._settings.name,
                f"{self._settings.name} had to be started {MAX_STARTS} times within "
                f"{START_WINDOW:g} s and is left alone for a while",
            )
        starts.append(now)
