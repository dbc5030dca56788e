"""Connections that are encrypted in a loop of asyncio's: what passes through, and how they end."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from subprocess import PIPE

import pytest

from agentouto.providers._transport.tls import TlsTransport, encrypts_here, opened_over_tls
from children import async_child

CERTIFICATE = Path(__file__).with_name("model_test.pem")
HOST = "model.test"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Heard(asyncio.Protocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.data = bytearray()
        self.pauses = 0
        self.ended = False
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, TlsTransport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> None:
        self.ended = True

    def pause_writing(self) -> None:
        self.pauses += 1

    def resume_writing(self) -> None:
        self.pauses -= 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


@asynccontextmanager
async def serving(serve: Serve, *, encrypted: bool = True) -> AsyncGenerator[int]:
    """Yield the port of a server that encrypts with asyncio's own means."""
    context = None
    if encrypted:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(CERTIFICATE)

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(end, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CERTIFICATE))


async def opened(
    port: int, context: ssl.SSLContext | None = None, host: str = HOST
) -> tuple[asyncio.Transport, Heard]:
    create = partial(asyncio.get_running_loop().create_connection, host="127.0.0.1", port=port)
    return await opened_over_tls(create, Heard, context or trusting(), host, bytearray(65_536))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while block := await reader.read(65_536):
        writer.write(block)
        await writer.drain()


async def test_what_is_written_arrives_and_what_the_server_says_is_heard() -> None:
    async with serving(echo) as port:
        transport, heard = await opened(port)
        said = os.urandom(3_000_000)  # many records, in both directions
        transport.writelines([said[:5], said[5:]])
        while len(heard.data) < len(said):
            await asyncio.sleep(0.001)
        assert heard.data == said
        assert heard.pauses == 0
        assert transport.get_write_buffer_size() == 0
        assert not transport.is_closing()
        transport.close()
        assert transport.is_closing()
        assert await heard.lost is None


async def test_all_connections_may_read_into_one_buffer() -> None:
    buffer, loop = bytearray(100), asyncio.get_running_loop()
    async with serving(echo) as port:
        create = partial(loop.create_connection, host="127.0.0.1", port=port)
        several = [await opened_over_tls(create, Heard, trusting(), HOST, buffer) for _ in range(5)]
        for number, (transport, _) in enumerate(several):
            transport.write(bytes([number]) * 50_000)
        while any(len(heard.data) < 50_000 for _, heard in several):
            await asyncio.sleep(0.001)
        for number, (transport, heard) in enumerate(several):
            assert heard.data == bytes([number]) * 50_000
            transport.close()
            await heard.lost


async def test_nothing_is_read_while_reading_is_paused() -> None:
    answered = asyncio.Event()

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        answered.set()
        await reader.read()

    async with serving(answers) as port:
        transport, heard = await opened(port)
        transport.pause_reading()
        assert not transport.is_reading()
        transport.write(b"Hello")
        await answered.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not heard.data
        transport.resume_reading()
        while bytes(heard.data) != b"Hello":
            await asyncio.sleep(0.001)
        transport.close()
        await heard.lost


async def test_writing_is_paused_where_the_server_does_not_read() -> None:
    ready = asyncio.Event()

    async def deaf(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await ready.wait()

    async with serving(deaf) as port:
        transport, heard = await opened(port)
        transport.set_write_buffer_limits(high=1000)
        assert transport.get_write_buffer_limits() == (250, 1000)
        for _ in range(100):
            transport.write(b"x" * 100_000)
        assert heard.pauses == 1
        transport.abort()
        await heard.lost
        ready.set()


async def test_a_server_that_says_goodbye_ends_the_connection() -> None:
    async def brief(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Goodbye")

    async with serving(brief) as port:
        transport, heard = await opened(port)
        assert await heard.lost is None
        assert (heard.data, heard.ended) == (b"Goodbye", True)
        assert transport.is_closing()
        transport.write(b"too late")
        transport.close()


async def test_a_connection_that_breaks_ends_too() -> None:
    async def breaks(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with serving(breaks) as port:
        _, heard = await opened(port)
        await heard.lost


async def test_what_no_key_fits_ends_the_connection_with_the_reason() -> None:
    """A record that was changed on its way."""

    async def tampers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        os.write(writer.get_extra_info("socket").fileno(), b"\x17\x03\x03\x00\x20" + b"x" * 32)
        await reader.read()

    async with serving(tampers) as port:
        transport, heard = await opened(port)
        transport.write(b"Hello")
        assert isinstance(await heard.lost, ssl.SSLError)
        assert not heard.data
        assert transport.is_closing()


async def test_the_context_decides_whom_to_trust() -> None:
    async with serving(echo) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match=r"self.signed certificate"):
            await opened(port, ssl.create_default_context())
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await opened(port, host="other.test")


async def test_a_server_that_does_not_encrypt_is_an_error() -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with serving(plain, encrypted=False) as port:
        with pytest.raises(ssl.SSLError):
            await opened(port)


async def test_a_server_that_hangs_up_in_the_handshake_is_an_error() -> None:
    async def hangs_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with serving(hangs_up, encrypted=False) as port:
        with pytest.raises(ConnectionError):
            await opened(port)


async def test_a_handshake_that_is_not_waited_for_any_more_is_ended() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(1)
        begun.set()
        await reader.read()
        ended.set()

    async with serving(silent, encrypted=False) as port:
        opening = asyncio.ensure_future(opened(port))
        await begun.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await ended.wait()


async def test_what_is_known_of_a_connection_can_be_asked() -> None:
    async with serving(echo) as port:
        context = trusting()
        transport, heard = await opened(port, context)
        assert transport.get_extra_info("sslcontext") is context
        assert transport.get_extra_info("ssl_object").version() == "TLSv1.3"
        assert ("DNS", HOST) in transport.get_extra_info("peercert")["subjectAltName"]
        assert transport.get_extra_info("peername") == ("127.0.0.1", port)
        assert transport.get_extra_info("nothing", 1) == 1
        assert transport.get_protocol() is heard
        assert not transport.can_write_eof()
        other = Heard()
        transport.set_protocol(other)
        transport.close()
        assert await other.lost is None


def test_loops_that_are_not_those_of_asyncio_encrypt_themselves() -> None:
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed")

    async def asked() -> bool:
        return encrypts_here()

    assert asyncio.run(asked())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert not runner.run(asked())


ASKS = """
import asyncio, gc, socket, sys
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **named: resolve("127.0.0.1", *more, **named)

from agentouto import Agent, Provider, async_run
from agentouto.providers._transport.tls import TlsTransport

async def main():
    model = Provider("local", "openai", base_url=f"https://{sys.argv[1]}:{sys.argv[2]}/v1")
    agent = Agent("a", "", "m", model)
    results = await asyncio.gather(*[async_run("Go.", [agent]) for _ in range(5)])
    print(*[result.output for result in results])
    print(sum(isinstance(one, TlsTransport) for one in gc.get_objects()))
    sys.stdout.flush()

asyncio.run(main())
"""


@pytest.mark.parametrize("host", [HOST, "other.test"])
async def test_requests_to_models_are_encrypted_in_this_way(host: str) -> None:
    body = b'data: {"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]}\n\n'
    body += b"data: [DONE]\n\n"

    async def model(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await reader.read()

    async with serving(model) as port:
        environment = {**os.environ, "SSL_CERT_FILE": str(CERTIFICATE)}
        command = (sys.executable, "-c", ASKS, host, str(port))
        async with async_child(*command, stdout=PIPE, stderr=PIPE, env=environment) as child:
            said, errors = await child.communicate()
    if host == HOST:
        assert (said, errors) == (b"Hello Hello Hello Hello Hello\n5\n", b"")
    else:
        assert b"no connection to https://other.test:" in errors
        assert b"Hostname mismatch" in errors
