"""Data of a type: providers that can promise a form are asked to, and need not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

import msgspec
import pytest

from agentouto import Agent, Provider
from agentouto._core.schema import shape
from agentouto._core.strict import closed
from agentouto._domain.content import Incoming, Transcript
from agentouto._domain.ports import Draft, ModelRequest
from agentouto.providers._openai_home import open_wire
from agentouto.providers._refusal import Fault
from agentouto.providers._wire import Wire
from agentouto.providers.anthropic import AnthropicWire
from agentouto.providers.google import GeminiWire
from agentouto.providers.openai_responses import OpenAIResponsesWire

FORM = closed(shape(int, "finish", "d").spec.parameters)

WIRES = [
    (open_wire, "openai", "gpt-4.1", ["response_format", "json_schema", "schema"]),
    (open_wire, "openai", "gpt-5.4", ["text", "format", "schema"]),
    (OpenAIResponsesWire, "openai_responses", "gpt-5.4", ["text", "format", "schema"]),
    (AnthropicWire, "anthropic", "claude-sonnet-5-5", ["output_config", "format", "schema"]),
    (GeminiWire, "google", "gemini-3.8-flash", ["generationConfig", "responseJsonSchema"]),
]
REFUSALS = {
    "openai": Fault(
        "Invalid schema for response_format 'result'", status=400, param="response_format"
    ),
    "openai_responses": Fault(
        "Invalid schema for text.format", status=400, param="text.format.schema"
    ),
    "anthropic": Fault("output_config.format: schema is too complex", status=400),
    "google": Fault("Invalid value at generation_config.response_json_schema", status=400),
}


def asked(model: str, form: Mapping[str, object] | None, **settings: object) -> ModelRequest:
    agent = Agent("a", "i", model, "p", **settings)  # type: ignore[arg-type]
    return ModelRequest(agent, Transcript("S", (Incoming("Q"),)), (), Draft(), "c", 0, "p", form)


def found(body: bytes, path: list[str]) -> object:
    value: object = json.loads(body)
    for step in path:
        value = cast("dict[str, object]", value).get(step) if isinstance(value, dict) else None
    return value


@pytest.mark.parametrize(("wire", "kind", "model", "path"), WIRES)
def test_a_form_is_asked_for_where_it_can_be_promised(
    wire: object, kind: str, model: str, path: list[str]
) -> None:
    made: Wire = wire(Provider(kind, api_key="k"))  # type: ignore[operator]
    assert found(made.encode(asked(model, FORM)).body, path) == msgspec.to_builtins(FORM)
    assert found(made.encode(asked(model, None)).body, path) is None


@pytest.mark.parametrize(("wire", "kind", "model", "path"), WIRES[:4])
def test_a_server_of_ones_own_is_not_asked_for_promises(
    wire: object, kind: str, model: str, path: list[str]
) -> None:
    made: Wire = wire(Provider(kind, base_url="http://localhost:1/v1"))  # type: ignore[operator]
    assert found(made.encode(asked(model, FORM)).body, path) is None


@pytest.mark.parametrize(("wire", "kind", "model", "path"), WIRES)
def test_who_will_not_promise_is_not_asked_again(
    wire: object, kind: str, model: str, path: list[str]
) -> None:
    model += "-refuses-" + getattr(wire, "__name__", "").lower()
    made: Wire = wire(Provider(kind, api_key="k"))  # type: ignore[operator]
    request = asked(model, FORM)
    sent = made.encode(request)
    assert found(sent.body, path) is not None
    refusal = REFUSALS["openai_responses" if path[0] == "text" else kind]
    made.learn(request, sent, refusal)
    again = made.encode(asked(model, FORM))
    assert found(again.body, path) is None
    assert b"schema" not in again.body.replace(b"json_schema_", b"")
