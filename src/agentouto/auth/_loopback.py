"""A page on this machine that the browser is sent back to: opened for one sign-in, then closed.

It answers the one request that knows what this sign-in was marked with, and lets everything else go
by. What it answers is written here; nothing of a request is ever sent back. The person is told that
the sign-in worked when it has. What an answer means is not known here.
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
from agentouto.auth._protocol import same

HEAD_SECONDS = 5.0
MOST_BYTES = 1 << 16
TRIES = 5
"""How often another free port is looked for, if one is free in one family of addresses only."""

GOODBYE_SECONDS = 1.0
"""How long the browser has to fetch the last page."""

_HOSTS = ("127.0.0.1", "::1")

_HEAD = (
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
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    '<body style="font-family: sans-serif; margin: 4em auto; max-width: 32em">'
    "<h1>{title}</h1><p>{text}</p></body></html>"
)
_DONE = ("200 OK", "You are signed in", "You can close this page.")
_FAILED = (
    "400 Bad Request",
    "You are not signed in",
    "It did not work. The program that asked you to sign in says why. You can close this page.",
)
_STRAY = (
    "400 Bad Request",
    "This is not the sign-in that is waiting",
    "Please use the page that the program has opened last.",
)
_NOTHING = ("404 Not Found", "There is nothing here", "")


class Door:
    """The page, while it is open.

    Attributes:
        address: What the browser is to be sent to; it has to be the very same everywhere.
        arrived: The fields of the redirect, once it has come.
        worked: Done when the person is signed in; cancelled if that has failed.
    """

    def __init__(self, redirect: Redirect, state: Secret) -> None:
        loop = asyncio.get_running_loop()
        self.address = redirect.elsewhere
        self.arrived: asyncio.Future[Mapping[str, str]] = loop.create_future()
        self.worked: asyncio.Future[None] = loop.create_future()
        self._path = redirect.path
        self._state = state
        self._guests = 0
        self._empty = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._hosts: frozenset[str] = frozenset()

    def moved_in(self, host: str, port: int) -> None:
        """Take note of where the page is."""
        self.address = f"http://{host}:{port}{self._path}"
        names = ("localhost", "127.0.0.1", "[::1]")
        self._hosts = frozenset(f"{name}:{port}" for name in names)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection, whatever it wants."""
        self._writers.add(writer)
        try:
            with suppress(OSError, TimeoutError, ValueError, EOFError, asyncio.LimitOverrunError):
                async with asyncio.timeout(HEAD_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                self._guests += 1
                try:
                    await self._answer(head, writer)
                finally:
                    self._guests -= 1
                    if not self._guests:
                        self._empty.set()
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        status, title, text = await self._page(head)
        body = _PAGE.format(title=title, text=text).encode()
        written = _HEAD.format(status=status, length=len(body)).encode()
        writer.write(written if head.startswith(b"HEAD ") else written + body)
        await writer.drain()

    async def _page(self, head: bytes) -> tuple[str, str, str]:
        first, *others = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        named = {line.partition(":")[0].strip().lower(): line.partition(":")[2] for line in others}
        parts = urlsplit(target)
        if parts.path != self._path or method != "GET":
            return _NOTHING
        pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=50)
        fields = {name: Secret(value) for name, value in pairs}
        ours = named.get("host", "").strip().lower() in self._hosts and len(pairs) == len(fields)
        if not (ours and same(fields.get("state", ""), self._state)):
            return _STRAY
        if not self.arrived.done():
            self.arrived.set_result(fields)
        await asyncio.wait([self.worked])
        return _FAILED if self.worked.cancelled() else _DONE

    async def close(self) -> None:
        """Let those who are being answered hear the end of it, and send everybody away."""
        for future in (self.arrived, self.worked):
            if not future.done():
                future.cancel()
            elif not future.cancelled():
                future.exception()  # it may be that nobody has asked for it
        if self._guests:
            self._empty.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await self._empty.wait()
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def opened(name: str, redirect: Redirect, state: Secret) -> AsyncGenerator[Door, None]:
    """Open the page, on this machine and for this machine only; or none, if it is elsewhere.

    Raises:
        AuthError: None of its ports is free.
    """
    door = Door(redirect, state)
    if redirect.elsewhere:
        yield door
        return
    servers = await _listen(name, redirect, door)
    try:
        yield door
    finally:
        for server in servers:
            server.close()
        await door.close()


async def _listen(name: str, redirect: Redirect, door: Door) -> list[asyncio.Server]:
    ports = redirect.ports if any(redirect.ports) else redirect.ports * TRIES
    for wanted in ports:
        try:
            first = await _start(door, _HOSTS[0], wanted)
        except OSError:
            continue
        port: int = first.sockets[0].getsockname()[1]
        try:
            second = [await _start(door, _HOSTS[1], port)]
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:  # somebody else would be asked
                first.close()
                continue
            second = []  # this machine has no such addresses
        door.moved_in(redirect.host, port)
        return [first, *second]
    asked = " and ".join(str(port) for port in redirect.ports if port) or "all"
    raise AuthError(name, f"the browser cannot be sent back to this machine: port {asked} is taken")


async def _start(door: Door, host: str, port: int) -> asyncio.Server:
    return await asyncio.start_server(door.answer, host, port, limit=MOST_BYTES)
