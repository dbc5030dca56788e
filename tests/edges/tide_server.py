"""A fake server that plays the models of docs/moving.md, for every framework in the same way.

It speaks OpenAI's Chat Completions and Responses, not streamed. What it replies depends on the
request only: the researcher looks the tide up with its tool, the writer asks the researcher.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, cast

Json = dict[str, Any]

FOUND = re.compile(r"High tide in Jeju is at \d\d:\d\d\.")
TIME = re.compile(r"\b\d\d:\d\d\b")
USAGE = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
RESPONSES_USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 25,
}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.numbers = count(1)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:  # type: ignore[override]
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = cast("Server", self.server)
        server.asked.append(self.path)
        form = responses if self.path.endswith("/responses") else completion
        data = json.dumps(form(*decide(body), f"{next(server.numbers)}")).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def decide(body: Json) -> tuple[str, Json | None]:
    """Return the text of the reply, or the tool that it uses, as name and arguments."""
    heard = json.dumps(body)
    if "look tides up" in told(body):
        if time := TIME.search(heard):
            return f"High tide in Jeju is at {time[0]}.", None
        return "", use(body, "high_tide", "Jeju")
    if found := FOUND.search(heard):
        return f"Dear sailor: {found[0]}", None
    return "", use(body, "researcher|call_agent", "When is high tide in Jeju?")


def told(body: Json) -> str:
    """Return the instructions of the agent that asks."""
    if "instructions" in body:
        return str(body["instructions"])
    messages = body.get("messages") or body["input"]
    return json.dumps([one for one in messages if one.get("role") in {"system", "developer"}])


def use(body: Json, name: str, text: str) -> Json:
    """Return a use of the tool with such a name, with ``text`` for all that it needs."""
    offered = [tool.get("function", tool) for tool in body.get("tools", ())]
    chosen = next((one for one in offered if re.search(name, one["name"])), None)
    assert chosen is not None, f"no tool {name} in {[one['name'] for one in offered]}"
    needed = chosen["parameters"].get("required", ())
    given = {one: "researcher" if one == "agent_name" else text for one in needed}
    return {"name": chosen["name"], "arguments": json.dumps(given)}


def completion(text: str, used: Json | None, number: str) -> Json:
    """Return the reply in the form of Chat Completions."""
    call = {"id": f"call_{number}", "type": "function", "function": used}
    message: Json = {"role": "assistant", "content": text or None} | (
        {"tool_calls": [call]} if used else {}
    )
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if used else "stop"}
    head = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-5.2",
    }
    return {**head, "choices": [choice], "usage": USAGE}


def responses(text: str, used: Json | None, number: str) -> Json:
    """Return the reply in the form of Responses."""
    said: Json = {"type": "output_text", "text": text, "annotations": []}
    message: Json = {
        "type": "message",
        "id": f"msg_{number}",
        "role": "assistant",
        "status": "completed",
        "content": [said],
    }
    call = {
        "type": "function_call",
        "id": f"fc_{number}",
        "call_id": f"call_{number}",
        "status": "completed",
    }
    head = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1,
        "model": "gpt-5.2",
        "status": "completed",
    }
    rest: Json = {
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": RESPONSES_USAGE,
    }
    return {**head, **rest, "output": [{**call, **used} if used else message]}


@contextmanager
def serving() -> Generator[Server]:
    """Serve in a thread of this process."""
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
