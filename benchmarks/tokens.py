"""What a streamed token costs us, beside a bare loop that does the same with the same bytes.

::

    python benchmarks/tokens.py [--words 2000] [--repeats 15] [--only FORMAT]

A server in another process sends a reply in each of the four formats. Ours is ``async_run_stream``,
read to its end; the bare loop posts a request with aiohttp, cuts the bytes into events, reads each
into the smallest msgspec struct that has the words in it, and hands them on. They take turns; what
is counted is the CPU time of this process, and shown is the median.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import aiohttp
import msgspec

import agentouto

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from wire import crowd  # noqa: E402 - the server and its words are shared with the tests

Stream: TypeAlias = Callable[[Callable[[str], None]], Awaitable[None]]


# The bare loop ------------------------------------------------------------------------------------


class ChatDelta(msgspec.Struct):
    content: str | None = None


class ChatChoice(msgspec.Struct):
    delta: ChatDelta


class ChatChunk(msgspec.Struct):
    choices: list[ChatChoice] = []


class ResponsesEvent(msgspec.Struct):
    type: str
    delta: str = ""


class MessagesDelta(msgspec.Struct):
    text: str = ""


class MessagesEvent(msgspec.Struct):
    type: str
    delta: MessagesDelta | None = None


class GeminiPart(msgspec.Struct):
    text: str = ""


class GeminiContent(msgspec.Struct):
    parts: list[GeminiPart] = []


class GeminiCandidate(msgspec.Struct):
    content: GeminiContent | None = None


class GeminiChunk(msgspec.Struct):
    candidates: list[GeminiCandidate] = []


CHAT = msgspec.json.Decoder(ChatChunk)
RESPONSES = msgspec.json.Decoder(ResponsesEvent)
MESSAGES = msgspec.json.Decoder(MessagesEvent)
GEMINI = msgspec.json.Decoder(GeminiChunk)


async def data_of(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the data of every event of ``response``."""
    rest = b""
    async for block in response.content.iter_any():
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if line.startswith(b"data: {"):
                yield line[6:]


async def bare_chat(response: aiohttp.ClientResponse, hear: Callable[[str], None]) -> None:
    async for data in data_of(response):
        chunk = CHAT.decode(data)
        if chunk.choices and (text := chunk.choices[0].delta.content):
            hear(text)


async def bare_responses(response: aiohttp.ClientResponse, hear: Callable[[str], None]) -> None:
    async for data in data_of(response):
        event = RESPONSES.decode(data)
        if event.type == "response.output_text.delta":
            hear(event.delta)


async def bare_messages(response: aiohttp.ClientResponse, hear: Callable[[str], None]) -> None:
    async for data in data_of(response):
        event = MESSAGES.decode(data)
        if event.type == "content_block_delta" and event.delta:
            hear(event.delta.text)


async def bare_gemini(response: aiohttp.ClientResponse, hear: Callable[[str], None]) -> None:
    async for data in data_of(response):
        chunk = GEMINI.decode(data)
        if chunk.candidates and (content := chunk.candidates[0].content):
            for part in content.parts:
                hear(part.text)


BARE = {
    "openai": bare_chat,
    "openai_responses": bare_responses,
    "anthropic": bare_messages,
    "google": bare_gemini,
}


def bare(kind: str, url: str, session: aiohttp.ClientSession) -> Stream:
    body = json.dumps(
        {"model": "m", "stream": True, "messages": [{"role": "user", "content": "?"}]}
    )

    async def stream(hear: Callable[[str], None]) -> None:
        async with session.post(f"{url}/chat", data=body.encode()) as response:
            await BARE[kind](response, hear)

    return stream


# Ours ---------------------------------------------------------------------------------------------


def ours(kind: str, url: str) -> Stream:
    provider = agentouto.Provider(kind, kind=kind, api_key="none", base_url=url)
    agent = agentouto.Agent("teller", "You tell stories.", "m", provider, max_output_tokens=4096)

    async def stream(hear: Callable[[str], None]) -> None:
        async for event in agentouto.async_run_stream("?", [agent]):
            if event.type == "token":
                hear(event.data["token"])

    return stream


# Measuring ----------------------------------------------------------------------------------------


@contextmanager
def serving() -> Iterator[str]:
    """Run the server; yield its address."""
    command = [sys.executable, str(TESTS / "wire" / "crowd.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


async def cost(stream: Stream, words: int) -> float:
    """Return what each word of one reply costs, in seconds of CPU time."""
    heard: list[str] = []
    began = time.process_time()
    await stream(heard.append)
    spent = time.process_time() - began
    assert "".join(heard) == crowd.whole(words)
    return spent / words


async def measured(kind: str, url: str, words: int, repeats: int) -> tuple[float, float]:
    """Return what a word costs us and the bare loop, in microseconds."""
    address = f"{url}/{kind}/{words}/0"
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    streams = ours(kind, address), bare(kind, address, session)
    costs: tuple[list[float], list[float]] = [], []
    try:
        for repeat in range(-2, repeats):  # the first two warm up
            for stream, spent in zip(streams, costs, strict=True):
                each = await cost(stream, words)
                if repeat >= 0:
                    spent.append(each * 1e6)
    finally:
        await session.close()
    return statistics.median(costs[0]), statistics.median(costs[1])


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU time of a streamed token.")
    parser.add_argument("--words", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--only", choices=crowd.FORMATS)
    given = parser.parse_args()
    with serving() as url:
        print(f"{given.words} tokens, median of {given.repeats}, microseconds of CPU for each\n")
        print(f"{'format':<18} {'ours':>6} {'bare loop':>10} {'ratio':>7}")
        for kind in [given.only] if given.only else crowd.FORMATS:
            mine, floor = asyncio.run(measured(kind, url, given.words, given.repeats))
            print(f"{kind:<18} {mine:6.2f} {floor:10.2f} {mine / floor:6.2f}x", flush=True)


if __name__ == "__main__":
    main()
