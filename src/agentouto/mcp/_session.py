"""One connection to an MCP server, and the task that owns it.

Theory of operation. A session of the MCP SDK must be entered and left by the same task: its cancel
scopes are bound to it. Runs come and go, in several event loops and threads. So each session has a
task of its own, in the loop of the portal, which enters it, waits until it is over, and leaves it.
Uses of tools are other tasks in the same loop; runs wait for them from their own loops.

* The owner starts with an empty context. With the context of the use that happened to open the
  session, every message of the server would seem to belong to that use.
* A use puts itself into a context variable. Over HTTP, the SDK handles what a server sends in
  reply to a request in the context of that request; with ``input_required``, all happens in the
  task of the use. So a question finds the use that it belongs to. Over stdio, nothing says so:
  there a question is asked only if all uses under way belong to one run, and declined otherwise.
* The session is over as soon as the server's stream has ended. The SDK fails the uses under way
  at that moment, and the owner frees the process and the connection without waiting for them.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from types import MappingProxyType
from typing import Any, Self, cast

import mcp_types as types
from mcp import Client, MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from agentouto._domain.errors import RoutingError, ToolError
from agentouto._domain.redaction import hidden_in
from agentouto._domain.version import PACKAGE_VERSION
from agentouto._engine.here import Here
from agentouto._network import shown
from agentouto.mcp._http import http_streams
from agentouto.mcp._requests import Requests
from agentouto.mcp._settings import Settings
from agentouto.mcp._stdio import ErrorLines, stdio_streams
from agentouto.mcp._uses import Use, Uses

log = logging.getLogger("agentouto.mcp")

OPEN_SECONDS = 60.0
"""Seconds for a server to start and to answer: package runners download it first."""

PAGE_SECONDS = 60.0
"""Seconds for one page of a list of tools."""

MAX_PAGES = 100
"""Pages of a list of tools: a server that always names a next page would never end."""

MODES = MappingProxyType({"auto": "auto", "2025-11-25": "legacy", "2026-07-28": "2026-07-28"})
"""What the SDK calls the revisions of the protocol."""

LEVELS = MappingProxyType({"debug": logging.DEBUG, "warning": logging.WARNING})
"""Levels of the log, by what servers call them (RFC 5424); what is not here is ``INFO``, or
``ERROR`` from "error" on."""

SEVERE = frozenset({"error", "critical", "alert", "emergency"})


class SessionEnded(Exception):
    """The connection ended while the server worked on a request."""


class SessionForgotten(Exception):
    """The server has forgotten the session, and did not look at the request."""


class ServerSession:
    """A connection to a server. Everything here runs in the loop of the portal.

    Args:
        settings: How the server is reached.
        secrets: What is hidden in errors and logs. Tokens of ``auth=`` are added.
    """

    def __init__(self, settings: Settings, secrets: set[str]) -> None:
        self._settings = settings
        self._secrets = secrets
        self._uses = Uses()
        self._over = asyncio.Event()
        self._ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._lines = ErrorLines(settings.name, secrets)
        self._listening = False
        self._tools: list[types.Tool] | None = None
        self._fresh_until = 0.0
        self._owner = asyncio.create_task(
            self._own(), name=f"MCP server {settings.name}", context=contextvars.Context()
        )

    @property
    def is_over(self) -> bool:
        """Whether the connection has ended, or is ending."""
        return self._over.is_set()

    async def opened(self) -> Self:
        """Wait until the server has answered.

        Raises:
            ToolError: It cannot be started or reached, or speaks something else than MCP.
        """
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await asyncio.shield(self._ready)
        except TimeoutError:
            self._owner.cancel()
            await asyncio.wait([self._owner])
            raise self._no_session(f"it did not answer within {OPEN_SECONDS:g} s") from None
        except Exception as error:
            await asyncio.wait([self._owner])
            raise self._no_session(_reason(error)) from error
        return self

    async def close(self) -> None:
        """End the connection, and wait until the process or the connection is gone."""
        self._over.set()
        await asyncio.wait([self._owner])

    async def list_tools(self) -> list[types.Tool]:
        """Return the tools of the server: those of the last look while they count as unchanged."""
        loop = asyncio.get_running_loop()
        if self._tools is not None and loop.time() < self._fresh_until:
            return self._tools
        client = await self._ready
        self._fresh_until = float("inf")  # first: a change during the look makes it stale again
        tools: list[types.Tool] = []
        cursor: str | None = None
        hint: int | None = None
        for _ in range(MAX_PAGES):
            page = await self._page(client, cursor)
            tools += page.tools
            cursor, hint = page.next_cursor, page.ttl_ms
            if not cursor:
                break
        if client.protocol_version in MODERN_PROTOCOL_VERSIONS and not self._listening:
            self._fresh_until = min(self._fresh_until, loop.time() + (hint or 0) / 1_000)
        self._tools = tools
        return tools

    async def _page(self, client: Client, cursor: str | None) -> types.ListToolsResult:
        server = self._settings.name
        try:
            async with asyncio.timeout(PAGE_SECONDS):
                return await client.list_tools(cursor=cursor)
        except TimeoutError as error:
            late = f"it did not list its tools within {PAGE_SECONDS:g} s"
            raise ToolError(server, late) from error
        except MCPError as error:
            if self.is_over or error.code == types.CONNECTION_CLOSED or _is_forgotten(error):
                self._over.set()
                raise SessionForgotten from error
            raise ToolError(server, f"it does not list its tools: {error}") from error
        except ValueError as error:  # of pydantic: the first line is a count, the last an address
            what = " ".join(line.strip() for line in str(error).splitlines()[1:3])
            raise ToolError(server, f"its list of tools is not that of MCP: {what}") from error

    async def use_tool(
        self, tool: str, arguments: dict[str, Any], here: Here[Any]
    ) -> types.CallToolResult:
        """Use a tool, and return its result.

        Raises:
            SessionEnded: The connection ended before the result came.
            ToolError: The server refuses the use, or has not finished in time.
        """
        client = await self._ready

        async def show(progress: float, total: float | None, message: str | None) -> None:
            with suppress(RoutingError):  # it came after the result
                here.progress(message or "", progress, total)

        limit = asyncio.timeout(self._settings.timeout)
        try:
            async with limit:
                with self._uses.entered(Use(here, limit)):
                    return await client.call_tool(tool, arguments, progress_callback=show)
        except TimeoutError as error:
            if not limit.expired():
                raise
            late = f"{tool} did not finish within {self._settings.timeout:g} s"
            raise ToolError(tool, late) from error
        except MCPError as error:
            if self.is_over or error.code == types.CONNECTION_CLOSED:
                self._over.set()
                raise SessionEnded from error
            if _is_forgotten(error):
                self._over.set()
                raise SessionForgotten from error
            raise ToolError(tool, f"{tool}: {error}") from error

    async def _own(self) -> None:
        """Enter the session, wait until it is over, and leave it."""
        try:
            async with self._client() as client:
                self._ready.set_result(client)
                listening = asyncio.create_task(self._listen(client))
                await self._over.wait()
                listening.cancel()
                await asyncio.wait([listening])
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(_first(error))
                self._ready.exception()  # where nothing waits for it, it is not reported
            if not isinstance(error, Exception):
                raise
            ended = hidden_in(repr(error), self._secrets)
            log.debug("%s: the session ended with %s", self._settings.name, ended)
        finally:
            self._over.set()

    def _client(self) -> Client:
        settings = self._settings
        requests = Requests(settings, self._uses)
        return Client(
            self._transport(),
            mode=MODES[settings.protocol],
            cache=None,  # lists are kept by ``list_tools``
            elicitation_callback=requests.elicit,
            sampling_callback=None if settings.sampling is None else requests.sample,
            logging_callback=self._log,
            log_level="info" if log.isEnabledFor(logging.INFO) else "warning",
            message_handler=self._notice,
            client_info=types.Implementation(name="agentouto", version=PACKAGE_VERSION),
        )

    @asynccontextmanager
    async def _transport(self) -> AsyncGenerator[tuple[Any, Any]]:
        settings = self._settings
        streams = (
            stdio_streams(settings, self._lines)
            if settings.command
            else http_streams(settings, self._secrets)
        )
        async with streams as (reading, writing):
            yield _Watched(reading, self._over), writing

    async def _listen(self, client: Client) -> None:
        """Mark the list of tools as stale when the server says that it has changed."""
        offered = client.server_capabilities.tools
        if client.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            return  # there, such a notice comes unasked
        if offered is None or not offered.list_changed:
            return
        with suppress(Exception):  # without it, the server's own time limit says what is stale
            async with client.listen(tools_list_changed=True) as changes:
                self._listening = True
                async for _ in changes:
                    self._fresh_until = 0.0
        self._listening = False
        self._fresh_until = 0.0

    async def _notice(self, message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._fresh_until = 0.0

    async def _log(self, params: types.LoggingMessageNotificationParams) -> None:
        level = logging.ERROR if params.level in SEVERE else LEVELS.get(params.level, logging.INFO)
        log.log(level, "%s: %s", self._settings.name, hidden_in(str(params.data), self._secrets))

    def _no_session(self, why: str) -> ToolError:
        settings = self._settings
        what = settings.command[0] if settings.command else shown(settings.url)
        last = f". It wrote: {' / '.join(self._lines.last)}" if self._lines.last else ""
        return ToolError(settings.name, f"{what}: {why}{last}")


class _Watched:
    """A stream of the SDK that says when it has ended: then the SDK leaves it."""

    def __init__(self, stream: Any, over: asyncio.Event) -> None:
        self._stream = stream
        self._over = over

    @property
    def last_context(self) -> contextvars.Context | None:
        """The context in which the last message was sent, where the transport has it."""
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> Any:
        """Return the next message."""
        return await self._stream.receive()

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        return await self._stream.__anext__()

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> bool | None:
        self._over.set()
        return bool(await self._stream.__aexit__(*error))


def _is_forgotten(error: MCPError) -> bool:
    """Whether the server has forgotten the session, and has not looked at the request.

    Streamable HTTP, Session Management: such a server answers 404. The SDK makes of it "Session
    terminated"; where the server sends a JSON-RPC error with it, as the SDKs for TypeScript and
    Python do, its text comes instead: "Session not found".
    """
    return error.message.lower().startswith(("session terminated", "session not found"))


def _first(error: BaseException) -> BaseException:
    """Return what is inside of groups of exceptions, which task groups raise."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such program"
    text = str(error) or type(error).__name__
    return text if isinstance(error, MCPError) else f"{text} ({type(error).__name__})"
