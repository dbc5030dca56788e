"""The one place that talks to models, and the door through which aiohttp comes in.

``HttpBackend`` speaks any wire over HTTP: it asks for a key, posts, and hands the bytes that come
back to the wire's decoder, one list of deltas for each read. It knows no format and no model.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing, suppress
from io import BytesIO
from typing import cast
from urllib.parse import urlsplit

from agentouto._domain.delta import Delta
from agentouto._domain.errors import AuthError, ProviderError, ProviderUnavailable
from agentouto._domain.participants import Provider
from agentouto._domain.ports import ModelRequest
from agentouto.providers._belongings import Belongings, Response, Session, belongings
from agentouto.providers._fetch import fetch
from agentouto.providers._json import Json, parse_object
from agentouto.providers._keys import find_key, renewed, resolve_key, secrets, signed
from agentouto.providers._refusal import Fault, read_fault, short
from agentouto.providers._retry import Budget, RetryPolicy, with_retries
from agentouto.providers._sse import SseReader
from agentouto.providers._wire import (
    Curious,
    Decoder,
    Wire,
    WireRequest,
    is_local,
    joined,
    shown,
    with_query,
)

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 600.0
DRAIN_SECONDS = 0.1
"""How long the end of a response is waited for, so that its connection can be used again."""

LOOK_UP_SECONDS = 2.0
"""How long a model's limits are waited for where nobody here knows them."""

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
        self._budget = Budget(self._policy)
        self._idle_seconds = idle_seconds
        self._secrets = secrets(provider)
        self._curious = cast("Curious", wire) if hasattr(wire, "question") else None
        self._plain = not (provider.headers or provider.query or provider.auth)
        parts = urlsplit(wire.url)
        self._host = f"{parts.scheme}://{parts.netloc} {idle_seconds}"

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta], None]:
        """Yield the deltas that arrived together, until the reply is complete."""
        provider, mine = self._provider, belongings()
        key = "" if provider.auth else find_key(provider)
        gate = mine.gate((self._host, provider.name, key))
        policy, budget = self._policy, self._budget
        return with_retries(
            provider.name, policy, gate, budget, lambda: self._attempt(request, mine)
        )

    async def _attempt(
        self, request: ModelRequest, mine: Belongings
    ) -> AsyncGenerator[Sequence[Delta], None]:
        """Ask once, and once more for each field that the server teaches us to leave out."""
        wire, provider = self._wire, self._provider
        renewal = mine.renewal(provider.auth)
        seen, mends, may_renew = renewal.count, _MENDS, provider.auth is not None
        key = await resolve_key(provider, wire.url)
        try:
            await self._prepare(request, mine, key)
            session = await mine.session(self._host, self._open)
            sent = wire.encode(request)
            while True:
                url, headers = await self._addressed(sent, key)
                async with session.post(
                    url, data=_portions(sent.body), headers=headers, allow_redirects=False
                ) as response:
                    if 200 <= response.status < 300:
                        async with aclosing(self._answer(response, request)) as answer:
                            async for deltas in answer:
                                yield deltas
                        return
                    fault = await _read_fault(response, (key, *self._secrets))
                if fault.status == 401 and may_renew:
                    may_renew = False
                    other = await renewed(provider, wire.url, key, renewal, seen)
                    if other is not None:
                        key = other
                        continue
                again = self._mended(request, sent, fault) if mends else sent
                if again == sent:
                    raise wire.refusal(fault)
                sent, mends = again, mends - 1
        except _network_errors() as error:
            raise self._unreachable(error) from _tellable(error)
        except (ProviderError, AuthError) as error:
            hide = (key, *self._secrets)
            error.args = tuple(_hidden(str(arg), hide) for arg in error.args)
            raise

    async def _prepare(self, request: ModelRequest, mine: Belongings, key: str) -> None:
        """Get what the wire needs before it can write ``request`` down."""
        wire, files = self._wire, request.draft.files
        for attachment in wire.wanted(request):
            files[attachment] = await fetch(attachment, mine)
        curious = self._curious
        if curious is not None and curious.question(request) is not None:
            async with mine.lock(self._host):  # one asks for all
                if question := curious.question(request):
                    curious.told(request, await self._look_up(question, mine, key))

    async def _look_up(self, question: WireRequest, mine: Belongings, key: str) -> Json:
        """Return the answer to ``question``; an empty one if there is none in time."""
        with suppress(*_network_errors()):
            async with asyncio.timeout(LOOK_UP_SECONDS):
                session = await mine.session(self._host, self._open)
                url, headers = await self._addressed(question, key, "GET")
                async with session.get(url, headers=headers, allow_redirects=False) as response:
                    if response.status == 200:
                        return parse_object(await _rest(response)) or {}
        return {}

    async def _addressed(
        self, sent: WireRequest, key: str, method: str = "POST"
    ) -> tuple[str, dict[str, str]]:
        """Return where ``sent`` goes, and with which headers: the agent's own come first."""
        wire, provider = self._wire, self._provider
        if self._plain and not sent.headers:
            return sent.url, dict(wire.credentials(key))
        url = with_query(sent.url, provider.query)
        headers = joined(wire.credentials(key), provider.headers, sent.headers)
        return url, joined(headers, await signed(provider, method, url, sent.body))

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
        elif isinstance(error, aiohttp.ClientResponseError):
            why = f"the connection to {where} broke: HTTP {error.status}"
        elif isinstance(error, aiohttp.ClientPayloadError):
            why = f"the connection to {where} ended in the middle of the answer"
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


async def _read_fault(response: Response, hidden: Iterable[str]) -> Fault:
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
    shown_body = _hidden(body.decode("utf-8", "replace"), hidden)
    return read_fault(shown_body.encode(), response.status, response.headers)


def _hidden(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***") if len(secret) >= _SHORTEST_SECRET else text
    return text


def _tellable(error: BaseException) -> BaseException | None:
    """Return ``error``, unless its text holds the address, with whatever is secret in it."""
    import aiohttp  # noqa: PLC0415

    return None if isinstance(error, aiohttp.ClientResponseError) else error


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
