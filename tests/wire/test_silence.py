"""Servers that never come to an end: no fault of theirs makes a request hang."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import pytest

from agentouto._domain.content import Incoming, Usage
from agentouto._domain.delta import StopDelta, ToolCallDelta, UsageDelta
from agentouto._domain.errors import (
    AgentoutoError,
    ConfigurationError,
    ProtocolViolation,
    ProviderUnavailable,
)
from agentouto._domain.participants import Agent, Provider
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.progress import is_progress
from agentouto.providers._transport.retry import RetryPolicy
from agentouto.providers._transport.silence import IdleTimer
from agentouto.providers._transport.ticker import Ticker
from wire.dialects import DIALECTS, Call, Dialect, Redacted, Thought, Words
from wire.test_http import ask
from wire.words import asking, chunk, event

ONCE = RetryPolicy(tries=1)
EVERY = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
IDLE = 0.3
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SIZED = HEAD + b"Content-Length: 5000\r\n\r\n"
OPEN = HEAD + b"\r\n"
ZIPPED = HEAD + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
HALF = event(chunk({"content": "half"}))


def framed(body: bytes) -> bytes:
    """Return ``body`` as one chunk."""
    return b"%x\r\n%b\r\n" % (len(body), body)


@asynccontextmanager
async def raw(
    *parts: bytes, again: bytes = b"", closes: bool = False, reads: bool = True, every: float = 0.02
) -> AsyncGenerator[str]:
    """Serve ``parts``, one packet each, then close, or say ``again`` for ever, or nothing."""
    busy = set[asyncio.Task[Any]]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        busy.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if reads:
                await reader.readuntil(b"\r\n\r\n")
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(every)
            while again:
                writer.write(again)
                await writer.drain()
                await asyncio.sleep(every)
            if not closes:
                await asyncio.sleep(30)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=1 << 12)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


def backend(url: str, kind: Any = "openai", idle: float = IDLE, **settings: Any) -> HttpBackend:
    provider = Provider("p", kind, base_url=url, idle=idle, **settings)
    return HttpBackend(provider, DIALECTS[kind].wire(provider), policy=ONCE)


FAULTS = {
    "no size": (CHUNKED, framed(HALF), b"zzzz\r\nhello\r\n"),
    "no size at once": (CHUNKED, b"zzzz\r\nhello\r\n"),
    "the error text of a proxy": (CHUNKED, framed(HALF), b"upstream connect error or disconnect"),
    "a second response": (CHUNKED, framed(HALF), b"HTTP/1.1 502 Bad Gateway\r\n\r\n"),
    "no line end after a chunk": (CHUNKED, b"5\r\nhelloXX" + framed(HALF)),
    "a size too large": (CHUNKED, framed(HALF), b"F" * 20 + b"\r\n"),
    "a size below nothing": (CHUNKED, framed(HALF), b"-1\r\n"),
    "a bad trailer": (CHUNKED, framed(HALF), b"0\r\nbad trailer\x00\r\n\r\n"),
    "half a chunk": (CHUNKED, framed(HALF), b"ff\r\nabc"),
    "broken gzip": (ZIPPED, framed(gzip.compress(HALF * 50)[:40]), framed(b"\xff" * 40)),
    "a document": (CHUNKED, framed(b'{"choices": ['), b"zzzz\r\n"),
    "half of what was promised": (SIZED, HALF),
    "half, then nothing": (OPEN, HALF),
}


@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_in_an_answer_is_an_error_whether_the_server_closes_or_not(
    fault: str, closes: bool
) -> None:
    async with raw(*FAULTS[fault], closes=closes) as url, asyncio.timeout(3):
        with pytest.raises((ProviderUnavailable, ProtocolViolation)):
            await ask(backend(url))


async def test_a_connection_that_is_gone_is_noticed_long_before_silence_is() -> None:
    async with raw(*FAULTS["no size"]) as url, asyncio.timeout(3):
        with pytest.raises(ProviderUnavailable, match="ended in the middle of the answer"):
            await ask(backend(url, idle=600))


# Silence ------------------------------------------------------------------------------------------


def said(**fields: object) -> bytes:
    return f"data: {json.dumps(fields)}\n\n".encode()


PINGS = {
    "a comment": b": ping\n\n",
    "a line end": b"\n",
    "a comment without an end": b": " + b"x" * 100,
    "a comment with a colon and data": b": a data: b\n\n",
    "a ping": b'event: ping\ndata: {"type": "ping"}\n\n',
    "an event without data": b"event: ping\n\n",
    "an empty object": b"data: {}\n\n",
    "null": b"data: null\n\n",
    "an empty text": b'data: ""\n\n',
    "half an event": b"data: x",
    "a keepalive": said(type="keepalive", sequence_number=1),
    "a status": said(type="response.in_progress", response={"id": "r", "model": "m"}),
    "no choice": said(id="x", object="chat.completion.chunk", model="m", choices=[]),
    "an empty delta": event(chunk({"role": "assistant", "content": ""})),
    "a usage": said(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 1}),
    "no candidate": said(candidates=[{"index": 0}], modelVersion="m", responseId="r"),
    "a count": said(usageMetadata={"promptTokenCount": 3}, modelVersion="m"),
    "an empty delta of Claude's": said(
        type="content_block_delta", index=0, delta={"type": "text_delta", "text": ""}
    ),
    "a count of Claude's": said(type="message_delta", delta={}, usage={"output_tokens": 1}),
}


@pytest.mark.parametrize("ping", PINGS)
@EVERY
async def test_signs_of_life_for_ever_are_silence(dialect: Dialect, ping: str) -> None:
    async with raw(OPEN, again=PINGS[ping]) as url, asyncio.timeout(3):
        with pytest.raises((ProviderUnavailable, ProtocolViolation)) as caught:
            await ask(backend(url, dialect.home.kind))
        if isinstance(caught.value, ProviderUnavailable):
            assert "has said nothing for 0.3 s" in str(caught.value)


@EVERY
async def test_signs_of_life_after_words_are_silence_too(dialect: Dialect) -> None:
    events = dialect.stream([Words("Hello")]).replace(b"\r\n", b"\n").split(b"\n\n")
    words = next(place for place, event in enumerate(events) if b'"He' in event)
    begun = b"\n\n".join([*events[: words + 1], b""])
    async with raw(OPEN, begun, again=b": ping\n\n") as url, asyncio.timeout(3):
        with pytest.raises((ProviderUnavailable, ProtocolViolation)):
            await ask(backend(url, dialect.home.kind))


@pytest.mark.parametrize("body", [b" ", b"\n"])
@pytest.mark.parametrize("begun", [b"", b"{", b"[", b"<html>"])
async def test_an_answer_in_one_piece_has_to_be_complete_in_time(begun: bytes, body: bytes) -> None:
    async with raw(OPEN, begun, again=body) as url, asyncio.timeout(3):
        with pytest.raises(ProviderUnavailable, match=r"has said nothing for 0\.3 s"):
            await ask(backend(url))


BEFORE = {
    "nothing": (),
    "100 Continue for ever": (b"HTTP/1.1 100 Continue\r\n\r\n",),
    "early hints for ever": (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",),
}


@pytest.mark.parametrize("before", BEFORE)
async def test_a_response_that_does_not_begin_is_silence(before: str) -> None:
    async with raw(again=b"".join(BEFORE[before])) as url, asyncio.timeout(3):
        with pytest.raises(ProviderUnavailable):
            await ask(backend(url))


async def test_headers_that_never_end_are_silence() -> None:
    async with raw(b"HTTP/1.1 200 OK\r\n", again=b"a: b\r\n", every=0.05) as url:
        async with asyncio.timeout(3):
            with pytest.raises(ProviderUnavailable):
                await ask(backend(url))


async def test_a_handshake_that_stands_still_is_silence() -> None:
    async with raw(reads=False) as url, asyncio.timeout(3):
        with pytest.raises(ProviderUnavailable, match=r"has said nothing for 0\.3 s"):
            await ask(backend(url.replace("http:", "https:")))


@pytest.mark.parametrize("head", [b"", OPEN, b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n"])
async def test_a_server_that_takes_only_a_part_of_a_request_is_not_waited_for(head: bytes) -> None:
    """The sockets hold a few megabytes between them; the rest stays with us."""
    async with raw(head) as url, asyncio.timeout(5):
        with pytest.raises(AgentoutoError):
            await ask(backend(url), asking(Incoming("x" * 30_000_000)))


# Meaning ------------------------------------------------------------------------------------------


@EVERY
async def test_who_thinks_or_speaks_slowly_is_listened_to(dialect: Dialect) -> None:
    """Some events of each format bring nothing to tell: proofs, hidden thoughts, ends of parts."""
    stream = dialect.stream([Thought("Hm. " * 3), Redacted(), Call("a"), Words("Well. " * 3)])
    events = [part + b"\n\n" for part in stream.split(b"\n\n") if part]
    async with raw(OPEN, *events, closes=True, every=0.1) as url, asyncio.timeout(9):
        assert await ask(backend(url, dialect.home.kind, idle=0.35))


HELD_BACK = {
    "a call without a name": said(
        choices=[{"index": 0, "delta": {"tool_calls": [{"function": {"arguments": "{"}}]}}]
    ),
    "details of thinking": said(
        choices=[{"index": 0, "delta": {"reasoning_details": [{"type": "x", "data": "e"}]}}]
    ),
    "a proof": said(
        type="content_block_delta", index=0, delta={"type": "signature_delta", "signature": "s"}
    ),
    "code": said(type="response.code_interpreter_call_code.delta", delta="print("),
    "a picture": said(type="response.image_generation_call.partial_image", partial_image_b64="x"),
    "a proof of Gemini's": said(
        candidates=[{"content": {"parts": [{"text": "", "thoughtSignature": "s"}]}}]
    ),
}


@pytest.mark.parametrize("what", HELD_BACK)
def test_what_may_become_a_part_of_the_reply_is_meaning(what: str) -> None:
    data = HELD_BACK[what].removeprefix(b"data: ").strip()
    assert is_progress([], [b"{}", data])
    assert not is_progress([UsageDelta(Usage(1, 1))], [b"{}"])
    assert not is_progress([ToolCallDelta(0)], [])
    assert is_progress([ToolCallDelta(0, arguments="{")], [])


async def test_a_listener_that_takes_its_time_is_no_silence() -> None:
    ended = event(chunk({}, "stop"))
    async with (
        raw(OPEN, HALF, HALF + ended, closes=True, every=0.1) as url,
        aclosing(backend(url).stream(asking(Incoming("Hi")))) as stream,
    ):
        heard = [deltas async for deltas in stream if not await asyncio.sleep(0.5)]
    assert isinstance(heard[-1][-1], StopDelta)


async def test_a_loop_that_stood_still_is_no_silence() -> None:
    async with raw(OPEN, HALF, HALF, event(chunk({}, "stop")), closes=True, every=0.1) as url:
        asyncio.get_running_loop().call_later(0.15, time.sleep, 0.5)
        assert await ask(backend(url))


async def test_a_cancellation_is_no_silence() -> None:
    async with raw(OPEN) as url:
        task = asyncio.create_task(ask(backend(url)))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelling() == 1


async def test_silence_leaves_nothing_behind_that_cancels() -> None:
    timer = IdleTimer(0.02, Ticker())
    task = asyncio.current_task()
    assert task
    with pytest.raises(TimeoutError), timer:
        await asyncio.sleep(5)
    assert task.cancelling() == 0
    timer.restart()
    with timer:
        await asyncio.sleep(0)
    timer.stop()


@pytest.mark.parametrize("idle", [0, -1, float("inf"), float("nan"), True, "600", None])
def test_a_silence_that_cannot_be_waited_for_is_refused_at_once(idle: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Provider 'p': idle=.* above 0, such as 600"):
        Provider("p", "openai", idle=idle)


def test_silence_lasts_ten_minutes_unless_a_provider_says_otherwise() -> None:
    assert Provider("openai").idle == 600
    assert Provider("openai", idle=5).idle == 5


# What else is asked over the network --------------------------------------------------------------


BROKEN = [b"", b"zzzz\r\nhello\r\n", b"5\r\nhelloXX", b"ff\r\nabc"]
REFUSED = b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_refusal_that_breaks_is_a_refusal(fault: bytes) -> None:
    async with raw(REFUSED, framed(b'{"error": {"message": "no such field"'), fault) as url:
        async with asyncio.timeout(3):
            with pytest.raises(AgentoutoError, match="no such field"):
                await ask(backend(url))


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_look_up_that_breaks_finds_nothing(fault: bytes) -> None:
    async with raw(CHUNKED, framed(b'{"data": ['), fault) as url, asyncio.timeout(4):
        asked = backend(url)
        agent = Agent("a", "", "unheard-of", "p")
        await asked.find_window(agent)
        assert asked.window(agent) is None
