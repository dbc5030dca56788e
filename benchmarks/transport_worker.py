"""One sample of ``transports.py``: one transport, one figure, a process of its own."""

# Some of the packages are only in the environment that this runs in.
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import json
import os
import resource
import ssl
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from contenders import KEY, MODEL, Contender
from scenarios import Figures, Meter, stats
from worker import loop_factory, over_tls

HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
STREAMS = 1000
TURNS = 200
TOKENS = 2000
SOON = 2.0
"""Seconds after which a stream that was cancelled counts as never closed."""
LEFT = 20
"""Streams that a process is still reading when it ends."""


class Transport(Contender):
    """Posts a body, and yields the answer in the pieces that it comes in."""

    def pieces(self, body: bytes) -> AsyncGenerator[bytes]:
        raise NotImplementedError

    async def answer(self, body: bytes) -> bytes:
        """Return the whole answer."""
        async with aclosing(self.pieces(body)) as pieces:
            answer = b"".join([piece async for piece in pieces])
        assert answer.endswith(b"[DONE]\n\n"), answer[-200:]
        return answer

    def body(self, op: str, before: int = 0, **words: object) -> bytes:
        """Return a request for a stream, with so many turns before it."""
        prompt = {"role": "user", "content": self.directive(op, **words)}
        called = {"id": "call_1", "type": "function", "function": {"name": "work"}}
        turn = [
            {"role": "assistant", "content": None, "tool_calls": [called]},
            {"role": "tool", "tool_call_id": "call_1", "content": "ok"},
        ]
        messages = [prompt, *turn * before]
        return json.dumps({"model": MODEL, "stream": True, "messages": messages}).encode()


class Aiohttp(Transport):
    """As the package uses it."""

    async def setup(self) -> None:
        from agentouto.providers._transport.connections import open_session  # noqa: PLC0415
        from agentouto.providers._transport.http_limits import USUAL  # noqa: PLC0415

        self._session = open_session(self.url, USUAL)

    async def close(self) -> None:
        await self._session.close()

    async def pieces(self, body: bytes) -> AsyncGenerator[bytes]:
        posted = self._session.post(
            f"{self.url}/v1/chat/completions", data=body, headers=HEADERS, allow_redirects=False
        )
        async with posted as response:
            assert response.status == 200
            while piece := await response.content.readany():
                yield piece


class Httpx(Transport):
    async def setup(self) -> None:
        import httpx  # noqa: PLC0415

        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        trusted = ssl.create_default_context()
        self._client = httpx.AsyncClient(limits=limits, timeout=None, verify=trusted)  # noqa: S113

    async def close(self) -> None:
        await self._client.aclose()

    async def pieces(self, body: bytes) -> AsyncGenerator[bytes]:
        url = f"{self.url}/v1/chat/completions"
        async with self._client.stream("POST", url, content=body, headers=HEADERS) as response:
            assert response.status_code == 200
            async for piece in response.aiter_raw():
                yield piece


class Pyreqwest(Transport):
    READ_AHEAD: int | None = None

    async def setup(self) -> None:
        from pyreqwest.client import ClientBuilder  # noqa: PLC0415

        builder = ClientBuilder().max_connections(None)
        if self.url.startswith("https"):
            builder = builder.add_root_certificate_pem(authority())
        self._client = builder.build()

    async def close(self) -> None:
        await self._client.close()

    async def pieces(self, body: bytes) -> AsyncGenerator[bytes]:
        post = self._client.post(f"{self.url}/v1/chat/completions").headers(HEADERS)
        post = post.body_bytes(body)
        if self.READ_AHEAD is not None:
            post = post.streamed_read_buffer_limit(self.READ_AHEAD)
        async with post.build_streamed() as response:
            assert response.status == 200
            while (piece := await response.body_reader.read_chunk()) is not None:
                yield bytes(piece)


class PyreqwestUnread(Pyreqwest):
    READ_AHEAD = 0


def authority() -> bytes:
    """Return the certificate of whom to trust."""
    return Path(os.environ["SSL_CERT_FILE"]).read_bytes()


CLASSES: dict[str, Callable[[str], Transport]] = {
    "aiohttp": Aiohttp,
    "aiohttp_uvloop": Aiohttp,
    "httpx": Httpx,
    "pyreqwest": Pyreqwest,
    "pyreqwest_unread": PyreqwestUnread,
}


async def first(who: Transport) -> Figures:
    """A thousand first requests at once, which are answered when all have come."""
    await who.answer(who.body("text"))
    body = who.body("text", crowd=STREAMS)
    with Meter(who, STREAMS) as meter:
        await asyncio.gather(*[who.answer(body) for _ in range(STREAMS)])
    return {**meter.per(STREAMS, "us"), "kb": meter.figures["grown_kb"] / STREAMS}


async def turn(who: Transport) -> Figures:
    """Two hundred requests one after the other, each longer than the one before it."""
    bodies = [who.body("text", before) for before in range(TURNS)]
    await who.answer(bodies[0])
    with Meter(who, TURNS) as meter:
        for body in bodies:
            await who.answer(body)
    return meter.per(TURNS, "us")


async def tokens(who: Transport, gap: int) -> Figures:
    """A stream of 2,000 tokens, so many milliseconds apart."""
    await who.answer(who.body("stream", n=50, gap=gap))
    with Meter(who, 1) as meter:
        await who.answer(who.body("stream", n=TOKENS, gap=gap))
    return meter.per(TOKENS, "us")


async def paced(who: Transport) -> Figures:
    """A token each millisecond: nothing can be read together."""
    return await tokens(who, 1)


async def burst(who: Transport) -> Figures:
    """All tokens at once."""
    return await tokens(who, 0)


async def cancel(who: Transport) -> Figures:
    """A stream is cancelled after its first piece: when the server sees the connection close."""
    there = stats(who.stats_url)["open"]
    came = asyncio.Event()

    async def read() -> None:
        async with aclosing(who.pieces(who.body("stream", n=TOKENS, gap=5))) as pieces:
            async for _ in pieces:
                came.set()

    reading = asyncio.create_task(read())
    await came.wait()
    assert stats(who.stats_url)["open"] == there + 1
    reading.cancel()
    began = time.perf_counter()
    await asyncio.wait([reading])
    while stats(who.stats_url)["open"] > there:
        if time.perf_counter() - began > SOON:
            return {"ms": float("inf")}
        await asyncio.sleep(0.001)
    return {"ms": (time.perf_counter() - began) * 1000}


async def leave(who: Transport) -> Figures:
    """Begin streams, and return while they are being read."""
    streams = [who.answer(who.body("stream", n=TOKENS, gap=1)) for _ in range(LEFT)]
    reading = [asyncio.ensure_future(stream) for stream in streams]
    await asyncio.wait(reading, timeout=0.2)
    return {}


FIGURES: dict[str, Callable[[Transport], Awaitable[Figures]]] = {
    "first": first,
    "turn": turn,
    "paced": paced,
    "burst": burst,
    "cancel": cancel,
    "exit": leave,
}


async def measured(name: str, what: str, over: str, url: str) -> dict[str, Any]:
    who = CLASSES[name](over_tls(url) if over == "tls" else url)
    who.stats_url = url
    await who.setup()
    figures = await FIGURES[what](who)
    if what != "exit":
        await who.close()
    return figures


def main(name: str, what: str, over: str, url: str) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if what == "exit":
        # Neither the loop nor the client is closed: the interpreter ends while answers come in.
        loop = (loop_factory(name) or asyncio.new_event_loop)()
        loop.run_until_complete(measured(name, what, over, url))
        return
    with asyncio.Runner(loop_factory=loop_factory(name)) as runner:
        print(json.dumps(runner.run(measured(name, what, over, url))), flush=True)
    os._exit(0)  # leaving is not measured


if __name__ == "__main__":
    main(*sys.argv[1:])
