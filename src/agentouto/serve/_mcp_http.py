"""Serves the MCP server of a team over streamable HTTP, as one of the fronts.

Checks of host names, origins, keys and sizes are those of all fronts; the SDK's own are off. Its
session manager has a task group, which one task has to enter and to leave: that of the first
request starts it, and ``aclose`` ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from mcp.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from agentouto import Team
from agentouto.serve._asgi import HttpRequest, SendEvent
from agentouto.serve._front import Front
from agentouto.serve._talks import Talks


class McpFront(Front):
    """The ASGI application of an MCP server, at the place where it is mounted.

    Args:
        server: The server of the SDK.
        talks: The runs that it has begun.
        team: The team.
        origins: Origins of web pages that may send requests, besides the own one.
    """

    def __init__(
        self, server: Server[Any], talks: Talks, team: Team, origins: Collection[str]
    ) -> None:
        super().__init__(team, origins)
        self._talks = talks
        self._manager = StreamableHTTPSessionManager(
            server,
            security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        self._owner: asyncio.Task[None] | None = None
        self._ready: asyncio.Event | None = None
        self._over: asyncio.Event | None = None

    async def aclose(self) -> None:
        """Stop all runs and sessions."""
        await super().aclose()
        if self._owner is not None and self._over is not None:
            self._over.set()
            await asyncio.wait([self._owner])

    async def _answer(self, request: HttpRequest, send: SendEvent) -> None:
        # At the first request, because a mounted application is not told when its server begins.
        if self._ready is None:
            self._ready, self._over = asyncio.Event(), asyncio.Event()
            self._owner = asyncio.create_task(self._own(self._ready, self._over))
        await self._ready.wait()
        await self._manager.handle_request(request.scope, request.receive, send)

    async def _own(self, ready: asyncio.Event, over: asyncio.Event) -> None:
        """Enter the session manager, wait until it is over, and leave it."""
        async with self._manager.run():
            ready.set()
            await over.wait()
