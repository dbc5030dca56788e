"""How long a server is waited for, and how much of what it sends is read.

The one table of bounds. Each is far above what an honest server sends, so that only a broken or
hostile one meets it; docs/providers.md shows the same numbers. Downloads of files have bounds of
their own, in ``downloads``.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from agentouto._domain.delta import Delta, ToolCallDelta


class HttpLimits(msgspec.Struct, frozen=True):
    """The limits of one backend, in seconds and bytes. Bytes are counted after decompression."""

    connect: float = 10.0
    """Seconds for a connection, the handshake of TLS and the tunnel of a proxy included. Reaching
    the other side of the world takes less than one."""

    end: float = 1.0
    """Seconds for what follows a complete answer: some servers send the usage last."""

    drain: float = 0.01
    """Seconds for the end of a response, so that its connection can be used again. A new connection
    costs about as much."""

    error: float = 5.0
    """Seconds for the text of an error. Without it the status still says what is wrong."""

    look_up: float = 2.0
    """Seconds for a model's context window, where no table has it. The run waits meanwhile."""

    reply_bytes: int = 48_000_000
    """All of a reply. The longest that models write, 128,000 tokens of one event each, takes some
    250 bytes a token with the framing of the vendors. In memory, a reply of small pieces takes up
    to one and a half times its bytes."""

    event_bytes: int = 32_000_000
    """One event of a stream. The largest are pictures in base64, of a few megabytes."""

    document_bytes: int = 32_000_000
    """A reply that comes as one document although a stream was asked for."""

    tool_calls: int = 10_000
    """Tool calls in one reply. Models write a few dozen at most; each one would be carried out."""

    error_bytes: int = 64_000
    """The body of an error. Its text stands at the beginning."""

    list_bytes: int = 8_000_000
    """A server's list of models. That of OpenRouter, with several hundred models, has about one."""

    interim_responses: int = 100
    """Responses with a status from 100 to 199 before the answer. Servers send one or two."""

    portion: int = 262_144
    """Bytes that are decompressed at once. A compressed byte may stand for a thousand, and other
    requests need their turn in between."""


USUAL = HttpLimits()


class UnusableBody(Exception):
    """What a server sends is not read any further; the text says why.

    Attributes:
        retryable: Whether another try may help.
    """

    def __init__(self, why: str, *, retryable: bool = False) -> None:
        super().__init__(why)
        self.retryable = retryable


class ReplyBounds:
    """Counts what arrives of one reply, and raises ``UnusableBody`` where it is too much."""

    __slots__ = ("_deltas", "_limits", "_size")

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._size = 0
        self._deltas = 0

    def add(self, size: int) -> None:
        """Count ``size`` more bytes."""
        self._size += size
        if self._size > self._limits.reply_bytes:
            most = megabytes(self._limits.reply_bytes)
            raise UnusableBody(f"the answer is larger than {most}")

    def checked(self, deltas: Sequence[Delta]) -> Sequence[Delta]:
        """Return ``deltas``, unless there are too many tool calls by now.

        Each call has a delta and the number of its place. So the numbers are looked at only once
        there are as many deltas as a reply may have calls.
        """
        self._deltas += len(deltas)
        most = self._limits.tool_calls
        if self._deltas > most and any(
            isinstance(delta, ToolCallDelta) and delta.slot >= most for delta in deltas
        ):
            raise UnusableBody(f"the answer has more than {most} tool calls")
        return deltas


def megabytes(size: int) -> str:
    """Return ``size`` as people read it."""
    return f"{size / 1e6:g} MB"
