"""Asks servers that mean harm: how soon is there an error, and how much memory does it cost?

::

    python3 benchmarks/hostile.py [--only NAMES]

Prints a row for each mode, and exits with 1 if one costs more than the bars below. Every mode is
asked by a process of its own, with ``Provider(idle=2)`` and the usual retries. The longest gap is
how long the event loop of that process stood still.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress

from agentouto import Agent, AgentoutoError, Limits, Provider, Tool, async_run

MOST_MB = 100
MOST_SECONDS = 20
IDLE = 2.0
PATIENCE = 40
"""Seconds after which a process has no end."""

MEGABYTE = 1_000_000
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
PACKED = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Encoding: gzip\r\n\r\n"
DONE = b"data: [DONE]\n\n"

Answer = Callable[[], AsyncIterator[bytes]]


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def delta(fields: Mapping[str, object], stop: str | None = None) -> bytes:
    return event({"choices": [{"index": 0, "delta": fields, "finish_reason": stop}]})


def tool_calls(number: int, *, indexed: bool) -> bytes:
    """Return events with a tool call each."""
    function = {"name": "noop", "arguments": "{}"}
    return b"".join(
        delta(
            {
                "tool_calls": [
                    {"id": f"c{n}", "function": function, **({"index": n} if indexed else {})}
                ]
            }
        )
        for n in range(number)
    )


def for_ever(head: bytes, again: bytes, every: float = 0.0) -> Answer:
    """Answer ``head``, and then ``again`` without an end."""

    async def answer() -> AsyncIterator[bytes]:
        yield head
        while True:
            yield again
            await asyncio.sleep(every)

    return answer


def once(*parts: bytes) -> Answer:
    async def answer() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    return answer


def bomb(head: bytes, begin: bytes, again: bytes, size: int = 3_000 * MEGABYTE) -> Answer:
    """Answer what is small, and as large as ``size`` when it is unpacked."""

    async def answer() -> AsyncIterator[bytes]:
        yield head
        packer = zlib.compressobj(9, wbits=31)
        yield packer.compress(begin)
        for _ in range(size // len(again)):
            if piece := packer.compress(again):
                yield piece
                await asyncio.sleep(0)

    return answer


def said(*events: bytes) -> Answer:
    return once(OK, *events, delta({}, "stop"), DONE)


WELL = said(delta({"content": "hi"}))

MODES: Mapping[str, Answer] = {
    "gzip bomb of blanks": bomb(PACKED % b"text/event-stream", b"", b"\n" * MEGABYTE),
    "gzip bomb, one event": bomb(PACKED % b"text/event-stream", b'data: {"a":"', b"a" * MEGABYTE),
    "gzip bomb, JSON": bomb(PACKED % b"application/json", b'{"a":"', b"a" * MEGABYTE),
    "gzip bomb, an error": bomb(
        PACKED.replace(b"200 OK", b"400 No") % b"text/html", b"", b"a" * MEGABYTE
    ),
    "HTML for ever": for_ever(OK.replace(b"event-stream", b"html"), b"<p>" + b"x" * 250_000),
    "JSON for ever": for_ever(OK + b'{"a":"', b"x" * 250_000),
    "one event for ever": for_ever(OK + b'data: {"a":"', b"x" * MEGABYTE),
    "words for ever": for_ever(OK, delta({"content": "abcdefgh " * 10}) * 200),
    "a letter at a time, for ever": for_ever(OK, delta({"content": "a"}) * 1_000),
    "an error for ever": for_ever(OK.replace(b"200 OK", b"400 No"), b"x" * 250_000),
    "an error, blank by blank": for_ever(OK.replace(b"200 OK", b"400 No"), b" ", 0.2),
    "50,000 tool calls": said(tool_calls(50_000, indexed=True)),
    "50,000 tool calls without an index": said(tool_calls(50_000, indexed=False)),
    "arguments in 60,000 pieces": said(
        delta({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "noop"}}]}),
        delta({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}) * 60_000,
    ),
    "comments for ever": for_ever(OK, b": keep-alive\n\n" * 1_000),
    "a comment now and then": for_ever(OK, b": keep-alive\n\n", 0.2),
    "a comment without an end": for_ever(OK + b": ", b"x" * 100, 0.02),
    "a ping now and then": for_ever(OK, b"event: ping\n\n", 0.2),
    "an empty object now and then": for_ever(OK, b"data: {}\n\n", 0.2),
    "100 Continue for ever": for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "100 Continue now and then": for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.2),
    "headers for ever": for_ever(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"a" * 1_000 + b"\r\n"),
    "one header for ever": for_ever(b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 65_536),
    "nothing": for_ever(b"", b"", 1.0),
    "a usage below nothing": said(
        delta({"content": "hi"}), event({"choices": [], "usage": {"prompt_tokens": -1_000_000}})
    ),
    "a usage of 4,000 digits": said(
        delta({"content": "hi"}),
        b'data: {"choices": [], "usage": {"prompt_tokens": ' + b"9" * 4_000 + b"}}\n\n",
    ),
}
ANSWERED = {"arguments in 60,000 pieces", "a usage below nothing", "a usage of 4,000 digits"}
"""Modes whose answer is taken: only a tool call or a count in it is wrong."""


# ── the servers ───────────────────────────────────────────────────────────────────────────────


async def serve(answer: Answer) -> asyncio.Server:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            body = await reader.readexactly(int(length or 0))
            used_tools = b'"role":"tool"' in body
            async for piece in (WELL if used_tools else answer)():
                writer.write(piece)
                await writer.drain()
        writer.close()

    return await asyncio.start_server(handle, "127.0.0.1", 0)


# ── who asks ──────────────────────────────────────────────────────────────────────────────────


@Tool
def noop(a: str = "") -> str:
    """Do nothing."""
    return a


def memory() -> float:
    """Return the most megabytes that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE


async def ask(good: str, url: str) -> None:
    """Ask a server that is well, so that all is loaded, and then another; print what came of it."""
    for address in (good, url):
        provider = Provider("p", "openai", base_url=address, api_key="k", idle=IDLE)
        agent = Agent("a", "", "m", provider, context_window=1_000_000)
        before, began, gaps = memory(), time.perf_counter(), asyncio.create_task(watch())
        try:
            result = await async_run("Hi", [agent], [noop], limits=Limits(requests=8))
            came = f"answer: {result.output:.40}"
        except AgentoutoError as error:
            came = f"{type(error).__name__}: {error}"
        gaps.cancel()
        seconds = time.perf_counter() - began
        figures = {"s": seconds, "mb": memory() - before, "gap": longest, "came": came[:200]}
    print(json.dumps(figures), flush=True)


longest = 0.0


async def watch() -> None:
    """Note the longest time that the loop stands still."""
    global longest
    last, longest = time.perf_counter(), 0.0
    while True:
        await asyncio.sleep(0.01)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now


# ── the table ─────────────────────────────────────────────────────────────────────────────────


async def measure(name: str) -> bool:
    """Print the row of a mode; return whether it is within the bars."""
    good = await serve(WELL)
    bad = await serve(MODES[name])
    urls = [f"http://127.0.0.1:{one.sockets[0].getsockname()[1]}/v1" for one in (good, bad)]
    command = [sys.executable, __file__, "--ask", *urls]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    except TimeoutError:
        process.kill()
        await process.communicate()
        out = b""
    finally:
        good.close()
        bad.close()
    if not out:
        print(f"| {name} | > {PATIENCE} | | | no end |", flush=True)
        return False
    seen = json.loads(out)
    right = seen["came"].startswith("answer:") == (name in ANSWERED)
    within = right and seen["s"] <= MOST_SECONDS and seen["mb"] <= MOST_MB
    row = f"{seen['s']:.1f} | {seen['mb']:.0f} | {seen['gap'] * 1000:.0f} | {seen['came']}"
    print(f"| {name} | {row} |{'' if within else ' OVER'}", flush=True)
    return within


async def table(names: list[str]) -> bool:
    print("| mode | seconds | MB over the start | longest gap, ms | what came |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    return all([await measure(name) for name in names])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="names of modes, or parts of them, separated by commas")
    parser.add_argument("--ask", nargs=2, metavar="URL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ask:
        asyncio.run(ask(*given.ask))
        return 0
    parts = given.only.split(",") if given.only else [""]
    names = [name for name in MODES if any(part in name for part in parts)]
    return 0 if asyncio.run(table(names)) else 1


if __name__ == "__main__":
    sys.exit(main())
