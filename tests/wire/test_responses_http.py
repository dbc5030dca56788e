"""The Responses API over HTTP: loops with tools, refusals learnt from, seals that broke."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web

from agentouto._core.ids import assign_ids
from agentouto._domain.content import Incoming, Outcome, Outcomes, Reply, Usage
from agentouto._domain.delta import Delta, RetryDelta
from agentouto._domain.errors import (
    AgentoutoError,
    AuthError,
    ContextOverflow,
    ProtocolViolation,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    Refused,
)
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Provider
from agentouto._domain.ports import Draft, ModelRequest
from agentouto.providers._format.errors import ErrorDetails, parse_error
from agentouto.providers._format.quirks import field_named
from agentouto.providers._openai.responses_wire import OpenAIResponsesWire
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.retry import RetryPolicy
from wire.responses_words import (
    HOME,
    function_call,
    local,
    message,
    objections,
    reasoning,
    said,
    stream,
)
from wire.server import Server, breaks, gives, serving, streams
from wire.words import LOOK, asking, call, came_of, folded

QUICK = RetryPolicy(total=5.0, first=0.02, longest=0.05)
HELLO = stream(said(message("Hello")))
MEMORY = Memory()


def backend(server: Server, policy: RetryPolicy = QUICK, **settings: Any) -> HttpBackend:
    provider = local(base_url=server.url, **settings)
    wire = OpenAIResponsesWire(provider, MEMORY)
    return HttpBackend(provider, wire, MEMORY, policy=policy, idle_seconds=5)


async def ask(asked: HttpBackend, request: ModelRequest | None = None) -> list[Delta]:
    heard: list[Delta] = []
    async with aclosing(asked.stream(request or asking(Incoming("Hi")))) as answer:
        async for deltas in answer:
            assert isinstance(deltas, Sequence)
            heard += deltas
    return heard


async def reply(asked: HttpBackend, request: ModelRequest | None = None) -> Reply:
    return folded(await ask(asked, request))


def refuses(message: str, param: str | None = None, code: str | None = None) -> Any:
    error = {
        "message": message,
        "type": "invalid_request_error",
        "param": param,
        "code": code,
    }
    return gives(json.dumps({"error": error}).encode(), status=400)


# A loop with tools --------------------------------------------------------------------------------


async def test_a_loop_with_two_calls_and_a_picture_goes_round() -> None:
    first = (reasoning("rs_1", "hm"), function_call("call_A"), function_call("call_B"))
    usage = {"input_tokens": 9, "output_tokens": 7, "total_tokens": 16}
    async with serving(
        streams(stream(said(*first, usage=usage))), streams(stream(said(message("So."))))
    ) as server:
        asked, draft = backend(server, api_key="the-secret-key"), Draft()
        begin = Incoming("Q")
        settings = {"system": "S", "tools": (LOOK,), "reasoning": True, "draft": draft}
        said_first = assign_ids(await reply(asked, asking(begin, **settings)), 0, set())
        results = came_of(
            *(Outcome(each, "ok") for each in said_first.tool_calls),
        )
        said_last = await reply(asked, asking(begin, said_first, results, **settings))
    assert (said_first.usage, said_last.text) == (Usage(9, 7), "So.")
    one, two = server.asked
    assert one.path == two.path == "/v1/responses"
    assert one.headers["Authorization"] == "Bearer the-secret-key"
    assert two.body["input"] == [
        *one.body["input"],
        *first,
        {"type": "function_call_output", "call_id": "call_A", "output": "ok"},
        {"type": "function_call_output", "call_id": "call_B", "output": "ok"},
    ]
    for sent in (one.body, two.body):
        assert objections(sent) == []
        assert {key: sent[key] for key in ("instructions", "store", "include")} == {
            "instructions": "S",
            "store": False,
            "include": ["reasoning.encrypted_content"],
        }


async def test_an_answer_in_one_piece_is_read_as_well() -> None:
    answer = said(message("Hello"))[-1]["response"]
    async with serving(gives(json.dumps(answer).encode())) as server:
        assert (await reply(backend(server))).text == "Hello"


async def test_a_stream_that_breaks_after_its_last_event_is_whole() -> None:
    async with serving(breaks(HELLO)) as server:
        assert (await reply(backend(server))).text == "Hello"


@pytest.mark.parametrize("cut", [streams(stream(said(message("Hello"))[:-1])), breaks(HELLO[:900])])
async def test_a_stream_that_is_cut_is_no_reply_and_not_asked_for_again(cut: Any) -> None:
    async with serving(cut) as server:
        with pytest.raises((ProtocolViolation, ProviderUnavailable)):
            await ask(backend(server))
        assert len(server.asked) == 1


async def test_a_failure_before_the_first_word_is_tried_again() -> None:
    details = {"type": "error", "code": "server_error", "message": "boom", "param": None}
    async with serving(streams(stream([said(message("x"))[0], details])), streams(HELLO)) as server:
        heard = await ask(backend(server))
    assert folded(heard).text == "Hello"
    assert [each.attempt for each in heard if isinstance(each, RetryDelta)] == [2]


# Learning from refusals ---------------------------------------------------------------------------


def picky(*unknown: str, text: str = "Unsupported parameter: '{}'.", param: bool = True) -> Any:
    """A server that refuses these fields, one at a time; a path leads into an object."""

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        for path in unknown:
            found: Any = body
            for step in path.split("."):
                found = found[0] if isinstance(found, list) else found
                found = found.get(step) if isinstance(found, dict) else None
            if found is not None:
                field_named = path.replace("tools.", "tools[0].")
                return await refuses(text.format(field_named), field_named if param else None)(
                    request
                )
        return await streams(HELLO)(request)

    return answer


@pytest.mark.parametrize("param", [True, False])
@pytest.mark.parametrize(
    "path",
    [
        "store",
        "include",
        "max_output_tokens",
        "temperature",
        "reasoning",
        "reasoning.effort",
        "reasoning.summary",
        "tools.strict",
    ],
)
async def test_a_field_of_ours_that_is_refused_is_left_out_from_then_on(
    path: str, *, param: bool
) -> None:
    request = asking(
        Incoming("Hi"), temperature=0.2, reasoning=True, max_output_tokens=99, tools=(LOOK,)
    )
    async with serving(picky(path, param=param)) as server:
        heard = await ask(backend(server), request)
        assert folded(heard).text == "Hello"
        assert not [each for each in heard if isinstance(each, RetryDelta)]
        await ask(backend(server), request)
        assert len(server.asked) == 3
    first, second, third = (asked.body for asked in server.asked)
    assert second == third
    assert len(json.dumps(second)) < len(json.dumps(first))
    kept = {"store", "include", "max_output_tokens", "temperature", "tools"} - {path}
    assert kept <= second.keys()


async def test_a_field_that_is_only_mentioned_is_not_left_out() -> None:
    wire = OpenAIResponsesWire(HOME)
    request = asking(Incoming("Hi"), model="mentioned")
    sent = wire.encode(request)
    for text in (
        "Invalid schema: it must not include unsupported keywords",
        "Unknown names cannot be in the store",
        "Unsupported value of reasoning.context",
    ):
        wire.adapt(request, sent, ErrorDetails(text, status=400))
    assert wire.encode(request).body == sent.body


async def test_what_the_user_put_in_extra_is_never_left_out() -> None:
    extra = {"reasoning": {"effort": "low"}, "store": True, "include": [], "temperature": 0.1}
    for path in ("reasoning.effort", "store", "temperature"):
        async with serving(picky(path)) as server:
            with pytest.raises(ProviderError, match="Unsupported parameter"):
                await ask(backend(server), asking(Incoming("Hi"), extra=extra))
            assert len(server.asked) == 1


async def test_two_fields_can_be_unlearnt_in_one_go_and_not_three() -> None:
    request = asking(Incoming("Hi"), temperature=0.2, reasoning=True, max_output_tokens=99)
    async with serving(picky("temperature", "max_output_tokens")) as server:
        assert (await reply(backend(server), request)).text == "Hello"
    async with serving(picky("temperature", "max_output_tokens", "include")) as server:
        with pytest.raises(ProviderError, match="include"):
            await ask(backend(server), request)
        assert (await reply(backend(server), request)).text == "Hello"


async def test_an_effort_the_server_does_not_know_becomes_the_nearest_it_does() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        effort = (await request.json()).get("reasoning", {}).get("effort")
        if effort in {"low", "medium", "high"}:
            return await streams(HELLO)(request)
        text = (
            f"Unsupported value: '{effort}' is not supported with the 'm' model. "
            "Supported values are: 'low', 'medium', and 'high'."
        )
        return await refuses(text, "reasoning.effort", "unsupported_value")(request)

    async with serving(answer) as server:
        for effort in ("max", "minimal"):
            request = asking(Incoming("Hi"), reasoning=True, reasoning_effort=effort)
            await ask(backend(server), request)
        sent = [asked.body["reasoning"]["effort"] for asked in server.asked]
    assert sent == ["max", "high", "low"]


async def test_a_model_without_encrypted_thinking_is_not_asked_for_it_again() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if "include" in await request.json():
            text = "Encrypted content is not supported with this model."
            return await refuses(text)(request)
        return await streams(HELLO)(request)

    async with serving(answer) as server:
        for _ in range(2):
            await ask(backend(server), asking(Incoming("Hi"), reasoning=True))
        assert ["include" in asked.body for asked in server.asked] == [True, False, False]


def continued(server: Server) -> tuple[Any, ...]:
    """A conversation in which this server has thought before."""
    kept = (reasoning(), message("Wait.", phase="commentary"), function_call("a"))
    provider = local(base_url=server.url)
    reading = OpenAIResponsesWire(provider).decoder(asking())
    events = [json.dumps(each).encode() for each in said(*kept)]
    thought = folded([*reading.feed(events), *reading.end()])
    return Incoming("Hi"), thought, Outcomes((Outcome(call("a"), "seen"),))


SEALS = [
    (
        "The encrypted content gAAA...x could not be verified. Reason: could not be decrypted.",
        None,
        "invalid_encrypted_content",
    ),
    (
        "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
        "input",
        None,
    ),
    (
        "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.",
        "input",
        None,
    ),
    (
        "Unknown parameter: 'input[2].content[0].annotations'.",
        "input[2].content[0].annotations",
        None,
    ),
]


@pytest.mark.parametrize(("text", "param", "code"), SEALS)
async def test_a_conversation_whose_seals_broke_goes_on_without_them(
    text: str, param: str | None, code: str | None
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if any(item.get("type") == "reasoning" for item in body["input"]):
            return await refuses(text, param, code)(request)
        return await streams(HELLO)(request)

    async with serving(answer) as server:
        asked, draft, entries = backend(server), Draft(), continued(server)
        assert (await reply(asked, asking(*entries, draft=draft))).text == "Hello"
        longer = (*entries, Incoming("More"))
        assert (await reply(asked, asking(*longer, draft=draft))).text == "Hello"
        first, second, third = (sent.body for sent in server.asked)
        assert first["input"][1] == reasoning()
        assert second["input"] == [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Wait.", "phase": "commentary"},
            {
                "type": "function_call",
                "call_id": "a",
                "name": "look",
                "arguments": '{"what":"x"}',
            },
            {"type": "function_call_output", "call_id": "a", "output": "seen"},
        ]
        assert third["input"] == [*second["input"], {"role": "user", "content": "More"}]
        assert objections(third) == []
        await ask(asked, asking(*entries))
        assert server.asked[3].body == first, "another conversation keeps its seals"


async def test_a_field_that_a_server_gives_but_does_not_take_is_left_off_its_items() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        for place, item in enumerate((await request.json())["input"]):
            if "status" in item:
                name = f"input[{place}].status"
                return await refuses(f"Unknown parameter: '{name}'.", name)(request)
        return await streams(HELLO)(request)

    async with serving(answer) as server:
        entries = continued(server)
        for _ in range(2):
            assert (await reply(backend(server), asking(*entries))).text == "Hello"
        assert len(server.asked) == 3
    items = server.asked[2].body["input"]
    assert items[1] == reasoning()
    assert items[3] == {k: v for k, v in function_call("a").items() if k != "status"}


@pytest.mark.parametrize(
    ("param", "message_", "field"),
    [
        ("reasoning.effort", "", "reasoning.effort"),
        ("reasoning.effort.x", "", "reasoning.effort"),
        ("reasoning", "", "reasoning"),
        ("include[0]", "", "include"),
        ("reasoning.context", "", ""),
        ("input[3].id", "it does not go with store and temperature", ""),
        ("", "Unsupported parameter: reasoning.summary, store", "reasoning.summary"),
        ("", "body.store: Extra inputs are not permitted", "store"),
        ("", "unknown field store", "store"),
        ("", "unsupported parameter include", "include"),
        ("", "unknown names cannot be in the store", ""),
        ("", "Unknown field 'reasoning.encrypted_content'", ""),
        ("", "temperature is not supported", "temperature"),
        ("", "tools[3].strict is unknown", "tools.strict"),
    ],
)
def test_the_field_that_a_complaint_is_about_is_found(
    param: str, message_: str, field: str
) -> None:
    optional = frozenset(
        {
            "store",
            "include",
            "temperature",
            "reasoning.effort",
            "reasoning.summary",
            "tools.strict",
        }
    )
    assert field_named(optional, ErrorDetails(message_, param=param)) == field


# Errors -------------------------------------------------------------------------------------------


def complaint(message: object, code: object = None, type_: object = None) -> bytes:
    return json.dumps({"error": {"message": message, "code": code, "type": type_}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, complaint("Incorrect API key provided", "invalid_api_key"), AuthError),
        (403, b"", AuthError),
        (402, b"", QuotaExhausted),
        (429, complaint("x", "insufficient_quota", "insufficient_quota"), QuotaExhausted),
        (429, complaint("x", "rate_limit_exceeded"), RateLimited),
        (400, complaint("too long", "context_length_exceeded"), ContextOverflow),
        (400, complaint("Your input exceeds the context window of this model."), ContextOverflow),
        (413, b"", ContextOverflow),
        (400, complaint("filtered", "content_filter"), Refused),
        (400, complaint("flagged", "invalid_prompt"), Refused),
        (404, complaint("no such model", "model_not_found"), ProviderError),
        (400, b'{"detail":"Unsupported parameter: x"}', ProviderError),
        (500, b"", ProviderUnavailable),
        (503, complaint("x", "server_is_overloaded"), ProviderUnavailable),
    ],
)
def test_each_refusal_has_its_error(status: int, body: bytes, kind: type[AgentoutoError]) -> None:
    error = OpenAIResponsesWire(local()).error_for(parse_error(body, status, {}))
    assert type(error) is kind
    if isinstance(error, ProviderError):
        assert error.retryable is (kind in {RateLimited, ProviderUnavailable})
        assert "http://localhost:1/v1/responses" in str(error)


def test_what_cannot_be_healed_teaches_nothing() -> None:
    wire = OpenAIResponsesWire(HOME)
    request = asking(Incoming("Hi"), model="unhealed", reasoning=True, max_output_tokens=99)
    sent = wire.encode(request)
    for status, text, code in (
        (401, "Unsupported parameter: 'store'", ""),
        (400, "max_output_tokens: maximum context length exceeded", ""),
        (400, "Unsupported parameter: 'store'", "insufficient_quota"),
        (400, "max_output_tokens is too large: at most 5", ""),
        (400, "Invalid value for input[3].call_id", ""),
        (400, "Unknown parameter: 'input[3].arguments'", ""),
    ):
        wire.adapt(request, sent, ErrorDetails(text, code, status=status))
    assert wire.encode(request).body == sent.body


async def test_the_key_of_the_vendor_is_only_for_the_vendor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "cloud-secret-key")
    async with serving(streams(HELLO)) as server:
        await ask(backend(server))
        assert "cloud-secret-key" not in str(server.asked[0].headers)
    monkeypatch.delenv("OPENAI_API_KEY")
    provider = Provider("openai", "openai_responses")
    with pytest.raises(AuthError, match="OPENAI_API_KEY"):
        await ask(HttpBackend(provider, OpenAIResponsesWire(provider)))
