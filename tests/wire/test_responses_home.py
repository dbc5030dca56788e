"""``kind="openai"`` at OpenAI's own host: which models are asked in which of its two formats."""

from __future__ import annotations

import json
import logging
from contextlib import aclosing
from typing import Any

import pytest

from agentouto._domain.content import Incoming, Outcome, Reply
from agentouto._domain.delta import Delta
from agentouto._domain.errors import ConfigurationError, ProviderError
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Provider
from agentouto._domain.ports import Draft, ModelRequest
from agentouto.providers._format.errors import ErrorDetails
from agentouto.providers._format.wire import Wire
from agentouto.providers._openai.chat_decoder import ChatDecoder
from agentouto.providers._openai.openai_host import OpenAIWire
from agentouto.providers._openai.openai_kind import open_openai
from agentouto.providers._openai.responses_decoder import ResponsesDecoder
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.retry import RetryPolicy
from wire.hosts import open_at
from wire.responses_words import function_call, message, objections, reasoning, said, stream
from wire.server import gives, serving, streams
from wire.words import LOOK, asking, call, came_of, event, folded

HOME = Provider("openai", api_key="k")
CHAT = "https://api.openai.com/v1/chat/completions"
RESPONSES = "https://api.openai.com/v1/responses"

NO_TOOLS = (
    "Function tools with reasoning_effort are not supported for m in /v1/chat/completions. "
    "Please use /v1/responses or set reasoning_effort to 'none'."
)


def url_for(
    model: str, provider: Provider = HOME, memory: Memory | None = None, **settings: Any
) -> str:
    request = asking(Incoming("Hi"), model=model, tools=(LOOK,), **settings)
    return open_openai(provider, memory=memory).encode(request).url


@pytest.mark.parametrize(
    "model",
    [
        "gpt-6-astra",
        "gpt-6.1-sol",
        "gpt-6.1-terra-2026-10-01",
        "gpt-6-sol",
        "gpt-6-luna",
        "gpt-5.6-sol",
        "gpt-5.6",
        "gpt-5.5-pro",
        "gpt-5.4-pro",
        "gpt-5.5",
        "gpt-5.4",
        "gpt-5.4-mini",
    ],
)
def test_models_that_take_no_tools_on_chat_are_asked_through_responses(model: str) -> None:
    assert url_for(model) == RESPONSES
    assert url_for(model, reasoning=True) == RESPONSES


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4o",
        "gpt-4.1",
        "o3",
        "o4-mini",
        "gpt-5",
        "gpt-5-mini",
        "gpt-5-pro",
        "gpt-5.1",
        "gpt-5.2",
        "gpt-5.2-chat-latest",
        "gpt-5.3-codex",
        "quite-unknown",
    ],
)
def test_all_others_are_asked_on_chat(model: str) -> None:
    assert url_for(model) == url_for(model, reasoning=True) == CHAT


@pytest.mark.parametrize("base_url", ["http://localhost:1/v1", "https://api.openai.com/v1"])
def test_a_server_that_somebody_named_is_always_asked_on_chat(base_url: str) -> None:
    url = url_for("gpt-6-astra", Provider("p", "openai", base_url=base_url))
    assert url == f"{base_url}/chat/completions"


def test_who_writes_for_chat_is_heard_on_chat() -> None:
    for extra in ({"reasoning_effort": "none"}, {"response_format": {"type": "json_object"}}):
        assert url_for("gpt-5.6-sol", extra=extra) == CHAT
    assert url_for("gpt-5.6-sol", extra={"service_tier": "flex"}) == RESPONSES


def test_the_change_of_format_is_said_once_for_each_model(
    caplog: pytest.LogCaptureFixture,
) -> None:
    memory = Memory()
    with caplog.at_level(logging.INFO, "agentouto"):
        for model in ("gpt-5.6-sol", "gpt-5.6-sol", "gpt-6-astra", "gpt-4o"):
            url_for(model, memory=memory)
    assert [record.getMessage() for record in caplog.records] == [
        "openai: gpt-5.6-sol is asked through the Responses API",
        "openai: gpt-6-astra is asked through the Responses API",
    ]


def test_an_answer_is_read_in_the_format_that_was_asked_in() -> None:
    wire = OpenAIWire(HOME)
    on_chat, on_responses = (asking(Incoming("Hi"), model=m) for m in ("gpt-4o", "gpt-6-astra"))
    for request, kind in ((on_chat, ChatDecoder), (on_responses, ResponsesDecoder)):
        assert isinstance(wire.decoder(request), kind)
        wire.encode(request)
        assert isinstance(wire.decoder(request), kind)


def test_a_model_that_asks_for_the_other_format_gets_it() -> None:
    wire: Wire = OpenAIWire(HOME)
    first, second = (asking(Incoming("Hi"), model="gpt-7", draft=Draft()) for _ in range(2))
    sent = wire.encode(first)
    wire.encode(second)
    assert sent.url == CHAT
    wire.adapt(first, sent, ErrorDetails(NO_TOOLS, param="reasoning_effort", status=400))
    assert isinstance(wire.decoder(second), ChatDecoder), "it was asked before that was known"
    again = wire.encode(first)
    assert again.url == RESPONSES
    assert objections(json.loads(again.body)) == []
    assert isinstance(wire.decoder(first), ResponsesDecoder)


def test_who_insists_on_chat_goes_without_reasoning() -> None:
    wire = OpenAIWire(HOME)
    request = asking(Incoming("Hi"), model="gpt-7.1", reasoning=True, extra={"seed": 1})
    sent = wire.encode(request)
    wire.adapt(request, sent, ErrorDetails(NO_TOOLS, param="reasoning_effort", status=400))
    again = wire.encode(request)
    assert (again.url, json.loads(again.body)["reasoning_effort"]) == (CHAT, "none")


def test_a_conversation_that_changes_its_format_is_written_anew() -> None:
    wire, draft = OpenAIWire(HOME), Draft()
    entries = (Incoming("Hi"), Reply((call("a"),)), came_of(Outcome(call("a"), "seen")))
    chat = json.loads(wire.encode(asking(*entries, model="gpt-4o", draft=draft)).body)
    responses = json.loads(wire.encode(asking(*entries, model="gpt-5.4", draft=draft)).body)
    assert [each.get("role") for each in chat["messages"]] == ["user", "assistant", "tool"]
    assert [each.get("type") for each in responses["input"]] == [
        None,
        "function_call",
        "function_call_output",
    ]


def test_complaints_name_the_host() -> None:
    error = OpenAIWire(HOME).error_for(ErrorDetails("nope", status=404))
    assert str(error) == "[openai] HTTP 404 Not Found for https://api.openai.com/v1: nope"
    with pytest.raises(ConfigurationError, match="base_url"):
        open_openai(Provider("p", "openai", base_url="localhost"))


async def test_a_loop_goes_over_from_chat_to_responses_on_its_way() -> None:
    refusing = json.dumps({"error": {"message": NO_TOOLS, "param": "reasoning_effort"}}).encode()
    first = (reasoning(), function_call("a"))
    async with serving(
        gives(refusing, status=400),
        streams(stream(said(*first))),
        streams(stream(said(message("So.")))),
    ) as server:
        asked = open_at(server.url, HOME, Memory(), policy=RetryPolicy(tries=1))
        draft, begin = Draft(), Incoming("Q")
        settings: dict[str, Any] = {
            "model": "gpt-8",
            "tools": (LOOK,),
            "reasoning": True,
            "draft": draft,
        }
        thought = await reply(asked, asking(begin, **settings))
        results = came_of(Outcome(call("a"), "seen"))
        assert (await reply(asked, asking(begin, thought, results, **settings))).text == "So."
    assert [sent.path for sent in server.asked] == [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/responses",
    ]
    assert server.asked[2].body["input"][1:3] == list(first)


async def test_a_failing_answer_names_the_format_it_was_asked_in() -> None:
    fault = event({"type": "error", "message": "boom", "code": "server_error"})
    async with serving(streams(fault)) as server:
        asked = open_at(server.url, HOME, Memory(), policy=RetryPolicy(tries=1))
        with pytest.raises(ProviderError, match="/v1/responses: boom"):
            await reply(asked, asking(Incoming("Hi"), model="gpt-6-astra"))


async def reply(asked: HttpBackend, request: ModelRequest) -> Reply:
    heard: list[Delta] = []
    async with aclosing(asked.stream(request)) as answer:
        async for deltas in answer:
            heard += deltas
    return folded(heard)
