"""Keeps what requests of one event loop share: connections, rate gates, locks and renewed tokens.

A connection must be used and closed in the loop it was opened in. Connections are closed by an
asynchronous generator, which a loop ends when it shuts down (``asyncio.run`` does that). For loops
that are dropped without shutting down they are closed when a request is made in another loop, or
when the program ends. The caller says how a session is opened.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from io import BytesIO
from types import TracebackType
from typing import Protocol, Self
from weakref import WeakKeyDictionary, WeakValueDictionary, finalize, ref

from agentouto.providers._transport.retry import RateGate
from agentouto.providers._transport.ticker import Ticker

MANY_GATES = 256
"""Above this number of gates, open ones are dropped. A run has one for each of its models."""


class Stream(Protocol):
    """The body of a response, as it arrives."""

    async def readany(self) -> bytes:
        """Return what has arrived, waiting for at least a byte of it; nothing at the end."""
        ...

    def at_eof(self) -> bool:
        """Return whether all of it has been read."""
        ...


class Connection(Protocol):
    """The connection that a response arrives on, until it has ended."""

    @property
    def transport(self) -> asyncio.BaseTransport | None:
        """The socket of it."""
        ...


class Response(Protocol):
    """An HTTP response whose body is still to come; leaving its context ends the request."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names are looked up in any case."""
        ...

    @property
    def content(self) -> Stream:
        """The body."""
        ...

    @property
    def connection(self) -> Connection | None:
        """The connection it arrives on; ``None`` once it is complete."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
        /,
    ) -> object: ...


class Session(Protocol):
    """Connections that are kept open from one request to the next."""

    @property
    def closed(self) -> bool:
        """Whether it cannot be used any more."""
        ...

    def post(
        self, url: str, *, data: bytes | BytesIO, headers: Mapping[str, str], allow_redirects: bool
    ) -> Awaitable[Response]:
        """Post ``data``, and wait for the headers of the answer."""
        ...

    def get(
        self, url: object, *, headers: Mapping[str, str], allow_redirects: bool
    ) -> Awaitable[Response]:
        """Ask for what is at ``url``, and wait for the headers of the answer."""
        ...

    def close(self) -> Coroutine[object, None, None]:
        """Close every connection."""
        ...


class Renewal:
    """The renewals of the tokens of one ``auth``: how many there were, and the last token.

    ``token`` is ``None`` until one was renewed. ``forget`` is called when ``auth`` is collected.
    """

    __slots__ = ("auth", "count", "lock", "token")

    def __init__(self, auth: object, forget: Callable[[object], object]) -> None:
        try:
            self.auth: object = ref(auth, forget)
        except TypeError:
            self.auth = auth  # kept alive, so that no other object gets its id
        self.count = 0
        self.lock = asyncio.Lock()
        self.token: str | None = None


class LoopResources:
    """The sessions, gates, locks and renewed tokens of one event loop."""

    __slots__ = ("_gates", "_keeper", "_locks", "_renewals", "_sessions", "_ticker")

    def __init__(self) -> None:
        # A weak reference: a ticker refers to its loop, which may be dropped.
        self._ticker: Callable[[], Ticker | None] = _no_ticker
        self._sessions: dict[object, Session] = {}
        self._gates: dict[object, RateGate] = {}
        self._locks: WeakValueDictionary[object, asyncio.Lock] = WeakValueDictionary()
        self._renewals: dict[int, Renewal] = {}
        self._keeper: AsyncGenerator[None, None] | None = None

    @property
    def ticker(self) -> Ticker:
        """What looks at the requests that wait; it exists as long as a request uses it."""
        ticker = self._ticker()
        if ticker is None:
            ticker = Ticker()
            self._ticker = ref(ticker)
        return ticker

    def gate(self, key: object) -> RateGate:
        """Return the gate that all requests with ``key`` share."""
        gate = self._gates.get(key)
        if gate is None:
            if len(self._gates) >= MANY_GATES:
                now = asyncio.get_running_loop().time()
                self._gates = {key: gate for key, gate in self._gates.items() if gate.opens > now}
            gate = self._gates[key] = RateGate()
        return gate

    def lock(self, key: object) -> asyncio.Lock:
        """Return the lock for ``key``; it exists as long as a task uses it."""
        return self._locks.setdefault(key, asyncio.Lock())

    def renewal(self, auth: object) -> Renewal:
        """Return the renewals of the tokens of ``auth``."""
        renewals, number = self._renewals, id(auth)
        if (known := renewals.get(number)) is None:
            known = renewals[number] = Renewal(auth, lambda _: renewals.pop(number, None))
        return known

    def kept_session(self, key: object) -> Session | None:
        """Return the session for ``key`` if ``session`` has made one that can be used."""
        session = self._sessions.get(key)
        return None if session is None or session.closed or self._keeper is None else session

    async def session(self, key: object, open_: Callable[[], Session]) -> Session:
        """Return the session for ``key``; ``open_`` makes it the first time."""
        session = self._sessions.get(key)
        if session is None or session.closed:
            session = self._sessions[key] = open_()
        if self._keeper is None:
            # A loop ends only generators that were begun (PEP 525, ``shutdown_asyncgens``).
            self._keeper = self._keep()
            await anext(self._keeper)
        return session

    def forget(self) -> None:
        """Open every gate, and forget the renewed tokens."""
        self._gates = {}
        self._renewals.clear()

    async def close(self) -> None:
        """Close every connection."""
        while self._sessions:
            await self._sessions.popitem()[1].close()

    def abandon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close the connections of a ``loop`` that does not run any more."""
        if loop.is_closed():
            self.drop()  # a closed loop cannot wait for the end of a connection
        else:
            loop.run_until_complete(self.close())

    def leave_to_parent(self) -> None:
        """Let go, in a process made by a fork, of connections that the parent goes on using.

        The sockets are the parent's, and so is the ``epoll`` object of its loop. Closing a
        connection, which a finalizer of aiohttp's does too, takes it out of that object, so that
        the parent would never hear of it again. So the sessions must never be finalized here.
        """
        while self._sessions:
            _keep_for_ever(self._sessions.popitem()[1])

    def drop(self) -> None:
        """Close every connection without waiting until it is closed."""
        while self._sessions:
            closing = self._sessions.popitem()[1].close()
            # The coroutine goes as far as it can without waiting; by then the sockets are closed.
            with suppress(StopIteration):
                closing.send(None)
            closing.close()

    async def _keep(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._keeper = None
            await self.close()
            await asyncio.sleep(0)  # lets the transports say goodbye


def _no_ticker() -> None:
    """Return ``None``: no request has been made yet."""


class ResourcesByLoop:
    """The belongings of every event loop."""

    __slots__ = ("__weakref__", "_lock", "_of_loops")

    def __init__(self) -> None:
        self._of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopResources] = (
            WeakKeyDictionary()
        )
        self._lock = threading.Lock()
        # Neither may hold ``self``, which would then never be collected. At the end of the program
        # only the second runs: it may still wait, in loops that do not run, for a proper close.
        finalize(self, _let_go, self._of_loops).atexit = False
        atexit.register(_close_at_exit, ref(self))

    def here(self) -> LoopResources:
        """Return the resources of the running loop."""
        loop = asyncio.get_running_loop()
        resources = self._of_loops.get(loop)
        if resources is None:
            with self._lock:  # the first request of a loop; other threads may make theirs now
                self._drop_closed()
                resources = self._of_loops.setdefault(loop, LoopResources())
        return resources

    def forget(self) -> None:
        """Open every gate and forget the renewed tokens. Connections stay open."""
        for _, resources in list(self._of_loops.items()):
            resources.forget()

    def after_fork(self) -> None:
        """Let go, in a process made by a fork, of what belongs to loops of the parent."""
        self._lock = threading.Lock()  # another thread may have held it, which is not here
        for left in list(self._of_loops.values()):
            left.leave_to_parent()
        self._of_loops.clear()

    def close(self) -> None:
        """Close the connections of loops that do not run."""
        for loop, left in list(self._of_loops.items()):
            if not loop.is_running():
                left.abandon(loop)

    def _drop_closed(self) -> None:
        for loop in [loop for loop in self._of_loops if loop.is_closed()]:
            self._of_loops.pop(loop).abandon(loop)


def _let_go(of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopResources]) -> None:
    """Close the connections of a memory that is gone, each in its own loop.

    The garbage collector calls it, in any thread: it takes no lock and waits for nothing.
    """
    for loop, left in list(of_loops.items()):
        if loop.is_closed():
            left.drop()
        else:
            loop.call_soon_threadsafe(left.drop)


def _keep_for_ever(session: Session) -> None:
    """Keep ``session`` from being finalized, at the end of the interpreter too.

    There every module is emptied, so a reference in Python is not enough.
    """
    import ctypes  # noqa: PLC0415 - needed after a fork only

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))


def _close_at_exit(of: ref[ResourcesByLoop]) -> None:
    """Leave nothing open behind when the program ends."""
    if (loops := of()) is not None:
        loops.close()
