"""What servers send by mistake: cut characters, odd errors in good answers, absurd counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import cast

import pytest

from agentouto._domain.content import Incoming, Outcome, Outcomes, Reply, Text
from agentouto._domain.delta import Delta, ReasoningDelta, TextDelta, ToolCallDelta, UsageDelta
from agentouto._domain.errors import (
    AuthError,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
)
from agentouto._domain.participants import Kind, Provider
from agentouto.providers._anthropic.wire import AnthropicWire
from agentouto.providers._format.errors import ErrorDetails, parse_error
from agentouto.providers._format.json import MOST_TOKENS
from agentouto.providers._format.wire import Decoder, Wire
from agentouto.providers._google.wire import GeminiWire
from agentouto.providers._openai.chat_wire import OpenAIChatWire
from agentouto.providers._openai.responses_wire import OpenAIResponsesWire
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.retry import RetryPolicy
from agentouto.providers._transport.sse import SseReader
from wire.dialects import DIALECTS, Dialect, Words
from wire.server import serving, streams
from wire.test_http import ask
from wire.words import asking, call, folded, local

EVERY = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)

HIGH, LOW = "\\ud83d", "\\ude00"


def chat_text(text: str) -> str:
    return f'{{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}'


def responses_text(text: str) -> str:
    return f'{{"type":"response.output_text.delta","output_index":0,"delta":"{text}"}}'


def claude_text(text: str) -> str:
    delta = f'{{"type":"text_delta","text":"{text}"}}'
    return f'{{"type":"content_block_delta","index":0,"delta":{delta}}}'


def gemini_text(text: str) -> str:
    return f'{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}}}}]}}'


def claude_usage(read: object, written: object) -> str:
    usage = json.dumps({"input_tokens": read, "output_tokens": written})
    return f'{{"type":"message_delta","delta":{{"stop_reason":"end_turn"}},"usage":{usage}}}'


def gemini_usage(read: object, written: object) -> str:
    usage = json.dumps({"promptTokenCount": read, "candidatesTokenCount": written})
    return f'{{"candidates":[{{"finishReason":"STOP"}}],"usageMetadata":{usage}}}'


def chat_usage(read: object, written: object) -> str:
    usage = json.dumps({"prompt_tokens": read, "completion_tokens": written})
    return f'{{"choices":[{{"delta":{{}},"finish_reason":"stop"}}],"usage":{usage}}}'


def responses_usage(read: object, written: object) -> str:
    usage = json.dumps({"input_tokens": read, "output_tokens": written})
    return f'{{"type":"response.completed","response":{{"status":"completed","usage":{usage}}}}}'


MAKERS: dict[str, tuple[Callable[[str], str], Callable[[object, object], str]]] = {
    "openai": (chat_text, chat_usage),
    "openai_responses": (responses_text, responses_usage),
    "anthropic": (claude_text, claude_usage),
    "google": (gemini_text, gemini_usage),
}
WIRES: dict[str, Callable[[Provider], Wire]] = {
    "openai": OpenAIChatWire,
    "openai_responses": OpenAIResponsesWire,
    "anthropic": AnthropicWire,
    "google": GeminiWire,
}


def reader(kind: str) -> Decoder:
    wire = WIRES[kind](Provider("s", cast("Kind", kind), base_url="http://localhost:1/v1"))
    return wire.decoder(asking(Incoming("Q")))


def read(kind: str, *events: str) -> list[Delta]:
    decoder = reader(kind)
    told = [delta for event in events for delta in decoder.feed([event.encode()])]
    return told + decoder.end()


def words(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


@pytest.mark.parametrize("kind", MAKERS)
def test_a_character_that_is_cut_between_two_events_is_whole(kind: str) -> None:
    text, usage = MAKERS[kind]
    cut = text(f"smile {HIGH}"), text(f"{LOW}! "), text(f"and {HIGH}"), text(f"{LOW}.")
    assert words(read(kind, *cut, usage(1, 1))) == "smile \U0001f600! and \U0001f600."


@pytest.mark.parametrize("kind", MAKERS)
def test_half_of_a_character_without_the_other_costs_no_words(kind: str) -> None:
    text, usage = MAKERS[kind]
    halves = text(f"a{HIGH}b"), text(f"c {HIGH}"), text("d"), usage(1, 1)
    assert words(read(kind, *halves)) == "a\ufffdbc d"


def test_a_character_that_is_cut_in_the_arguments_of_a_call_is_whole() -> None:
    begin = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a":"'}}
    first = json.dumps({"choices": [{"delta": {"tool_calls": [begin]}}]})
    pieces = [
        f'{{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"function":{{"arguments":"{part}"}}}}]'
        "}}]}"
        for part in (f"a {HIGH}", f'{LOW}\\"}}')
    ]
    told = read("openai", first, *pieces, chat_usage(1, 1))
    written = "".join(each.arguments for each in told if isinstance(each, ToolCallDelta))
    assert json.loads(written) == {"a": "a \U0001f600"}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    ("read_", "written", "expected"),
    [
        (-1_000_000, 7, (0, 7)),
        (5, -3, (5, 0)),
        (10**30, 7, (MOST_TOKENS, 7)),
        (5, 10**4000, (5, MOST_TOKENS)),
    ],
)
def test_a_count_that_cannot_be_is_cut_to_one_that_can(
    kind: str, read_: int, written: int, expected: tuple[int, int]
) -> None:
    text, usage = MAKERS[kind]
    told = read(kind, text("a"), usage(read_, written))
    (count,) = [delta.usage for delta in told if isinstance(delta, UsageDelta)]
    assert (count.input_tokens, count.output_tokens) == expected


ERRORS = [
    ('{"errors":[{"message":"insufficient balance"}]}', QuotaExhausted, "insufficient balance"),
    (
        '{"base_resp":{"status_code":1004,"status_msg":"login fail: carry the key"}}',
        AuthError,
        "login fail",
    ),
]


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(("event", "error", "text"), ERRORS)
def test_an_error_in_a_stream_is_told_whatever_its_shape(
    kind: str, event: str, error: type[Exception], text: str
) -> None:
    say, _ = MAKERS[kind]
    for before in ([], [say("half an ")]):
        with pytest.raises(error, match=text):
            read(kind, *before, event, "[DONE]")


@pytest.mark.parametrize("kind", MAKERS)
def test_an_event_of_no_known_shape_is_told_where_the_answer_does_not_end(kind: str) -> None:
    say, usage = MAKERS[kind]
    odd = '{"oops":"the engine is gone"}'
    with pytest.raises(ProviderError, match="the engine is gone"):
        read(kind, say("half an "), odd, "[DONE]")
    assert words(read(kind, say("all"), odd, usage(1, 1))) == "all"


@pytest.mark.parametrize("body", [b'{"oops":"gone"}', b'{"data":{"reason":"gone"}}'])
def test_an_error_of_unknown_shape_is_shown_as_it_is(body: bytes) -> None:
    assert parse_error(body, 400).message == body.decode()


def test_success_that_minimax_puts_beside_an_answer_is_no_error() -> None:
    good = json.dumps({"base_resp": {"status_code": 0, "status_msg": ""}, "choices": []})
    assert words(read("openai", chat_text("a"), good, chat_usage(1, 1))) == "a"


def test_thinking_that_mistral_sends_in_a_list_is_told_as_thinking() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    chunk = {"choices": [{"delta": {"content": [thought, {"type": "text", "text": "Yes"}]}}]}
    told = read("openai", json.dumps(chunk), chat_usage(1, 1))
    assert [delta.text for delta in told if isinstance(delta, ReasoningDelta)] == ["hm"]
    assert words(told) == "Yes"


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("ChatCompletionRequestAssistantMessage content Input should be a valid string", 500),
        ("messages[1].content: invalid type: null, expected a string", 422),
    ],
)
def test_a_server_that_wants_text_for_content_gets_it(message: str, status: int) -> None:
    wire = OpenAIChatWire(local())
    made = call("c1")
    request = asking(Incoming("Q"), Reply((made,)), Outcomes((Outcome(made, "r"),)))
    sent = wire.encode(request)
    assert body_of_sent(sent.body)[1]["content"] is None
    wire.adapt(request, sent, ErrorDetails(message, status=status))
    assert body_of_sent(wire.encode(request).body)[1]["content"] == ""


def test_a_server_that_is_merely_broken_teaches_nothing() -> None:
    wire = OpenAIChatWire(local())
    request = asking(Incoming("Q"), max_output_tokens=5)
    sent = wire.encode(request)
    wire.adapt(request, sent, ErrorDetails("unknown error: max_tokens, extra", status=500))
    assert wire.encode(request) == sent


def test_a_server_that_wants_types_in_history_gets_them() -> None:
    wire = OpenAIResponsesWire(Provider("s", "openai_responses", base_url="http://localhost:1/v1"))
    request = asking(Incoming("Q"), Reply((Text("A"),)), Incoming("R"))
    sent = wire.encode(request)
    assert json.loads(sent.body)["input"][1] == {"role": "assistant", "content": "A"}
    wire.adapt(request, sent, ErrorDetails("Cannot determine type of 'item'", status=400))
    items = json.loads(wire.encode(request).body)["input"]
    assert [item["type"] for item in items] == ["message"] * 3
    assert items[1]["content"][0] == {"type": "output_text", "text": "A", "annotations": []}
    assert items[0]["content"] == [{"type": "input_text", "text": "Q"}]


def body_of_sent(body: bytes) -> list[dict[str, object]]:
    messages: list[dict[str, object]] = json.loads(body)["messages"]
    return [message for message in messages if message["role"] != "system"]


# Lines outside of events --------------------------------------------------------------------------

BARE = {
    "llama.cpp": (
        b'error: {"code":500,"message":"the slot is gone","type":"server_error"}\n\n',
        ProviderUnavailable,
        "the slot is gone",
    ),
    "llama.cpp, wrapped": (b'error: {"error":{"message":"gone"}}\n\n', ProviderError, "gone"),
    "text after error": (b"error: out of memory\n", ProviderError, "out of memory"),
    "no blank line": (b'error: {"code":401,"message":"login fail"}\n', AuthError, "login fail"),
    "within an event": (b'event: x\nerror: {"message":"gone"}\n\n', ProviderError, "gone"),
    "an object": (b'{"error":{"message":"no credit","code":402}}\n', QuotaExhausted, "no credit"),
    "text": (b"upstream connect error: reset\n\n", ProviderError, "upstream connect error: reset"),
    "text at the end": (b"Internal Server Error", ProviderError, "Internal Server Error"),
    "text in lines": (b"Traceback\n\n  ValueError\r\n", ProviderError, "Traceback ValueError"),
    "a page": (b"<html><title>502 Bad\n</title></html>\n", ProviderError, "502 Bad"),
}


@pytest.mark.parametrize("cut", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("bare", BARE)
@EVERY
async def test_a_line_outside_of_events_is_the_error_of_an_answer_that_does_not_end(
    dialect: Dialect, bare: str, cut: bool
) -> None:
    line, error, text = BARE[bare]
    half = dialect.stream([Words("The first half. The second half.")]).replace(b"\r\n", b"\n")
    half = half[: half.index(b"\n\n", half.index(b"The first half")) + 2]
    for said in (half + line, b": hello\n\n" + line):
        blocks = [said[at : at + 1] for at in range(len(said))] if cut else [said]
        async with serving(streams(*blocks)) as server:
            provider = Provider("p", dialect.home.kind, base_url=server.url, api_key="k")
            policy = RetryPolicy(tries=1)
            with pytest.raises((ProviderError, AuthError), match=text) as caught:
                await ask(HttpBackend(provider, dialect.wire(provider), policy=policy))
            assert isinstance(caught.value, error)


@EVERY
async def test_a_line_outside_of_events_does_no_harm_to_an_answer_that_ends(
    dialect: Dialect,
) -> None:
    said = dialect.stream([Words("Hello")]).replace(b"\r\n", b"\n")
    odd = b'debug: sent\n\nretry: 3\nid\n\n{"log": "line", "message": "fine"}\n\nx' + b"y" * 9_000
    for stream in (odd + b"\n\n" + said, said.replace(b"\n\n", b"\n\n" + odd + b"\n\n", 1)):
        async with serving(streams(stream)) as server:
            provider = Provider("p", dialect.home.kind, base_url=server.url, api_key="k")
            heard = await ask(HttpBackend(provider, dialect.wire(provider)))
            assert folded(heard).text == "Hello"
            assert len(server.asked) == 1


def test_text_outside_of_events_is_kept_in_part() -> None:
    reader = SseReader()
    events = reader.feed(b"x\n" * 50_000)
    assert sum(map(len, events)) < 10_000_000
    assert len(events[-1]) < 9_000
    assert reader.feed(b"x\n" * 50_000) == []
