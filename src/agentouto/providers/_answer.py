"""What all formats do alike when they read an answer: beginning, failing and ending.

A decoder is an ``Answer`` that knows what its events mean. Ordinary words take a short way of the
format's own, for as long as its server sends them so; everything else comes through here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeAlias, cast

from agentouto._domain.content import Stop
from agentouto._domain.delta import Delta
from agentouto._domain.errors import AuthError, ProtocolViolation, ProviderError
from agentouto.providers._json import Json, parse
from agentouto.providers._refusal import Fault, read_fault, short

Refuse: TypeAlias = Callable[[Fault], ProviderError | AuthError]

DONE = b"[DONE]"

_PATIENCE = 8
"""How often an event may miss the short way before this server's events all take the long one."""


class Answer(ABC):
    """One answer while it is read. Sans I/O: bytes are brought to it."""

    __slots__ = (
        "_error",
        "_misfits",
        "_origin",
        "_over",
        "_plain",
        "_provider_name",
        "_refuse",
        "_stop",
    )

    _called: ClassVar[str]
    """What an answer that nobody can read should have been."""

    def __init__(self, provider_name: str, origin: str, refuse: Refuse) -> None:
        self._provider_name = provider_name
        self._origin = origin
        self._refuse = refuse
        self._stop: Stop | None = None
        self._error: ProviderError | AuthError | None = None
        self._over = False
        self._plain = True
        self._misfits = 0

    @property
    def over(self) -> bool:
        """Whether the answer has said that nothing more will come."""
        return self._over

    @property
    def complete(self) -> bool:
        """Whether the answer is whole, even if the connection breaks now."""
        return self._error is None and self._stop is not None

    @abstractmethod
    def _event(self, event: Json, heard: list[Delta]) -> None:
        """Read one event, whatever it has in it."""

    def _done(self) -> None:
        """Take it that the server has said ``[DONE]``."""
        self._over = True

    def _missed(self) -> None:
        """Remember that an event did not fit the short way."""
        self._misfits += 1
        self._plain = self._misfits < _PATIENCE

    def _read(self, event: bytes, heard: list[Delta]) -> None:
        """Read an event the long way. An error ends the answer; what came before is told first."""
        try:
            self._take(event, heard)
        except (ProviderError, AuthError) as error:
            self._error = error
            self._over, self._plain = True, False

    def _take(self, event: bytes, heard: list[Delta]) -> None:
        if event == DONE:
            self._done()
            return
        try:
            said = parse(event)
        except ValueError:
            if b"\n" not in event or event.lstrip().startswith(b"<"):
                raise self._unreadable(event) from None
            for line in event.split(b"\n"):  # blank lines between events were left out
                if not self._over:
                    self._take(line, heard)
            return
        if isinstance(said, dict):
            self._event(cast("Json", said), heard)

    def _ended(self) -> Stop:
        """Return why the model stopped; raise what went wrong, which may be that it never did."""
        if self._error is not None:
            raise self._error
        if self._stop is None:
            raise ProtocolViolation(self._provider_name, "the reply was cut short by the server")
        return self._stop

    def _unreadable(self, body: bytes) -> ProtocolViolation:
        said = read_fault(body).message if body.strip() else "nothing at all"
        error = ProtocolViolation(
            self._provider_name, f"the answer is {self._called}: {short(said)}"
        )
        error.retryable = not body.lstrip().startswith(b"<")
        return error
