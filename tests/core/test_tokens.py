"""How large a request is: what a provider has counted, and an estimate of what came since."""

from __future__ import annotations

import pytest

from agentouto._core.token_estimates import TOKENS_PER_FILE, Meter, entry_tokens, text_tokens
from agentouto._domain.content import (
    Entry,
    Incoming,
    Outcome,
    Outcomes,
    Reasoning,
    Reply,
    Text,
    ToolCall,
    Transcript,
)
from agentouto._domain.message import Attachment


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("word " * 100, 100, 150),
        ("한국어 문장입니다. " * 50, 350, 550),
        ("中文" * 100, 200, 260),
        ("", 0, 1),
        ("ä" * 100, 25, 110),
        ("\ud800" * 10, 1, 20),
    ],
)
def test_letters_come_in_fours_and_other_scripts_singly(text: str, least: int, most: int) -> None:
    assert least <= text_tokens(text) <= most


def test_everything_that_is_sent_counts() -> None:
    call = ToolCall("1", "search", '{"q": "' + "x" * 400 + '"}')
    file = Attachment("image/png", data="A" * 4000)
    text = Attachment("text/plain", data="A" * 400_000)
    assert entry_tokens(Reply((Text("x" * 400),))) >= 100
    assert entry_tokens(Reply((call,))) >= 100
    assert entry_tokens(Outcomes((Outcome(call, "x" * 400),))) >= 100
    assert entry_tokens(Incoming("", (file,))) >= TOKENS_PER_FILE
    assert entry_tokens(Incoming("", (text,))) > 50_000


def test_thinking_is_not_sent_as_words() -> None:
    assert entry_tokens(Reply((Reasoning("x" * 4000),))) < 10


def grown(*entries: Entry) -> Transcript:
    return Transcript("S", entries)


def test_only_what_came_since_the_last_report_is_estimated() -> None:
    meter = Meter(10)
    first = Incoming("x" * 4000)
    meter.report(grown(first), 900)
    assert meter.size(grown(first)) == 900
    assert 1000 <= meter.size(grown(first, Reply((Text("y" * 400),)))) <= 1010


def test_without_a_report_everything_is_estimated_and_once_only() -> None:
    meter = Meter(10)
    first, second = Incoming("x" * 4000), Reply((Text("y" * 400),))
    meter.report(grown(first), None)
    size = meter.size(grown(first, second))
    assert 1110 <= size <= 1125
    assert meter.size(grown(first, second)) == size


def test_a_count_that_cannot_be_is_not_believed() -> None:
    meter = Meter(10)
    first = Incoming("x" * 40_000)
    meter.report(grown(first), 10)
    assert meter.size(grown(first)) > 9_000


def test_another_transcript_is_measured_anew() -> None:
    meter = Meter(10)
    meter.report(grown(Incoming("x" * 4000), Incoming("z" * 4000)), 2_000)
    assert meter.size(grown(Incoming("y" * 400))) < 130


def test_what_was_counted_once_is_not_forgotten_with_the_transcript() -> None:
    meter = Meter(0)
    first = Incoming("x" * 4000)
    meter.report(grown(first), 3_015)
    meter.forget()
    assert 2_900 <= meter.size(grown(first)) <= 3_100
