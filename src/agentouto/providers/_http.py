"""The one place that touches the network, and the one door through which aiohttp comes in.

``HttpBackend`` speaks any wire over HTTP: it asks for a key, posts, and hands the bytes that come
back to the wire's decoder, one list of deltas for each read. It knows no format and no model.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from io import BytesIO
from typing import cast
from urllib.parse import urlsplit

from agentouto._domain.delta import Delta
from agentouto._domain.errors import AuthError, ProviderError, ProviderUnavailable
from agentouto._domain.participants import Provider
from agentouto._domain.ports import ModelRequest
from agentouto.providers._belongings import Belongings, Response, Session, belongings
from agentouto.providers._keys import find_key, resolve_key
from agentouto.providers._refusal import Fault, read_fault, short
from agentouto.providers._retry import RetryPolicy, with_retries
from agentouto.providers._sse import SseReader
from agentouto.providers._wire import Decoder, Wire, WireRequest, is_local, shown

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 600.0
DRAIN_SECONDS = 0.1
"""How long the end of a response is waited for, so that its connection can be used again."""

_HEADERS = {
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "agentouto",
}
_LARGE = 1 << 19
"""From this size on a body is handed over in portions, so that other requests get their turn."""

_MENDS = 2
_LONGEST_FAULT = 1 << 16
_SHORTEST_SECRET = 8
"""Shorter keys are words such as ``none``, which local servers are given and texts are full of."""

_DOCUMENTS = (b"{", b"[", b"<")
"""How a body begins that is no stream of events, whatever its content type says."""


class HttpBackend:
    """A provider reached over HTTP, whatever its wire format."""

    def __init__(
        self,
        provider: Provider,
        wire: Wire,
        *,
        policy: RetryPolicy | None = None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._provider = provider
        self._wire = wire
        self._policy = policy or RetryPolicy()
        self._idle_seconds = idle_seconds
        parts = urlsplit(wire.url)
        self._host = f"{parts.scheme}://{parts.netloc} {idle_seconds}"

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta], None]:
        """Yield the deltas that arrived together, until the reply is complete."""
        provider, mine = self._provider, belongings()
        key = "" if provider.auth else find_key(provider)
        gate = mine.gate((self._host, provider.name, key))
        return with_retries(provider.name, self._policy, gate, lambda: self._attempt(request, mine))

    async def _attempt(
        self, request: ModelRequest, mine: Belongings
    ) -> AsyncGenerator[Sequence[Delta], None]:
        """Ask once, and once more for each field that the server teaches us to leave out."""
        wire = self._wire
        key = await resolve_key(self._provider, wire.url)
        sent = wire.encode(request)
        session = await mine.session(self._host, self._open)
        try:
            for mends in range(_MENDS + 1):
                headers = {**wire.credentials(key), **sent.headers}
                async with session.post(
                    sent.url, data=_portions(sent.body), headers=headers, allow_redirects=False
                ) as response:
                    if 200 <= response.status < 300:
                        async with aclosing(self._answer(response, request)) as answer:
                            async for deltas in answer:
                                yield deltas
                        return
                    fault = await _read_fault(response, key)
                again = self._mended(request, sent, fault) if mends < _MENDS else sent
                if again == sent:
                    raise wire.refusal(fault)
                sent = again
        except _network_errors() as error:
            raise self._unreachable(error) from error
        except (ProviderError, AuthError) as error:
            error.args = tuple(_hidden(str(arg), key) for arg in error.args)
            raise

    def _mended(self, request: ModelRequest, sent: WireRequest, fault: Fault) -> WireRequest:
        if fault.status not in {400, 422}:
            return sent
        self._wire.learn(request, sent, fault)
        return self._wire.encode(request)

    async def _answer(
        self, response: Response, request: ModelRequest
    ) -> AsyncGenerator[Sequence[Delta], None]:
        """Yield what a response says, until it has said everything."""
        content, decoder = response.content, self._wire.decoder(request)
        block = await content.readany()
        while block and not block.strip():
            block = await content.readany()
        if block.lstrip().startswith(_DOCUMENTS):
            yield decoder.whole(block + await _rest(response))
            return
        reader = SseReader()
        while block:
            if heard := decoder.feed(reader.feed(block)):
                yield heard
            block = b"" if decoder.over else await _more(response, decoder)
        if heard := decoder.feed(reader.end()):
            yield heard
        yield decoder.end()
        if not content.at_eof():
            await _drain(response)

    def _open(self) -> Session:
        """Open connections to the wire's host: the door through which aiohttp comes in."""
        import aiohttp  # noqa: PLC0415 - costs 120 ms, so it waits for the first request

        session: object = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_SECONDS, sock_read=self._idle_seconds
            ),
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=_proxy(self._wire.url),
        )
        return cast("Session", session)  # its properties are descriptors of aiohttp's own

    def _unreachable(self, error: BaseException) -> ProviderUnavailable:
        """Return what a failed connection means, in words that help."""
        import aiohttp  # noqa: PLC0415

        where = shown(self._wire.url)
        if _errno(error) in {errno.EMFILE, errno.ENFILE}:
            why = (
                f"no more connections to {where}: this process has as many files open as it may; "
                "raise the limit (ulimit -n 8192) or let fewer agents work at once"
            )
        elif isinstance(error, aiohttp.ConnectionTimeoutError):
            why = f"no connection to {where} within {CONNECT_SECONDS:g} s"
        elif isinstance(error, TimeoutError):
            why = f"{where} has said nothing for {self._idle_seconds:g} s"
        elif isinstance(error, aiohttp.ClientConnectorError):
            why = f"no connection to {where}: {short(error.strerror or str(error.os_error))}"
        else:
            why = f"the connection to {where} broke: {short(str(error)) or type(error).__name__}"
        unavailable = ProviderUnavailable(self._provider.name, why)
        unavailable.retryable = not isinstance(
            error, aiohttp.InvalidURL | aiohttp.ClientConnectorCertificateError
        )
        return unavailable


def _portions(body: bytes) -> bytes | BytesIO:
    return body if len(body) < _LARGE else BytesIO(body)


async def _more(response: Response, decoder: Decoder) -> bytes:
    """Return the next bytes, or none at the end; a break after the last word is an end too."""
    try:
        return await response.content.readany()
    except _network_errors():
        if decoder.complete:
            return b""
        raise


async def _rest(response: Response) -> bytes:
    pieces: list[bytes] = []
    while block := await response.content.readany():
        pieces.append(block)
    return b"".join(pieces)


async def _drain(response: Response) -> None:
    """Wait a moment for the end of the response: only then can the connection be kept."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while await response.content.readany():
                pass
    except _network_errors():
        return


async def _read_fault(response: Response, key: str) -> Fault:
    """Return what an unsuccessful response complains about."""
    if 300 <= response.status < 400:
        there = shown(response.headers.get("location", "somewhere else"))
        return Fault(
            f"the server points to {there}; if that is right, make it the base_url",
            status=response.status,
        )
    body = b""
    while len(body) < _LONGEST_FAULT and (block := await response.content.readany()):
        body += block
    shown_body = _hidden(body.decode("utf-8", "replace"), key)
    return read_fault(shown_body.encode(), response.status, response.headers)


def _hidden(text: str, key: str) -> str:
    return text.replace(key, "***") if len(key) >= _SHORTEST_SECRET else text


def _network_errors() -> tuple[type[BaseException], ...]:
    import aiohttp  # noqa: PLC0415

    return (aiohttp.ClientError, OSError)


def _errno(error: BaseException | None) -> int | None:
    """Return the number of the operating system's error that lies under ``error``."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        error = error.__cause__ or error.__context__
    return None


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for ``url``, if it names one for HTTP.

    Nothing else of the environment is heeded: a ``.netrc`` would send passwords nobody asked for.
    """
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - comes with aiohttp

    parts = urlsplit(url)
    if is_local(url) or proxy_bypass(parts.hostname or ""):
        return None
    proxy = getproxies().get(parts.scheme, "")
    return proxy if proxy.startswith(("http://", "https://")) else None
