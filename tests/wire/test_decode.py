"""What is made of answers: ordinary ones, odd ones, and ones that arrive in any pieces."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentouto._domain.content import (
    Incoming,
    Outcome,
    Outcomes,
    Reasoning,
    Stop,
    Text,
    ToolCall,
    Usage,
)
from agentouto._domain.delta import NativeDelta, StopDelta, TextDelta, UsageDelta
from agentouto._domain.errors import (
    ContextOverflow,
    ProtocolViolation,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
)
from agentouto.providers._transport.sse import SseReader
from wire.words import (
    DONE,
    asking,
    body_of,
    calling,
    calls_of,
    chunk,
    decoder,
    deltas_of,
    event,
    folded,
    piece,
    reply_to,
    stream,
)

HELLO = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Hel"}),
    chunk({"content": "lo"}),
)
STOP = chunk({}, "stop")
USAGE = {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}

TRICKY = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "hm…\u2028"}),
    chunk({"content": "<thi"}),
    chunk({"content": "nk>so </th"}),
    chunk({"content": "ink>\n\nNaïve 👋\u2028"}),
    chunk({"content": " <think>no</think>\u0085"}),
    calling(piece(0, "call_A", "look", "")),
    calling(piece(0, arguments='{"a":')),
    calling(piece(0, arguments='"x"}')),
    calling(piece(1, "call_B", "look", '{"a":"y"}')),
    chunk({}, "tool_calls"),
    {"choices": [], "usage": USAGE},
)


# Ordinary answers ---------------------------------------------------------------------------------


def test_words_are_told_one_by_one_and_the_rest_at_the_end() -> None:
    blocks = [stream(*HELLO, STOP, {"choices": [], "usage": USAGE})]
    assert deltas_of(blocks) == [
        TextDelta("Hel"),
        TextDelta("lo"),
        UsageDelta(Usage(9, 7)),
        StopDelta(Stop.COMPLETE),
    ]


def test_a_stream_with_everything_is_understood() -> None:
    reply = reply_to(*TRICKY)
    assert reply.parts == (
        Reasoning("hm…\u2028so "),
        Text("Naïve 👋\u2028 <think>no</think>\u0085"),
        ToolCall("call_A", "look", '{"a":"x"}'),
        ToolCall("call_B", "look", '{"a":"y"}'),
    )
    assert reply.stop is Stop.COMPLETE
    assert reply.usage == Usage(9, 7)


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


def test_a_line_of_five_megabytes_is_joined_once() -> None:
    long = "x" * 5_000_000
    data = stream(*HELLO, chunk({"content": long}), STOP)
    blocks = [data[i : i + 16_384] for i in range(0, len(data), 16_384)]
    assert folded(deltas_of(blocks)).text == "Hello" + long


def test_events_without_blank_lines_between_them_are_understood() -> None:
    data = stream(*HELLO, STOP).replace(b"\n\n", b"\n")
    assert folded(deltas_of([data])).text == "Hello"


def test_frames_without_data_and_unknown_events_are_passed_over() -> None:
    odd = (
        b": comment\n\nevent: ping\n\nid: 7\n\ndata:\n\ndata: \n\nretry: 5\n\n"
        + event({"type": "ping"})
        + event([1])
        + event(None)
    )
    assert folded(deltas_of([odd + stream(*HELLO, STOP)])).text == "Hello"


def test_the_reader_gives_the_data_of_an_event_whole() -> None:
    reader = SseReader()
    assert reader.feed(b"data: a\ndata: b\n\ndata:c\r\n\r") == [b"a\nb"]
    assert reader.feed(b"\ndata: d") == [b"c"]
    assert reader.end() == [b"d"]
    assert reader.end() == []


# Ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", stream(*HELLO, done=False), b": nothing\n\n"])
def test_an_answer_without_a_last_word_was_cut_short(data: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="cut short"):
        deltas_of([data])


def test_either_mark_of_the_end_will_do() -> None:
    assert reply_to(*HELLO, done=True).stop is Stop.COMPLETE
    assert reply_to(*HELLO, STOP, done=False).stop is Stop.COMPLETE


@pytest.mark.parametrize(
    "chunks",
    [
        (),
        ({"choices": [], "usage": USAGE},),
        (chunk({"role": "assistant", "content": ""}),),
        (calling(piece(0, "a", "look", '{"a":')),),
        (calling(piece(0, "a", "look", "")),),
        (calling(piece(0, "a", "look", "{}")), calling(piece(1, "b", "look", '{"a": "x'))),
        (*HELLO, calling(piece(0, "a", "look", '"{\\"a\\":'))),
    ],
)
def test_a_last_word_behind_half_a_call_or_nothing_at_all_is_none(
    chunks: tuple[dict[str, object], ...],
) -> None:
    with pytest.raises(ProtocolViolation, match="cut short") as caught:
        reply_to(*chunks)
    assert caught.value.retryable


@pytest.mark.parametrize("arguments", ["{}", ' {"a": 1} ', '"{\\"a\\": 1}"', "null"])
def test_a_last_word_behind_whole_calls_is_one(arguments: str) -> None:
    reply = reply_to(calling(piece(0, "a", "look", arguments)))
    assert (len(reply.tool_calls), reply.stop) == (1, Stop.COMPLETE)


def test_arguments_that_a_model_got_wrong_are_its_own_fault() -> None:
    reply = reply_to(calling(piece(0, "a", "look", '{"a":'), finish="tool_calls"))
    assert (reply.tool_calls[0].arguments, reply.stop) == ('{"a":', Stop.COMPLETE)


@pytest.mark.parametrize("said", [{"content": " "}, {"reasoning": "hm"}, {"refusal": "No."}])
def test_a_last_word_behind_any_other_is_one(said: dict[str, object]) -> None:
    assert reply_to(chunk(said)).stop in {Stop.COMPLETE, Stop.REFUSED}


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("stop", Stop.COMPLETE),
        ("eos", Stop.COMPLETE),
        ("length", Stop.OUT_OF_TOKENS),
        ("content_filter", Stop.REFUSED),
    ],
)
def test_the_reason_of_the_end_is_told(reason: str, stop: Stop) -> None:
    assert reply_to(*HELLO, chunk({}, reason)).stop is stop


def test_a_refusal_is_told_in_its_own_words() -> None:
    reply = reply_to(chunk({"refusal": "I will "}), chunk({"refusal": "not."}), STOP)
    assert (reply.text, reply.stop) == ("I will not.", Stop.REFUSED)


def test_a_refusal_that_is_cut_short_is_no_reply() -> None:
    with pytest.raises(ProtocolViolation):
        reply_to(chunk({"refusal": "I will "}), done=False)


def test_a_server_that_breaks_off_is_unavailable() -> None:
    with pytest.raises(ProviderUnavailable, match="insufficient_system_resource"):
        reply_to(*HELLO, chunk({}, "insufficient_system_resource"))


def test_nothing_is_read_after_the_end() -> None:
    assert folded(deltas_of([stream(*HELLO) + event({"error": "too late"})])).text == "Hello"


# Tool calls ---------------------------------------------------------------------------------------

ONE = '{"n":1}'
TWO = '{"n":2}'

ODD_CALLS: dict[str, tuple[list[dict[str, object]], list[tuple[str, str, str]]]] = {
    "pieces, interleaved": (
        [
            calling(piece(0, "a", "f", "")),
            calling(piece(1, "b", "g", "")),
            calling(piece(1, arguments='{"n"')),
            calling(piece(0, arguments=ONE)),
            calling(piece(1, arguments=":2}")),
        ],
        [("a", "f", ONE), ("b", "g", TWO)],
    ),
    "no index": (
        [
            calling(piece(None, "a", "f", '{"n"')),
            calling(piece(None, arguments=":1}")),
            calling(piece(None, "b", "f", TWO)),
        ],
        [("a", "f", ONE), ("b", "f", TWO)],
    ),
    "no index, in one chunk": (
        [calling(piece(None, None, "f", ONE), piece(None, None, "f", TWO))],
        [("", "f", ONE), ("", "f", TWO)],
    ),
    "no index, no id, one after the other": (
        [calling(piece(None, None, "f", ONE)), calling(piece(None, None, "g", TWO))],
        [("", "f", ONE), ("", "g", TWO)],
    ),
    "no index, the id on each piece": (
        [
            calling(piece(None, "a", "f", '{"n"')),
            calling(piece(None, "b", "f", '{"n"')),
            calling(piece(None, "a", None, ":1}")),
            calling(piece(None, "b", None, ":2}")),
        ],
        [("a", "f", ONE), ("b", "f", TWO)],
    ),
    "one index for all": (
        [calling(piece(0, "a", "f", ONE)), calling(piece(0, "b", "f", TWO))],
        [("a", "f", ONE), ("b", "f", TWO)],
    ),
    "one index for all, and no ids": (
        [
            calling(piece(0, None, "f", "")),
            calling(piece(0, arguments=ONE)),
            calling(piece(0, None, "f", TWO)),
            calling(piece(0, None, "g", "")),
            calling(piece(0, arguments=ONE)),
        ],
        [("", "f", ONE), ("", "f", TWO), ("", "g", ONE)],
    ),
    "indexes with gaps": (
        [calling(piece(1, "a", "f", ONE)), calling(piece(7, "b", "g", TWO))],
        [("a", "f", ONE), ("b", "g", TWO)],
    ),
    "the name again with every piece": (
        [
            calling(piece(0, "a", "f", '{"n"')),
            calling(piece(0, "a", "f", ":1")),
            calling(piece(0, "a", "f", "}")),
            calling(piece(0, "a", "f", "")),
        ],
        [("a", "f", ONE)],
    ),
    "the name in pieces": (
        [
            calling(piece(0, "a", "loo")),
            calling(piece(0, None, "k_up")),
            calling(piece(0, arguments=ONE)),
        ],
        [("a", "look_up", ONE)],
    ),
    "the id later": (
        [calling(piece(0, "", "f", "")), calling(piece(0, "a", None, ONE))],
        [("a", "f", ONE)],
    ),
    "the id changes on the way": (
        [calling(piece(0, "a", "f", '{"n"')), calling(piece(0, "zz", None, ":1}"))],
        [("a", "f", ONE)],
    ),
    "one id for two": (
        [calling(piece(0, "a", "f", ONE)), calling(piece(1, "a", "f", TWO))],
        [("a", "f", ONE), ("a", "f", TWO)],
    ),
    "the whole call once more": (
        [
            calling(piece(0, "a", "f", "")),
            calling(piece(0, arguments=ONE)),
            calling(piece(0, "a", "f", ONE), finish="stop"),
        ],
        [("a", "f", ONE)],
    ),
    "arguments as an object": ([calling(piece(0, "a", "f", {"n": 1}))], [("a", "f", ONE)]),
    "no arguments": (
        [
            calling({"index": 0, "id": "a", "function": {"name": "f", "arguments": None}}),
            calling(piece(1, "b", "g")),
        ],
        [("a", "f", ""), ("b", "g", "")],
    ),
    "JSON within JSON": (
        [
            calling(piece(0, "a", "f", '"{\\"n\\"')),
            calling(piece(0, arguments=':1}"')),
            calling(piece(1, "b", "g", TWO)),
        ],
        [("a", "f", ONE), ("b", "g", TWO)],
    ),
    "a JSON string that is no JSON": ([calling(piece(0, "a", "f", '"hi"'))], [("a", "f", '"hi"')]),
    "broken JSON stays as it is": ([calling(piece(0, "a", "f", '{"n":'))], [("a", "f", '{"n":')]),
    "the old way": (
        [
            chunk({"function_call": {"name": "f", "arguments": ""}}),
            chunk({"function_call": {"arguments": ONE}}),
        ],
        [("", "f", ONE)],
    ),
    "null where a list should be": (
        [chunk({"content": None, "tool_calls": None}), calling(piece(0, "a", "f", ONE))],
        [("a", "f", ONE)],
    ),
    "rubbish in the list": ([calling(piece(0, "a", "f", ONE), None, "x")], [("a", "f", ONE)]),
}


@pytest.mark.parametrize("name", ODD_CALLS)
def test_tool_calls_are_told_apart(name: str) -> None:
    chunks, expected = ODD_CALLS[name]
    assert calls_of(*chunks, STOP) == expected


# Odd answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": None},
        {"choices": [None]},
        {"choices": [{}]},
        chunk(None),
        chunk({"content": None}),
        chunk({"content": []}),
        {"id": "x"},
        {"choices": [{"index": 1, "delta": {"content": "another choice"}}]},
    ],
)
def test_chunks_that_say_nothing_do_no_harm(odd: dict[str, object]) -> None:
    assert reply_to(odd, *HELLO, odd, chunk({"content": "!"}), odd, STOP).text == "Hello!"


def test_content_as_a_list_of_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    assert reply_to(chunk({"content": parts}), STOP).text == "Hello"


def test_half_of_a_surrogate_pair_costs_a_letter_and_no_reply() -> None:
    data = stream(*HELLO).replace(b'"lo"', b'"l\\ud83do"')
    assert folded(deltas_of([data])).text == "Hell\ufffdo"


@pytest.mark.parametrize(
    "where",
    [
        lambda usage: [
            chunk({"content": "!"}, None, usage={"prompt_tokens": 9, "completion_tokens": 1}),
            {"choices": [], "usage": usage},
        ],
        lambda usage: [chunk({}, "stop", usage=usage)],
        lambda usage: [{"choices": [], "x_groq": {"usage": usage}}],
        lambda usage: [{"choices": [{"index": 0, "delta": {}, "usage": usage}]}],
        lambda usage: [{"choices": [], "usage": usage}, {"choices": [], "usage": None}],
    ],
)
def test_usage_is_found_wherever_it_is_and_never_added_up(where: object) -> None:
    usage = USAGE | {
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    reply = reply_to(*HELLO, *where(usage), STOP)  # type: ignore[operator]
    assert reply.usage == Usage(9, 7, 4, 3)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": "9"}, "?"])
def test_usage_that_was_not_reported_is_not_invented(usage: object) -> None:
    reply = reply_to(*HELLO, chunk({}, "stop", usage=usage))
    assert (reply.usage.input_tokens, reply.usage.complete) == (None, False)


def test_half_a_usage_is_incomplete() -> None:
    assert reply_to(*HELLO, chunk({}, "stop", usage={"prompt_tokens": 9})).usage == Usage(
        9, complete=False
    )


# Thinking -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["think", "thinking", "reason", "reasoning"])
@given(cuts=st.lists(st.integers(0, 100), max_size=8))
@settings(deadline=None, max_examples=30)
def test_a_think_block_at_the_beginning_is_thinking(tag: str, cuts: list[int]) -> None:
    text = f"\n<{tag}>a < b </thin </{tag}>\n\nSo <{tag}>this</{tag}>."
    places = sorted({0, len(text), *(cut % len(text) for cut in cuts)})
    words = [chunk({"content": text[a:b]}) for a, b in pairwise(places)]
    reply = reply_to(*words, STOP)
    assert reply.parts == (Reasoning("a < b </thin "), Text(f"So <{tag}>this</{tag}>."))
    sent = body_of(asking(Incoming("Hi"), reply))
    assert sent["messages"][1] == {"role": "assistant", "content": text}


@pytest.mark.parametrize(
    "text", ["<html>", " <thinker>x", "<Think>x</Think>", "a <think>b</think>", "<", "  "]
)
def test_what_only_looks_like_a_think_block_is_text(text: str) -> None:
    reply = reply_to(*(chunk({"content": letter}) for letter in text), STOP)
    assert reply.parts == (Text(text),)
    assert reply.native is None


def test_a_think_block_that_never_ends_is_all_thinking() -> None:
    reply = reply_to(
        chunk({"content": "<think>a"}), chunk({"content": "b</thi"}), chunk({}, "length")
    )
    assert reply.parts == (Reasoning("ab</thi"),)
    assert body_of(asking(reply))["messages"] == [
        {"role": "assistant", "content": "<think>ab</thi"}
    ]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_thinking_goes_back_in_the_field_it_came_in(field: str) -> None:
    reply = reply_to(chunk({field: "h"}), chunk({field: "h"}), *HELLO, STOP)
    assert reply.parts == (Reasoning("hh"), Text("Hello"))
    assert body_of(asking(reply))["messages"] == [
        {"role": "assistant", "content": "Hello", field: "hh"}
    ]


def test_thinking_that_is_sent_twice_is_told_once() -> None:
    reply = reply_to(
        chunk({"reasoning": "a", "reasoning_content": "a"}),
        chunk({"reasoning": "a", "reasoning_content": "a"}),
        STOP,
    )
    assert reply.parts == (Reasoning("aa"),)


def test_fields_we_do_not_know_go_back_to_the_same_server_only() -> None:
    reply = reply_to(
        chunk(
            {
                "role": "assistant",
                "x_state": "a",
                "model_tag": "t",
                "reasoning_details": [
                    {"type": "reasoning.text", "index": 0, "text": "h", "format": "f"}
                ],
            }
        ),
        chunk(
            {
                "x_state": "b",
                "model_tag": None,
                "reasoning_details": [
                    {"type": "reasoning.text", "index": 0, "text": "h", "format": "f"}
                ],
            }
        ),
        chunk(
            {
                "reasoning_details": [
                    {"type": "reasoning.encrypted", "index": 0, "data": "E"},
                    {"type": "reasoning.text", "index": 0, "text": "!", "signature": "S"},
                ]
            }
        ),
        calling(
            {**piece(0, "a", "f", "{}"), "extra_content": {"google": {"thought_signature": "s"}}}
        ),
        STOP,
    )
    expected = {
        "role": "assistant",
        "content": None,
        "x_state": "ab",
        "model_tag": "t",
        "reasoning_details": [
            {"type": "reasoning.text", "index": 0, "text": "hh", "format": "f"},
            {"type": "reasoning.encrypted", "index": 0, "data": "E"},
            {"type": "reasoning.text", "index": 0, "text": "!", "signature": "S"},
        ],
        "tool_calls": [
            {
                "id": "a",
                "type": "function",
                "function": {"name": "f", "arguments": "{}"},
                "extra_content": {"google": {"thought_signature": "s"}},
            }
        ],
    }
    assert body_of(asking(reply), judged=False)["messages"] == [expected]
    elsewhere = body_of(asking(reply, model="another"))["messages"][0]
    assert elsewhere.keys() == {"role", "content", "tool_calls"}
    assert "extra_content" not in elsewhere["tool_calls"][0]


def test_what_is_kept_can_be_written_to_a_file() -> None:
    native = [delta for delta in deltas_of([stream(*TRICKY)]) if isinstance(delta, NativeDelta)]
    assert len(native) == 1
    assert json.loads(json.dumps(native[0].data)) == native[0].data


def test_fields_of_the_vendor_itself_do_not_go_back() -> None:
    reply = reply_to(
        chunk({"content": "Hi", "annotations": [], "refusal": None, "obfuscation": "xx"}), STOP
    )
    assert reply.native is None


# Answers in one piece, and errors -----------------------------------------------------------------


def test_an_answer_in_one_piece_is_as_good() -> None:
    message = {
        "role": "assistant",
        "content": "<think>hm</think>Hello",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": ONE}},
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": ONE}},
        ],
    }
    answer = {"choices": [{"index": 0, "message": message, "finish_reason": None}], "usage": USAGE}
    reply = folded(decoder().whole(json.dumps(answer).encode()))
    assert (reply.text, reply.usage) == ("Hello", Usage(9, 7))
    assert [call.arguments for call in reply.tool_calls] == [ONE, ONE]


@pytest.mark.parametrize(
    ("body", "what", "again"),
    [
        (
            b"<html><head><title>It works!</title></head></html>",
            "a web page titled 'It works!'",
            False,
        ),
        (b"[1]", "not a chat completion", True),
        (b"{}", "not a chat completion", True),
        (b'{"choices": [', "not a chat completion", True),
    ],
)
def test_an_answer_that_is_something_else_is_a_violation(
    body: bytes, what: str, *, again: bool
) -> None:
    with pytest.raises(ProtocolViolation, match=what) as caught:
        decoder().whole(body)
    assert caught.value.retryable is again


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"error": {"message": "boom", "type": "server_error"}}, ProviderUnavailable),
        ({"error": {"message": "slow", "code": "rate_limit_exceeded"}}, RateLimited),
        ({"error": {"message": "x", "code": 429}}, RateLimited),
        (
            {"error": {"message": "This model's maximum context length is 5", "code": 400}},
            ContextOverflow,
        ),
        ({"error": {"message": "nope", "code": 400}}, ProviderError),
        ({"error": "boom"}, ProviderUnavailable),
        ({"object": "error", "message": "boom", "code": 502}, ProviderUnavailable),
        ({"detail": "boom"}, ProviderUnavailable),
        (
            {"choices": [{"index": 0, "delta": {}, "error": {"message": "boom", "code": 503}}]},
            ProviderUnavailable,
        ),
    ],
)
def test_an_error_inside_an_answer_is_an_error(
    error: dict[str, object], kind: type[ProviderError]
) -> None:
    for body in (stream(*HELLO, error), stream(error)):
        with pytest.raises(kind) as caught:
            deltas_of([body])
        assert type(caught.value) is kind
    with pytest.raises(kind):
        decoder().whole(json.dumps(error).encode())


def test_an_event_that_is_no_json_is_a_violation() -> None:
    with pytest.raises(ProtocolViolation, match="not a chat completion: hello"):
        deltas_of([b"data: hello\n\n" + DONE])
    with pytest.raises(ProtocolViolation):
        deltas_of([stream(*HELLO, done=False) + b'data: {"choices": [{"del\n\n' + DONE])


def test_a_reply_read_back_and_continued_makes_a_good_request() -> None:
    reply = reply_to(*TRICKY)
    results = Outcomes(tuple(Outcome(call, "ok") for call in reply.tool_calls))
    roles = [m["role"] for m in body_of(asking(Incoming("Hi"), reply, results))["messages"]]
    assert roles == ["user", "assistant", "tool", "tool"]
