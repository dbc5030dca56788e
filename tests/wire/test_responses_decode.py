"""What is made of answers of the Responses API: ordinary ones, odd ones, ones in any pieces."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentouto._domain.content import Native, Reasoning, Reply, Stop, Text, ToolCall, Usage
from agentouto._domain.delta import NativeDelta, ReasoningDelta, StopDelta, TextDelta, UsageDelta
from agentouto._domain.errors import (
    AuthError,
    ContextOverflow,
    ProtocolViolation,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    Refused,
)
from wire.responses_words import (
    ORIGIN,
    Events,
    decoder,
    deltas_of,
    ended,
    function_call,
    message,
    reasoning,
    reply_of,
    reply_to,
    said,
    spoken,
    stream,
)
from wire.words import DONE, event, folded

USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 16,
}
TRICKY = (
    reasoning("rs_1", "hm…\u2028 👋", "and then"),
    message("Naïve 👋\u2028\u0085 <think>no</think>", phase="commentary"),
    function_call("call_A", '{"a":"x\u2028"}'),
    function_call("call_B", '{ "a" : "y" }', surprise={"kept": [1]}),
    {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"q": "?"}},
)


# Ordinary answers ---------------------------------------------------------------------------------


def test_words_are_told_one_by_one_and_the_rest_at_the_end() -> None:
    item = message("Hello")
    assert deltas_of([stream(said(item, usage=USAGE))]) == [
        TextDelta("He"),
        TextDelta("llo"),
        UsageDelta(Usage(9, 7, 4, 3)),
        NativeDelta(ORIGIN, [item]),
        StopDelta(Stop.COMPLETE),
    ]


def test_a_stream_with_everything_is_understood() -> None:
    assert reply_to(*TRICKY, usage=USAGE) == Reply(
        (
            Reasoning("hm…\u2028 👋\n\nand then"),
            Text("Naïve 👋\u2028\u0085 <think>no</think>"),
            ToolCall("call_A", "look", '{"a":"x\u2028"}'),
            ToolCall("call_B", "look", '{ "a" : "y" }'),
        ),
        Stop.COMPLETE,
        Usage(9, 7, 4, 3),
        Native(ORIGIN, list(TRICKY)),
    )


CUTS = st.lists(st.integers(0, 9000), max_size=30)
LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@settings(max_examples=100, deadline=None)
@given(cuts=CUTS, line_end=LINE_ENDS, comments=st.booleans(), blank_at_end=st.booleans())
def test_it_does_not_matter_where_the_network_cuts(
    cuts: list[int], line_end: bytes, *, comments: bool, blank_at_end: bool
) -> None:
    data = stream(said(*TRICKY))
    if comments:
        data = b"\xef\xbb\xbf: hello\n\n" + data.replace(b"data: ", b": ping\nid: 1\ndata:")
    if not blank_at_end:
        data = data.rstrip(b"\n")
    data = data.replace(b"\n", line_end)
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    blocks = [data[a:b] for a, b in pairwise(places)]
    assert folded(deltas_of(blocks)) == reply_to(*TRICKY)


def test_letter_by_letter() -> None:
    data = stream(said(*TRICKY))
    assert folded(deltas_of(data[i : i + 1] for i in range(len(data)))) == reply_to(*TRICKY)


def test_a_line_of_five_megabytes_is_joined_once() -> None:
    long = message("x" * 5_000_000)
    data = stream(said(long))
    blocks = [data[i : i + 16_384] for i in range(0, len(data), 16_384)]
    assert len(folded(deltas_of(blocks)).text) == 5_000_000


def test_events_without_names_and_blank_lines_are_understood() -> None:
    data = b"".join(map(event, said(message("Hello")))).replace(b"\n\n", b"\n")
    assert folded(deltas_of([data])).text == "Hello"


def test_unknown_events_and_odd_values_are_passed_over() -> None:
    odd: list[object] = [
        {"type": "response.future.delta", "delta": "boo", "output_index": 0},
        {"type": "response.output_text.annotation.added", "annotation": {}, "output_index": 0},
        {"type": "response.in_progress", "response": {"error": None}},
        {"type": "response.queued"},
        {"type": "keepalive"},
        {"type": "response.output_text.delta", "delta": None, "output_index": 0},
        {"type": "response.output_text.delta"},
        {"type": "response.reasoning_summary_part.added", "summary_index": 0, "part": None},
        [1],
        None,
        "x",
        {},
    ]
    noise = b": comment\n\nevent: ping\n\ndata:\n\n" + b"".join(map(event, odd))
    begin, *rest = said(message("Hello"))
    data = noise + stream([begin]) + noise + stream(rest) + noise
    assert folded(deltas_of([data])).text == "Hello"


def test_half_of_a_surrogate_pair_costs_a_letter_and_no_reply() -> None:
    data = stream(said(message("Hello"))).replace(b'"llo"', b'"ll\\ud83do"')
    assert folded(deltas_of([data])).text == "Hell\ufffdo"


def test_what_is_kept_can_be_written_to_a_file() -> None:
    native = reply_to(*TRICKY).native
    assert native is not None
    assert json.loads(json.dumps(native.data)) == native.data


# Ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b": nothing\n\n",
        DONE,
        stream(said(message("Hello"))[:-1]),
        stream(said(message("Hello"))[:-1]) + DONE,
        stream(said(function_call("a"))[:-1]),
    ],
)
def test_an_answer_without_a_last_word_was_cut_short(data: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="cut short"):
        deltas_of([data])


def test_nothing_is_read_after_the_end() -> None:
    late = event({"type": "error", "message": "too late"})
    assert folded(deltas_of([stream(said(message("Hello"))) + late])).text == "Hello"


def test_the_reply_is_complete_with_its_last_event_and_not_before() -> None:
    reading = decoder()
    reading.feed([json.dumps(each).encode() for each in said(message("Hello"))[:-1]])
    assert (reading.complete, reading.over) == (False, False)
    reading.feed([json.dumps(ended()).encode()])
    assert (reading.complete, reading.over) == (True, True)


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("max_output_tokens", Stop.OUT_OF_TOKENS),
        ("content_filter", Stop.REFUSED),
        ("steered", Stop.COMPLETE),
        ("something new", Stop.OUT_OF_TOKENS),
        (None, Stop.OUT_OF_TOKENS),
    ],
)
def test_why_a_response_is_incomplete_is_told(reason: str | None, stop: Stop) -> None:
    details = {"reason": reason} if reason else None
    events = said(message("Hel", status="incomplete"), how="incomplete", incomplete_details=details)
    reply = reply_of(events)
    assert (reply.text, reply.stop) == ("Hel", stop)


def test_a_call_that_was_cut_off_is_told_as_far_as_it_got_and_never_sent_back() -> None:
    cut = function_call("b", '{"wh', status="incomplete")
    whole = function_call("a")
    details = {"reason": "max_output_tokens"}
    for events, arguments in (
        (said(whole, cut, how="incomplete", incomplete_details=details), '{"wh'),
        (
            [
                *spoken(0, whole),
                *spoken(1, cut)[:-2],
                ended(whole, cut, how="incomplete", incomplete_details=details),
            ],
            '{"wh',
        ),
        (
            [
                *spoken(0, whole),
                *spoken(1, cut)[:1],
                ended(how="incomplete", incomplete_details=details),
            ],
            "",
        ),
    ):
        reply = reply_of(events)
        assert [call.id for call in reply.tool_calls] == ["a", "b"]
        assert reply.tool_calls[1].arguments == arguments
        assert reply.stop is Stop.OUT_OF_TOKENS
        assert reply.native is None


def test_a_refusal_is_told_in_its_own_words() -> None:
    refusing = message("") | {"content": [{"type": "refusal", "refusal": "I will not."}]}
    for events in (said(refusing), [spoken(0, refusing)[-1], ended(refusing)], [ended(refusing)]):
        reply = reply_of(events)
        assert (reply.text, reply.stop) == ("I will not.", Stop.REFUSED)


def test_thinking_that_led_to_nothing_is_not_kept() -> None:
    assert reply_to(reasoning("rs_1", "hm")).native is None
    kept = reply_to(reasoning("rs_1"), message("Hi"), reasoning("rs_2")).native
    assert kept is not None
    assert kept.data == [reasoning("rs_1"), message("Hi")]


# Items in odd pieces ------------------------------------------------------------------------------

CALL = function_call("a", '{"n":1}', "f")
PIECES = spoken(0, CALL)
ADDED, DONE_EVENT = PIECES[0], PIECES[-1]
ARGUMENTS_DONE = PIECES[-2]
NO_ARGUMENTS = {
    "type": "response.output_item.done",
    "output_index": 0,
    "item": CALL | {"arguments": ""},
}


def renamed(events: Events) -> Events:
    """The same events from a server that makes up a new id for every one of them."""
    odd: Events = []
    for number, each in enumerate(events):
        each = dict(each)
        if "item_id" in each:
            each["item_id"] = f"odd_{number}"
        if "item" in each:
            each["item"] = each["item"] | {"id": f"odd_{number}"}  # type: ignore[operator]
        odd.append(each)
    return odd


ODD_CALLS: dict[str, Events] = {
    "only the finished item": [DONE_EVENT, ended(CALL)],
    "only the end": [ended(CALL)],
    "the end knows no items": [*PIECES, ended()],
    "arguments in their last event only": [ADDED, ARGUMENTS_DONE, NO_ARGUMENTS, ended()],
    "arguments in pieces only": [*PIECES[:-2], NO_ARGUMENTS, ended()],
    "no finished item, but it is in the end": [*PIECES[:-1], ended(CALL)],
    "no finished item at all": [*PIECES[:-1], ended()],
    "ids that change": [*renamed(PIECES), ended(CALL)],
    "pieces without a beginning": [*PIECES[1:], ended()],
    "arguments as an object": [
        {"type": "response.output_item.done", "item": CALL | {"arguments": {"n": 1}}},
        ended(),
    ],
    "JSON within JSON": [
        {"type": "response.output_item.done", "item": CALL | {"arguments": '"{\\"n\\":1}"'}},
        ended(),
    ],
    "everything twice": [*PIECES, ended(CALL), *PIECES, ended(CALL)],
    "no place": [
        {key: value for key, value in each.items() if key != "output_index"} for each in PIECES
    ]
    + [ended(CALL)],
}


@pytest.mark.parametrize("name", ODD_CALLS)
def test_a_call_is_told_once_and_whole(name: str) -> None:
    reply = reply_of(ODD_CALLS[name])
    assert [(c.id, c.name, c.arguments) for c in reply.tool_calls] == [("a", "f", '{"n":1}')]
    assert reply.native is not None
    (kept,) = reply.native.data  # type: ignore[misc]
    assert (kept["call_id"], kept["arguments"]) == ("a", '{"n":1}')


def test_two_calls_at_one_place_are_two() -> None:
    one, two = function_call("a"), function_call("b")
    events = [*spoken(0, one), *spoken(0, two), ended(one, two)]
    assert [call.id for call in reply_of(events).tool_calls] == ["a", "b"]


def test_calls_that_are_written_at_once_are_told_apart() -> None:
    one, two = spoken(0, function_call("a", '{"n":1}')), spoken(1, function_call("b", '{"n":2}'))
    mixed = [each for pair in zip(one, two, strict=True) for each in pair]
    for last in (ended(), ended(function_call("a", '{"n":1}'), function_call("b", '{"n":2}'))):
        calls = reply_of([*mixed, last]).tool_calls
        assert [(call.id, call.arguments) for call in calls] == [("a", '{"n":1}'), ("b", '{"n":2}')]


@pytest.mark.parametrize("arguments", ["", None, 7])
def test_a_call_without_arguments_has_none(arguments: object) -> None:
    item = function_call("a") | {"arguments": arguments}
    event_ = {"type": "response.output_item.done", "output_index": 0, "item": item}
    (call,) = reply_of([event_, ended(item)]).tool_calls
    assert call.arguments == ""


def test_broken_arguments_stay_as_they_are() -> None:
    (call,) = reply_to(function_call("a", '{"n":')).tool_calls
    assert call.arguments == '{"n":'


def test_the_id_of_the_item_stands_in_for_a_missing_id_of_the_call() -> None:
    item = function_call("a")
    del item["call_id"]
    assert [call.id for call in reply_of([ended(item)]).tool_calls] == ["fc_a"]


def test_a_message_that_was_not_streamed_is_told_whole() -> None:
    item = message("Hello")
    for events in ([*spoken(0, item)[:1], ended(item)], [spoken(0, item)[-1], ended()]):
        reply = reply_of(events)
        assert reply.parts == (Text("Hello"),)
        assert reply.native == Native(ORIGIN, [item])


def test_items_are_not_kept_unless_all_of_them_are_known() -> None:
    reply = reply_of([*spoken(0, reasoning()), *spoken(1, message("Hello"))[:-1], ended()])
    assert (reply.text, reply.native) == ("Hello", None)


def test_the_finished_item_is_the_one_that_is_kept() -> None:
    begun = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "half"}
    added = {"type": "response.output_item.added", "output_index": 0, "item": begun}
    done = {"type": "response.output_item.done", "output_index": 0, "item": reasoning()}
    reply = reply_of([added, done, *spoken(1, message("Hi")), ended()])
    assert reply.native == Native(ORIGIN, [reasoning(), message("Hi")])


def test_items_have_the_order_of_their_places_in_whichever_they_are_finished() -> None:
    items = [reasoning(), function_call("a"), reasoning("rs_2"), function_call("b")]
    said = [spoken(place, item) for place, item in enumerate(items)]
    begun = [each[0] for each in said]
    for order in ([3, 2, 1, 0], [1, 3, 0, 2], [0, 3, 2, 1]):
        done = [event for place in order for event in said[place][1:]]
        unannounced = [event for place in order for event in said[place]]
        for events in (begun + done, unannounced):
            for last in (ended(), ended(*items)):
                reply = reply_of([*events, last])
                assert [call.id for call in reply.tool_calls] == ["a", "b"]
                assert reply.native == Native(ORIGIN, items)


def test_what_is_left_to_the_end_is_told_of_the_right_item() -> None:
    one, two = spoken(0, function_call("a", '{"n":1}')), spoken(1, function_call("b", '{"n":2}'))
    last = ended(function_call("a", ""), function_call("b", ""))
    calls = reply_of([*two[:-1], *one[:-1], last]).tool_calls
    assert [(call.id, call.arguments) for call in calls] == [("a", '{"n":1}'), ("b", '{"n":2}')]


# Thinking -----------------------------------------------------------------------------------------


def thought(text: str, kind: str = "summary_", place: int = 0) -> dict[str, object]:
    index = {"summary_index": place} if kind else {"content_index": place}
    type_ = f"response.reasoning_{kind}text.delta"
    return {"type": type_, "item_id": "rs_1", "output_index": 0, **index, "delta": text}


def test_thinking_is_told_whether_in_full_or_summed_up() -> None:
    for kind in ("", "summary_"):
        events = [thought("h", kind), thought("m", kind), ended()]
        assert deltas_of([stream(events)])[:2] == [ReasoningDelta("h"), ReasoningDelta("m")]


def test_thinking_that_is_said_twice_is_told_once() -> None:
    events = [thought("in full", ""), thought("short", "summary_"), ended()]
    assert reply_of(events).parts == (Reasoning("in full"),)


def test_thinking_that_was_not_streamed_is_told_whole() -> None:
    item = reasoning("rs_1", "a", "b")
    assert reply_of([ended(item, message("Hi"))]).parts == (Reasoning("a\n\nb"), Text("Hi"))
    content = [{"type": "reasoning_text", "text": "hm"}]
    assert reply_of([ended(reasoning(content=content))]).parts == (Reasoning("hm"),)


# Usage --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": "9"}, "?"])
def test_usage_that_was_not_reported_is_not_invented(usage: object) -> None:
    reply = reply_to(message("Hi"), usage=usage)
    assert (reply.usage.input_tokens, reply.usage.complete) == (None, False)


def test_half_a_usage_is_incomplete() -> None:
    usage = reply_to(message("Hi"), usage={"input_tokens": 9}).usage
    assert usage == Usage(9, complete=False)


# Errors, and answers in one piece -----------------------------------------------------------------


def failed(code: str | None, text: str = "boom") -> dict[str, object]:
    return ended(how="failed", error={"code": code, "message": text})


def flat(code: str | None, text: str = "boom") -> dict[str, object]:
    return {"type": "error", "code": code, "message": text, "param": None, "sequence_number": 3}


FAULTS: list[tuple[str | None, str, type[Exception]]] = [
    ("server_error", "boom", ProviderUnavailable),
    ("rate_limit_exceeded", "slow down", RateLimited),
    (None, "boom", ProviderUnavailable),
    ("context_length_exceeded", "boom", ContextOverflow),
    ("insufficient_quota", "boom", QuotaExhausted),
    ("invalid_prompt", "boom", Refused),
    ("bio_policy", "boom", Refused),
    ("misalignment_policy_violation", "boom", Refused),
    ("image_content_policy_violation", "boom", Refused),
    ("invalid_image", "boom", ProviderError),
    ("image_too_large", "boom", ProviderError),
    ("data_residency_mismatch", "boom", ProviderError),
    ("invalid_api_key", "boom", AuthError),
]


@pytest.mark.parametrize(("code", "text", "kind"), FAULTS)
def test_an_error_inside_an_answer_is_an_error(
    code: str | None, text: str, kind: type[Exception]
) -> None:
    for fault in (
        failed(code, text),
        flat(code, text),
        {"type": "error", "error": {"code": code, "message": text}},
        {"error": {"code": code, "message": text}},
    ):
        for events in ([fault], [*said(message("Hi"))[:-1], fault]):
            with pytest.raises(kind, match=text) as caught:
                reply_of(events)
            assert type(caught.value) is kind


def test_what_came_before_an_error_is_told_first() -> None:
    reading = decoder()
    events = [*said(message("Hi"))[:-1], flat("server_error")]
    heard = reading.feed([json.dumps(each).encode() for each in events])
    assert heard == [TextDelta("H"), TextDelta("i")]
    assert (reading.over, reading.complete) == (True, False)
    with pytest.raises(ProviderUnavailable):
        reading.end()


@pytest.mark.parametrize(
    "event_",
    [
        ended(how="failed"),
        ended(how="cancelled"),
        {"message": "boom"},
        {"detail": "boom"},
        {"error": "boom"},
    ],
)
def test_a_response_that_failed_without_a_reason_may_be_asked_for_again(
    event_: dict[str, object],
) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        reply_of([event_])
    assert caught.value.retryable


def test_an_answer_in_one_piece_is_as_good() -> None:
    answer = ended(*TRICKY, usage=USAGE)["response"]
    assert folded(decoder().whole(json.dumps(answer).encode())) == reply_to(*TRICKY, usage=USAGE)


def test_an_answer_in_one_piece_may_be_incomplete() -> None:
    answer = ended(
        message("Hel"), how="incomplete", incomplete_details={"reason": "max_output_tokens"}
    )["response"]
    assert folded(decoder().whole(json.dumps(answer).encode())).stop is Stop.OUT_OF_TOKENS


@pytest.mark.parametrize(
    ("body", "what", "kind"),
    [
        (b"<html><title>It works!</title>", "a web page titled 'It works!'", ProtocolViolation),
        (b"[1]", "no response", ProtocolViolation),
        (b"{}", "no response", ProtocolViolation),
        (b'{"output": [', "no response", ProtocolViolation),
        (b'{"object":"chat.completion","choices":[]}', "no response", ProtocolViolation),
        (b'{"error":{"message":"boom","code":502}}', "boom", ProviderUnavailable),
        (b'{"detail":"boom"}', "boom", ProviderUnavailable),
        (b'{"status":"failed","output":[],"error":{"message":"boom"}}', "boom", ProviderError),
        (b'{"status":"queued","output":[],"error":null}', "queued", ProviderError),
    ],
)
def test_an_answer_that_is_something_else_is_an_error(
    body: bytes, what: str, kind: type[ProviderError]
) -> None:
    with pytest.raises(kind, match=what) as caught:
        decoder().whole(body)
    assert caught.value.retryable is not body.startswith(b"<")


def test_an_event_that_is_no_json_is_a_violation() -> None:
    for data in (
        b"data: hello\n\n",
        stream(said(message("Hi"))[:-1]) + b'data: {"type": "resp\n\n',
    ):
        with pytest.raises(ProtocolViolation, match="the answer is no response"):
            deltas_of([data])
