"""Finds model servers on this computer: Ollama, LM Studio and llama.cpp at their usual addresses.

The addresses and paths are those of the servers' own pages: docs/api.md of Ollama (``/api/tags``),
"OpenAI Compatibility Endpoints" of LM Studio, and tools/server/README.md of llama.cpp (both
``/v1/models``). Requests go to the address itself and never through a proxy.
"""

from __future__ import annotations

import asyncio
import json
import os
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
    return asyncio.run(_find(candidates))


async def _find(candidates: Sequence[Candidate]) -> list[LocalServer]:
    found: list[LocalServer] = []
    for each in candidates:
        try:
            async with asyncio.timeout(LOCAL_ANSWER_SECONDS):
                answer = await _get(each.url, each.path)
        except (OSError, ValueError, TimeoutError):
            continue
        if (models := _local_model_names(answer)) is not None:
            found.append(LocalServer(each.name, f"{each.url}/v1", models))
    return found


async def _get(url: str, path: str) -> object:
    """Return the JSON at ``path``. With HTTP/1.0 the answer ends where the stream ends."""
    parts = urlsplit(url)
    encrypted = True if parts.scheme == "https" else None
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=encrypted)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
        answer = bytearray()
        while len(answer) < MAX_LOCAL_ANSWER_BYTES and (data := await reader.read(65536)):
            answer += data
    finally:
        writer.close()
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    if head.split(b" ", 2)[1:2] != [b"200"]:
        raise ValueError("the server does not answer with 200")
    return json.loads(body)


def _local_model_names(answer: object) -> list[str] | None:
    """Return the names in a list of models, or ``None`` if ``answer`` is not one.

    Ollama's list is ``{"models": [{"name": ...}]}``, OpenAI's ``{"data": [{"id": ...}]}``.
    """
    if not isinstance(answer, dict):
        return None
    fields = cast("Mapping[str, object]", answer)
    rows = fields.get("models", fields.get("data"))
    if not isinstance(rows, list):
        return None
    names: list[str] = []
    for row in cast("list[object]", rows):
        if isinstance(row, dict):
            row = cast("Mapping[str, object]", row)
            names.append(str(row.get("name") or row.get("id") or ""))
    return [name for name in names if name]
