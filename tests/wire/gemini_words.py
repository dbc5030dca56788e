"""Words for talking about Gemini in tests: requests, streams, and what is made of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from agentouto._domain.content import Entry, Reply, Transcript
from agentouto._domain.delta import Delta
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import Draft, ModelRequest, ToolSpec
from agentouto.providers._google.decoder import GeminiDecoder
from agentouto.providers._google.wire import GeminiWire
from agentouto.providers._transport.sse import SseReader
from wire.words import event, folded

MEMORY = Memory()
"""What all wires here share, as those of one program do."""

MODEL = "gemini-3.8-flash"
OLDER = "gemini-2.5-flash"
BASE = "http://localhost:1"
SKIP = base64.b64encode(b"skip_thought_signature_validator").decode()


def local(**settings: Any) -> Provider:
    return Provider(**{"name": "g", "kind": "google", "base_url": BASE} | settings)


ORIGIN = f"google {BASE}/v1beta/models  {MODEL}"


def asking(
    *entries: Entry,
    system: str = "",
    tools: tuple[ToolSpec, ...] = (),
    draft: Draft | None = None,
    **settings: Any,
) -> ModelRequest:
    agent = Agent("a", "Do it.", **{"model": MODEL, "provider": "g"} | settings)
    transcript = Transcript(system, tuple(entries))
    return ModelRequest(agent, transcript, tools, draft or Draft(), "c", 0, "a")


def body_of(request: ModelRequest, provider: Provider | None = None) -> dict[str, Any]:
    return json.loads(GeminiWire(provider or local(), MEMORY).encode(request).body)


# Answers ------------------------------------------------------------------------------------------


def chunk(*parts: object, finish: str | None = None, **more: object) -> dict[str, object]:
    candidate: dict[str, object] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": MODEL, "responseId": "r", **more}


def words(text: str, **more: object) -> dict[str, object]:
    return {"text": text, **more}


def calling(name: str, args: object = None, **more: object) -> dict[str, object]:
    """A part with a tool call; an ``id`` goes into the call, everything else beside it."""
    made: dict[str, object] = {"name": name}
    if args is not None:
        made["args"] = args
    if "id" in more:
        made["id"] = more.pop("id")
    return {"functionCall": made, **more}


def stream(*chunks: Mapping[str, object]) -> bytes:
    return b"".join(map(event, chunks))


STOP = chunk(words(""), finish="STOP")


def decoder() -> GeminiDecoder:
    return GeminiWire(local()).decoder(asking())


def deltas_of(blocks: Iterable[bytes]) -> list[Delta]:
    reader, reading = SseReader(), decoder()
    heard: list[Delta] = []
    for block in blocks:
        heard += reading.feed(reader.feed(block))
    heard += reading.feed(reader.end())
    return heard + reading.end()


def reply_to(*chunks: Mapping[str, object]) -> Reply:
    return folded(deltas_of([stream(*chunks)]))


def calls_of(*chunks: Mapping[str, object]) -> list[tuple[str, str, str]]:
    return [(c.id, c.name, c.arguments) for c in reply_to(*chunks).tool_calls]
