"""What belongs to one event loop: its connections, and the gates its requests wait at.

Connections must not outlive the loop they were opened in, nor be used in another. They are closed
by an asynchronous generator that the loop ends as it shuts down (``asyncio.run`` sees to that),
and, for loops that are dropped without shutting down, when the next loop comes or the program
ends. How connections are opened is told by the caller.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from io import BytesIO
from types import TracebackType
from typing import Protocol
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

from agentouto.providers._retry import Gate

MANY_GATES = 256
"""So many gates are kept before those are forgotten that nobody has to wait at."""


class Stream(Protocol):
    """The body of a response, as it arrives."""

    async def readany(self) -> bytes:
        """Return what has arrived, waiting for at least a byte of it; nothing at the end."""
        ...

    def at_eof(self) -> bool:
        """Return whether all of it has been read."""
        ...


class Response(Protocol):
    """An HTTP response whose body is still to come."""

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


class Exchange(Protocol):
    """One request and its response, for as long as it is entered."""

    async def __aenter__(self) -> Response: ...

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
    ) -> Exchange:
        """Post ``data``; leaving the context before the end of the body ends the request."""
        ...

    def get(self, url: object, *, headers: Mapping[str, str], allow_redirects: bool) -> Exchange:
        """Ask for what is at ``url``."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class Renewal:
    """What is known of the tokens of one ``auth``: how often one was renewed, and the last.

    ``token`` is ``None`` as long as there is none to try instead of a refused one. ``forget`` is
    called when nobody has the ``auth`` any more.
    """

    __slots__ = ("auth", "count", "lock", "token")

    def __init__(self, auth: object, forget: Callable[[object], object]) -> None:
        try:
            self.auth: object = ref(auth, forget)
        except TypeError:
            self.auth = auth  # must live on, or another one could get its number
        self.count = 0
        self.lock = asyncio.Lock()
        self.token: str | None = None


class Belongings:
    """The sessions, gates, locks and renewed tokens of one event loop."""

    __slots__ = ("_gates", "_keeper", "_locks", "_renewals", "_sessions")

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._gates: dict[object, Gate] = {}
        self._locks: WeakValueDictionary[object, asyncio.Lock] = WeakValueDictionary()
        self._renewals: dict[int, Renewal] = {}
        self._keeper: AsyncGenerator[None, None] | None = None

    def gate(self, key: object) -> Gate:
        """Return the gate at which all wait who share ``key``."""
        gate = self._gates.get(key)
        if gate is None:
            if len(self._gates) >= MANY_GATES:
                now = asyncio.get_running_loop().time()
                self._gates = {key: gate for key, gate in self._gates.items() if gate.opens > now}
            gate = self._gates[key] = Gate()
        return gate

    def lock(self, key: object) -> asyncio.Lock:
        """Return the lock of all who share ``key``; it is there while somebody has it."""
        return self._locks.setdefault(key, asyncio.Lock())

    def renewal(self, auth: object) -> Renewal:
        """Return what is known of the tokens of ``auth``."""
        renewals, number = self._renewals, id(auth)
        if (known := renewals.get(number)) is None:
            known = renewals[number] = Renewal(auth, lambda _: renewals.pop(number, None))
        return known

    async def session(self, host: str, open_: Callable[[], Session]) -> Session:
        """Return the session for ``host``, opening it if it is the first time."""
        session = self._sessions.get(host)
        if session is None or session.closed:
            session = self._sessions[host] = open_()
        if self._keeper is None:
            self._keeper = self._keep()
            await anext(self._keeper)
        return session

    async def close(self) -> None:
        """Close every connection."""
        while self._sessions:
            await self._sessions.popitem()[1].close()

    def abandon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close what a loop that is not running any more has left open."""
        closing = self.close()
        if not loop.is_closed():
            loop.run_until_complete(closing)
            return
        try:
            closing.send(None)  # nothing can be waited for: the sockets went with the loop
        except StopIteration:
            return
        closing.close()

    async def _keep(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._keeper = None
            await self.close()
            await asyncio.sleep(0)  # lets the transports say goodbye


_OF_LOOPS: WeakKeyDictionary[asyncio.AbstractEventLoop, Belongings] = WeakKeyDictionary()
_LOCK = threading.Lock()


def belongings() -> Belongings:
    """Return what belongs to the running loop."""
    loop = asyncio.get_running_loop()
    mine = _OF_LOOPS.get(loop)
    if mine is None:
        with _LOCK:
            _drop_closed()
            mine = _OF_LOOPS.setdefault(loop, Belongings())
    return mine


def _drop_closed() -> None:
    for loop in [loop for loop in _OF_LOOPS if loop.is_closed()]:
        _OF_LOOPS.pop(loop).abandon(loop)


@atexit.register
def _drop_all() -> None:
    """Leave nothing open behind when the program ends."""
    for loop, left in list(_OF_LOOPS.items()):
        if not loop.is_running():
            left.abandon(loop)
