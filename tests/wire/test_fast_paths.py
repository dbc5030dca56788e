"""What an ordinary event and an odd one mean is the same, though they are read in two ways."""

from __future__ import annotations

import pytest

from agentouto._domain.content import Native
from wire import responses_words
from wire.words import calling, calls_of, chunk, piece

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
