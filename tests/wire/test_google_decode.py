"""What is made of Gemini's answers: ordinary ones, odd ones, ones that arrive in any pieces."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentouto._domain.content import Reasoning, Stop, Text, ToolCall, Usage
from agentouto._domain.delta import (
    NativeDelta,
    ReasoningDelta,
    StopDelta,
    TextDelta,
    UsageDelta,
)
from agentouto._domain.errors import (
    AgentoutoError,
    AuthError,
    ContextOverflow,
    ProtocolViolation,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)
from agentouto.providers._format.errors import parse_error
from agentouto.providers._google.wire import GeminiWire
from wire.gemini_words import (
    ORIGIN,
    STOP,
    asking,
    calling,
    calls_of,
    chunk,
    decoder,
    deltas_of,
    local,
    reply_to,
    stream,
    words,
)
from wire.words import event, folded

HELLO = (chunk(words("Hel")), chunk(words("lo")))

TRICKY = (
    chunk(words("hm…\u2028", thought=True)),
    chunk(words("so", thought=True), usageMetadata={"promptTokenCount": 9}),
    chunk(words("Naïve 👋\u2028")),
    chunk(words("\u0085 <think>", thoughtSignature="U0lH")),
    chunk(words(" no")),
    chunk(words(" more")),
    chunk(
        calling("look", {"a": "x"}, id="i1", thoughtSignature="AQI="),
        calling("look", {"a": "y"}, id="i2"),
    ),
    chunk({"surprise": {"b": [1, None]}}),
    chunk(
        words("", thoughtSignature="Uw=="),
        finish="STOP",
        usageMetadata={"promptTokenCount": 9, "candidatesTokenCount": 5, "thoughtsTokenCount": 2},
    ),
)


# Ordinary answers ---------------------------------------------------------------------------------


def test_words_are_told_one_by_one_and_the_rest_at_the_end() -> None:
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 7, "totalTokenCount": 16}
    blocks = [stream(*HELLO, chunk(words(""), finish="STOP", usageMetadata=usage))]
    assert deltas_of(blocks) == [
        TextDelta("Hel"),
        TextDelta("lo"),
        UsageDelta(Usage(9, 7)),
        StopDelta(Stop.COMPLETE),
    ]


def test_the_transcript_of_the_documents_is_understood() -> None:
    golden = (
        b'data: {"candidates":[{"content":{"role":"model","parts":[{"text":"hm","thought":true}]}}],'
        b'"usageMetadata":{"promptTokenCount":9},"responseId":"r"}\r\n\r\n'
        b'data: {"candidates":[{"content":{"role":"model","parts":['
        b'{"functionCall":{"id":"i1","name":"f","args":{"a":"x"}},"thoughtSignature":"AQI="},'
        b'{"functionCall":{"id":"i2","name":"f","args":{"a":"y"}}}]},"finishReason":"STOP"}],'
        b'"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":7}}\r\n\r\n'
    )
    reply = folded(deltas_of([golden]))
    assert reply.parts == (
        Reasoning("hm"),
        ToolCall("i1", "f", '{"a":"x"}'),
        ToolCall("i2", "f", '{"a":"y"}'),
    )
    assert (reply.stop, reply.usage) == (Stop.COMPLETE, Usage(9, 7))


def test_a_stream_with_everything_is_understood() -> None:
    reply = reply_to(*TRICKY)
    assert reply.parts == (
        Reasoning("hm…\u2028so"),
        Text("Naïve 👋\u2028\u0085 <think> no more"),
        ToolCall("i1", "look", '{"a":"x"}'),
        ToolCall("i2", "look", '{"a":"y"}'),
    )
    assert reply.stop is Stop.COMPLETE
    assert reply.usage == Usage(9, 7, None, 2)


def test_parts_are_kept_as_they_came_and_none_with_a_signature_is_joined() -> None:
    native = reply_to(*TRICKY).native
    assert native is not None
    assert native.origin == ORIGIN
    assert native.data == {
        "parts": [
            {"text": "hm…\u2028so", "thought": True},
            {"text": "Naïve 👋\u2028"},
            {"text": "\u0085 <think>", "thoughtSignature": "U0lH"},
            {"text": " no more"},
            {
                "functionCall": {"name": "look", "args": {"a": "x"}, "id": "i1"},
                "thoughtSignature": "AQI=",
            },
            {"functionCall": {"name": "look", "args": {"a": "y"}, "id": "i2"}},
            {"surprise": {"b": [1, None]}},
            {"text": "", "thoughtSignature": "Uw=="},
        ]
    }


CUTS = st.lists(st.integers(0, 4000), max_size=30)
LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@settings(max_examples=150, deadline=None)
@given(cuts=CUTS, line_end=LINE_ENDS, comments=st.booleans(), blank_at_end=st.booleans())
def test_it_does_not_matter_where_the_network_cuts(
    cuts: list[int], line_end: bytes, *, comments: bool, blank_at_end: bool
) -> None:
    data = stream(*TRICKY)
    if comments:
        data = b"\xef\xbb\xbf: hello\n\n" + data.replace(
            b"data: ", b": ping\nevent: x\nid: 1\ndata:"
        )
    if not blank_at_end:
        data = data.rstrip(b"\n")
    data = data.replace(b"\n", line_end)
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    blocks = [data[a:b] for a, b in pairwise(places)]
    assert folded(deltas_of(blocks)) == reply_to(*TRICKY)


def test_letter_by_letter() -> None:
    data = stream(*TRICKY)
    assert folded(deltas_of(data[i : i + 1] for i in range(len(data)))) == reply_to(*TRICKY)


TEXTS = st.text(max_size=6)
PARTS = st.one_of(
    st.builds(words, TEXTS),
    st.builds(words, TEXTS, thought=st.booleans()),
    st.builds(words, TEXTS, thoughtSignature=st.just("AQI=")),
    st.builds(
        calling, TEXTS, st.dictionaries(TEXTS, st.integers() | TEXTS, min_size=1, max_size=2)
    ),
    st.just(calling("no arguments")),
    st.dictionaries(TEXTS, st.integers() | st.none(), max_size=2),
)


@settings(max_examples=150, deadline=None)
@given(parts=st.lists(PARTS, max_size=12), sizes=st.lists(st.integers(1, 3), max_size=12))
def test_it_does_not_matter_how_parts_are_dealt_out_to_chunks(
    parts: list[Any], sizes: list[int]
) -> None:
    chunks, left = [], list(parts)
    for size in sizes:
        chunks.append(chunk(*left[:size]))
        left = left[size:]
    dealt = reply_to(*chunks, chunk(*left), STOP)
    assert dealt == reply_to(chunk(*parts, finish="STOP"))
    assert dealt.text == "".join(
        str(part["text"])
        for part in parts
        if isinstance(part.get("text"), str) and not part.get("thought")
    )


def test_a_line_of_five_megabytes_is_joined_once() -> None:
    long = "x" * 5_000_000
    data = stream(*HELLO, chunk(words("", thoughtSignature=long)), STOP)
    blocks = [data[i : i + 16_384] for i in range(0, len(data), 16_384)]
    reply = folded(deltas_of(blocks))
    assert reply.text == "Hello"
    assert reply.native is not None
    assert long in str(reply.native.data)


def test_events_without_blank_lines_between_them_are_understood() -> None:
    data = stream(*HELLO, STOP).replace(b"\n\n", b"\n")
    assert folded(deltas_of([data])).text == "Hello"


def test_frames_without_data_and_unknown_events_are_passed_over() -> None:
    odd = (
        b": comment\n\nevent: ping\n\nid: 7\n\ndata:\n\ndata: \n\nretry: 5\n\n"
        + event({"type": "ping"})
        + event([1])
        + event(None)
        + event({"candidates": None})
        + event({"candidates": []})
        + event({"candidates": [None]})
        + event({"candidates": [{"content": None}]})
        + event({"candidates": [{"content": {"parts": None}}]})
        + event({"candidates": [{"content": {"parts": [None, 1, {"text": None}]}}]})
        + event({"candidates": [{"content": {"parts": [{"text": "B"}]}, "index": 1}]})
        + event({"promptFeedback": {"safetyRatings": []}})
    )
    assert folded(deltas_of([odd + stream(*HELLO, STOP) + b"data: [DONE]\n\n"])).text == "Hello"


def test_chunks_that_never_go_the_short_way_are_understood() -> None:
    chunks = [chunk(words("a"), words("b")) for _ in range(20)]
    assert reply_to(*chunks, STOP).text == "ab" * 20


def test_half_a_surrogate_pair_costs_no_reply() -> None:
    data = stream(chunk(words("a@b")), STOP).replace(b"@", b"\\ud83d")
    assert folded(deltas_of([data])).text == "a\ufffdb"


# Ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [b"", stream(*HELLO), b": nothing\n\n", stream(*HELLO) + b"data: [DONE]\n\n"]
)
def test_an_answer_without_a_last_word_was_cut_short(data: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="cut short") as caught:
        deltas_of([data])
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("STOP", Stop.COMPLETE),
        ("SOMETHING_NEW", Stop.COMPLETE),
        ("MAX_TOKENS", Stop.OUT_OF_TOKENS),
        ("CONTINUATION", Stop.OUT_OF_TOKENS),
        ("SAFETY", Stop.REFUSED),
        ("RECITATION", Stop.REFUSED),
        ("PROHIBITED_CONTENT", Stop.REFUSED),
        ("BLOCKLIST", Stop.REFUSED),
        ("SPII", Stop.REFUSED),
        ("PUP_LIMITED_DISABLED", Stop.REFUSED),
        ("LANGUAGE", Stop.REFUSED),
        ("MODEL_ARMOR", Stop.REFUSED),
        ("IMAGE_SAFETY", Stop.REFUSED),
    ],
)
def test_the_reason_of_the_end_is_told(reason: str, stop: Stop) -> None:
    reply = reply_to(*HELLO, chunk(finish=reason))
    assert (reply.text, reply.stop) == ("Hello", stop)


def test_thinking_can_eat_all_there_was() -> None:
    end = {"candidates": [{"finishReason": "MAX_TOKENS", "index": 0}]}
    usage = {"promptTokenCount": 9, "thoughtsTokenCount": 64, "totalTokenCount": 73}
    reply = reply_to(end | {"usageMetadata": usage})
    assert (reply.parts, reply.stop) == ((), Stop.OUT_OF_TOKENS)
    assert reply.usage == Usage(9, 64, None, 64)


def test_an_answer_without_words_is_an_empty_reply() -> None:
    assert reply_to({"candidates": [{"finishReason": "STOP"}]}).parts == ()


def test_a_blocked_request_is_a_refusal_that_says_why() -> None:
    reply = reply_to({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
    assert reply.stop is Stop.REFUSED
    assert reply.text == "(the request was blocked: PROHIBITED_CONTENT)"


def test_a_blocked_answer_says_why_only_if_nothing_else_was_said() -> None:
    silent = reply_to(chunk(finish="SAFETY"))
    assert (silent.text, silent.stop) == ("(the answer was blocked: SAFETY)", Stop.REFUSED)
    end = {"candidates": [{"finishReason": "SAFETY", "finishMessage": "Too hot."}]}
    assert reply_to(end).text == "Too hot."
    assert reply_to(*HELLO, end).text == "Hello"
    thought = reply_to(chunk(words("hm", thought=True)), end)
    assert thought.parts == (Reasoning("hm"), Text("Too hot."))


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "OTHER"])
def test_an_answer_the_model_spoiled_is_worth_another_try(reason: str) -> None:
    end = {"candidates": [{"finishReason": reason, "finishMessage": "print(look("}]}
    with pytest.raises(ProtocolViolation, match=rf"\({reason}\): print\(look\(") as caught:
        reply_to(end)
    assert caught.value.retryable


def test_a_missing_signature_is_no_matter_of_chance() -> None:
    with pytest.raises(ProtocolViolation, match="MISSING_THOUGHT_SIGNATURE") as caught:
        reply_to(chunk(finish="MISSING_THOUGHT_SIGNATURE"))
    assert not caught.value.retryable


def test_what_was_said_before_an_error_is_told_first() -> None:
    reading = decoder()
    fault = {"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}
    events = [json.dumps(item).encode() for item in (*HELLO, fault, chunk(words("more")))]
    assert reading.feed(events) == [TextDelta("Hel"), TextDelta("lo")]
    assert reading.over
    with pytest.raises(ProviderUnavailable):
        reading.end()


def test_a_finished_reply_is_complete_although_more_may_come() -> None:
    reading = decoder()
    reading.feed([json.dumps(STOP).encode()])
    assert (reading.complete, reading.over) == (True, False)
    reading.feed([json.dumps({"usageMetadata": {"promptTokenCount": 3}}).encode()])
    assert UsageDelta(Usage(3, complete=False)) in reading.end()


# Tool calls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "arguments"),
    [
        ('{ "what" : "x" }', '{"what":"x"}'),
        (
            '{"n": 3.0, "m": 1.10, "big": 123456789012345678901, "e": 1E2}',
            '{"n":3.0,"m":1.10,"big":123456789012345678901,"e":1E2}',
        ),
        (
            '{"b": 1, "a": {"d": 2, "c": "\\u00e9 \\u2028"}}',
            '{"b":1,"a":{"d":2,"c":"\\u00e9 \\u2028"}}',
        ),
        ("{}", "{}"),
        ("null", "{}"),
        ('"{\\"what\\": 1}"', '{"what": 1}'),
        ("[1]", "[1]"),
    ],
)
def test_arguments_are_told_as_they_were_written(args: str, arguments: str) -> None:
    data = stream(chunk(calling("look", "@")), STOP).replace(b'"@"', args.encode())
    (made,) = folded(deltas_of([data])).tool_calls
    assert (made.name, made.arguments) == ("look", arguments)


def test_ids_and_arguments_may_be_missing() -> None:
    parts = ({"functionCall": {"name": "look"}}, {"functionCall": None}, calling("look", {"a": 1}))
    assert calls_of(chunk(*parts), STOP) == [
        ("", "look", "{}"),
        ("", "", "{}"),
        ("", "look", '{"a":1}'),
    ]


def test_arguments_are_found_among_odd_parts() -> None:
    odd = {"functionCall": "x"}
    assert calls_of(chunk(odd, calling("look", {"a": 1.0})), STOP) == [
        ("", "", "{}"),
        ("", "look", '{"a":1.0}'),
    ]


def test_calls_of_one_reply_are_told_apart_over_chunks() -> None:
    chunks = [chunk(calling("look", {"a": place})) for place in range(3)]
    assert calls_of(*chunks, STOP) == [("", "look", f'{{"a":{place}}}') for place in range(3)]


# Usage --------------------------------------------------------------------------------------------


def test_thoughts_count_as_written_and_the_cache_as_read() -> None:
    usage = {
        "promptTokenCount": 100,
        "toolUsePromptTokenCount": 10,
        "cachedContentTokenCount": 80,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 5,
        "totalTokenCount": 122,
    }
    reply = reply_to(*HELLO, chunk(words(""), finish="STOP", usageMetadata=usage))
    assert reply.usage == Usage(110, 12, 80, 5)


def test_counts_that_vanish_in_later_chunks_are_kept() -> None:
    def counted(**usage: int) -> dict[str, object]:
        return chunk(words("a"), usageMetadata=usage)

    reply = reply_to(
        counted(promptTokenCount=9, cachedContentTokenCount=4, thoughtsTokenCount=3),
        counted(promptTokenCount=9, candidatesTokenCount=1),
        counted(candidatesTokenCount=2),
        STOP,
    )
    assert reply.usage == Usage(9, 5, 4, 3)


def test_what_was_not_counted_is_not_taken_for_zero() -> None:
    assert reply_to(*HELLO, STOP).usage == Usage(complete=False)
    total = {"promptTokenCount": 9, "totalTokenCount": 9}
    assert reply_to(chunk(finish="STOP", usageMetadata=total)).usage == Usage(9, 0)


# Answers in one piece -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        chunk(words("Hello"), finish="STOP"),
        chunk(words("Hello")),
        [chunk(words("Hel")), chunk(words("lo"), finish="STOP")],
    ],
)
def test_an_answer_without_a_stream_is_read_as_well(body: Any) -> None:
    reading = decoder()
    reply = folded(reading.whole(json.dumps(body, indent=1).encode()))
    assert (reply.text, reply.stop) == ("Hello", Stop.COMPLETE)


@pytest.mark.parametrize(
    ("body", "text", "retryable"),
    [
        (b"<html><title>Hi</title>", "a web page titled 'Hi'", False),
        (b"{}", "it said nothing else", True),
        (b"[1]", "no content", True),
        (b"[1", "no content", True),
        (b"", "nothing at all", True),
    ],
)
def test_what_is_no_answer_is_named(body: bytes, text: str, *, retryable: bool) -> None:
    with pytest.raises(ProtocolViolation, match=text) as caught:
        decoder().whole(body)
    assert caught.value.retryable is retryable


# Errors -------------------------------------------------------------------------------------------


def google_error(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    kinds = [{"@type": "type.googleapis.com/google.rpc.X", **item} for item in details]
    return {"error": {"code": code, "message": message, "status": status, "details": kinds}}


KEY = {"reason": "API_KEY_INVALID", "domain": "googleapis.com"}
PER_DAY = {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}
PER_MINUTE = {"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]}
DELAY = {"retryDelay": "14s"}

REFUSALS: list[tuple[dict[str, Any], type[AgentoutoError]]] = [
    (google_error(400, "INVALID_ARGUMENT", "API key not valid.", KEY), AuthError),
    (google_error(401, "UNAUTHENTICATED", "no"), AuthError),
    (google_error(403, "PERMISSION_DENIED", "no"), AuthError),
    (google_error(429, "RESOURCE_EXHAUSTED", "quota", PER_DAY, DELAY), QuotaExhausted),
    (google_error(429, "RESOURCE_EXHAUSTED", "quota", PER_MINUTE, DELAY), RateLimited),
    (google_error(429, "RESOURCE_EXHAUSTED", "slow down"), RateLimited),
    (google_error(400, "FAILED_PRECONDITION", "Enable billing to go on."), QuotaExhausted),
    (google_error(400, "FAILED_PRECONDITION", "Not in your country."), ProviderError),
    (google_error(500, "INTERNAL", "x"), ProviderUnavailable),
    (google_error(503, "UNAVAILABLE", "The model is overloaded."), ProviderUnavailable),
    (google_error(504, "DEADLINE_EXCEEDED", "x"), ProviderUnavailable),
    (
        google_error(
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        ),
        ContextOverflow,
    ),
    (google_error(404, "NOT_FOUND", "models/x is not found for API version v1beta"), ProviderError),
    (google_error(400, "INVALID_ARGUMENT", "nope"), ProviderError),
]


@pytest.mark.parametrize(("body", "kind"), REFUSALS)
def test_each_refusal_has_its_error(body: dict[str, Any], kind: type[AgentoutoError]) -> None:
    wire = GeminiWire(local())
    for shape in (body, [body]):
        fault = parse_error(json.dumps(shape).encode(), body["error"]["code"])
        assert type(wire.error_for(fault)) is kind


@pytest.mark.parametrize(("body", "kind"), REFUSALS)
def test_each_refusal_has_the_same_error_in_a_stream(
    body: dict[str, Any], kind: type[AgentoutoError]
) -> None:
    with pytest.raises(AgentoutoError) as caught:
        deltas_of([event(body)])
    assert type(caught.value) is kind


def test_the_server_says_how_long_to_wait() -> None:
    body = google_error(429, "RESOURCE_EXHAUSTED", "quota", PER_MINUTE, DELAY)
    with pytest.raises(RateLimited) as caught:
        deltas_of([event(body)])
    assert (caught.value.retry_after, caught.value.status) == (14.0, 429)
    body = google_error(429, "RESOURCE_EXHAUSTED", "Quota. Please retry in 14.5s.")
    assert parse_error(json.dumps(body).encode(), 429).retry_after == 14.5
    assert parse_error(json.dumps(body).encode(), 429, {"retry-after": "3"}).retry_after == 3.0


def test_the_field_a_server_complains_of_is_read() -> None:
    violation = {"fieldViolations": [{"field": "generation_config.thinking_config"}]}
    body = google_error(400, "INVALID_ARGUMENT", "no", violation)
    assert parse_error(json.dumps(body).encode(), 400).param == "generation_config.thinking_config"


@pytest.mark.parametrize(
    "body", [{"error": "boom"}, {"error": {"message": "boom"}}, {"message": "boom"}]
)
def test_an_error_without_a_code_is_one_too(body: dict[str, Any]) -> None:
    with pytest.raises(ProviderUnavailable, match="boom"):
        deltas_of([event(body)])


def test_thoughts_are_told_apart_from_words() -> None:
    heard = deltas_of([stream(chunk(words("hm", thought=True)), chunk(words("So.")), STOP)])
    assert heard[:2] == [ReasoningDelta("hm"), TextDelta("So.")]
    assert isinstance(heard[2], NativeDelta)


def test_a_decoder_knows_for_whom_it_reads() -> None:
    reading = GeminiWire(local()).decoder(asking(model="gemini-4-argon"))
    assert reading.feed(
        [json.dumps(chunk(words("a", thoughtSignature="AQI="), finish="STOP")).encode()]
    )
    (native,) = (delta for delta in reading.end() if isinstance(delta, NativeDelta))
    assert native.origin == ORIGIN.replace("gemini-3.8-flash", "gemini-4-argon")
