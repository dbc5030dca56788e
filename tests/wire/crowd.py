"""A server in a process of its own that speaks all four formats to a crowd, and counts it.

Run as a program it prints its port and serves. The address says what is answered:
``/FORMAT/WORDS/TOGETHER/...`` is a reply of so many words; after the first of them it waits until
so many replies have begun and are not finished: then all are told to the end.
``/open`` answers how many connections stay beside the one that asks.

Standard library only: it must start at once, and cost little.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Callable

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
MOST_FILES = 8192


def said(data: object, event: str = "") -> bytes:
    """Return one event as it is sent."""
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def word(number: int) -> str:
    return f" {number}"


def whole(words: int) -> str:
    """Return what a reply of so many words says."""
    return "".join(map(word, range(words)))


def chat(words: int) -> list[bytes]:
    """Return a reply of Chat Completions, event by event."""

    def chunk(delta: object, reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        more = {"service_tier": "default", "system_fingerprint": "fp", "usage": None}
        return said({**head, **more, "choices": [choice]})

    told = [chunk({"content": word(number)}) for number in range(words)]
    counts = {"prompt_tokens": 9, "completion_tokens": words, "total_tokens": words + 9}
    usage = said({"id": "chatcmpl-1", "choices": [], "usage": counts})
    first = chunk({"role": "assistant", "content": ""})
    return [first, *told, chunk({}, "stop"), usage, b"data: [DONE]\n\n"]


def responses(words: int) -> list[bytes]:
    """Return a reply of the Responses API, event by event."""
    number = 0

    def event(kind: str, **fields: object) -> bytes:
        nonlocal number
        number += 1
        return said({"type": kind, **fields, "sequence_number": number}, kind)

    def message(text: str, status: str) -> dict[str, object]:
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        content = [part] if text else []
        fields = {"id": "msg_1", "type": "message", "role": "assistant", "status": status}
        return {**fields, "content": content}

    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    told = [
        event("response.output_text.delta", **place, delta=word(at), logprobs=[], obfuscation="x")
        for at in range(words)
    ]
    done = message(whole(words), "completed")
    usage = {"input_tokens": 9, "output_tokens": words, "total_tokens": words + 9}
    ended = {"id": "resp_1", "status": "completed", "output": [done], "usage": usage}
    return [
        event("response.created", response={"id": "resp_1", "status": "in_progress", "output": []}),
        event("response.output_item.added", output_index=0, item=message("", "in_progress")),
        *told,
        event("response.output_text.done", **place, text=whole(words)),
        event("response.output_item.done", output_index=0, item=done),
        event("response.completed", response=ended),
    ]


def messages(words: int) -> list[bytes]:
    """Return a reply of the Messages API, event by event."""

    def event(kind: str, **fields: object) -> bytes:
        return said({"type": kind, **fields}, kind)

    begun = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    counted = {"input_tokens": 9, "output_tokens": 1}
    told = [
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": word(number)})
        for number in range(words)
    ]
    return [
        event("message_start", message={**begun, "usage": counted}),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        event("ping"),
        *told,
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": words}),
        event("message_stop"),
    ]


def gemini(words: int) -> list[bytes]:
    """Return a reply of Gemini, chunk by chunk."""

    def chunk(number: int) -> bytes:
        content = {"parts": [{"text": word(number)}], "role": "model"}
        candidate: dict[str, object] = {"content": content, "index": 0}
        if number == words - 1:
            candidate["finishReason"] = "STOP"
        counts: dict[str, object] = {
            "promptTokenCount": 9,
            "candidatesTokenCount": number + 1,
            "totalTokenCount": number + 10,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
        }
        about = {"usageMetadata": counts, "modelVersion": "m", "responseId": "r"}
        return said({"candidates": [candidate], **about})

    return [chunk(number) for number in range(words)]


FORMATS: dict[str, Callable[[int], list[bytes]]] = {
    "openai": chat,
    "openai_responses": responses,
    "anthropic": messages,
    "google": gemini,
}
"""What each kind of provider is answered."""


class Crowd:
    """Everybody who is being answered."""

    def __init__(self) -> None:
        self.connections = 0
        self.waiting: list[asyncio.Event] = []
        self.replies: dict[str, tuple[bytes, bytes]] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self.connections -= 1
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        _, _, length = head.partition("content-length: ")
        await reader.readexactly(int(length.partition("\r\n")[0] or 0))
        path = head.split(" ", 2)[1].split("/")
        if path[1] == "open":
            body = str(await self._who_stays())
            writer.write(f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            await writer.drain()
            return False
        kind, words, together = path[1], int(path[2]), int(path[3])
        begin, rest = self._reply(kind, words)
        writer.write(begin)
        if together:
            await self._wait_for(together)
        writer.write(rest)
        await writer.drain()
        return True

    def _reply(self, kind: str, words: int) -> tuple[bytes, bytes]:
        key = f"{kind} {words}"
        if key not in self.replies:
            events = [b"%x\r\n%b\r\n" % (len(event), event) for event in FORMATS[kind](words)]
            half = len(events) // 2
            begin, rest = b"".join(events[:half]), b"".join(events[half:])
            self.replies[key] = HEAD + begin, rest + b"0\r\n\r\n"
        return self.replies[key]

    async def _who_stays(self) -> int:
        for _ in range(20):
            if self.connections > 1:  # they may be about to leave
                await asyncio.sleep(0.05)
        return self.connections - 1

    async def _wait_for(self, together: int) -> None:
        mine = asyncio.Event()
        self.waiting.append(mine)
        if len(self.waiting) == together:
            for other in self.waiting:
                other.set()
            self.waiting = []
        await mine.wait()


def more_files() -> None:
    """Let this process have as many sockets as a crowd needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def main() -> None:
    more_files()
    server = await asyncio.start_server(Crowd().serve, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until we are left


if __name__ == "__main__":
    asyncio.run(main())
