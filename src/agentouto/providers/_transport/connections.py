"""Opens connections through aiohttp, and repeats a request that a closed connection has lost.

A server may close a connection that it keeps open for the next request at any moment, also while
that request is on its way; llama.cpp does so after each streamed answer. The client cannot see it
before it sends. RFC 9110 §9.2.2 and RFC 9112 §9.3.1 let a client repeat such a request.
``repeat_if_closed`` does so once, at once and on a new connection, and its caller does not notice.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from enum import Enum
from functools import partial
from typing import Any, Protocol, TypeVar, cast
from weakref import WeakSet

from agentouto._domain.errors import ProviderUnavailable
from agentouto._network import proxy_fault, proxy_for, shown_route
from agentouto.providers._format.errors import short
from agentouto.providers._transport.http_limits import HttpLimits, UnusableBody
from agentouto.providers._transport.sessions import Session
from agentouto.providers._transport.silence import ConnectionGone
from agentouto.providers._transport.tls import encrypts_here, opened_over_tls

T = TypeVar("T")


_READ = 65_536
"""Bytes that are read from an encrypted connection at once: four records of the largest size."""

_FREED_ONCE = 300_000
"""More bytes than asyncio allocates for each read of a plain connection, which are 262,144."""


class Connections(Enum):
    """Which connections of a session a request may be sent on."""

    KEPT = "kept for further requests"
    NEW = "new, and closed after the answer"


class ConnectionUse:
    """Whether a request was sent on a connection that had served another one before."""

    __slots__ = ("reused",)

    def __init__(self) -> None:
        self.reused = False


_CONNECTION_USE: ContextVar[ConnectionUse | None] = ContextVar("connection_use", default=None)
"""Where the connector notes it. aiohttp's own tracing tells the same, but costs 28 µs a request."""


def open_session(
    url: str, limits: HttpLimits, connections: Connections = Connections.KEPT
) -> Session:
    """Return a session that opens connections to ``url``.

    aiohttp takes 120 ms to be imported, so that waits for the first request.
    """
    import aiohttp  # noqa: PLC0415

    # Until so large a block has been freed once, the C library of Linux maps memory for each read,
    # and unmaps it (mallopt(3), M_MMAP_THRESHOLD): four system calls, and 8 of 180 µs of a request.
    bytes(_FREED_ONCE)
    session: object = aiohttp.ClientSession(
        connector=_connector(limits, connections),
        # How long anything else may take is decided by ``IdleTimer``.
        timeout=aiohttp.ClientTimeout(total=None, connect=limits.connect),
        headers={
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "agentouto",
        },
        auto_decompress=False,  # ``content_codings`` does it, within bounds
        cookie_jar=aiohttp.DummyCookieJar(),
        proxy=proxy_for(url),
    )
    return cast("Session", session)  # its properties are descriptors of aiohttp's own


def _connector(limits: HttpLimits, connections: Connections) -> Any:
    """Return what makes connections and keeps them for further requests."""
    import aiohttp  # noqa: PLC0415

    used, buffer = WeakSet[object](), bytearray(_READ)

    class Connector(aiohttp.TCPConnector):
        """Notes which requests get a connection that has been used before, and encrypts itself."""

        async def connect(
            self,
            req: aiohttp.ClientRequest,
            traces: list[aiohttp.tracing.Trace],
            timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the method is aiohttp's
        ) -> aiohttp.connector.Connection:
            """Return a connection for ``req``."""
            connection = await super().connect(req, traces, timeout)
            use, protocol = _CONNECTION_USE.get(), connection.protocol
            reused = protocol in used
            if use is not None:
                use.reused = reused
            if protocol is not None and not reused:
                used.add(protocol)
                _bound_interim_responses(cast("_Protocol", protocol), limits)
            return connection

        # Here aiohttp has the loop open a connection, and encrypt it. If a later aiohttp does so
        # elsewhere, this is not called, and connections take more memory again.
        async def _wrap_create_connection(self, *args: Any, **options: Any) -> Any:
            create: Callable[..., Any] = getattr(super(), "_wrap_create_connection")  # noqa: B009
            context, host = options.get("ssl"), options.get("server_hostname")
            if context is None or host is None or not encrypts_here():
                return await create(*args, **options)
            (make,), key = args, options["req"].connection_key
            plain = partial(create, **{**options, "ssl": None, "server_hostname": None})
            try:
                return await opened_over_tls(plain, make, context, host, buffer)
            except ssl.SSLCertVerificationError as error:
                raise aiohttp.ClientConnectorCertificateError(key, error) from error
            except ssl.SSLError as error:
                raise aiohttp.ClientConnectorSSLError(key, error) from error
            except ConnectionError as error:
                raise aiohttp.ClientConnectorError(key, error) from error

    # aiohttp allows 100 otherwise; how many requests there are, ``Limits(parallel=)`` decides.
    return Connector(limit=0, force_close=connections is Connections.NEW)


class _Message(Protocol):
    code: int


class _Protocol(Protocol):
    """What receives the responses of one connection in aiohttp."""

    feed_data: Callable[[tuple[_Message, object], int], None]
    transport: asyncio.Transport | None

    def set_exception(self, exc: BaseException) -> None: ...


def _bound_interim_responses(protocol: _Protocol, limits: HttpLimits) -> None:
    """Have ``protocol`` break the connection where a server sends nothing but 1xx for long.

    aiohttp passes over such responses (RFC 9110 §15.2), but makes some kilobytes of objects of
    each, and does so as fast as they arrive. Its protocol has no other place to count them.
    """
    feed, count, most = protocol.feed_data, 0, limits.interim_responses

    def feed_bounded(data: tuple[_Message, object], size: int = 0) -> None:
        nonlocal count
        count = count + 1 if 100 <= data[0].code < 200 else 0
        if count <= most:
            feed(data, size)
        elif protocol.transport is not None:
            why = f"more than {most} interim responses (1xx) came before the answer"
            protocol.set_exception(UnusableBody(why))
            protocol.transport.abort()

    protocol.feed_data = feed_bounded


async def repeat_if_closed(send: Callable[[Connections], Awaitable[T]]) -> T:
    """Return what ``send`` returns when it sends a request on the connections that it is given.

    It is called with new ones if a kept one was closed before a byte of the answer came. After a
    reset aiohttp does not tell whether the first bytes of the headers had come; then the request is
    repeated too.
    """
    use = ConnectionUse()
    noting = _CONNECTION_USE.set(use)
    try:
        return await send(Connections.KEPT)
    except network_errors() as error:
        if not (use.reused and _was_closed_unanswered(error)):
            raise
    finally:
        _CONNECTION_USE.reset(noting)
    return await send(Connections.NEW)


def _was_closed_unanswered(error: BaseException) -> bool:
    import aiohttp  # noqa: PLC0415

    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)  # else it holds the part of the headers that came
    return isinstance(error, aiohttp.ClientConnectionError | ConnectionError) and not isinstance(
        error, TimeoutError
    )


def network_errors() -> tuple[type[BaseException], ...]:
    """Return what is raised where a connection cannot be made, or breaks."""
    import aiohttp  # noqa: PLC0415

    return (aiohttp.ClientError, OSError)


def connection_failure(
    provider_name: str, url: str, error: BaseException, limits: HttpLimits, idle: float
) -> ProviderUnavailable:
    """Return what a network error means for a request to ``url``, in words that help."""
    import aiohttp  # noqa: PLC0415

    where = shown_route(url)
    if fault := proxy_fault(url, error):
        why = fault
    elif _errno(error) in {errno.EMFILE, errno.ENFILE}:
        why = (
            f"no more connections to {where}: this process has as many files open as it may; "
            "raise the limit (ulimit -n 8192) or let fewer agents work at once"
        )
    elif isinstance(error, aiohttp.ConnectionTimeoutError):
        why = f"no connection to {where} within {limits.connect:g} s"
    elif isinstance(error, TimeoutError):
        why = f"{where} has said nothing for {idle:g} s"
    elif isinstance(error, aiohttp.ClientConnectorError):
        why = f"no connection to {where}: {short(_connect_reason(error))}"
    elif isinstance(error, aiohttp.ClientResponseError):
        why = f"the connection to {where} broke: HTTP {error.status}"
    elif isinstance(error, aiohttp.ClientPayloadError | ConnectionGone):
        why = f"the connection to {where} ended in the middle of the answer"
    else:
        why = f"the connection to {where} broke: {short(str(error)) or type(error).__name__}"
    unavailable = ProviderUnavailable(provider_name, why)
    # A proxy that refuses and a certificate that is wrong will be so at the next try, too.
    refused = isinstance(error, aiohttp.ClientHttpProxyError) and error.status < 500
    unavailable.retryable = not refused and not isinstance(
        error, aiohttp.InvalidURL | aiohttp.ClientConnectorCertificateError
    )
    return unavailable


def _connect_reason(error: BaseException) -> str:
    """Return what the operating system or OpenSSL has said of a connection that failed.

    aiohttp raises its own error from that one. Not all of its versions have it as an attribute.
    """
    cause = error.__cause__
    return (isinstance(cause, OSError) and cause.strerror) or str(cause or error)


def _errno(error: BaseException | None) -> int | None:
    """Return the number of the operating system's error that lies under ``error``."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        error = error.__cause__ or error.__context__
    return None
