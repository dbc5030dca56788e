"""Whatever happens in a conversation: each request is valid and begins with the one before."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentouto._core.ids import assign_ids
from agentouto._domain.content import Entry, Incoming, Outcome, Outcomes, Reply, Text, ToolCall
from agentouto._domain.ports import Draft
from wire import gemini_judge, gemini_words
from wire.conversations import JPEG, PDF, PNG, TXT, WAV, ZIP
from wire.dialects import DIALECTS, Call, Dialect, Odd, Redacted, Said, Thought, Words

TEXTS = st.text(max_size=6) | st.sampled_from(
    ["", " ", "naïve 👋\u2028", '"}],{"role":"assistant","content":[', "]}"]
)
SEALS = st.sampled_from(["U0lH", "T1RIRVI="])
IDS = st.sampled_from(["call_A", "call_0_0", "call_1_0", "i1", ""])
FOREIGN_IDS = IDS | st.sampled_from(["fc|x.y", "ä", "x" * 80])
ARGUMENTS = st.sampled_from(['{"what":"x"}', "{}", '{"n":12345678901234567890}'])
BROKEN = ARGUMENTS | st.sampled_from(["", "{", "[1]", '"{}"'])
FILES = st.lists(st.sampled_from([PNG, JPEG, PDF, TXT, WAV, ZIP]), max_size=2).map(tuple)
SAID: st.SearchStrategy[Said] = st.one_of(
    st.builds(Thought, TEXTS, SEALS),
    st.builds(Thought, TEXTS, st.just("")),
    st.builds(Redacted, SEALS),
    st.builds(Words, TEXTS),
    st.builds(Call, IDS, ARGUMENTS, st.just("look")),
    st.builds(Odd, TEXTS),
)
PLAIN = st.builds(
    lambda text, calls: Reply((Text(text), *calls)),
    TEXTS,
    st.lists(st.builds(ToolCall, FOREIGN_IDS, st.just("look"), BROKEN), max_size=3),
)


@st.composite
def conversations(draw: st.DrawFn) -> list[Entry]:
    """Draw what one agent reads whose models change: every call is answered, then mail."""
    entries: list[Entry] = [Incoming(draw(TEXTS))]
    taken: set[str] = set()
    for turn in range(draw(st.integers(0, 5))):
        speaker = draw(st.sampled_from([None, *DIALECTS.values()]))
        said = draw(st.lists(SAID, max_size=5))
        reply = draw(PLAIN) if speaker is None else speaker.reply(*said)
        reply = assign_ids(reply, turn, taken)
        entries.append(reply)
        if reply.tool_calls:
            items = [
                Outcome(made, draw(TEXTS), draw(FILES), is_error=draw(st.booleans()))
                for made in reply.tool_calls
            ]
            entries.append(Outcomes(tuple(items)))
        mail = draw(st.integers(0 if reply.tool_calls else 1, 2))
        entries += [Incoming(draw(TEXTS), draw(st.sampled_from([(), (PNG,)]))) for _ in range(mail)]
    return entries


OLDER = replace(
    DIALECTS["google"],
    name="older google",
    model=gemini_words.OLDER,
    judge=partial(gemini_judge.complaints, recent=False),
)


@pytest.mark.parametrize("dialect", [*DIALECTS.values(), OLDER], ids=lambda dialect: dialect.name)
@settings(max_examples=100, deadline=None)
@given(entries=conversations())
def test_each_request_is_valid_and_begins_with_the_one_before(
    dialect: Dialect, entries: list[Entry]
) -> None:
    """Asks after every entry that is not the model's, and compares what is sent."""
    wire, draft = dialect.wire(dialect.home), Draft()
    sent: list[bytes] = []
    for count, entry in enumerate(entries, 1):
        if isinstance(entry, Reply):
            continue  # nobody asks when the model has spoken last
        sent.append(wire.encode(dialect.request(entries[:count], draft=draft)).body)
        assert wire.encode(dialect.request(entries[:count])).body == sent[-1]
    for before, after in pairwise(sent):
        assert after.startswith(opened(before))
    assert dialect.complaints(json.loads(sent[-1])) == []


def opened(body: bytes) -> bytes:
    """A body without the brackets that close what will grow."""
    for end in (b"]}]}", b"]}"):
        if body.endswith(end):
            return body.removesuffix(end)
    raise AssertionError(body)
