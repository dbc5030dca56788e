"""The loopback HTTP server that receives the redirect of one sign-in (RFC 8252 §7.3).

It accepts the one request that carries the ``state`` of this sign-in and answers every other with
an error page. Pages are fixed texts: nothing of a request is sent back. The page "You are signed
in" is sent only after the tokens have been received.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qsl, urlsplit

from agentouto._domain.errors import AuthError
from agentouto._domain.secret import Secret
from agentouto.auth._client import Redirect
from agentouto.auth._oauth_messages import secrets_equal

HEAD_SECONDS = 5.0
"""Time limit for a request head: a browser on this machine sends it at once."""

MAX_HEAD_BYTES = 1 << 16
"""Browsers and servers cut request lines far below this size."""

PORT_ATTEMPTS = 5
"""Attempts to find a port that is free for IPv4 and IPv6 alike."""

LAST_PAGE_SECONDS = 1.0
"""Time for the browser to fetch the last page before the server closes."""

_HOSTS = ("127.0.0.1", "::1")
"""Both, because a browser that is sent to ``localhost`` may try either (RFC 8252 §7.3)."""

# The address of the page has the authorization code: it is not stored, and no link or picture of
# the page could pass it on as the referrer (RFC 9700 §4.2).
_HEAD_TEMPLATE = (
    "HTTP/1.1 {status}\r\n"
    "Content-Type: text/html; charset=utf-8\r\n"
    "Content-Length: {length}\r\n"
    "Cache-Control: no-store\r\n"
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Connection: close\r\n\r\n"
)
_PAGE_TEMPLATE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    '<body style="font-family: sans-serif; margin: 4em auto; max-width: 32em">'
    "<h1>{title}</h1><p>{text}</p></body></html>"
)
_SIGNED_IN_PAGE = ("200 OK", "You are signed in", "You can close this page.")
_FAILED_PAGE = (
    "400 Bad Request",
    "You are not signed in",
    "It did not work. The program that asked you to sign in says why. You can close this page.",
)
_WRONG_STATE_PAGE = (
    "400 Bad Request",
    "This is not the sign-in that is waiting",
    "Please use the page that the program has opened last.",
)
_NOT_FOUND_PAGE = ("404 Not Found", "There is nothing here", "")


class CallbackServer:
    """The server, while it is open.

    Attributes:
        address: The redirect URI; all requests of the sign-in must carry exactly this text.
        received: The fields of the redirect, once it has come.
        completed: Done when the tokens have come; cancelled if the sign-in has failed.
    """

    def __init__(self, redirect: Redirect, state: Secret) -> None:
        loop = asyncio.get_running_loop()
        self.address = redirect.elsewhere
        self.received: asyncio.Future[Mapping[str, str]] = loop.create_future()
        self.completed: asyncio.Future[None] = loop.create_future()
        self._path = redirect.path
        self._state = state
        self._active_requests = 0
        self._idle = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._hosts: frozenset[str] = frozenset()

    def set_address(self, host: str, port: int) -> None:
        """Set the redirect URI and the ``Host`` names that belong to it."""
        self.address = f"http://{host}:{port}{self._path}"
        names = ("localhost", "127.0.0.1", "[::1]")
        self._hosts = frozenset(f"{name}:{port}" for name in names)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        self._writers.add(writer)
        try:
            with suppress(OSError, TimeoutError, ValueError, EOFError, asyncio.LimitOverrunError):
                async with asyncio.timeout(HEAD_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                self._active_requests += 1
                try:
                    await self._answer(head, writer)
                finally:
                    self._active_requests -= 1
                    if not self._active_requests:
                        self._idle.set()
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        status, title, text = await self._page(head)
        body = _PAGE_TEMPLATE.format(title=title, text=text).encode()
        written_head = _HEAD_TEMPLATE.format(status=status, length=len(body)).encode()
        writer.write(written_head if head.startswith(b"HEAD ") else written_head + body)
        await writer.drain()

    async def _page(self, head: bytes) -> tuple[str, str, str]:
        first, *others = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {
            line.partition(":")[0].strip().lower(): line.partition(":")[2] for line in others
        }
        parts = urlsplit(target)
        if parts.path != self._path or method != "GET":
            return _NOT_FOUND_PAGE
        pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=50)
        fields = {name: Secret(value) for name, value in pairs}
        # RFC 6749 §3.1: no parameter is there twice. Programs differ in which of two they read.
        is_ours = headers.get("host", "").strip().lower() in self._hosts and len(pairs) == len(
            fields
        )
        if not (is_ours and secrets_equal(fields.get("state", ""), self._state)):
            # A page and no error: any program of this machine could end the sign-in otherwise.
            return _WRONG_STATE_PAGE
        if not self.received.done():
            self.received.set_result(fields)
        await asyncio.wait([self.completed])
        return _FAILED_PAGE if self.completed.cancelled() else _SIGNED_IN_PAGE

    async def close(self) -> None:
        """Let requests in progress finish, then close all connections."""
        for future in (self.received, self.completed):
            if not future.done():
                future.cancel()
            elif not future.cancelled():
                future.exception()  # marks it as retrieved, so asyncio does not log it
        if self._active_requests:
            self._idle.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_PAGE_SECONDS):
                    await self._idle.wait()
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def open_callback_server(
    name: str, redirect: Redirect, state: Secret
) -> AsyncGenerator[CallbackServer, None]:
    """Open the server on loopback addresses, or none if the redirect goes to the vendor's page.

    Raises:
        AuthError: None of its ports is free.
    """
    callback = CallbackServer(redirect, state)
    if redirect.elsewhere:
        yield callback
        return
    servers = await _bind(name, redirect, callback)
    try:
        yield callback
    finally:
        for server in servers:
            server.close()
        await callback.close()


async def _bind(name: str, redirect: Redirect, callback: CallbackServer) -> list[asyncio.Server]:
    ports = redirect.ports if any(redirect.ports) else redirect.ports * PORT_ATTEMPTS
    for requested in ports:
        try:
            first = await _listen_on(callback, _HOSTS[0], requested)
        except OSError:
            continue
        port: int = first.sockets[0].getsockname()[1]
        try:
            second = [await _listen_on(callback, _HOSTS[1], port)]
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:  # another program holds it on IPv6
                first.close()
                continue
            second = []  # this machine has no IPv6
        callback.set_address(redirect.host, port)
        return [first, *second]
    taken = " and ".join(str(port) for port in redirect.ports if port) or "all"
    raise AuthError(name, f"the browser cannot be sent back to this machine: port {taken} is taken")


async def _listen_on(callback: CallbackServer, host: str, port: int) -> asyncio.Server:
    return await asyncio.start_server(callback.answer, host, port, limit=MAX_HEAD_BYTES)
