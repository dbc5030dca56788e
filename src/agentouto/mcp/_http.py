"""Opens the HTTP connection to an MCP server, with the headers and the sign-in of its settings."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

import httpx2
from mcp.client.streamable_http import streamable_http_client

from agentouto._domain.errors import AuthError
from agentouto._domain.redaction import in_all_forms
from agentouto._network import is_local, shown
from agentouto.mcp._settings import Authorization, Settings

CONNECT_SECONDS = 30.0
"""Seconds to connect and to send: the default of the MCP SDK."""

REFUSED_TOKEN = 401
"""The status of a refused token (RFC 6750 §3.1)."""

Streams = tuple[Any, Any]
"""What a transport of the SDK yields: a stream to read messages from, and one to write them to."""


class _SignIn(httpx2.Auth):
    """Puts the token of a sign-in method on each request; renews it once where it is refused."""

    requires_request_body = True  # some methods sign it

    def __init__(self, auth: Authorization, name: str, secrets: set[str]) -> None:
        self._auth = auth
        self._name = name
        self._secrets = secrets

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        address = str(request.url)
        if not (address.startswith("https://") or is_local(address)):
            raise AuthError(
                self._name,
                "auth= is for https:// addresses and this machine only, and "
                f"{shown(address)} is neither",
            )
        await self._authorize(request, await self._auth.get_token())
        response = yield request
        refresh = cast("Callable[[], Any] | None", getattr(self._auth, "refresh_token", None))
        if response.status_code == REFUSED_TOKEN and refresh is not None:
            await self._authorize(request, await refresh())
            yield request

    async def _authorize(self, request: httpx2.Request, token: str) -> None:
        sign = cast("Callable[..., Any] | None", getattr(self._auth, "headers", None))
        if sign is None:
            made = {"Authorization": f"Bearer {token}"}
        else:
            made = dict(await sign(request.method, str(request.url), request.content))
        self._secrets.update(in_all_forms(made.values()))
        request.headers.update(made)


@asynccontextmanager
async def http_streams(settings: Settings, secrets: set[str]) -> AsyncGenerator[Streams]:
    """Connect to the server, and yield its streams. Tokens are added to ``secrets``."""
    auth = settings.auth
    if auth is not None and not isinstance(auth, httpx2.Auth):
        auth = _SignIn(cast("Authorization", auth), settings.name, secrets)
    timeout = httpx2.Timeout(CONNECT_SECONDS, read=None)  # a use may take longer, and has a limit
    async with httpx2.AsyncClient(
        headers=dict(settings.headers), auth=auth, timeout=timeout
    ) as client:
        opened: AbstractAsyncContextManager[Streams] = streamable_http_client(
            str(settings.url), http_client=client
        )
        async with opened as streams:
            yield streams
