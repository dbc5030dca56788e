"""``MCPServer``: an MCP server whose tools agents use.

The SDK's sessions belong to one task of one event loop, and runs come and go in many. So everything
that touches a session is handed over to the loop of the host's portal, which lives as long as the
process, and the caller waits for it in its own loop. This module imports nothing of the SDK, so
that a program which only names a server does not pay for it: the SDK is loaded with the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from os import PathLike
from typing import Any, Protocol, Self, TypeVar

from agentouto._domain.message import ToolResult
from agentouto._domain.secret import hides_arguments
from agentouto._engine.event_loops import current_loop
from agentouto._engine.here import Here, here
from agentouto._engine.host import DEFAULT_HOST
from agentouto._engine.portal import Portal
from agentouto._engine.tool import AnyTool
from agentouto._network import shown
from agentouto.mcp._config_file import read_config
from agentouto.mcp._settings import Protocols, Settings, check_settings

T = TypeVar("T")


class Connected(Protocol):
    """``ServerConnection``, whose module imports the MCP SDK."""

    async def tools(self) -> list[AnyTool]:
        """Return the tools."""
        ...

    async def use(
        self, origin: Any, arguments: Mapping[str, object], here: Here[Any]
    ) -> ToolResult:
        """Use a tool."""
        ...

    async def close(self) -> None:
        """End the session."""
        ...


@hides_arguments
class MCPServer:
    """An MCP server, a source of tools: it stands in ``tools=`` beside other tools.

    ::

        git = MCPServer("git", command=["uvx", "mcp-server-git"], only=["git_log", "git_diff*"])
        docs = MCPServer("docs", url="https://docs.example.com/mcp", auth=OAuth(...))
        run("What changed?", [agent], [git, docs])

    The first run that uses it starts the program, or connects to the address. All later runs, of
    all threads and event loops, use the same one. It ends with ``close()``, with ``aclose()``, at
    the end of a ``with`` block, or with the interpreter. One that has died is started again at its
    next use.

    Args:
        name: What the server is called here; the names of its tools begin with it.
        command: The program and its arguments, for a server that runs on this machine.
        url: The address of a server that speaks streamable HTTP.
        env: More environment variables of the program. It gets none of this process but PATH,
            HOME, LANG, LOGNAME, SHELL, TERM and USER.
        cwd: The folder that the program runs in.
        headers: More headers of every request.
        auth: How requests are authorized: a method of ``agentouto.auth``, or an ``httpx2.Auth``
            such as ``OAuthClientProvider`` of the MCP SDK.
        only: The tools that are used, by their names at the server. ``*`` stands for anything.
        without: Those that are not used.
        needs_approval: Whether the user is asked before each use, or the tools where that is so.
        timeout: How many seconds one use may take. Waiting for a person does not count.
        prefix: Whether names of tools begin with the name of the server.
        required: Whether a run fails if the server cannot be reached. With ``False`` it goes on
            without its tools and says so in the event ``source_missing``.
        search: Whether models look for the tools with ``find_tools`` and use them with
            ``use_tool``, instead of being shown all. Where sources have more than 40 tools in
            all, they always do.
        protocol: The revision of the protocol; ``"auto"`` takes the newest that both sides speak.
        sampling: The participant who writes a reply where the server asks for a model's. Without
            one, such requests are refused.

    Raises:
        ConfigurationError: A setting is wrong, or the extra ``mcp`` is not installed.
    """

    def __init__(
        self,
        name: str,
        *,
        command: Sequence[str] | None = None,
        url: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | PathLike[str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: object = None,
        only: Sequence[str] = ("*",),
        without: Sequence[str] = (),
        needs_approval: bool | Sequence[str] = False,
        timeout: float = 120.0,
        prefix: bool = True,
        required: bool = True,
        search: bool = False,
        protocol: Protocols = "auto",
        sampling: str | None = None,
    ) -> None:
        self.required: bool = required
        self.search: bool = search
        self._settings: Settings = check_settings(
            name,
            command=command,
            url=url,
            env=env,
            cwd=cwd,
            headers=headers,
            auth=auth,
            only=only,
            without=without,
            needs_approval=needs_approval,
            timeout=timeout,
            prefix=prefix,
            protocol=protocol,
            sampling=sampling,
        )
        self._portal: Portal | None = None
        self._connection: Connected | None = None

    @classmethod
    def from_config(cls, path: str | PathLike[str]) -> list[Self]:
        """Return the servers in a file that Claude Desktop, VS Code or Cursor wrote.

        ``${NAME}`` and ``${env:NAME}`` in it stand for environment variables. Nothing is started.

        Args:
            path: A JSON file with ``mcpServers`` or ``servers``.

        Raises:
            ConfigurationError: It cannot be read, or describes no servers.
        """
        return [cls(name, **settings) for name, settings in read_config(path).items()]

    @property
    def name(self) -> str:
        """What the server is called."""
        return self._settings.name

    @property
    def address(self) -> str:
        """The program with its arguments, or the URL without what may be secret in it."""
        settings = self._settings
        return " ".join(settings.command) if settings.command else shown(settings.url)

    async def tools(self) -> list[AnyTool]:
        """Start or reach the server, and return its tools.

        Raises:
            ToolError: It cannot be started or reached.
            ConfigurationError: A tool of it cannot be used.
        """
        return await self._in_portal(lambda connection: connection.tools())

    async def aclose(self) -> None:
        """End the program or the connection. The next run starts it again."""
        if self._connection is not None:
            await self._in_portal(lambda connection: connection.close())

    def close(self) -> None:
        """End the program or the connection, from plain code, and wait until it has ended.

        Raises:
            RuntimeError: Called in the loop that owns the connection, which would wait for itself.
        """
        portal, connection = self._portal, self._connection
        if portal is not None and current_loop() is portal.loop:
            raise RuntimeError("close() would stop its own event loop; use: await server.aclose()")
        # After a fork the portal's thread is not here, and the server is the parent's to end.
        if portal is not None and connection is not None and portal.thread.is_alive():
            asyncio.run_coroutine_threadsafe(connection.close(), portal.loop).result()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        settings = self._settings
        # Arguments and addresses may hold keys, so only the program is shown.
        where = f"command=[{settings.command[0]!r}, ...]" if settings.command else "url=..."
        return f"MCPServer({settings.name!r}, {where})"

    async def _in_portal(self, do: Callable[[Connected], Coroutine[Any, Any, T]]) -> T:
        """Do something in the loop that owns the session, and wait for it in this one."""
        portal = DEFAULT_HOST.portal()
        if portal is not self._portal:  # the first use, or the first one after a fork
            self._portal, self._connection = portal, portal.call(self._connect)
        connection = self._connection
        assert connection is not None  # noqa: S101 - set above
        work = do(connection)
        if asyncio.get_running_loop() is portal.loop:
            return await asyncio.create_task(work)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, portal.loop))

    def _connect(self) -> Connected:
        from agentouto.mcp._connection import ServerConnection  # noqa: PLC0415 - imports the MCP SDK

        return ServerConnection(self._settings, self._entry)

    def _entry(self, origin: object) -> Callable[[Mapping[str, object]], Awaitable[ToolResult]]:
        """Return the function of a tool, which runs in the loop of a run."""

        async def use(arguments: Mapping[str, object]) -> ToolResult:
            current = here()
            return await self._in_portal(lambda one: one.use(origin, arguments, current))

        return use
