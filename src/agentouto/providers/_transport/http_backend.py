"""Sends the requests of every wire over HTTP, and yields the deltas of the answers.

``HttpBackend`` gets a key, posts what the wire has encoded, and feeds the bytes of the answer to
the wire's decoder: one list of deltas for each read. It knows no format and no model.

The order of one try: the key is asked for first, because looking up a model needs it. Files and
what the server says of the model are there before the request is encoded. The request is reserved
in the budget each time it is sent, also when it is sent again for another token or without a field.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import cast
from urllib.parse import urlsplit

from agentouto._domain.delta import Delta
from agentouto._domain.errors import (
    AuthError,
    ContextOverflow,
    ProtocolViolation,
    ProviderError,
)
from agentouto._domain.kinds import kind_spec
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import ModelRequest
from agentouto._domain.redaction import hide, in_all_forms, secrets_in
from agentouto._domain.secret import HiddenFrames, hide_frames
from agentouto._domain.visible_text import visible_line
from agentouto.providers._format.errors import ErrorDetails
from agentouto.providers._format.wire import (
    NeedsLookup,
    Wire,
    WireRequest,
    merge_auth_headers,
    merge_headers,
    with_query,
)
from agentouto.providers._transport.bodies import (
    drain,
    read_document,
    read_error,
    read_json_body,
    read_trailing,
)
from agentouto.providers._transport.connections import (
    Connections,
    connection_failure,
    network_errors,
    open_session,
    repeat_if_closed,
)
from agentouto.providers._transport.context_windows import FoundWindows, Windows, lcw_address
from agentouto.providers._transport.downloads import PUBLIC, Downloads
from agentouto.providers._transport.http_limits import USUAL, HttpLimits, ReplyBounds, UnusableBody
from agentouto.providers._transport.keys import (
    key_wanted,
    renewed,
    resolve_key,
    secrets,
    signed,
)
from agentouto.providers._transport.progress import is_progress
from agentouto.providers._transport.retry import RetryBudget, RetryPolicy, admission, with_retries
from agentouto.providers._transport.sessions import (
    LoopResources,
    ResourcesByLoop,
    Response,
    Session,
)
from agentouto.providers._transport.silence import (
    IdleTimer,
    Upload,
    WatchedResponse,
)
from agentouto.providers._transport.sse import SseReader
from agentouto.providers._transport.wires import ModelServer, server_of

log = logging.getLogger("agentouto")

_LARGE = 1 << 19
"""From this size on, a body is sent in portions, so that other requests get their turn."""

_MAX_ADAPTATIONS = 2
"""How often one request is changed after a refusal: a server names one field at a time."""

_DOCUMENTS = (b"{", b"[", b"<")
"""How a body begins that is no stream of events, whatever its content type is."""


class HttpBackend:
    """A provider that is reached over HTTP. Each run has one of its own, which counts its tries."""

    def __init__(
        self,
        provider: Provider,
        wire: Wire,
        memory: Memory | None = None,
        *,
        policy: RetryPolicy | None = None,
        idle_seconds: float | None = None,
        limits: HttpLimits = USUAL,
        downloads: Downloads = PUBLIC,
        server: ModelServer | None = None,
    ) -> None:
        memory = memory or Memory()
        self._provider = provider
        self._wire = wire
        self._policy = RetryPolicy.of(provider.retry) if policy is None else policy
        self._budget = RetryBudget(self._policy)
        self._idle_seconds = provider.idle if idle_seconds is None else idle_seconds
        self._limits = limits
        self._downloads = downloads
        self._loops = memory.part(ResourcesByLoop)
        self._lookup_wire = cast("NeedsLookup", wire) if hasattr(wire, "needs_lookup") else None
        self._plain = not (provider.headers or provider.query or provider.auth)
        self._server = server_of(provider, wire) if server is None else server
        public = provider.base_url is None and bool(kind_spec(provider.kind).sold_by)
        lcw = lcw_address() if public else None
        self._windows = Windows(self._server.shown, lcw, memory.part(FoundWindows))

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta], None]:
        """Yield the deltas that arrived together, until the reply is complete."""
        provider, resources = self._provider, self._loops.here()
        signed_by = resources.renewal(provider.auth) if provider.auth else None
        server = self._server
        gate = resources.gate((server.host, server.account, signed_by, request.agent.model))
        attempt = partial(self._attempt, request, resources)
        return with_retries(
            provider.name,
            self._policy,
            gate,
            self._budget,
            attempt,
            repeatable=request.repeatable,
        )

    def window(self, agent: Agent) -> int | None:
        """Return the context window of the agent's model in tokens, if it is known by now."""
        return self._windows.known(agent)

    async def find_window(self, agent: Agent) -> None:
        """Ask the provider, then a public service. Who is asked by many at once is asked once."""
        resources, windows = self._loops.here(), self._windows
        with suppress(AuthError, ProviderError, ValueError), HiddenFrames():
            async with resources.lock((windows.place, agent.model)):
                if windows.is_open(agent, windows.place) and self._wire.model_lookup(agent):
                    key = await resolve_key(self._provider, self._wire.url)
                    await self._inquire(agent, resources, key)
            if lcw := windows.lcw:
                async with resources.lock((lcw, agent.model)):
                    await windows.ask_lcw(agent, partial(self._look_up, resources, None))

    async def _attempt(
        self, request: ModelRequest, resources: LoopResources
    ) -> AsyncGenerator[Sequence[Delta], None]:
        """Make one try: again for a renewed token, and for each field that the server refuses."""
        wire, provider = self._wire, self._provider
        renewal = resources.renewal(provider.auth) if provider.auth is not None else None
        seen, adaptations = 0 if renewal is None else renewal.count, _MAX_ADAPTATIONS
        key = await resolve_key(provider, wire.url)
        hidden = [key]  # every key that was sent: a server may repeat any of them in its error
        try:
            await self._prepare(request, resources, key)
            sent = wire.encode(request)
            while True:
                async with admission(request):
                    timer = IdleTimer(self._idle_seconds, resources.ticker)
                    post = partial(self._post, resources, sent, timer, key, hidden)
                    async with await repeat_if_closed(post) as response:
                        self._log_status(response.status, request)
                        if 200 <= response.status < 300:
                            async with aclosing(self._answer(response, timer, request)) as answer:
                                async for deltas in answer:
                                    yield deltas
                            return
                        details = await read_error(
                            wire.url, response, self._limits, self._secrets(hidden)
                        )
                if details.status == 401 and renewal is not None:
                    other = await renewed(provider, wire.url, key, renewal, seen)
                    renewal = None  # once: a new token is not too old
                    if other is not None:
                        hidden.append(key := other)
                        continue
                again = self._adapted(request, sent, details) if adaptations else sent
                if again == sent:  # nothing was learned that would change the request
                    raise self._refusal(details, key)
                sent, adaptations = again, adaptations - 1
        except network_errors() as error:
            hide_frames(error)  # they hold the headers, and some tools show variables of frames
            failure = connection_failure(
                provider.name, wire.url, error, self._limits, self._idle_seconds
            )
            raise failure from _without_address(error)
        except UnusableBody as error:
            violation = ProtocolViolation(provider.name, str(error))
            violation.retryable = error.retryable
            raise violation from error
        except (ProviderError, AuthError) as error:
            if isinstance(error, ContextOverflow):
                self._windows.learn(request.agent, str(error))
            hide(error, self._secrets(hidden))
            raise

    async def _post(
        self,
        resources: LoopResources,
        sent: WireRequest,
        timer: IdleTimer,
        key: str,
        hidden: list[str],
        connections: Connections,
    ) -> WatchedResponse:
        """Send a request and wait for the headers of its answer.

        It is signed here, after all waiting: a signature may hold for a short time only.
        """
        if self._plain and not sent.headers:
            url, headers = sent.url, self._wire.credentials(key)
        else:
            url, headers = await self._addressed(sent, key, hidden)
        session = await self._session(resources, self._wire.url, connections)
        body = sent.body if len(sent.body) < _LARGE else Upload(sent.body, timer)
        try:
            with timer:
                response = await session.post(
                    url, data=body, headers=headers, allow_redirects=False
                )
        except BaseException:
            timer.stop()
            raise
        return WatchedResponse(response, timer, self._limits.portion)

    async def _prepare(self, request: ModelRequest, resources: LoopResources, key: str) -> None:
        """Get what the wire needs before it can encode ``request``."""
        wire = self._wire
        if needed_downloads := wire.needed_downloads(request):
            request.draft.files.update(await self._downloads.fetch(needed_downloads, resources))
        agent, lookup_wire = request.agent, self._lookup_wire
        if lookup_wire is not None and lookup_wire.needs_lookup(agent):
            async with resources.lock((self._windows.place, agent.model)):  # one asks for all
                if lookup_wire.needs_lookup(agent):
                    await self._inquire(agent, resources, key)

    async def _inquire(self, agent: Agent, resources: LoopResources, key: str) -> None:
        """Ask the provider what it knows of the agent's model."""
        if model_lookup := self._wire.model_lookup(agent):
            look_up = partial(self._look_up, resources, key)
            await self._windows.ask(agent, self._windows.place, model_lookup, look_up)

    async def _look_up(
        self, resources: LoopResources, key: str | None, question: WireRequest
    ) -> object:
        """Return the JSON that answers ``question``; without a key it goes to a public service.

        ``None`` if it takes too long, or the connection breaks.
        """

        async def send(connections: Connections) -> object:
            url, headers = question.url, cast("Mapping[str, str]", {})
            if key is not None:
                method = "POST" if question.body else "GET"
                url, headers = await self._addressed(question, key, [], method)
            place = url if key is None else self._wire.url
            session = await self._session(resources, place, connections)
            return await read_json_body(
                await _requested(session, question, url, headers), self._limits
            )

        try:
            async with asyncio.timeout(self._limits.look_up):
                return await repeat_if_closed(send)
        except UnusableBody:
            return None
        except network_errors():
            return None

    async def _addressed(
        self, sent: WireRequest, key: str, hidden: list[str], method: str = "POST"
    ) -> tuple[str, Mapping[str, str]]:
        """Return where ``sent`` goes, and with which headers: the agent's own come first.

        What is secret in them is added to what is ``hidden``.
        """
        wire, provider = self._wire, self._provider
        url = with_query(sent.url, provider.query)
        headers = merge_headers(wire.credentials(key), provider.headers, sent.headers)
        made = await signed(provider, method, url, sent.body)
        hidden += secrets_in(sent.headers) + in_all_forms(made.values())
        return url, merge_auth_headers(headers, made)

    def _secrets(self, hidden: Iterable[str]) -> list[str]:
        """Return every secret in the request, for the text of an error."""
        return [*in_all_forms(hidden), *secrets(self._provider)]

    def _adapted(
        self, request: ModelRequest, sent: WireRequest, details: ErrorDetails
    ) -> WireRequest:
        # 422: the checks of FastAPI, with which many servers are made. 500: llama-cpp-python, for a
        # message that it cannot validate.
        if details.status not in {400, 422, 500}:
            return sent
        self._wire.adapt(request, sent, details)
        again = self._wire.encode(request)
        if again != sent:
            log.info(
                "%s refused a request for model %r (HTTP %d: %s), which is sent again without "
                "what it refuses, as are later ones",
                self._server.host,
                request.agent.model,
                details.status,
                visible_line(details.message),
            )
        return again

    def _refusal(self, details: ErrorDetails, key: str) -> ProviderError | AuthError:
        """Return the error for a request that was refused, and that was sent with ``key``."""
        error = self._wire.error_for(details)
        if isinstance(error, AuthError) and self._plain and not key:
            return key_wanted(self._provider, error)
        return error

    def _log_status(self, status: int, request: ModelRequest) -> None:
        text = "answer: HTTP %d from %s, call %s, turn %d"
        log.debug(text, status, self._server.host, request.call_id, request.turn)

    async def _answer(
        self, response: WatchedResponse, timer: IdleTimer, request: ModelRequest
    ) -> AsyncGenerator[Sequence[Delta], None]:
        """Yield the deltas of a response until the reply is complete."""
        limits, decoder, begun = self._limits, self._wire.decoder(request), False
        reader, bounds = SseReader(limits.event_bytes), ReplyBounds(limits)
        rest: Sequence[Delta] = ()
        while not decoder.over:
            if decoder.complete:
                # Some servers never end the stream, so what follows has little time.
                block = await read_trailing(response, timer.active_at + limits.end)
            else:
                block = await response.readany()
            if not block:
                rest = decoder.feed(reader.end())
                break
            if not begun and block.lstrip().startswith(_DOCUMENTS):
                document = await read_document(block, response, limits)
                yield bounds.checked(decoder.whole(document))
                return
            begun = begun or not block.isspace()
            bounds.add(len(block))
            events = reader.feed(block)
            deltas = decoder.feed(events)
            if decoder.over:
                rest = deltas
                break
            if deltas:
                yield bounds.checked(deltas)
            # Bytes alone are no progress: a server that is stuck may go on sending pings.
            if is_progress(deltas, events):
                timer.restart()
        if rest and not decoder.complete:  # what came before the fault is passed on before it
            yield bounds.checked(rest)
            rest = ()
        if not begun:
            raise ProtocolViolation(
                self._provider.name,
                f"HTTP {response.status}, and the answer is empty. Check base_url and kind",
            )
        yield bounds.checked([*rest, *decoder.end()])
        if not response.at_eof():
            await drain(response, limits.drain)

    async def _session(
        self, resources: LoopResources, url: str, connections: Connections
    ) -> Session:
        """Return what opens connections to the server that ``url`` is at."""
        limits, parts = self._limits, urlsplit(url)
        key = parts.scheme, parts.netloc, limits.connect, connections
        return resources.kept_session(key) or await resources.session(
            key, lambda: open_session(url, limits, connections)
        )


def _requested(
    session: Session, sent: WireRequest, url: str, headers: Mapping[str, str]
) -> Awaitable[Response]:
    if sent.body:
        return session.post(url, data=sent.body, headers=headers, allow_redirects=False)
    return session.get(url, headers=headers, allow_redirects=False)


def _without_address(error: BaseException) -> BaseException | None:
    """Return ``error``, unless its text holds an address, which may contain a key or a password."""
    return None if "://" in f"{error} {error!r}" else error
