"""What servers send is bounded: a broken or hostile one ends a request, not the process."""

from __future__ import annotations

import asyncio
import gzip
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from agentouto._domain.content import Incoming
from agentouto._domain.errors import ProtocolViolation, ProviderError, ProviderUnavailable
from agentouto._domain.participants import Agent, Provider
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.http_limits import USUAL, HttpLimits, megabytes
from agentouto.providers._transport.retry import RetryPolicy
from wire.dialects import DIALECTS, Call, Dialect, Words
from wire.server import serving, streams
from wire.test_http import ask
from wire.test_silence import CHUNKED, OPEN, framed, raw
from wire.words import asking, folded

EVERY = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
SMALL = HttpLimits(
    reply_bytes=20_000, event_bytes=10_000, document_bytes=10_000, tool_calls=20, portion=1_000
)


def backend(
    dialect: Dialect, url: str, limits: HttpLimits = SMALL, tries: int = 4, idle: float = 5
) -> HttpBackend:
    provider = Provider("p", dialect.home.kind, base_url=url, api_key="k", idle=idle)
    policy = RetryPolicy(tries=tries)
    return HttpBackend(provider, dialect.wire(provider), policy=policy, limits=limits)


def head(coding: str, status: str = "200 OK") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: text/event-stream\r\n"
        f"Content-Encoding: {coding}\r\n\r\n"
    ).encode()


# Sizes --------------------------------------------------------------------------------------------

FLOODS: dict[str, tuple[bytes, bytes, str]] = {
    "events": (b"", b": x\n\ndata: {}\n\n" * 100, "the answer is larger than 0.02 MB"),
    "an event": (b'data: {"a":"', b"x" * 500, "an event of the answer is larger than 0.01 MB"),
    "lines": (b"data: {\n", b"data: 1,\n" * 50, "an event of the answer is larger than 0.01 MB"),
    "a document": (b'{"a":"', b"x" * 500, "the answer is a document of more than 0.01 MB"),
    "a page": (b"<html>", b"x" * 500, "the answer is a document of more than 0.01 MB"),
    "blanks": (b" ", b" " * 500, "the answer is larger than 0.02 MB|event of the answer is larger"),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("flood", FLOODS)
@EVERY
async def test_what_does_not_end_is_an_error_and_not_asked_for_again(
    dialect: Dialect, flood: str, packed: bool
) -> None:
    begin, again, error = FLOODS[flood]
    if packed:
        parts, again = (head("gzip"), gzip.compress(begin + again * 300)), b""
    else:
        parts = (OPEN, begin)
    async with raw(*parts, again=again, every=0) as url, asyncio.timeout(20):
        with pytest.raises(ProtocolViolation, match=error) as caught:
            await ask(backend(dialect, url))
    assert not caught.value.retryable


@EVERY
async def test_a_reply_has_a_number_of_tool_calls_at_most(dialect: Dialect) -> None:
    calls = [Call(f"call_{number}") for number in range(SMALL.tool_calls + 1)]
    limits = HttpLimits(tool_calls=SMALL.tool_calls)
    whole, more = streams(dialect.stream(calls[:-1])), streams(dialect.stream(calls))
    async with serving(whole, more) as server:
        asked = backend(dialect, server.url, limits)
        assert len(folded(await ask(asked)).tool_calls) == SMALL.tool_calls
        with pytest.raises(ProtocolViolation, match="the answer has more than 20 tool calls"):
            await ask(asked)
        assert len(server.asked) == 2


@EVERY
async def test_of_an_error_that_does_not_end_the_beginning_is_shown(dialect: Dialect) -> None:
    begun = b"HTTP/1.1 400 Bad\r\n\r\nno such thing "
    async with raw(begun, again=b"x" * 9_000, every=0) as url, asyncio.timeout(20):
        with pytest.raises(ProviderError, match=r"HTTP 400 .*no such thing x"):
            await ask(backend(dialect, url))


async def test_interim_responses_for_ever_are_an_error() -> None:
    again = b"HTTP/1.1 100 Continue\r\n\r\n" * 50
    async with raw(again=again, every=0) as url, asyncio.timeout(20):
        with pytest.raises(ProtocolViolation, match="more than 100 interim responses") as caught:
            await ask(backend(DIALECTS["openai"], url))
    assert not caught.value.retryable


def test_the_bounds_are_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs/providers.md").read_text(encoding="utf-8")
    table = page.partition("### Bounds")[2].partition("\n#")[0]
    for size in (USUAL.reply_bytes, USUAL.event_bytes, USUAL.document_bytes, USUAL.list_bytes):
        assert megabytes(size) in table
    assert f"{USUAL.tool_calls:,}" in table
    assert f"{USUAL.error_bytes // 1000} KB" in table
    assert f"{USUAL.interim_responses} " in table


# Codings ------------------------------------------------------------------------------------------


def flushed(events: bytes, window: int) -> list[bytes]:
    """Return the pieces of a stream that is compressed as a whole and flushed after each event."""
    packer = zlib.compressobj(wbits=window)
    cut = [part + b"\n\n" for part in re.split(rb"(?:\r?\n){2}", events) if part]
    pieces = [packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH) for part in cut]
    return [*pieces, packer.flush()]


CODINGS: dict[str, tuple[str, Callable[[bytes], list[bytes]]]] = {
    "gzip": ("gzip", lambda said: [gzip.compress(said)]),
    "gzip by another name": ("X-GZIP", lambda said: [gzip.compress(said)]),
    "gzip, flushed": ("gzip", lambda said: flushed(said, 31)),
    "gzip, in two members": (
        "gzip",
        lambda said: [gzip.compress(said[:99]), gzip.compress(said[99:]) + b"\0" * 8],
    ),
    "gzip, byte by byte": (
        "gzip",
        lambda said: [gzip.compress(said)[at : at + 1] for at in range(len(gzip.compress(said)))],
    ),
    "deflate": ("deflate", lambda said: [zlib.compress(said)]),
    "deflate, flushed": ("deflate", lambda said: flushed(said, 15)),
    "deflate without zlib": ("deflate", lambda said: flushed(said, -15)),
    "identity": ("identity", lambda said: [said]),
}


@pytest.mark.parametrize("coding", CODINGS)
@EVERY
async def test_an_answer_that_is_compressed_unasked_is_read(dialect: Dialect, coding: str) -> None:
    name, pack = CODINGS[coding]
    text = "Hello " * 400  # more than a portion
    pieces = pack(dialect.stream([Words(text)]))
    async with raw(head(name), *pieces, closes=True, every=0) as url:
        limits = HttpLimits(portion=1_000)
        assert folded(await ask(backend(dialect, url, limits))).text == text


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "503 Unavailable"])
@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, br"])
@EVERY
async def test_another_coding_is_named(dialect: Dialect, coding: str, status: str) -> None:
    async with raw(head(coding, status), b"\x0b\x02\x80garbage", closes=True) as url:
        asked = backend(dialect, url, tries=1)
        with pytest.raises(ProviderError, match=f"compressed as '{coding}'") as caught:
            await ask(asked)
    assert caught.value.retryable == (status[0] == "5")


@EVERY
async def test_a_compressed_error_is_read(dialect: Dialect) -> None:
    body = gzip.compress(b'{"error": {"message": "no such thing"}}')
    async with raw(head("gzip", "400 Bad"), body, closes=True) as url:
        with pytest.raises(ProviderError, match=r"HTTP 400 .*: no such thing"):
            await ask(backend(dialect, url))


@pytest.mark.parametrize(
    "body",
    [b"notgzip!!!", gzip.compress(b"data: x" * 99)[:30] + b"\xff" * 9],
    ids=["none", "cut"],
)
async def test_broken_gzip_is_told_and_tried_again(body: bytes) -> None:
    async with raw(
        CHUNKED.replace(b"Tran", b"Content-Encoding: gzip\r\nTran"), framed(body)
    ) as url:
        asked = backend(DIALECTS["openai"], url, tries=1, idle=0.3)
        with pytest.raises((ProtocolViolation, ProviderUnavailable)) as caught:
            await ask(asked)
    assert caught.value.retryable


async def test_a_compressed_list_of_models_is_read_and_bounded() -> None:
    listed = b'{"data": [{"id": "m", "max_model_len": 4321}]}'
    agent = Agent("a", "", "m", "p")
    for size, found in ((1_000, 4321), (30, None)):
        async with raw(head("gzip"), gzip.compress(listed), closes=True) as url:
            asked = backend(DIALECTS["openai"], url, HttpLimits(list_bytes=size, portion=10))
            await asked.find_window(agent)
            assert asked.window(agent) == found


async def test_what_is_unpacked_and_says_nothing_is_silence() -> None:
    bomb = gzip.compress(b": x\n\n" * 200_000)
    async with raw(head("gzip"), bomb, closes=True) as url:
        asked = backend(DIALECTS["openai"], url, HttpLimits(portion=10), tries=1, idle=0.05)
        with pytest.raises(ProviderUnavailable, match=r"has said nothing for 0\.05 s"):
            await ask(asked)


async def test_a_portion_leaves_the_turn_to_others() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    said = DIALECTS["openai"].stream([Words("Hello " * 2_000)])
    async with raw(head("gzip"), gzip.compress(said), closes=True) as url:
        others = asyncio.create_task(count())
        asked = backend(DIALECTS["openai"], url, HttpLimits(portion=100))
        before = turns
        assert folded(await ask(asked, asking(Incoming("Hi")))).text
        others.cancel()
    assert turns - before > len(said) / 100
