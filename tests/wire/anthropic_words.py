"""Words for talking about the Messages API in tests: requests, streams, what is made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from anthropic.types.beta.message_create_params import MessageCreateParamsStreaming as BetaParams
from anthropic.types.message_create_params import MessageCreateParamsStreaming

from agentouto._domain.content import Native, Reply
from agentouto._domain.delta import Delta
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Provider
from agentouto._domain.ports import ModelRequest
from agentouto.providers._anthropic.decoder import MessagesDecoder
from agentouto.providers._anthropic.wire import AnthropicWire
from agentouto.providers._transport.sse import SseReader
from wire import judge
from wire.words import asking, folded

MEMORY = Memory()
"""What all wires here share, as those of one program do."""

HOME = Provider("anthropic", api_key="k")
ELSEWHERE = Provider("local", "anthropic", base_url="http://localhost:1")
ORIGIN = "anthropic https://api.anthropic.com/v1/messages  claude-opus-4-8"


def complaints(body: Mapping[str, Any], *, beta: bool = False) -> list[str]:
    """What the vendor's published types have against a request.

    They are of the newest version of the API; a temperature is taken by the one we ask for.
    """
    newest = {key: value for key, value in body.items() if key != "temperature"}
    return judge.complaints(newest, BetaParams if beta else MessageCreateParamsStreaming)


def asked(*entries: Any, **settings: Any) -> ModelRequest:
    return asking(*entries, **({"model": "claude-opus-4-8", "provider": "anthropic"} | settings))


def body_of(request: ModelRequest, provider: Provider = HOME) -> dict[str, Any]:
    return json.loads(AnthropicWire(provider, MEMORY).encode(request).body)


def kept(*blocks: Mapping[str, object], origin: str = ORIGIN) -> Native:
    return Native(origin, {"content": [dict(block) for block in blocks]})


# Blocks, as they are sent and as they come back ---------------------------------------------------


def text(words: str) -> dict[str, object]:
    return {"type": "text", "text": words}


def thought(words: str, signature: str = "SIG") -> dict[str, object]:
    return {"type": "thinking", "thinking": words, "signature": signature}


REDACTED = {"type": "redacted_thinking", "data": "XYZ"}


def use(id_: str, input_: object = None, name: str = "look", **more: object) -> dict[str, object]:
    given = {"what": "x"} if input_ is None else input_
    return {"type": "tool_use", **more, "id": id_, "name": name, "input": given}


def result(id_: str, content: object, **more: object) -> dict[str, object]:
    return {"type": "tool_result", "tool_use_id": id_, "content": content, **more}


def user(*blocks: Mapping[str, object]) -> dict[str, object]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Mapping[str, object]) -> dict[str, object]:
    return {"role": "assistant", "content": list(blocks)}


# Answers ------------------------------------------------------------------------------------------


def started(**usage: object) -> dict[str, object]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
    return {"type": "message_start", "message": {**message, "usage": usage}}


def begins(index: int | None, block: Mapping[str, object]) -> dict[str, object]:
    return _at(index, {"type": "content_block_start", "content_block": dict(block)})


def goes_on(index: int | None, kind: str, **fields: object) -> dict[str, object]:
    return _at(index, {"type": "content_block_delta", "delta": {"type": kind, **fields}})


def ends(index: int | None) -> dict[str, object]:
    return _at(index, {"type": "content_block_stop"})


def _at(index: int | None, event: dict[str, object]) -> dict[str, object]:
    return event if index is None else {**event, "index": index}


def says(index: int, *words: str) -> list[dict[str, object]]:
    pieces = [goes_on(index, "text_delta", text=word) for word in words]
    return [begins(index, text("")), *pieces, ends(index)]


def thinks(index: int, *words: str, signature: str = "SIG") -> list[dict[str, object]]:
    pieces = [goes_on(index, "thinking_delta", thinking=word) for word in words]
    signed = [goes_on(index, "signature_delta", signature=signature)] if signature else []
    return [begins(index, thought("", "")), *pieces, *signed, ends(index)]


def wants(index: int, id_: str, *arguments: str, name: str = "look") -> list[dict[str, object]]:
    pieces = [goes_on(index, "input_json_delta", partial_json=more) for more in arguments]
    return [begins(index, use(id_, {}, name)), *pieces, ends(index)]


def stopped(reason: str | None = "end_turn", **more: object) -> list[dict[str, object]]:
    usage = more.pop("usage", {"output_tokens": 7})
    delta = {"stop_reason": reason, "stop_sequence": None, **more}
    return [
        {"type": "message_delta", "delta": delta, "usage": usage},
        {"type": "message_stop"},
    ]


def stream(*events: object) -> bytes:
    """The events on the wire, each under its name as the vendor sends it."""
    flat = [e for event in events for e in (event if isinstance(event, list) else [event])]
    return b"".join(
        b"event: %s\ndata: %s\n\n" % (e.get("type", "x").encode(), json.dumps(e).encode())
        for e in flat
    )


def decoder(provider: Provider = HOME) -> MessagesDecoder:
    return AnthropicWire(provider).decoder(asked())


def deltas_of(blocks: Iterable[bytes], provider: Provider = HOME) -> list[Delta]:
    reader, reading = SseReader(), decoder(provider)
    heard: list[Delta] = []
    for block in blocks:
        heard += reading.feed(reader.feed(block))
    heard += reading.feed(reader.end())
    return heard + reading.end()


def reply_to(*events: object) -> Reply:
    return folded(deltas_of([stream(*events)]))
