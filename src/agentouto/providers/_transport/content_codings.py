"""Decompresses the bodies of responses, a portion at a time.

No compression is asked for (``Accept-Encoding: identity``), but some gateways compress all the
same. aiohttp would decompress as much as has arrived, and a few megabytes of gzip may stand for
gigabytes. So it is told to leave bodies alone, and they are decompressed here.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeAlias

from agentouto.providers._transport.http_limits import UnusableBody

Read: TypeAlias = Callable[[], Awaitable[bytes]]
"""Returns what has arrived of a body, waiting for a byte of it; nothing at the end."""

_GZIP = frozenset({"gzip", "x-gzip"})  # RFC 9110 §8.4.1.3: two names of the same coding
_GZIP_WINDOW = 31
_ZLIB_WINDOW = 15
_BARE_WINDOW = -15
"""What ``zlib.decompressobj`` calls the formats of RFC 1952, RFC 1950 and RFC 1951."""


async def _let_others_run() -> None:
    await asyncio.sleep(0)


def decoded(
    headers: Mapping[str, str],
    read: Read,
    portion: int,
    pause: Callable[[], Awaitable[None]] = _let_others_run,
) -> Read:
    """Return what reads a body without its content coding; ``read`` itself if it has none.

    Between portions of what has arrived, ``pause`` is awaited. Reading raises ``UnusableBody``
    where the coding is another than gzip and deflate, or broken.
    """
    coding = headers.get("Content-Encoding", "").strip().lower()
    if coding in {"", "identity"}:
        return read
    return _Inflated(coding, read, portion, pause).read


class _Decompressor(Protocol):
    """What ``zlib.decompressobj`` returns."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Inflated:
    """A body in gzip or deflate."""

    __slots__ = ("_coding", "_full", "_inflate", "_input", "_pause", "_portion", "_read")

    def __init__(
        self, coding: str, read: Read, portion: int, pause: Callable[[], Awaitable[None]]
    ) -> None:
        self._coding = coding
        self._read = read
        self._portion = portion
        self._pause = pause
        self._input = b""
        self._full = False  # whether the last portion was full, so that more output may be ready
        self._inflate: _Decompressor | None = None

    async def read(self) -> bytes:
        """Return the next portion; nothing at the end."""
        if self._coding not in _GZIP and self._coding != "deflate":
            raise UnusableBody(
                f"the answer is compressed as {self._coding[:40]!r}, although no compression was "
                "asked for; turn it off in the server, or in the proxy before it"
            )
        while True:
            if self._input or self._full:
                await self._pause()
            else:
                self._input = await self._read()
                if not self._input:
                    return b""
            if block := self._next():
                return block

    def _next(self) -> bytes:
        """Return a portion of what has arrived; nothing if more has to arrive first."""
        inflate = self._inflate
        if inflate is None:
            inflate = self._inflate = zlib.decompressobj(self._window())
        try:
            block = inflate.decompress(self._input, self._portion)
        except zlib.error as error:
            why = f"the {self._coding} of the answer is broken ({error})"
            raise UnusableBody(why, retryable=True) from error
        self._input, self._full = inflate.unconsumed_tail, len(block) == self._portion
        if inflate.eof:
            # RFC 1952 §2.2: a gzip file may have several members, one after the other.
            self._input, self._full, self._inflate = inflate.unused_data, False, None
            if self._coding == "deflate" or not self._input.startswith(b"\x1f"):
                self._input = b""  # padding
        return block

    def _window(self) -> int:
        if self._coding != "deflate":
            return _GZIP_WINDOW
        # RFC 9110 §8.4.1.2: some send deflate without the zlib format around it, which begins with
        # 8 in its lower half byte (RFC 1950 §2.2).
        return _ZLIB_WINDOW if self._input[0] & 0x0F == 8 else _BARE_WINDOW
