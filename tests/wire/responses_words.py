"""Words for talking about the Responses API in tests: requests, streams, what is made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from openai.types.responses.response_create_params import ResponseCreateParamsStreaming

from agentouto._domain.content import Reply
from agentouto._domain.delta import Delta
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Provider
from agentouto._domain.ports import ModelRequest
from agentouto.providers._openai.responses_decoder import ResponsesDecoder
from agentouto.providers._openai.responses_wire import OpenAIResponsesWire
from agentouto.providers._transport.sse import SseReader
from wire.judge import COMPATIBLE, complaints
from wire.words import asking, event, folded

MEMORY = Memory()
"""What all wires here share, as those of one program do."""

HOME = Provider("openai", "openai_responses", api_key="k")


def local(**settings: Any) -> Provider:
    return Provider(
        **{"name": "local", "kind": "openai_responses", "base_url": "http://localhost:1/v1"}
        | settings
    )


ORIGIN = "openai_responses http://localhost:1/v1/responses  m"


def body_of(request: ModelRequest, provider: Provider | None = None) -> dict[str, Any]:
    return json.loads(OpenAIResponsesWire(provider or local(), MEMORY).encode(request).body)


def input_of(request: ModelRequest, provider: Provider | None = None) -> list[Any]:
    return body_of(request, provider)["input"]


def objections(body: dict[str, Any]) -> list[str]:
    """What the vendor's types have against a body; no field of other servers is let through."""
    within = {key: value for key, value in body.items() if key not in {"reasoning", "tools"}}
    return complaints(body, ResponseCreateParamsStreaming) + [
        f"unknown {key}" for key in foreign(within, COMPATIBLE)
    ]


def foreign(value: object, keys: set[str]) -> Iterable[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in keys:
                yield key
            yield from foreign(inner, keys)
    elif isinstance(value, list):
        for inner in value:
            yield from foreign(inner, keys)


# Items --------------------------------------------------------------------------------------------


def reasoning(id_: str = "rs_1", *thoughts: str, **more: object) -> dict[str, object]:
    summary = [{"type": "summary_text", "text": thought} for thought in thoughts]
    item = {"id": id_, "type": "reasoning", "summary": summary, "encrypted_content": f"E-{id_}"}
    return item | more


def message(text: str, id_: str = "msg_1", **more: object) -> dict[str, object]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    item = {"id": id_, "type": "message", "role": "assistant", "status": "completed"}
    return item | {"content": content} | more


def function_call(
    id_: str, arguments: object = '{"what":"x"}', name: str = "look", **more: object
) -> dict[str, object]:
    return {
        "id": f"fc_{id_}",
        "type": "function_call",
        "status": "completed",
        "call_id": id_,
        "name": name,
        "arguments": arguments,
        **more,
    }


# Events -------------------------------------------------------------------------------------------

Events = list[dict[str, object]]


def spoken(index: int, item: dict[str, object]) -> Events:
    """The events in which a server says an item: it begins, it comes in pieces, it is done."""
    id_ = item["id"]
    place = {"item_id": id_, "output_index": index}
    begun = item | {"status": "in_progress"}
    said: Events = []
    match item["type"]:
        case "message":
            begun |= {"content": []}
            for number, part in enumerate(item["content"]):  # type: ignore[arg-type,var-annotated]
                place |= {"content_index": number}
                said.append(
                    {"type": "response.content_part.added", **place, "part": part | {"text": ""}}
                )
                for letters in halves(part.get("text", "")):
                    said.append(
                        {
                            "type": "response.output_text.delta",
                            **place,
                            "delta": letters,
                            "logprobs": [],
                        }
                    )
                for letters in halves(part.get("refusal", "")):
                    said.append({"type": "response.refusal.delta", **place, "delta": letters})
                said.append({"type": "response.content_part.done", **place, "part": part})
        case "reasoning":
            begun = {"id": id_, "type": "reasoning", "summary": []}
            for number, part in enumerate(item["summary"]):  # type: ignore[arg-type,var-annotated]
                for letters in halves(part["text"]):
                    said.append(
                        {
                            "type": "response.reasoning_summary_text.delta",
                            **place,
                            "summary_index": number,
                            "delta": letters,
                        }
                    )
        case "function_call":
            begun |= {"arguments": ""}
            for letters in halves(str(item["arguments"])):
                said.append(
                    {
                        "type": "response.function_call_arguments.delta",
                        **place,
                        "delta": letters,
                    }
                )
            said.append(
                {
                    "type": "response.function_call_arguments.done",
                    **place,
                    "arguments": item["arguments"],
                }
            )
        case _:
            pass
    return [
        {"type": "response.output_item.added", "output_index": index, "item": begun},
        *said,
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [half for half in (text[:middle], text[middle:]) if half]


def ended(*output: dict[str, object], how: str = "completed", **more: object) -> dict[str, object]:
    response = {"id": "resp_1", "object": "response", "status": how, "error": None}
    return {"type": f"response.{how}", "response": response | {"output": list(output)} | more}


def said(*items: dict[str, object], **more: object) -> Events:
    """Everything a server says of a response that has these items."""
    events = [event for index, item in enumerate(items) for event in spoken(index, item)]
    created = {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}}
    numbered = enumerate([created, *events, ended(*items, **more)])  # type: ignore[arg-type]
    return [event | {"sequence_number": number} for number, event in numbered]


def stream(events: Iterable[dict[str, object]]) -> bytes:
    return b"".join(
        b"event: " + str(each.get("type", "x")).encode() + b"\n" + event(each) for each in events
    )


def decoder() -> ResponsesDecoder:
    return OpenAIResponsesWire(local()).decoder(asking())


def deltas_of(blocks: Iterable[bytes]) -> list[Delta]:
    reader, reading = SseReader(), decoder()
    heard: list[Delta] = []
    for block in blocks:
        heard += reading.feed(reader.feed(block))
    heard += reading.feed(reader.end())
    return heard + reading.end()


def reply_of(events: Iterable[dict[str, object]]) -> Reply:
    return folded(deltas_of([stream(events)]))


def reply_to(*items: dict[str, object], **more: object) -> Reply:
    return reply_of(said(*items, **more))
