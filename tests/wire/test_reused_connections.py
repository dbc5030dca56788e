"""A connection that the server kept open and then closed costs nothing: no try, wait or event."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager, nullcontext

import msgspec
import pytest

from agentouto._domain.content import Incoming
from agentouto._domain.delta import Delta, RetryDelta
from agentouto._domain.errors import ProviderUnavailable
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Agent, Provider
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.retry import RetryPolicy
from wire.dialects import DIALECTS, Dialect, Words
from wire.words import asking, folded

EVERY = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
QUICK = RetryPolicy(tries=2, first=0.01)
LARGE = "x" * 5_000_000


class HangsUp:
    """Answers the first request on each connection, and closes it when the next one comes.

    Args:
        body: The body of an answer, or one for each beginning of a request.
        how: ``"close"``, ``"reset"``, ``"half a request"`` (a reset while the body is uploaded),
            ``"a header"`` (closes after a part of an answer), ``"soon"`` (does not wait for the
            next request) or ``"always"`` (answers nothing any more).
    """

    def __init__(self, body: bytes | Mapping[bytes, bytes], how: str) -> None:
        self.body = body
        self.how = how
        self.answered = 0
        self.lost = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not (self.how == "always" and self.answered):
                head, said = await self._read(reader), self.body
                self.answered += 1
                if not isinstance(said, bytes):
                    said = next(body for begins, body in said.items() if head.startswith(begins))
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                    b"Keep-Alive: timeout=5, max=100\r\nContent-Length: %d\r\n\r\n" % len(said)
                )
                writer.write(said)
                await writer.drain()
            if self.how == "soon":
                return
            if self.how == "half a request":
                if not await reader.read(10):
                    return
            else:
                await self._read(reader)
            self.lost += 1
            if self.how == "a header":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-")
                await writer.drain()
            elif self.how in {"reset", "half a request"}:
                connection: socket.socket = writer.get_extra_info("socket")
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
        except (asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        _, _, size = head.lower().partition(b"content-length:")
        await reader.readexactly(int(size.split(b"\r\n")[0]) if size else 0)
        return head


@asynccontextmanager
async def hanging_up(
    dialect: Dialect, how: str, answers: Mapping[bytes, bytes] | None = None
) -> AsyncGenerator[HangsUp]:
    server = HangsUp(answers or dialect.stream([Words("Hello")]), how)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=1 << 16)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listening.close()


class Asks:
    """One backend that is asked again and again, as by one run."""

    def __init__(self, dialect: Dialect, url: str) -> None:
        provider = Provider("p", dialect.home.kind, base_url=url, api_key="k")
        self.backend = HttpBackend(provider, dialect.wire(provider), Memory(), policy=QUICK)
        self.tries = 0

    async def hear(self, text: str = "Hi") -> list[Delta]:
        def admit() -> nullcontext[None]:
            self.tries += 1
            return nullcontext()

        request = msgspec.structs.replace(asking(Incoming(text)), admit=admit)
        async with aclosing(self.backend.stream(request)) as stream:
            return [delta async for deltas in stream for delta in deltas]


def retries(heard: list[Delta]) -> list[RetryDelta]:
    return [delta for delta in heard if isinstance(delta, RetryDelta)]


@pytest.mark.parametrize("how", ["close", "reset", "half a request", "soon"])
@EVERY
async def test_a_kept_connection_that_was_closed_costs_no_try(dialect: Dialect, how: str) -> None:
    async with hanging_up(dialect, how) as server:
        asks = Asks(dialect, server.url)
        for turn in range(4):  # an old aiohttp may close a connection after a large request
            heard = await asks.hear(LARGE if how == "half a request" and turn % 2 else "Hi")
            assert folded(heard).text == "Hello"
            assert not retries(heard)
        assert asks.tries == 4
        assert server.answered == 4
        assert server.lost == (0 if how == "soon" else 2)  # every other one is sent again


@EVERY
async def test_a_connection_that_ends_within_an_answer_costs_a_try(dialect: Dialect) -> None:
    async with hanging_up(dialect, "a header") as server:
        asks = Asks(dialect, server.url)
        assert not retries(await asks.hear())
        assert len(retries(await asks.hear())) == 1
        assert asks.tries == 3


@EVERY
async def test_a_request_is_sent_again_for_nothing_once(dialect: Dialect) -> None:
    async with hanging_up(dialect, "always") as server:
        asks = Asks(dialect, server.url)
        await asks.hear()
        with pytest.raises(ProviderUnavailable):
            await asks.hear()
        assert asks.tries == 1 + QUICK.tries
        assert server.lost == 1 + QUICK.tries


async def test_a_question_about_a_model_is_posted_again_too() -> None:
    """Ollama is asked by POST, which aiohttp does not repeat by itself."""
    answers = {
        b"GET /v1/models": b'{"data": [{"id": "m", "owned_by": "library"}]}',
        b"POST /api/show": b'{"model_info": {"llama.context_length": 4321}}',
    }
    async with hanging_up(DIALECTS["openai"], "close", answers) as server:
        asks = Asks(DIALECTS["openai"], server.url)
        agent = Agent("a", "", "m", "p")
        await asks.backend.find_window(agent)
        assert asks.backend.window(agent) == 4321
        assert server.lost == 1
