"""A server on the loopback interface that answers every request with the same."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def streamed(text: str) -> bytes:
    """Return the stream of a chat completion with ``text``."""
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "tiny:1b"}
    delta = {"index": 0, "delta": {"content": text}, "finish_reason": "stop"}
    return f"data: {json.dumps({**chunk, 'choices': [delta]})}\n\ndata: [DONE]\n\n".encode()


@contextmanager
def serving(
    status: int, body: bytes, pages: Mapping[str, bytes] | None = None
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Answer every POST with ``body`` and GETs with ``pages``, and remember the bodies of POSTs."""
    asked: list[dict[str, Any]] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            kind = "text/event-stream" if status == 200 else "application/json"
            self.give(status, kind, body)

        def do_GET(self) -> None:
            page = (pages or {}).get(self.path)
            self.give(404 if page is None else 200, "application/json", page or b"{}")

        def give(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:  # type: ignore[override]
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
        finally:
            server.shutdown()
            thread.join()
