"""A small server on this machine that answers from a list, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from aiohttp import web

from wire.words import DONE, asking, chunk, event

HELLO = event(chunk({"content": "Hello"})) + event(chunk({}, "stop")) + DONE


class Asked:
    """One request as the server saw it."""

    def __init__(self, request: web.Request, body: bytes, at: float) -> None:
        self.path = request.path_qs
        self.headers = request.headers
        self.body: dict[str, Any] = json.loads(body or b"{}")
        self.at = at


Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Gives the answers in turn; the last one again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[Asked] = []
        self.was_asked = asyncio.Event()
        self.gone = asyncio.Event()
        self.peers: set[object] = set()
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(Asked(request, body, asyncio.get_running_loop().time()))
        self.was_asked.set()
        assert request.transport is not None
        self.peers.add(request.transport.get_extra_info("peername"))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        try:
            return await answer(request)
        except asyncio.CancelledError:
            self.gone.set()
            raise


@asynccontextmanager
async def serving(*answers: Answer) -> AsyncIterator[Server]:
    server = Server(*answers)
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{rest:.*}", server.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


def streams(*blocks: bytes, wait: float = 0) -> Answer:
    """Answer with a stream of these blocks."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for block in blocks or (HELLO,):
            await response.write(block)
            await asyncio.sleep(wait)
        await response.write_eof()
        return response

    return answer


def hangs(*blocks: bytes) -> Answer:
    """Answer with these blocks and then with nothing, for ever."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for block in blocks:
            await response.write(block)
        await asyncio.sleep(60)
        return response

    return answer


def breaks(*blocks: bytes) -> Answer:
    """Answer with these blocks, and cut the line."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for block in blocks:
            await response.write(block)
        await asyncio.sleep(0.01)
        assert request.transport is not None
        request.transport.abort()
        await asyncio.sleep(0)
        return response

    return answer


def refuses(status: int, message: str = "", **headers: str) -> Answer:
    """Answer with an error."""

    async def answer(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {"error": {"message": message}}
        return web.json_response(body, status=status, headers=named)

    return answer


def gives(body: bytes, content_type: str = "application/json", status: int = 200) -> Answer:
    """Answer with a document."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=content_type, status=status)

    return answer


__all__ = ["HELLO", "Server", "asking", "breaks", "gives", "hangs", "refuses", "serving", "streams"]
