"""Text that fits a terminal, in which some characters take two columns and some none."""

from __future__ import annotations

import pytest

from agentouto.cli._terminal_text import break_at_words, columns_of, cut_columns, shorten_at_word

WIDE = "모든 파일을 읽고 " * 20


@pytest.mark.parametrize(
    ("text", "columns"),
    [("tide", 4), ("조수", 4), ("e\u0301", 1), ("\N{WATER WAVE}", 2), ("", 0), ("né", 2)],
)
def test_columns_are_counted_as_a_terminal_does(text: str, columns: int) -> None:
    assert columns_of(text) == columns


@pytest.mark.parametrize("width", [20, 40, 80])
def test_no_line_of_wide_characters_is_wider_than_the_terminal(width: int) -> None:
    lines = break_at_words(WIDE, width).split("\n")
    assert max(map(columns_of, lines)) <= width
    assert " ".join(lines).split() == WIDE.split()


def test_a_line_is_cut_by_columns_with_an_ellipsis() -> None:
    assert cut_columns("tides", 5) == "tides"
    assert cut_columns("tides", 4) == "tid\N{HORIZONTAL ELLIPSIS}"
    assert cut_columns("조수조수", 6) == "조수\N{HORIZONTAL ELLIPSIS}"


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("All of it.", "All of it."),
        ("One word  and\nmore", "One word …"),
        ("Unbreakable_word", "Unbreaka …"),
    ],
)
def test_a_text_is_shortened_after_a_word(text: str, short: str) -> None:
    assert shorten_at_word(text, 10) == short
    assert len(shorten_at_word(text, 10)) <= 10
