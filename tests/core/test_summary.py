"""A transcript becomes shorter, and what must stay stays word for word."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentouto._core.summaries import (
    cut_results,
    first_kept,
    summary_source,
    with_summary,
    without_native,
)
from agentouto._core.token_estimates import entry_tokens, text_tokens
from agentouto._domain.content import (
    Entry,
    Incoming,
    Native,
    Outcome,
    Outcomes,
    Place,
    Reasoning,
    Reply,
    Text,
    ToolCall,
)
from agentouto._domain.message import Attachment


def turn(place: int, result: str) -> tuple[Reply, Outcomes]:
    call = ToolCall(f"c{place}", "look", '{"at": "it"}', Place(place))
    reply = Reply((Text(f"Turn {place}."), call), native=Native("o", [place]))
    return reply, Outcomes((Outcome(call, result),))


def test_a_long_result_is_cut_and_kept_whole_elsewhere() -> None:
    entries = (Incoming("Q"), *turn(0, "begin" + "x" * 50_000 + "end"), *turn(1, "short"))
    whole: dict[str, str] = {}
    cut = cut_results(entries, 100, whole, readable=True)
    assert isinstance(cut[2], Outcomes)
    text = cut[2].items[0].content
    assert len(text) < 700
    assert text.startswith("begin")
    assert text.endswith("end")
    assert 'read_result(id="0.0", from=' in text
    assert whole == {"0.0": "begin" + "x" * 50_000 + "end"}
    assert cut[4] is entries[4]


def test_who_has_no_tool_to_read_the_rest_is_not_told_of_one() -> None:
    cut = cut_results(turn(0, "x" * 50_000), 100, {}, readable=False)
    assert isinstance(cut[1], Outcomes)
    assert "read_result" not in cut[1].items[0].content
    assert "left out" in cut[1].items[0].content


def test_what_is_cut_again_is_cut_from_the_whole() -> None:
    whole: dict[str, str] = {}
    once = cut_results(turn(0, "a" * 10_000 + "z" * 10_000), 1000, whole, readable=True)
    twice = cut_results(once, 100, whole, readable=True)
    assert isinstance(twice[1], Outcomes)
    assert twice[1].items[0].content.count("left out") == 1
    assert len(whole["0.0"]) == 20_000


def test_seals_go_and_everything_else_stays() -> None:
    (reply, outcomes) = without_native(turn(0, "r"))
    assert isinstance(reply, Reply)
    assert reply.native is None
    assert reply.parts == turn(0, "r")[0].parts
    assert outcomes == turn(0, "r")[1]


@st.composite
def transcripts(draw: st.DrawFn) -> tuple[Entry, ...]:
    entries: list[Entry] = [Incoming("the request")]
    for place in range(draw(st.integers(0, 12))):
        entries += turn(place, "r" * draw(st.integers(0, 3000)))
        entries += [Incoming("mail")] * draw(st.integers(0, 2))
    return tuple(entries)


@settings(max_examples=200, deadline=None)
@given(transcripts(), st.integers(1, 3000))
def test_results_are_never_kept_without_their_calls(
    entries: tuple[Entry, ...], tokens: int
) -> None:
    place = first_kept(entries, tokens)
    kept = entries[place:]
    assert kept
    assert not isinstance(kept[0], Outcomes)
    without_first = kept[2:] if len(kept) > 1 and isinstance(kept[1], Outcomes) else kept[1:]
    assert sum(map(entry_tokens, without_first)) <= tokens


def test_the_forward_stays_first_and_word_for_word() -> None:
    asked = Incoming("Do exactly this.", (Attachment("image/png", data="AA=="),))
    entries = with_summary(asked, "It went well.", turn(3, "r"), 8_000)
    assert entries[0] is asked
    assert isinstance(entries[1], Incoming)
    assert entries[1].text == "[Previous conversation summary]\nIt went well.\n[End of summary]"
    assert isinstance(entries[2], Reply)


def test_a_summary_that_is_none_is_cut() -> None:
    entries = with_summary(Incoming("Q"), "x" * 100_000, (), 8_000)
    assert entry_tokens(entries[1]) < 8_000 * 0.2


def test_what_is_summarised_says_who_said_what() -> None:
    reply = Reply((Reasoning("hm"), Text("I look."), ToolCall("1", "look", '{"at":"x"}')))
    text = summary_source((Incoming("Q"), reply, turn(0, "It is red.")[1]), 8_000)
    assert text == (
        'User: Q\n\nAssistant: I look.\n\nAssistant: [Called tools: look({"at":"x"})]\n\n'
        "Tool result (look): It is red."
    )


@pytest.mark.parametrize("letters", [10, 3_000, 400_000])
def test_what_is_summarised_fits_the_model_that_does_it(letters: int) -> None:
    entries = [entry for place in range(40) for entry in turn(place, "r" * letters)]
    assert text_tokens(summary_source(entries, 4_000)) <= 4_000 * 0.6 + 10
