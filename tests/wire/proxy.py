"""A forward proxy on this machine: tunnels (``CONNECT``), and plain requests to http addresses.

It looks no name up: whatever host it is asked for, it connects to one server of the test.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class ForwardProxy:
    """The proxy.

    Attributes:
        port: Where it listens.
        asked: The first line of each request, ``CONNECT model.test:443 HTTP/1.1``.
        passwords: The ``Proxy-Authorization`` of each request; empty without one.
        refuses: The status line that answers every request; empty to let all through.
    """

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.port = 0
        self.asked: list[str] = []
        self.passwords: list[str] = []
        self.refuses = ""
        self.open: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.open.add(task)
        task.add_done_callback(self.open.discard)
        try:
            await self._answer(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}
        self.asked.append(first)
        self.passwords.append(headers.get("proxy-authorization", ""))
        if self.refuses:
            writer.write(f"HTTP/1.1 {self.refuses}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        else:
            await self._pass_on(first, lines, reader, writer)

    async def _pass_on(
        self,
        first: str,
        lines: list[str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        there = await asyncio.open_connection(self.target.hostname, self.target.port)
        method, address, version = first.split(" ")
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            parts = urlsplit(address)
            path = parts._replace(scheme="", netloc="").geturl()
            kept = [line for line in lines if not line.lower().startswith("proxy-")]
            there[1].write("\r\n".join([f"{method} {path} {version}", *kept, "", ""]).encode())
        async with asyncio.TaskGroup() as group:
            group.create_task(_copy(reader, there[1]))
            group.create_task(_copy(there[0], writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while block := await reader.read(1 << 16):
            writer.write(block)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def proxying(target: str) -> AsyncGenerator[ForwardProxy, None]:
    """Run a proxy whose every connection leads to the server at ``target``."""
    proxy = ForwardProxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in list(proxy.open):
            task.cancel()
            await asyncio.wait([task])
