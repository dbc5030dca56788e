"""What an ordinary event and an odd one mean is the same, though they are read in two ways."""

from __future__ import annotations

import pytest

from agentouto._domain.content import Native, Usage
from agentouto.providers._transport.sse import SseReader
from wire import responses_words
from wire.words import calling, calls_of, chunk, piece, reply_to

ONE = '{"n":1}'
TWO = '{"n":2}'
STOP = chunk({}, "stop")

IN_ONE_CHUNK: dict[str, tuple[list[dict[str, object]], list[tuple[str, str, str]]]] = {
    "the starts of calls": (
        [calling(piece(0, "a", "f", ONE), piece(1, "b", "g", ""), piece(2, "c", "f", TWO))],
        [("a", "f", ONE), ("b", "g", ""), ("c", "f", TWO)],
    ),
    "one index for all": (
        [calling(piece(0, "a", "f", ONE), piece(0, "b", "f", TWO))],
        [("a", "f", ONE), ("b", "f", TWO)],
    ),
    "a call that has come, and another": (
        [
            calling(piece(0, "a", "f", ONE)),
            calling(piece(0, "a", "f", ONE), piece(1, "b", "f", TWO)),
        ],
        [("a", "f", ONE), ("b", "f", TWO)],
    ),
    "one call at two indexes": (
        [calling(piece(0, "a", "f", ONE), piece(1, "a", "f", ONE), piece(2, "b", "f", TWO))],
        [("a", "f", ONE), ("b", "f", TWO)],
    ),
    "more arguments of two calls": (
        [
            calling(piece(0, "a", "f", '{"n"'), piece(1, "b", "f", '{"n"')),
            calling(piece(0, arguments=":1}"), piece(1, arguments=":2}")),
        ],
        [("a", "f", ONE), ("b", "f", TWO)],
    ),
}


@pytest.mark.parametrize("name", IN_ONE_CHUNK)
def test_calls_in_one_chunk_are_told_apart(name: str) -> None:
    chunks, expected = IN_ONE_CHUNK[name]
    assert calls_of(*chunks, STOP) == expected


def test_pieces_without_an_index_belong_to_the_item_that_they_name() -> None:
    one, two = (
        responses_words.message("Hello, ", "msg_1"),
        responses_words.message("you.", "msg_2"),
    )
    events = [*responses_words.spoken(0, one), *responses_words.spoken(1, two)]
    for each in events:
        if str(each["type"]).endswith(".delta"):
            del each["output_index"]
    reply = responses_words.reply_of([*events, responses_words.ended(one, two)])
    assert reply.text == "Hello, you."
    assert reply.native == Native(responses_words.ORIGIN, [one, two])


@pytest.mark.parametrize(
    ("more", "cached", "reasoning"),
    [
        ({}, None, None),
        ({"prompt_cache_hit_tokens": 3}, 3, None),
        ({"prompt_tokens_details": {}, "prompt_cache_hit_tokens": 3}, 3, None),
        (
            {"prompt_tokens_details": {"cached_tokens": None}, "prompt_cache_hit_tokens": 3},
            None,
            None,
        ),
        ({"prompt_tokens_details": {"cached_tokens": 4}, "prompt_cache_hit_tokens": 3}, 4, None),
        ({"completion_tokens_details": {"reasoning_tokens": 2}}, None, 2),
    ],
)
@pytest.mark.parametrize("read", [9, 9.0])
def test_counts_are_the_same_whether_they_are_usual_or_odd(
    read: float, more: dict[str, object], cached: int | None, reasoning: int | None
) -> None:
    usage = {"prompt_tokens": read, "completion_tokens": 7, **more}
    reply = reply_to(chunk({"content": "Hi"}), STOP, {"choices": [], "usage": usage})
    assert reply.usage == Usage(9, 7, cached, reasoning)


EVENTS = {
    b'data: {"a":1}\n\n': [b'{"a":1}'],
    b'event: x\ndata: {"b":2}\n\n': [b'{"b":2}'],
    b": a comment\n\n": [],
    b"event: y\n\n": [],
    b"data: \n\n": [],
    b"data: 1\ndata: 2\n\n": [b"1\n2"],
    b"event: x\ndata: 1\ndata: 2\n\n": [b"1\n2"],
    b"id: 3\nevent: x\ndata: 4\n\n": [b"4"],
    b"\n": [],
}


@pytest.mark.parametrize("second", EVENTS)
@pytest.mark.parametrize("first", EVENTS)
def test_events_are_the_same_beside_any_others(first: bytes, second: bytes) -> None:
    usual = b'data: {"a":1}\n\n'
    block = first + usual + second + usual
    expected = [*EVENTS[first], b'{"a":1}', *EVENTS[second], b'{"a":1}']
    assert SseReader().feed(block) == expected
    assert SseReader().feed(second * 2) == EVENTS[second] * 2
