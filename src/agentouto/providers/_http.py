"""The one place that talks to models, and the door through which aiohttp comes in.

``HttpBackend`` speaks any wire over HTTP: it asks for a key, posts, and hands the bytes that come
back to the wire's decoder, one list of deltas for each read. It knows no format and no model.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from functools import partial
from io import BytesIO
from typing import cast
from urllib.parse import urlsplit

from agentouto._domain.delta import Delta
from agentouto._domain.errors import AuthError, ProviderError, ProviderUnavailable
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import ModelRequest
from agentouto._network import proxy_for, shown
from agentouto.providers._belongings import Belongings, Response, Session, Stream, belongings
from agentouto.providers._fetch import fetch
from agentouto.providers._json import parse
from agentouto.providers._keys import (
    find_key,
    hidden_in,
    hide,
    in_all_forms,
    renewed,
    resolve_key,
    secrets,
    secrets_in,
    signed,
)
from agentouto.providers._refusal import Fault, read_fault, short
from agentouto.providers._retry import Budget, RetryPolicy, admitted, with_retries
from agentouto.providers._sse import SseReader
from agentouto.providers._windows import Windows
from agentouto.providers._wire import (
    Curious,
    Decoder,
    Wire,
    WireRequest,
    joined,
    with_query,
    with_signature,
)

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 600.0
END_SECONDS = 1.0
"""How long an answer that is whole is listened to when nothing more is said."""

DRAIN_SECONDS = 0.01
"""How long the end of a response is waited for, so that its connection can be used again."""

FAULT_SECONDS = 5.0
"""How long it is waited for that an error is told to its end."""

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
_LONGEST_LIST = 1 << 23
_BUSY = frozenset({401, 403, 408, 425, 429})
"""Statuses that say nothing of what is asked for, but of who asks and when."""

_DOCUMENTS = (b"{", b"[", b"<")
"""How a body begins that is no stream of events, whatever its content type says."""


_USUAL = RetryPolicy()


class HttpBackend:
    """A provider reached over HTTP, whatever its wire format. One for each run: it counts tries."""

    def __init__(
        self,
        provider: Provider,
        wire: Wire,
        *,
        policy: RetryPolicy = _USUAL,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._provider = provider
        self._wire = wire
        self._policy = policy
        self._budget = Budget(policy)
        self._idle_seconds = idle_seconds
        self._curious = cast("Curious", wire) if hasattr(wire, "wonders") else None
        self._plain = not (provider.headers or provider.query or provider.auth)
        parts = urlsplit(wire.url)
        self._host = f"{parts.scheme}://{parts.netloc} {idle_seconds}"
        self._windows = Windows(shown(wire.url), home=provider.base_url is None)

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta], None]:
        """Yield the deltas that arrived together, until the reply is complete."""
        provider, mine = self._provider, belongings()
        key = "" if provider.auth else find_key(provider)
        gate = mine.gate(hash((self._host, provider.name, key)))  # no key stays behind in memory
        attempt = partial(self._attempt, request, mine)
        return with_retries(provider.name, self._policy, gate, self._budget, attempt)

    def window(self, agent: Agent) -> int | None:
        """Return how many tokens the agent's model can read, if that is known by now."""
        return self._windows.known(agent)

    async def find_window(self, agent: Agent) -> None:
        """Ask the provider, then a public service. Who is asked by many at once is asked once."""
        mine, windows = belongings(), self._windows
        with suppress(AuthError, ProviderError, ValueError):
            async with mine.lock((windows.place, agent.model)):
                if windows.is_open(agent, windows.place) and self._wire.inquiry(agent):
                    key = await resolve_key(self._provider, self._wire.url)
                    await self._inquire(agent, mine, key)
            if lcw := windows.lcw:
                async with mine.lock((lcw, agent.model)):
                    session = await mine.session(lcw, lambda: self._open(lcw))
                    await windows.ask_lcw(agent, lambda asked: _said(session, asked.url, {}))

    async def _attempt(
        self, request: ModelRequest, mine: Belongings
    ) -> AsyncGenerator[Sequence[Delta], None]:
        """Ask once, and once more for each field that the server teaches us to leave out."""
        wire, provider = self._wire, self._provider
        renewal = mine.renewal(provider.auth)
        seen, mends, may_renew = renewal.count, _MENDS, provider.auth is not None
        key = await resolve_key(provider, wire.url)
        hidden = [key]
        try:
            await self._prepare(request, mine, key)
            session = await mine.session(self._host, self._open)
            sent = wire.encode(request)
            while True:
                async with admitted(request):  # who waited here must not come with an old signature
                    url, headers = await self._addressed(sent, key, hidden)
                    async with session.post(
                        url, data=_portions(sent.body), headers=headers, allow_redirects=False
                    ) as response:
                        if 200 <= response.status < 300:
                            async with aclosing(self._answer(response, request)) as answer:
                                async for deltas in answer:
                                    yield deltas
                            return
                        fault = await _read_fault(response, self._secrets(hidden))
                if fault.status == 401 and may_renew:
                    may_renew = False
                    other = await renewed(provider, wire.url, key, renewal, seen)
                    if other is not None:
                        key = other
                        hidden.append(key)
                        continue
                again = self._mended(request, sent, fault) if mends else sent
                if again == sent:
                    raise wire.refusal(fault)
                sent, mends = again, mends - 1
        except _network_errors() as error:
            raise self._unreachable(error) from _tellable(error)
        except (ProviderError, AuthError) as error:
            hide(error, self._secrets(hidden))
            raise

    async def _prepare(self, request: ModelRequest, mine: Belongings, key: str) -> None:
        """Get what the wire needs before it can write ``request`` down."""
        wire = self._wire
        if wanted := wire.wanted(request):
            request.draft.files.update(await fetch(wanted, mine))
        agent, curious = request.agent, self._curious
        if curious is not None and curious.wonders(agent):
            async with mine.lock((self._windows.place, agent.model)):  # one asks for all
                if curious.wonders(agent):
                    await self._inquire(agent, mine, key)

    async def _inquire(self, agent: Agent, mine: Belongings, key: str) -> None:
        """Ask the provider what it knows of the agent's model."""

        async def look_up(question: WireRequest) -> object:
            method = "POST" if question.body else "GET"
            url, headers = await self._addressed(question, key, [], method)
            session = await mine.session(self._host, self._open)
            return await _said(session, url, headers, question.body)

        if inquiry := self._wire.inquiry(agent):
            await self._windows.ask(agent, self._windows.place, inquiry, look_up)

    async def _addressed(
        self, sent: WireRequest, key: str, hidden: list[str], method: str = "POST"
    ) -> tuple[str, dict[str, str]]:
        """Return where ``sent`` goes, and with which headers: the agent's own come first.

        What is secret in them is added to what is ``hidden``.
        """
        wire, provider = self._wire, self._provider
        if self._plain and not sent.headers:
            return sent.url, dict(wire.credentials(key))
        url = with_query(sent.url, provider.query)
        headers = joined(wire.credentials(key), provider.headers, sent.headers)
        made = await signed(provider, method, url, sent.body)
        hidden += secrets_in(sent.headers) + in_all_forms(made.values())
        return url, with_signature(headers, made)

    def _secrets(self, hidden: Iterable[str]) -> list[str]:
        """Return all that nobody may read of what was sent; only failures have to know."""
        return [*in_all_forms(hidden), *secrets(self._provider)]

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
        clock = asyncio.get_running_loop().time
        reader, heard_at, begun = SseReader(), clock(), False
        while not decoder.over:
            block = await _more(content, decoder, heard_at + END_SECONDS)
            if not block:
                break
            if not begun and block.lstrip().startswith(_DOCUMENTS):
                yield decoder.whole(block + await _rest(response))
                return
            begun = begun or not block.isspace()
            if heard := decoder.feed(reader.feed(block)):
                yield heard
            if _says_something(block):
                heard_at = clock()
            elif clock() - heard_at > self._idle_seconds:
                raise TimeoutError
        if not decoder.over and (heard := decoder.feed(reader.end())):
            yield heard
        yield decoder.end()
        if not content.at_eof():
            await _drain(content)

    def _open(self, url: str = "") -> Session:
        """Open connections to ``url`` or the wire's: the door through which aiohttp comes in."""
        import aiohttp  # noqa: PLC0415 - costs 120 ms, so it waits for the first request

        session: object = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_SECONDS, sock_read=self._idle_seconds
            ),
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy_for(url or self._wire.url),
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


def _says_something(block: bytes) -> bool:
    """Return whether ``block`` is more than the blank lines and comments that keep a line open."""
    return block[:64].lstrip()[:1] not in (b"", b":") or b"\ndata:" in block


async def _more(content: Stream, decoder: Decoder, latest: float) -> bytes:
    """Return the next bytes, or none at the end.

    Once the answer is whole, a break is an end too, and so is silence until ``latest``.
    """
    if not decoder.complete:
        return await content.readany()
    with suppress(*_network_errors()):
        async with asyncio.timeout_at(latest):
            return await content.readany()
    return b""


async def _rest(response: Response) -> bytes:
    pieces: list[bytes] = []
    while block := await response.content.readany():
        pieces.append(block)
    return b"".join(pieces)


async def _said(
    session: Session, url: str, headers: Mapping[str, str], body: bytes = b""
) -> object:
    """Return the JSON that a server answers with, empty if it has none; ``None`` if it is busy."""
    said = bytearray()
    try:
        async with (
            asyncio.timeout(LOOK_UP_SECONDS),
            session.post(url, data=body, headers=headers, allow_redirects=False)
            if body
            else session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            if response.status >= 500 or response.status in _BUSY:
                return None
            while len(said) < _LONGEST_LIST and (block := await response.content.readany()):
                said += block
        return (parse(bytes(said)) or {}) if response.status == 200 else {}
    except _network_errors():
        return None
    except ValueError:
        return {}


async def _drain(content: Stream) -> None:
    """Wait a moment for the end of the response: only then can the connection be kept."""
    with suppress(*_network_errors()):
        async with asyncio.timeout(DRAIN_SECONDS):
            while await content.readany():
                pass


async def _read_fault(response: Response, hidden: Iterable[str]) -> Fault:
    """Return what an unsuccessful response complains about, as far as it comes."""
    if 300 <= response.status < 400:
        there = shown(response.headers.get("location", "somewhere else"))
        return Fault(
            f"the server points to {there}; if that is right, make it the base_url",
            status=response.status,
        )
    body = b""
    with suppress(*_network_errors()):
        async with asyncio.timeout(FAULT_SECONDS):
            while len(body) < _LONGEST_FAULT and (block := await response.content.readany()):
                body += block
    shown_body = hidden_in(body.decode("utf-8", "replace"), hidden)
    return read_fault(shown_body.encode(), response.status, response.headers)


def _tellable(error: BaseException) -> BaseException | None:
    """Return ``error``, unless its text holds the address, with whatever is secret in it."""
    return None if "://" in str(error) else error


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
