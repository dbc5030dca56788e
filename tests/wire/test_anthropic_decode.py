"""What is made of answers of the Messages API: ordinary ones, odd ones, in any pieces."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentouto._domain.content import Reasoning, Stop, Text, ToolCall, Usage
from agentouto._domain.delta import (
    NativeDelta,
    ReasoningDelta,
    StopDelta,
    TextDelta,
    ToolCallDelta,
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
from agentouto._domain.participants import Provider
from wire.anthropic_words import (
    ELSEWHERE,
    ORIGIN,
    REDACTED,
    begins,
    decoder,
    deltas_of,
    ends,
    goes_on,
    reply_to,
    says,
    started,
    stopped,
    stream,
    text,
    thinks,
    thought,
    use,
    wants,
)
from wire.words import folded

PING = {"type": "ping"}
TRICKY = (
    started(input_tokens=9, cache_read_input_tokens=100, cache_creation_input_tokens=10, output_tokens=1),
    PING,
    thinks(0, "hm…\u2028", "so"),
    begins(1, REDACTED),
    ends(1),
    says(2, "Naïve ", "👋\u2028", "\u0085"),
    PING,
    wants(3, "toolu_A", "", '{"a":', ' "x"}'),
    wants(4, "toolu_B", '{"a": "y"}'),
    stopped("tool_use", usage={"output_tokens": 40, "output_tokens_details": {"thinking_tokens": 5}}),
)  # fmt: skip
PARTS = (
    Reasoning("hm…\u2028so"),
    Text("Naïve 👋\u2028\u0085"),
    ToolCall("toolu_A", "look", '{"a": "x"}'),
    ToolCall("toolu_B", "look", '{"a": "y"}'),
)
BLOCKS = [
    thought("hm…\u2028so"),
    REDACTED,
    text("Naïve 👋\u2028\u0085"),
    {"type": "tool_use", "id": "toolu_A", "name": "look"},
    {"type": "tool_use", "id": "toolu_B", "name": "look"},
]


def error(kind: str, message: str = "x", **more: object) -> dict[str, object]:
    return {"type": "error", "error": {"type": kind, "message": message, **more}}


# Ordinary answers ---------------------------------------------------------------------------------


def test_words_are_told_one_by_one_and_the_rest_at_the_end() -> None:
    events = stream(started(input_tokens=9, output_tokens=1), says(0, "Hel", "lo"), stopped())
    assert deltas_of([events]) == [
        TextDelta("Hel"),
        TextDelta("lo"),
        UsageDelta(Usage(9, 7)),
        NativeDelta(ORIGIN, {"content": [text("Hello")]}),
        StopDelta(Stop.COMPLETE),
    ]


def test_a_stream_with_everything_is_understood() -> None:
    reply = reply_to(*TRICKY)
    assert reply.parts == PARTS
    assert reply.stop is Stop.COMPLETE
    assert reply.usage == Usage(119, 40, 100, 5)
    assert reply.native is not None
    assert reply.native.data == {"content": BLOCKS}


def test_a_call_is_told_while_it_is_written() -> None:
    heard = deltas_of([stream(wants(0, "toolu_A", '{"a":', "1}"), stopped("tool_use"))])
    assert heard[:3] == [
        ToolCallDelta(0, "toolu_A", "look"),
        ToolCallDelta(0, arguments='{"a":'),
        ToolCallDelta(0, arguments="1}"),
    ]


CUTS = st.lists(st.integers(0, 4000), max_size=30)
LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@settings(max_examples=150, deadline=None)
@given(
    cuts=CUTS,
    line_end=LINE_ENDS,
    names=st.booleans(),
    comments=st.booleans(),
    blank_at_end=st.booleans(),
)
def test_it_does_not_matter_where_the_network_cuts(
    cuts: list[int], line_end: bytes, *, names: bool, comments: bool, blank_at_end: bool
) -> None:
    data = stream(*TRICKY)
    if not names:
        data = b"".join(line for line in data.splitlines(keepends=True) if line[:6] != b"event:")
    if comments:
        data = b"\xef\xbb\xbf: hello\n\n" + data.replace(b"data: ", b": ping\nid: 1\ndata:")
    if not blank_at_end:
        data = data.rstrip(b"\n")
    data = data.replace(b"\n", line_end)
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    blocks = [data[a:b] for a, b in pairwise(places)]
    assert folded(deltas_of(blocks)) == reply_to(*TRICKY)


def test_letter_by_letter() -> None:
    data = stream(*TRICKY)
    assert folded(deltas_of(data[i : i + 1] for i in range(len(data)))) == reply_to(*TRICKY)


def test_events_without_blank_lines_between_them_are_understood() -> None:
    data = stream(says(0, "Hel", "lo"), stopped()).replace(b"\n\n", b"\n")
    assert folded(deltas_of([data])).text == "Hello"


def test_a_line_of_five_megabytes() -> None:
    long = "x" * 5_000_000
    reply = reply_to(thinks(0, "hm", signature=long), says(1, long), stopped())
    assert reply.text == long
    assert reply.native is not None
    assert reply.native.data == {"content": [thought("hm", long), text(long)]}


# Odd answers --------------------------------------------------------------------------------------


def test_unknown_events_blocks_and_fields_are_kept_and_not_told() -> None:
    hologram = {"type": "hologram", "data": "a", "depth": 1, "none": None}
    server = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    cited = {**text(""), "citations": None, "mood": "calm"}
    heard = deltas_of(
        [
            stream(
                started(),
                {"type": "weather", "message": "sunny"},
                begins(0, hologram),
                goes_on(0, "hologram_delta", data="b", none=[1]),
                ends(0),
                begins(1, server),
                goes_on(1, "input_json_delta", partial_json='{"query":'),
                goes_on(1, "input_json_delta", partial_json=' "q"}'),
                ends(1),
                begins(2, cited),
                goes_on(2, "citations_delta", citation={"url": "u"}),
                goes_on(2, "citations_delta", citation={"url": "v"}),
                goes_on(2, "text_delta", text="Ho"),
                ends(2),
                stopped(),
            )
        ]
    )
    assert [delta for delta in heard if not isinstance(delta, UsageDelta)] == [
        TextDelta("Ho"),
        NativeDelta(
            ORIGIN,
            {
                "content": [
                    {**hologram, "data": "ab", "none": [1]},
                    {**server, "input": {"query": "q"}},
                    {**cited, "text": "Ho", "citations": [{"url": "u"}, {"url": "v"}]},
                ]
            },
        ),
        StopDelta(Stop.COMPLETE),
    ]


def test_blocks_that_come_whole_are_understood() -> None:
    reply = reply_to(
        begins(0, thought("hm")),
        ends(0),
        begins(1, text("Ho")),
        ends(1),
        begins(2, use("t", {"a": 1})),
        ends(2),
        stopped("tool_use"),
    )
    assert reply.parts == (Reasoning("hm"), Text("Ho"), ToolCall("t", "look", '{"a":1}'))


def test_a_call_without_arguments_has_none() -> None:
    assert reply_to(wants(0, "t"), stopped("tool_use")).tool_calls[0].arguments == "{}"


def test_a_call_that_was_cut_off_before_its_arguments_is_not_taken_for_one_without() -> None:
    reply = reply_to(wants(0, "a"), wants(1, "b"), stopped("max_tokens"))
    assert [call.arguments for call in reply.tool_calls] == ["{}", "{"]


def test_blocks_without_numbers_follow_each_other() -> None:
    reply = reply_to(
        begins(None, text("")),
        goes_on(None, "text_delta", text="Ho"),
        begins(None, use("t", {})),
        goes_on(None, "input_json_delta", partial_json='{"a":1}'),
        stopped("tool_use"),
    )
    assert reply.parts == (Text("Ho"), ToolCall("t", "look", '{"a":1}'))


def test_one_number_for_all_blocks_will_do() -> None:
    reply = reply_to(says(0, "Ho"), wants(0, "t", "{}"), wants(0, "u", "{}"), stopped("tool_use"))
    assert reply.parts == (Text("Ho"), ToolCall("t", "look", "{}"), ToolCall("u", "look", "{}"))


def test_pieces_of_a_block_that_nobody_opened_are_not_lost() -> None:
    reply = reply_to(
        goes_on(0, "thinking_delta", thinking="hm"),
        goes_on(1, "text_delta", text="Ho"),
        goes_on(1, "text_delta", text="!"),
        stopped(),
    )
    assert reply.parts == (Reasoning("hm"), Text("Ho!"))


def test_a_server_whose_pieces_are_odd_is_understood_all_the_same() -> None:
    pieces = [goes_on(0, "text_delta", text=str(n), new=[n]) for n in range(30)]
    reply = reply_to(begins(0, text("")), *pieces, ends(0), stopped())
    assert reply.text == "".join(map(str, range(30)))


def test_thinking_in_tags_is_thinking_and_goes_back_as_it_was() -> None:
    data = stream(says(0, "<thi", "nk>hm</think>\n", "Ho"), stopped())
    reply = folded(deltas_of([data], ELSEWHERE))
    assert reply.parts == (Reasoning("hm"), Text("Ho"))
    assert reply.native is not None
    assert reply.native.data == {"content": [text("<think>hm</think>\nHo")]}


@pytest.mark.parametrize("base_url", [None, "https://api.anthropic.com/v1"])
def test_the_vendors_own_models_think_in_blocks_and_their_tags_are_text(
    base_url: str | None,
) -> None:
    data = stream(says(0, "<thi", "nk>hm</think>\n", "Ho"), stopped())
    home = Provider("anthropic", api_key="k", base_url=base_url)
    reply = folded(deltas_of([data], home))
    assert reply.parts == (Text("<think>hm</think>\nHo"),)


def test_half_a_surrogate_pair_costs_no_reply() -> None:
    data = stream(says(0, "a", "b"), stopped()).replace(b'"text": "a"', b'"text": "a\\ud83d"')
    assert folded(deltas_of([data])).text == "ab"


def test_an_answer_in_one_piece_is_read_too() -> None:
    message = {
        "type": "message",
        "content": [thought("hm"), text("Ho"), use("t", {"a": 1})],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    reply = folded(decoder().whole(json.dumps(message).encode()))
    assert reply.parts == (Reasoning("hm"), Text("Ho"), ToolCall("t", "look", '{"a":1}'))
    assert reply.usage == Usage(1, 2)
    assert reply.native is not None
    assert reply.native.data == {"content": [thought("hm"), text("Ho"), _without_input(use("t"))]}


def _without_input(block: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in block.items() if key != "input"}


@pytest.mark.parametrize(
    ("body", "kind", "retryable"),
    [
        (b"<html><title>Login</title>", ProtocolViolation, False),
        (b"", ProtocolViolation, True),
        (b"[1]", ProtocolViolation, True),
        (json.dumps(error("overloaded_error")).encode(), ProviderUnavailable, True),
        (b'{"detail":"no such model"}', ProviderError, None),
    ],
)
def test_an_answer_that_is_none_says_what_it_is(
    body: bytes, kind: type[ProviderError], *, retryable: bool | None
) -> None:
    with pytest.raises(kind) as caught:
        decoder().whole(body)
    assert retryable is None or caught.value.retryable is retryable


# Ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [b"", stream(started()), stream(started(), says(0, "Hel")), stream(PING), b": nothing\n\n"],
)
def test_an_answer_without_a_last_word_was_cut_short(data: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="cut short"):
        deltas_of([data])


def test_either_mark_of_the_end_will_do() -> None:
    with_reason, last = stopped()
    assert reply_to(says(0, "Ho"), with_reason).stop is Stop.COMPLETE
    assert reply_to(says(0, "Ho"), last).stop is Stop.COMPLETE
    assert folded(deltas_of([stream(says(0, "Ho")) + b"data: [DONE]\n\n"])).text == "Ho"
    whole = folded(deltas_of([stream(wants(0, "a", '{"what":"x"}')) + b"data: [DONE]\n\n"]))
    assert (len(whole.tool_calls), whole.stop) == (1, Stop.COMPLETE)


@pytest.mark.parametrize(
    "events",
    [(), (started(),), (wants(0, "a", '{"what":'),), (wants(0, "a", "{}"), wants(1, "b"))],
    ids=["nothing", "a beginning", "half a call", "a call that has only begun"],
)
def test_a_last_word_of_another_api_behind_half_a_call_or_nothing_is_none(
    events: tuple[object, ...],
) -> None:
    with pytest.raises(ProtocolViolation, match="cut short"):
        deltas_of([stream(*events) + b"data: [DONE]\n\n"])


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("end_turn", Stop.COMPLETE),
        ("stop_sequence", Stop.COMPLETE),
        ("tool_use", Stop.COMPLETE),
        ("max_tokens", Stop.OUT_OF_TOKENS),
        ("refusal", Stop.REFUSED),
        ("something_new", Stop.COMPLETE),
    ],
)
def test_the_reason_of_the_end_is_told(reason: str, stop: Stop) -> None:
    assert reply_to(says(0, "Ho"), stopped(reason)).stop is stop


def test_a_refusal_is_told_in_its_own_words_if_it_has_none() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "Too dangerous."}
    reply = reply_to(stopped("refusal", stop_details=details))
    assert (reply.text, reply.stop) == ("Too dangerous.", Stop.REFUSED)
    reply = reply_to(says(0, "I won't."), stopped("refusal", stop_details=details))
    assert reply.text == "I won't."


def test_a_full_context_window_is_an_overflow_unless_something_can_be_done() -> None:
    with pytest.raises(ContextOverflow):
        reply_to(says(0, "So"), stopped("model_context_window_exceeded"))
    reply = reply_to(wants(0, "t", "{}"), stopped("model_context_window_exceeded"))
    assert reply.stop is Stop.OUT_OF_TOKENS


def test_a_paused_turn_is_kept_and_goes_on_later() -> None:
    server = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
    reply = reply_to(says(0, "Let me see"), begins(1, server), ends(1), stopped("pause_turn"))
    assert (reply.text, reply.stop) == ("Let me see", Stop.PAUSED)
    assert reply.native is not None
    assert reply.native.data == {"content": [text("Let me see"), server]}


def test_a_paused_turn_with_tool_calls_goes_on_with_what_comes_of_them() -> None:
    assert reply_to(wants(0, "t", "{}"), stopped("pause_turn")).stop is Stop.COMPLETE


def test_nothing_is_read_after_the_end() -> None:
    late = stream(says(0, "Ho"), stopped(), says(1, "late"), error("api_error"))
    assert folded(deltas_of([late])).text == "Ho"
    reading = decoder()
    for event in (b'{"type":"message_stop"}', b'{"type":"ping"}'):
        reading.feed([event])
        assert reading.over
        assert reading.complete


# Errors inside an answer --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "kind", "status"),
    [
        (error("overloaded_error", "Overloaded"), ProviderUnavailable, 529),
        (error("api_error"), ProviderUnavailable, 500),
        (error("timeout_error"), ProviderUnavailable, 504),
        (error("rate_limit_error"), RateLimited, 429),
        (
            error("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}),
            QuotaExhausted,
            429,
        ),
        (error("billing_error"), QuotaExhausted, 402),
        (error("invalid_request_error"), ProviderError, 400),
        (error("invalid_request_error", "prompt is too long: 5 > 4"), ContextOverflow, 400),
        (error("request_too_large"), ContextOverflow, 413),
        (error("not_found_error"), ProviderError, 404),
        (error("authentication_error"), AuthError, None),
        (error("permission_error"), AuthError, None),
        ({"error": "boom"}, ProviderUnavailable, None),
        ({"message": "boom"}, ProviderUnavailable, None),
        ({"type": "error"}, ProviderUnavailable, None),
    ],
)
def test_an_error_in_the_stream_is_sorted_by_its_type(
    event: dict[str, object], kind: type[AgentoutoError], status: int | None
) -> None:
    reading = decoder()
    heard = reading.feed(
        [json.dumps(e).encode() for e in (*says(0, "Hel"), event, says(1, "x")[0])]
    )
    assert heard == [TextDelta("Hel")]
    assert reading.over
    assert not reading.complete
    with pytest.raises(kind) as caught:
        reading.end()
    assert type(caught.value) is kind
    if isinstance(caught.value, ProviderError):
        assert caught.value.status == status
        assert caught.value.retryable is (kind in {ProviderUnavailable, RateLimited})


def test_what_is_no_json_is_named() -> None:
    with pytest.raises(ProtocolViolation, match="no message of this API: oops"):
        deltas_of([b"data: oops\n\n"])


# Usage --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "usage"),
    [
        ({"input_tokens": 3, "output_tokens": 1}, {"output_tokens": 9}, Usage(3, 9)),
        ({"input_tokens": 3}, {"input_tokens": None, "output_tokens": 9}, Usage(3, 9)),
        ({"input_tokens": 0}, {"input_tokens": 5, "output_tokens": 9}, Usage(5, 9)),
        ({"input_tokens": 5}, {"input_tokens": 0, "output_tokens": 9}, Usage(5, 9)),
        (
            {"input_tokens": 3, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 8},
            {"output_tokens": 9},
            Usage(11, 9, 0),
        ),
        ({}, {"output_tokens": 9}, Usage(None, 9, complete=False)),
        ({}, {}, Usage(complete=False)),
    ],
)
def test_tokens_are_counted_as_the_vendor_counts(
    first: dict[str, object], last: dict[str, object], usage: Usage
) -> None:
    assert reply_to(started(**first), says(0, "Ho"), stopped(usage=last)).usage == usage


def test_thinking_is_told_as_thinking() -> None:
    assert deltas_of([stream(thinks(0, "a", "b"), stopped())])[:2] == [
        ReasoningDelta("a"),
        ReasoningDelta("b"),
    ]
