"""A fast fake server that plays a model, in a process of its own, in all four formats.

Its answer depends on the request only, so all contenders that send the same request do the same
work.
The *directive* in the request (see ``formats.py``) is ``@@key=value;...@@`` with these keys:

    op      text | loop | fan | chain | stream | write | odd
    lat     milliseconds before the answer begins
    crowd   the answer begins when so many requests with this key are waiting
    turns   loop: so many replies with tool calls, and then the last one
    par     loop: tool calls in a reply
    tool    loop: the tool's name, called with {"i": number}
    k       fan: agent calls in one reply
    via     fan, chain: how an agent is called, if otherwise than with call_agent(agent_name,
            message): "tool.argument" or "tool.argument.argument", the second for the name; a "*" in
            the tool becomes the name
    d       chain: how deep it still goes
    a       fan, chain: who is called; a "#" becomes the call's number
    sublat  fan: the latency of those who are called
    n, gap  stream: so many tokens, so many milliseconds apart (0: all at once);
            write: so many words in the arguments of the last call, likewise
    how     odd: one of the replies in ``odd_replies.py``, with n of what it has many of
    fin     how a last answer is given: left out, it is text; "tool.argument" is a tool call

Each token of a paced stream is the time it was written, by a clock that all processes share.
``GET /_stats`` tells how many requests and handshakes there were, and how many connections are
open, its own included; ``GET /_stats?reset`` also counts from 0 again. ``GET /_tls`` tells where
the same is served over TLS 1.3, and whom to trust.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import re
import resource
import signal
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, cast

import msgspec
import uvloop
from certificates import ADDRESS, serving_context
from cores import pin
from formats import Asked, Chat, Format, spoken, stamp
from odd_replies import ODD

DIRECTIVE = re.compile(r"@@(.*?)@@", re.DOTALL)
LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
SSE_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
LAST = b"0\r\n\r\n"
DONE = "all done"
NUMBERS = count(1)

Script = dict[str, str]


def read_script(form: Format, body: dict[str, Any]) -> tuple[Script, int]:
    """Return the directive, and how many results of tools came after it."""
    results = 0
    for text in form.heard(body):
        if text is None:
            results += 1
        elif found := DIRECTIVE.search(text):
            pairs = (pair.split("=", 1) for pair in found[1].split(";") if pair)
            return {key.strip(): value.strip() for key, value in pairs}, results
    return {"op": "text"}, results


def asked(name: str, **arguments: object) -> Asked:
    written = json.dumps(arguments, separators=(",", ":"))
    return Asked(f"call_{next(NUMBERS):024d}", name, written)


def agent_call(name: str, script: Script, caller: Script) -> Asked:
    message = ";".join(f"{key}={value}" for key, value in script.items())
    via = caller.get("via", "call_agent.message.agent_name")
    tool, argument, *named = via.split(".")
    return asked(
        tool.replace("*", name), **{argument: f"@@{message}@@"}, **dict.fromkeys(named, name)
    )


def decide(script: Script, results: int) -> list[Asked]:
    """Return the tool calls of the next reply; none if it is the last and is text."""
    op = script.get("op", "text")
    last = {"fin": script["fin"]} if "fin" in script else {}
    if op == "loop":
        par = int(script.get("par", 1))
        if results < int(script["turns"]) * par:
            tool = script.get("tool", "work")
            return [asked(tool, i=results + place) for place in range(par)]
    elif op == "fan" and not results:
        below = {"op": "text", "lat": script.get("sublat", "0"), **last}
        names = (script["a"].replace("#", str(place)) for place in range(int(script["k"])))
        return [agent_call(name, below, script) for name in names]
    elif op == "chain" and not results and int(script["d"]) > 0:
        depth = str(int(script["d"]) - 1)
        return [agent_call(script["a"].replace("#", depth), {**script, "d": depth}, script)]
    return [] if op == "stream" else finishing(script)


def finishing(script: Script) -> list[Asked]:
    tool, _, argument = script.get("fin", "").partition(".")
    return [asked(tool, **{argument: DONE})] if tool else []


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


class Stats:
    """What there was to do since it was last asked."""

    def __init__(self) -> None:
        self.inflight = self.open = 0
        self.reset()

    def reset(self) -> None:
        self.requests = self.bytes_in = self.handshakes = self.resumed = 0
        self.most_inflight = self.inflight

    def told(self) -> bytes:
        return json.dumps(vars(self)).encode()


STATS = Stats()
TLS: dict[str, str] = {}
"""Where the same is served over TLS, and whom to trust."""
CROWD: list[Callable[[], None]] = []
"""The answers that wait for more requests."""


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._unread = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=1 << 26)
        STATS.open += 1
        if (tls := transport.get_extra_info("ssl_object")) is not None:
            STATS.handshakes += 1
            STATS.resumed += tls.session_reused

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        STATS.open -= 1

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._unread[: end + 2])
            length = LENGTH.search(head)
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(self._unread) < stop:
                return
            body = bytes(self._unread[end + 4 : stop])
            del self._unread[:stop]
            self._take(head.split(b" ", 2)[1].decode(), body)

    def _take(self, path: str, body: bytes) -> None:
        if path.startswith("/_"):
            told = json.dumps(TLS).encode() if path == "/_tls" else STATS.told()
            if path.endswith("reset"):
                STATS.reset()
            self._write(JSON_HEAD % (len(told), told))
            return
        STATS.requests += 1
        STATS.bytes_in += len(body)
        STATS.inflight += 1
        STATS.most_inflight = max(STATS.most_inflight, STATS.inflight)
        form = spoken(path.partition("?")[0])
        request = msgspec.json.decode(body)
        script, results = read_script(form, request)
        answer = partial(self._answer, form, request, script, results)
        if crowd := int(script.get("crowd", 0)):
            CROWD.append(answer)
            if len(CROWD) >= crowd:
                for each in CROWD:
                    each()
                CROWD.clear()
        elif latency := float(script.get("lat", 0)) / 1000:
            self._loop.call_later(latency, answer)
        else:
            answer()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _answer(self, form: Format, body: dict[str, Any], script: Script, results: int) -> None:
        if script.get("op") in {"stream", "write"}:
            (self._stream if script["op"] == "stream" else self._write_call)(form, body, script)
            return
        STATS.inflight -= 1
        if script.get("op") == "odd" and not results:
            ended = b"" if script["how"] == "open" else LAST
            self._write(SSE_HEAD + chunk(ODD[script["how"]](int(script.get("n", 0)))) + ended)
            return
        calls = decide(script, results)
        if isinstance(form, Chat) and not body.get("stream"):
            told = form.whole(DONE, calls)
            self._write(JSON_HEAD % (len(told), told))
            return
        pieces = [form.begin(talks=not calls)]
        if not calls:
            pieces.append(form.word(json.dumps(DONE).encode()))
        pieces.append(form.end(None if calls else DONE, calls, body))
        self._write(SSE_HEAD + b"".join(map(chunk, pieces)) + LAST)

    def _write_call(self, form: Format, body: dict[str, Any], script: Script) -> None:
        """Answer with one call whose arguments are written word by word."""
        words, gap = int(script["n"]), float(script["gap"]) / 1000
        tool, _, argument = script["fin"].partition(".")
        call = asked(tool)
        written = [f'{{"{argument}": "']
        start = self._loop.time()
        self._write(SSE_HEAD + chunk(form.open_call(call) + form.arguments(written[0])))

        def tick(place: int) -> None:
            last = place + 1 == words
            written.append(f" {time.monotonic_ns()}" + ('"}' if last else ""))
            pieces = form.arguments(written[-1])
            if last:
                STATS.inflight -= 1
                pieces += form.close_call(Asked(call.id, call.name, "".join(written)), body)
            else:
                self._loop.call_at(start + gap * (place + 2), tick, place + 1)
            self._write(chunk(pieces) + (LAST if last else b""))

        self._loop.call_at(start + gap, tick, 0)

    def _stream(self, form: Format, body: dict[str, Any], script: Script) -> None:
        tokens, gap = int(script["n"]), float(script.get("gap", 0)) / 1000
        begun = SSE_HEAD + chunk(form.begin(talks=True))
        said: list[bytes] = []

        def ended() -> bytes:
            STATS.inflight -= 1
            text = "".join(map(msgspec.json.decode, said))
            return chunk(form.end(text, finishing(script), body)) + LAST

        def tick(place: int) -> None:
            said.append(stamp())
            self._write(chunk(form.word(said[-1])))
            if place + 1 < tokens:
                self._loop.call_at(start + gap * (place + 2), tick, place + 1)
            else:
                self._write(ended())

        if gap:
            self._write(begun)
            start = self._loop.time()
            self._loop.call_at(start + gap, tick, 0)
            return
        first = time.monotonic_ns()  # the tokens differ, as those of a model do
        said += (b'" %d"' % (first + place) for place in range(tokens))
        self._write(begun + b"".join(chunk(form.word(word)) for word in said) + ended())


async def serve(folder: Path) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(loop), ADDRESS, 0, backlog=8192)
    context = serving_context(folder)
    secured = await loop.create_server(
        lambda: Connection(loop), ADDRESS, 0, backlog=8192, ssl=context
    )
    address = f"https://{ADDRESS}:{secured.sockets[0].getsockname()[1]}"
    TLS.update(url=address, authority=str(folder / "authority.pem"))
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    print(server.sockets[0].getsockname()[1], flush=True)
    gc.collect()
    gc.freeze()
    await stop.wait()
    server.close()
    secured.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="A scripted model server.")
    parser.add_argument("--core", type=int, default=-1, help="stay on this core")
    pin(parser.parse_args().core)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(serve(Path(folder)))


if __name__ == "__main__":
    main()
