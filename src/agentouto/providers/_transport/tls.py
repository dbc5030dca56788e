"""Encrypts connections in asyncio's own loops, in a quarter of the memory that asyncio takes.

asyncio reserves 256 KB to read into for each encrypted connection, for as long as it is open: with
the rest 320 MB for 1,000 streams. It offers no other size. So the connection is a plain one, and
``TlsTransport`` stands between it and aiohttp: what comes in goes through OpenSSL in memory
(``ssl.MemoryBIO``), which holds no more than a record of 16 KB. Keys, certificates and versions are
decided by the ``SSLContext``, as everywhere else.

The connection below calls the methods of a protocol, aiohttp those of a transport; both are here,
because each answers the other. Bytes that come in are passed on at once and never kept, so pausing,
resuming and the sizes of buffers are matters of the connection below, and all connections of a loop
can read into one buffer.

uvloop has a buffer too, but does not touch what it does not need, and it is faster. Its loops go on
encrypting themselves, and so do all others that are not asyncio's, and asyncio's on Windows.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar, cast

_RECORD = 16_384
"""RFC 8446 §5.1: a record holds no more, and OpenSSL returns one at a time."""


P = TypeVar("P", bound=asyncio.Protocol)


def encrypts_here() -> bool:
    """Return whether the running loop is one that ``TlsTransport`` is made for."""
    return isinstance(asyncio.get_running_loop(), asyncio.SelectorEventLoop)


async def opened_over_tls(
    create: Callable[[Callable[[], TlsTransport]], Awaitable[object]],
    make: Callable[[], P],
    context: ssl.SSLContext,
    host: str,
    buffer: bytearray,
) -> tuple[asyncio.Transport, P]:
    """Return an encrypted connection to ``host``, and the protocol of ``make`` that it is for.

    All connections of a loop can read into one ``buffer``.

    Raises:
        ssl.SSLError: The server shows a wrong certificate, or does not speak TLS.
        ConnectionError: The connection ended before that was clear.
    """
    protocol, ready = make(), asyncio.get_running_loop().create_future()
    transport = TlsTransport(context, host, protocol, ready, memoryview(buffer))
    try:
        await create(lambda: transport)
        await ready
    except BaseException:
        ready.cancel()  # nothing waits for it any more
        transport.abort()
        raise
    return transport, protocol


class TlsTransport(asyncio.Transport, asyncio.BufferedProtocol):
    """An encrypted connection of a client to ``host``, for ``protocol``.

    ``ready`` is done when the handshake is, with the error if it failed.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        host: str,
        protocol: asyncio.Protocol,
        ready: asyncio.Future[None],
        buffer: memoryview,
    ) -> None:
        super().__init__()
        self._context, self._protocol, self._buffer = context, protocol, buffer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._below: asyncio.Transport | None = None
        self._ready: asyncio.Future[None] | None = ready
        self._open = self._closing = False

    # What the connection below calls ------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._below = cast("asyncio.Transport", transport)
        self._shake_hands()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to read to. asyncio's selector loops call ``buffer_updated`` at once."""
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Decrypt what was read, and pass on what is in it."""
        self._incoming.write(self._buffer[:nbytes])
        if self._open or self._shake_hands():
            self._read()

    def eof_received(self) -> None:
        """Pass on that nothing more will come; the connection below then closes itself."""
        if self._open and not self._closing:
            self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on that the connection is gone."""
        self._closing = True
        if self._open:
            self._protocol.connection_lost(exc)
        else:
            gone = "the connection ended in the middle of the TLS handshake"
            self._settle(exc or ConnectionResetError(errno.ECONNRESET, gone))

    def pause_writing(self) -> None:
        """Pass on that too much is waiting to be sent."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that more can be sent."""
        self._protocol.resume_writing()

    # What is between them -----------------------------------------------------------------------

    def _shake_hands(self) -> bool:
        """Go on with the handshake; return whether it is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send()
            return False
        except ssl.SSLError as error:
            self._send()  # the alert that tells the server why
            self._settle(error)
            self.abort()
            return False
        self._send()
        self._open = True
        self._protocol.connection_made(self)
        self._settle(None)
        return True

    def _settle(self, error: Exception | None) -> None:
        """Tell who waits for the handshake, if anyone still does, how it ended."""
        ready, self._ready = self._ready, None
        if ready is None or ready.done():
            return
        if error is None:
            ready.set_result(None)
        else:
            ready.set_exception(error)

    def _read(self) -> None:
        """Pass on all that can be decrypted."""
        tls, incoming, read = self._tls, self._incoming, list[bytes]()
        ended = False
        try:
            while incoming.pending or tls.pending():
                data = tls.read(_RECORD)
                if not data:  # the server has said that it sends nothing more
                    ended = True
                    break
                read.append(data)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError) as error:
            ended = isinstance(error, ssl.SSLZeroReturnError)
        except ssl.SSLError as error:
            self._fail(error)
            return
        if self._outgoing.pending:
            self._send()
        if read and not self._closing:
            self._protocol.data_received(read[0] if len(read) == 1 else b"".join(read))
        if ended:
            self.eof_received()
            self.close()

    def _send(self) -> None:
        if self._below is not None and (data := self._outgoing.read()):
            self._below.write(data)

    def _fail(self, error: Exception) -> None:
        """End the connection for ``error``, which the protocol is told."""
        if self._open and not self._closing:
            self._closing, self._open = True, False
            self._protocol.connection_lost(error)
        self.abort()

    # What the protocol calls --------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt ``data`` and send it."""
        if self._closing:
            return
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._tls.write(rest) :]
        except ssl.SSLError as error:
            self._fail(error)
            return
        self._send()

    def close(self) -> None:
        """Say goodbye, and close the connection when everything is sent."""
        if self._closing:
            return
        self._closing = True
        if not self._open:
            self.abort()
            return
        with suppress(ssl.SSLError):  # the server need not answer (RFC 8446 §6.1)
            self._tls.unwrap()
        self._send()
        if self._below is not None:
            self._below.close()

    def abort(self) -> None:
        """Close the connection at once."""
        self._closing = True
        if self._below is not None:
            self._below.abort()

    def is_closing(self) -> bool:
        """Return whether the connection is closed or about to be."""
        return self._closing or self._below is None or self._below.is_closing()

    def pause_reading(self) -> None:
        """Read nothing until ``resume_reading``."""
        self._beneath.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._beneath.resume_reading()

    def is_reading(self) -> bool:
        """Return whether the connection is read from."""
        return self._beneath.is_reading()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be sent."""
        return self._beneath.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return below and above how many of them writing is resumed and paused."""
        return self._beneath.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set these two numbers."""
        self._beneath.set_write_buffer_limits(high, low)

    def can_write_eof(self) -> bool:
        """Return ``False``: TLS has no half of a connection that ends alone."""
        return False

    def get_protocol(self) -> asyncio.Protocol:
        """Return what is told of what comes."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Tell another one from here on."""
        self._protocol = cast("asyncio.Protocol", protocol)

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return what is known about the connection, encrypted or below, under ``name``."""
        if name == "ssl_object":
            return self._tls
        if name == "sslcontext":
            return self._context
        if name == "peercert":
            return self._tls.getpeercert()
        return self._beneath.get_extra_info(name, default)

    @property
    def _beneath(self) -> asyncio.Transport:
        if self._below is None:
            raise ConnectionError(errno.ENOTCONN, "there is no connection yet")
        return self._below
