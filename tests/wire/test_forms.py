"""Data of a type: providers that can promise a form are asked to, and need not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import cast

import msgspec
import pytest

from agentouto import Agent, Provider
from agentouto._core.schema import build_result_schema
from agentouto._core.strict_schema import strict_schema
from agentouto._domain.content import Incoming, Transcript
from agentouto._domain.kinds import Kind
from agentouto._domain.ports import Draft, ModelRequest
from agentouto.providers._anthropic.wire import AnthropicWire
from agentouto.providers._format.errors import ErrorDetails
from agentouto.providers._format.wire import Wire
from agentouto.providers._google.wire import GeminiWire
from agentouto.providers._openai.openai_kind import open_openai
from agentouto.providers._openai.responses_wire import OpenAIResponsesWire

FORM = strict_schema(build_result_schema(int, "finish", "d").spec.parameters)

WIRES: list[tuple[Callable[[Provider], Wire], Kind, str, list[str]]] = [
    (open_openai, "openai", "gpt-4.1", ["response_format", "json_schema", "schema"]),
    (open_openai, "openai", "gpt-5.4", ["text", "format", "schema"]),
    (OpenAIResponsesWire, "openai_responses", "gpt-5.4", ["text", "format", "schema"]),
    (AnthropicWire, "anthropic", "claude-sonnet-5-5", ["output_config", "format", "schema"]),
    (GeminiWire, "google", "gemini-3.8-flash", ["generationConfig", "responseJsonSchema"]),
]
REFUSALS = {
    "openai": ErrorDetails(
        "Invalid schema for response_format 'result'", status=400, param="response_format"
    ),
    "openai_responses": ErrorDetails(
        "Invalid schema for text.format", status=400, param="text.format.schema"
    ),
    "anthropic": ErrorDetails("output_config.format: schema is too complex", status=400),
    "google": ErrorDetails("Invalid value at generation_config.response_json_schema", status=400),
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
    wire: Callable[[Provider], Wire], kind: Kind, model: str, path: list[str]
) -> None:
    made = wire(Provider(kind, api_key="k"))
    assert found(made.encode(asked(model, FORM)).body, path) == msgspec.to_builtins(FORM)
    assert found(made.encode(asked(model, None)).body, path) is None


@pytest.mark.parametrize(("wire", "kind", "model", "path"), [WIRES[0], WIRES[2]])
def test_a_compatible_server_is_asked_for_the_form_too(
    wire: Callable[[Provider], Wire], kind: Kind, model: str, path: list[str]
) -> None:
    made = wire(Provider(kind, base_url="http://localhost:1/v1"))
    assert found(made.encode(asked(model, FORM)).body, path) == msgspec.to_builtins(FORM)


@pytest.mark.parametrize(
    "message",
    [
        "json mode cannot be combined with tool/function calling",
        "This response_format type is unavailable now",
        "Cannot use custom grammar constraints with tools.",
    ],
)
@pytest.mark.parametrize("status", [400, 422])
def test_a_compatible_server_that_refuses_the_form_is_not_asked_again(
    message: str, status: int
) -> None:
    made = open_openai(Provider("s", "openai", base_url="http://localhost:1/v1"))
    request = asked("m", FORM)
    sent = made.encode(request)
    made.adapt(request, sent, ErrorDetails(message, status=status))
    assert found(made.encode(asked("m", FORM)).body, ["response_format"]) is None


def test_an_imitation_of_claude_is_not_asked_for_the_form() -> None:
    made = AnthropicWire(Provider("s", "anthropic", base_url="http://localhost:1/v1"))
    assert found(made.encode(asked("claude-sonnet-5-5", FORM)).body, ["output_config"]) != FORM
    assert b"json_schema" not in made.encode(asked("claude-sonnet-5-5", FORM)).body


@pytest.mark.parametrize(("wire", "kind", "model", "path"), WIRES)
def test_who_will_not_promise_is_not_asked_again(
    wire: Callable[[Provider], Wire], kind: Kind, model: str, path: list[str]
) -> None:
    model += "-refuses-" + getattr(wire, "__name__", "").lower()
    made = wire(Provider(kind, api_key="k"))
    request = asked(model, FORM)
    sent = made.encode(request)
    assert found(sent.body, path) is not None
    refusal = REFUSALS["openai_responses" if path[0] == "text" else kind]
    made.adapt(request, sent, refusal)
    again = made.encode(asked(model, FORM))
    assert found(again.body, path) is None
    assert b"schema" not in again.body.replace(b"json_schema_", b"")
