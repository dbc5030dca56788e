"""The text of ``finish`` is read while its arguments are written, wherever they are cut."""

from __future__ import annotations

import json

import pytest

from agentouto._core.reply_progress import FinishText, finish_text
from agentouto._domain.content import Reply, Text, ToolCall

TEXTS = (
    "",
    "Hello there",
    'He said "no" \\ and left\n\tat once',
    "한국어 ✓",
    "🙂🙃",
    "a\u2028b\x00c",
)


def read(pieces: list[str]) -> list[str]:
    reader = FinishText()
    return [reader.feed(piece) for piece in pieces]


def written(text: str) -> list[str]:
    """Return the JSON of ``text`` as models write it: with and without escapes and spaces."""
    return [
        json.dumps({"message": text}),
        json.dumps({"message": text}, ensure_ascii=False),
        json.dumps({"message": text, "more": 1}, indent=1),
        json.dumps({"message": text}, separators=(",", ":")),
    ]


@pytest.mark.parametrize("text", TEXTS)
def test_the_text_is_complete_wherever_the_arguments_are_cut(text: str) -> None:
    for arguments in written(text):
        assert "".join(read(list(arguments))) == text
        for place in range(len(arguments) + 1):
            assert "".join(read([arguments[:place], arguments[place:]])) == text


def test_each_piece_gives_what_it_adds() -> None:
    assert read(['{"message', '":"Hel', "lo\\", 'n"', "}"]) == ["", "Hel", "lo", "\n", ""]


def test_half_of_a_character_waits_for_its_other_half() -> None:
    assert read(['{"message": "a\\ud83d', "\\ude42 b"]) == ["a", "\U0001f642 b"]


@pytest.mark.parametrize(
    "arguments",
    [
        '{"result": "x"}',
        '{"more": 1, "message": "x"}',
        '{"message": {"a": 1}}',
        '"{\\"message\\": \\"x\\"}"',
        '{"message": "\\x"}',
        " " * 2_000 + '{"message": "x"}',
    ],
)
def test_what_is_not_written_as_usual_gives_nothing_until_it_is_complete(arguments: str) -> None:
    assert "".join(read(list(arguments))) == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"message": "x"}', "x"),
        ('{"message": {"a": 1}}', '{"a":1}'),
        ('{"message": null}', ""),
        ("", ""),
        ("{", ""),
        ('"{\\"message\\": \\"x\\"}"', "x"),
    ],
)
def test_the_text_of_a_whole_reply_is_what_finish_returns(arguments: str, text: str) -> None:
    reply = Reply((Text("So."), ToolCall("1", "look", "{}"), ToolCall("2", "finish", arguments)))
    assert finish_text(reply) == text
    assert finish_text(Reply((Text("So."),))) == ""


def test_what_was_read_of_a_long_text_is_not_looked_at_again() -> None:
    reader = FinishText()
    reader.feed('{"message": "')
    for _ in range(1_000):
        assert reader.feed("ab\\") + reader.feed("n") == "ab\n"
        assert reader._unread == ""
