"""Finds model servers on this computer: Ollama, LM Studio and llama.cpp at their usual addresses.

The addresses and paths are those of the servers' own pages: docs/api.md of Ollama (``/api/tags``),
"OpenAI Compatibility Endpoints" of LM Studio, and tools/server/README.md of llama.cpp (both
``/v1/models``). Requests go to the address itself and never through a proxy.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

LOCAL_ANSWER_SECONDS = 1.0
"""Seconds for one server. A server on this computer answers within milliseconds; this bounds one
that accepts connections and never answers.
"""

MAX_LOCAL_ANSWER_BYTES = 1_000_000
"""Bytes of an answer that are read: a list of thousands of models."""

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,9})\r?(?:\n|$)", re.IGNORECASE)
"""The header with the length of an answer (RFC 9110, section 8.6)."""

OLLAMA_PORT = 11434
"""Ollama's port if ``OLLAMA_HOST`` names none (docs/faq.md of Ollama)."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An address where a server may run.

    Attributes:
        name: The server's name.
        url: Its address, without a path.
        path: The path of its list of models.
    """

    name: str
    url: str
    path: str


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that answers.

    Attributes:
        name: The server's name.
        url: Its address for ``Provider(kind="openai", base_url=)``.
        models: The names of its models.
    """

    name: str
    url: str
    models: Sequence[str]


def usual_candidates() -> list[Candidate]:
    """Return where servers usually run, or where their own variables say."""
    llama = os.environ.get("LLAMA_ARG_PORT", "").strip() or "8080"
    return [
        Candidate("Ollama", ollama_url(os.environ.get("OLLAMA_HOST", "")), "/api/tags"),
        Candidate("LM Studio", "http://127.0.0.1:1234", "/v1/models"),
        Candidate("llama.cpp", f"http://127.0.0.1:{llama}", "/v1/models"),
    ]


def ollama_url(host: str) -> str:
    """Return the address in ``OLLAMA_HOST``: a host, with or without scheme and port."""
    host = host.strip().rstrip("/")
    has_scheme = "://" in host
    parts = urlsplit(host if has_scheme else f"http://{host}")
    try:
        port = parts.port
    except ValueError:  # Ollama ignores a port that is no number
        port = None
    name = parts.hostname or "127.0.0.1"
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)  # noqa: S104 - a server's, not ours
    if port is None:
        port = {"https": 443}.get(parts.scheme, 80) if has_scheme else OLLAMA_PORT
    return f"{parts.scheme}://{f'[{name}]' if ':' in name else name}:{port}"


def find_servers(candidates: Sequence[Candidate]) -> list[LocalServer]:
    """Return the servers of ``candidates`` that list their models."""
    return [server for _, server in probe_servers(candidates) if server is not None]


def probe_servers(
    candidates: Sequence[Candidate],
) -> list[tuple[Candidate, LocalServer | None]]:
    """Return the ``candidates`` where something listens, and the server if it lists its models."""
    return asyncio.run(_probe(candidates))


async def _probe(candidates: Sequence[Candidate]) -> list[tuple[Candidate, LocalServer | None]]:
    found: list[tuple[Candidate, LocalServer | None]] = []
    for each in candidates:
        parts = urlsplit(each.url)
        encrypted = True if parts.scheme == "https" else None
        try:
            async with asyncio.timeout(LOCAL_ANSWER_SECONDS):
                stream = await asyncio.open_connection(parts.hostname, parts.port, ssl=encrypted)
        except (OSError, TimeoutError):
            continue
        try:
            async with asyncio.timeout(LOCAL_ANSWER_SECONDS):
                models = _local_model_names(await _get(stream, parts.netloc, each.path))
        except (OSError, ValueError, TimeoutError, RecursionError):  # the last: JSON that is deep
            models = None
        finally:
            stream[1].close()
        server = None if models is None else LocalServer(each.name, f"{each.url}/v1", models)
        found.append((each, server))
    return found


async def _get(
    stream: tuple[asyncio.StreamReader, asyncio.StreamWriter], host: str, path: str
) -> object:
    """Return the JSON at ``path``.

    With HTTP/1.0 the answer ends where the stream ends. Some servers keep the stream open
    nevertheless; then the answer has its length.
    """
    reader, writer = stream
    writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer, most = bytearray(), MAX_LOCAL_ANSWER_BYTES
    while len(answer) < most and (data := await reader.read(65536)):
        answer += data
        head, end, _ = bytes(answer).partition(b"\r\n\r\n")
        if end and (length := CONTENT_LENGTH.search(head)):
            most = min(most, len(head) + len(end) + int(length[1]))
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    if head.split(b" ", 2)[1:2] != [b"200"]:
        raise ValueError("the server does not answer with 200")
    return json.loads(body)


def _local_model_names(answer: object) -> list[str] | None:
    """Return the names in a list of models, or ``None`` if ``answer`` is not one.

    Ollama's list is ``{"models": [{"name": ...}]}``, OpenAI's ``{"data": [{"id": ...}]}``, and that
    of llama.cpp is both.
    """
    if not isinstance(answer, dict):
        return None
    fields = cast("Mapping[str, object]", answer)
    lists = [
        cast("list[object]", rows)
        for name in ("models", "data")
        if isinstance(rows := fields.get(name), list)
    ]
    if not lists:
        return None
    rows = [
        cast("Mapping[str, object]", row) for row in lists[0] or lists[-1] if isinstance(row, dict)
    ]
    names = [str(row.get("name") or row.get("model") or row.get("id") or "") for row in rows]
    return [name for name in names if name]
