"""Words for talking about one wire in tests: requests, streams, and what is made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from agentouto._core.reply_builder import ReplyBuilder
from agentouto._domain.content import (
    Entry,
    Outcome,
    Outcomes,
    Reply,
    Text,
    ToolCall,
    Transcript,
)
from agentouto._domain.delta import Delta
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import Draft, ModelRequest, ToolSpec
from agentouto.providers._openai.chat_decoder import ChatDecoder
from agentouto.providers._openai.chat_wire import OpenAIChatWire
from agentouto.providers._transport.sse import SseReader
from wire.judge import complaints

MEMORY = Memory()
"""What all wires here share, as those of one program do."""

DONE = b"data: [DONE]\n\n"

LOOK = ToolSpec(
    "look",
    "Look at a thing.",
    {"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]},
)


def local(**settings: Any) -> Provider:
    return Provider(
        **{"name": "local", "kind": "openai", "base_url": "http://localhost:1/v1"} | settings
    )


def asking(
    *entries: Entry,
    system: str = "",
    tools: tuple[ToolSpec, ...] = (),
    draft: Draft | None = None,
    **settings: Any,
) -> ModelRequest:
    settings = {"model": "m", "provider": "local"} | settings
    agent = Agent("a", "Do it.", **settings)
    transcript = Transcript(system, tuple(entries))
    return ModelRequest(agent, transcript, tools, draft or Draft(), "c", 0, "a")


def body_of(
    request: ModelRequest, provider: Provider | None = None, *, judged: bool = True
) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(
        OpenAIChatWire(provider or local(), MEMORY).encode(request).body
    )
    if judged and not request.agent.extra:
        assert complaints(body) == []
    return body


def call(id_: str, arguments: str = '{"what":"x"}', name: str = "look") -> ToolCall:
    return ToolCall(id_, name, arguments)


def says(text: str) -> Reply:
    return Reply((Text(text),))


def wants(*calls: ToolCall, text: str = "") -> Reply:
    return Reply(((Text(text),) if text else ()) + calls)


def came_of(*outcomes: Outcome) -> Outcomes:
    return Outcomes(outcomes)


# Answers ------------------------------------------------------------------------------------------


def event(chunk: object) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def chunk(delta: object = None, finish: str | None = None, **more: object) -> dict[str, object]:
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }


def piece(
    index: int | None, id_: str | None = None, name: str | None = None, arguments: object = None
) -> dict[str, object]:
    """A piece of a tool call; what is ``None`` is left out."""
    function = {"name": name, "arguments": arguments}
    whole = {
        "index": index,
        "id": id_,
        "function": {k: v for k, v in function.items() if v is not None},
    }
    return {key: value for key, value in whole.items() if value is not None}


def calling(*pieces: object, finish: str | None = None) -> dict[str, object]:
    return chunk({"tool_calls": list(pieces)}, finish)


def stream(*chunks: Mapping[str, object], done: bool = True) -> bytes:
    return b"".join(map(event, chunks)) + (DONE if done else b"")


def decoder() -> ChatDecoder:
    wire = OpenAIChatWire(local())
    return wire.decoder(asking())


def deltas_of(blocks: Iterable[bytes]) -> list[Delta]:
    """What the decoder says of a stream that arrives in these blocks."""
    reader, reading = SseReader(), decoder()
    heard: list[Delta] = []
    for block in blocks:
        heard += reading.feed(reader.feed(block))
    heard += reading.feed(reader.end())
    return heard + reading.end()


def folded(deltas: Iterable[Delta]) -> Reply:
    builder = ReplyBuilder("local")
    for delta in deltas:
        builder.add(delta)
    return builder.finish()


def reply_to(*chunks: Mapping[str, object], done: bool = True) -> Reply:
    return folded(deltas_of([stream(*chunks, done=done)]))


def calls_of(*chunks: Mapping[str, object]) -> list[tuple[str, str, str]]:
    return [(c.id, c.name, c.arguments) for c in reply_to(*chunks).tool_calls]
