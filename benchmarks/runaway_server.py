"""A fake server whose model never ends: it answers every request with a use of its first tool.

It speaks OpenAI's Chat Completions, streamed or not, on this machine only. The tool is the one that
leads to the other agent; its required arguments are filled.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

Json = dict[str, Any]


class Server(ThreadingHTTPServer):
    """Counts requests; ``enough`` is set when there were as many as it may answer."""

    daemon_threads = True

    def __init__(self, most: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.most = most
        self.requests = 0
        self.enough = threading.Event()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def count(self) -> int:
        with self.lock:
            self.requests += 1
            return self.requests

    def handle_error(self, *_: object) -> None:  # type: ignore[override]
        """A program that was ended leaves its connections open."""


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:  # type: ignore[override]
        """Write no log."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = cast("Server", self.server)
        number = server.count()
        if number >= server.most:
            server.enough.set()
        message = reply(body, number)
        if body.get("stream"):
            self._send("text/event-stream", b"".join(chunks(message, number)))
        else:
            self._send("application/json", json.dumps(whole(message, number)).encode())

    def _send(self, kind: str, data: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def reply(body: Json, number: int) -> Json:
    """Return the message: a use of the tool that leads to the other agent, or text without one."""
    functions: list[Json] = [tool["function"] for tool in body.get("tools") or ()]
    chosen = next((one for one in functions if leads_on(one["name"])), None)
    if chosen is None:
        return {"role": "assistant", "content": "No tool leads on."}
    if "handoff" in chosen["name"] and body["messages"][-1]["role"] == "tool":
        return {"role": "assistant", "content": "Handed over."}  # a swarm waits for this
    parameters: Json = chosen.get("parameters") or {}
    fields: dict[str, Json] = parameters.get("properties", {})
    needed: list[str] = parameters.get("required", [])
    arguments = {name: value_for(name, fields[name], body) for name in needed}
    function = {"name": chosen["name"], "arguments": json.dumps(arguments)}
    call = {"index": 0, "id": f"call_{number}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def leads_on(name: str) -> bool:
    return bool(re.search("ping|pong|handoff", name)) or name == "call_agent"


def value_for(name: str, field: Json, body: Json) -> str:
    """Return an argument; who is asked stands in the instructions."""
    if "agent" not in name and "name" not in name:
        return "Your turn."
    told = json.dumps(body["messages"][0])
    other = re.search("(?:Ask|over to) (ping|pong)", told)
    return other[1] if other else str(field.get("enum", [""])[0])


def usage() -> Json:
    return {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def whole(message: Json, number: int) -> Json:
    reason = "tool_calls" if message.get("tool_calls") else "stop"
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return {**head(number, "chat.completion"), "choices": [choice], "usage": usage()}


def chunks(message: Json, number: int) -> Iterator[bytes]:
    reason = "tool_calls" if message.get("tool_calls") else "stop"
    begun: Json = {"index": 0, "delta": message, "finish_reason": None}
    ended: Json = {"index": 0, "delta": {}, "finish_reason": reason}
    for choices in ([begun], [ended], list[Json]()):
        part: Json = {**head(number, "chat.completion.chunk"), "choices": choices}
        if not choices:
            part["usage"] = usage()
        yield b"data: " + json.dumps(part).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


def head(number: int, kind: str) -> Json:
    return {"id": f"reply_{number}", "object": kind, "created": 1, "model": "any-model"}


@contextmanager
def serving(most: int) -> Generator[Server]:
    """Serve in a thread of this process."""
    server = Server(most)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
