"""The same answer in four formats is the same reply, however the network deals it out.

``streams`` has one answer as each vendor streams it, with the furniture vendors put around it.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentouto._domain.content import Reasoning, Reply, Stop, Text, ToolCall, Usage
from agentouto._domain.errors import ProtocolViolation
from agentouto.providers._transport.sse import SseReader
from wire.dialects import DIALECTS, Call, Dialect, Said, Thought, Words

GOLDEN = {path.stem: path.read_bytes() for path in (Path(__file__).parent / "streams").iterdir()}
EVERY = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)

ONE_REPLY = Reply(
    (
        Reasoning("Let me think."),
        Text("I'll look twice. 👀"),
        ToolCall("call_A", "look", '{"what":"x"}'),
        ToolCall("call_B", "look", '{"what":"y"}'),
    ),
    Stop.COMPLETE,
    Usage(90, 40, 64, 12),
)
TRICKY: tuple[Said, ...] = (
    Thought("hm…\u2028naïve 👋"),
    Words('data: 日本\u2028\u2029\u0085\x0b "quoted" \\n\n\nevent: x\r\n👩‍👩‍👧'),
    Call("call_A", '{"what":"x\\n"}'),
    Call("call_B", '{"what":"y"}'),
)


def without_native(reply: Reply) -> Reply:
    return Reply(reply.parts, reply.stop, reply.usage)


@EVERY
def test_one_answer_is_one_reply_whoever_streams_it(dialect: Dialect) -> None:
    reply = dialect.heard([GOLDEN[dialect.name]])
    assert without_native(reply) == ONE_REPLY
    assert reply.native is not None


def test_four_vendors_say_the_same_and_are_heard_the_same() -> None:
    heard = [without_native(dialect.reply(*TRICKY)) for dialect in DIALECTS.values()]
    assert [reply.usage for reply in heard] == [Usage(9, 7, 4, 3)] * 4
    assert heard == heard[:1] * 4
    assert heard[0].parts == (
        Reasoning(TRICKY[0][0]),
        Text(TRICKY[1][0]),
        ToolCall("call_A", "look", '{"what":"x\\n"}'),
        ToolCall("call_B", "look", '{"what":"y"}'),
    )


def unescaped(data: bytes) -> bytes:
    """The stream with its letters written out, as most vendors send them."""
    text = data.decode()
    for letter in "…\u2028\u2029\u0085ï日本":
        text = text.replace(f"\\u{ord(letter):04x}", letter)
    return text.replace("\\ud83d\\udc4b", "👋").encode()


@EVERY
@settings(max_examples=120, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 1 << 14), max_size=30),
    line_end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    escaped=st.booleans(),
    comments=st.booleans(),
    blank_at_end=st.booleans(),
)
def test_it_does_not_matter_where_the_network_cuts(
    dialect: Dialect,
    cuts: list[int],
    line_end: bytes,
    *,
    escaped: bool,
    comments: bool,
    blank_at_end: bool,
) -> None:
    data = dialect.stream(TRICKY)
    if not escaped:
        data = unescaped(data)
    if comments:
        data = data.replace(b"\ndata: ", b"\n: ping\nid: 1\ndata:")
        data = b"\xef\xbb\xbf: hello\n\n" + data
    if not blank_at_end:
        data = data.rstrip(b"\n")
    data = data.replace(b"\n", line_end)
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    assert dialect.heard([data[a:b] for a, b in pairwise(places)]) == dialect.reply(*TRICKY)


@EVERY
def test_letter_by_letter(dialect: Dialect) -> None:
    data = unescaped(dialect.stream(TRICKY))
    blocks = [data[place : place + 1] for place in range(len(data))]
    assert dialect.heard(blocks) == dialect.reply(*TRICKY)


@EVERY
def test_events_without_blank_lines_between_them_are_understood(dialect: Dialect) -> None:
    data = dialect.stream(TRICKY).replace(b"\n\n", b"\n")
    assert dialect.heard([data]) == dialect.reply(*TRICKY)


@EVERY
def test_events_without_blank_lines_are_told_as_they_come(dialect: Dialect) -> None:
    data = dialect.stream(TRICKY).replace(b"\n\n", b"\n")
    reader = SseReader()
    for line in data.splitlines(keepends=True):
        event = line.removeprefix(b"data: ").strip() if line.startswith(b"data:") else b""
        assert reader.feed(line) == ([event] if event else [])
    assert reader.end() == []


def test_lines_that_are_no_events_by_themselves_wait_for_the_others() -> None:
    reader = SseReader()
    assert reader.feed(b'data: {"a": 1}\ndata: {"a":\ndata: 2}\n') == [b'{"a": 1}']
    assert reader.feed(b'\ndata: {"a": 3}\n') == [b'{"a":\n2}', b'{"a": 3}']
    assert reader.feed(b"\n") == []
    assert reader.end() == []


@pytest.mark.parametrize("line", [b'data: {"choices": []}\n', b"data: 1,\n", b": ping\n"])
def test_a_stream_without_blank_lines_takes_time_by_its_length_only(line: bytes) -> None:
    def seconds(count: int) -> float:
        reader, begun = SseReader(), process_time()
        for _ in range(count):
            reader.feed(line)
        reader.end()
        return process_time() - begun

    seconds(100)
    assert seconds(40_000) < 2


@EVERY
def test_a_line_of_five_megabytes(dialect: Dialect) -> None:
    long = "x" * 5_000_000
    data = dialect.stream([Words("x"), Call("1")]).replace(b'"x"', b'"%s"' % long.encode(), 1)
    blocks = [data[place : place + 65_536] for place in range(0, len(data), 65_536)]
    assert long in dialect.heard(blocks).text


@EVERY
def test_an_answer_that_is_cut_anywhere_before_its_last_word_is_no_reply(dialect: Dialect) -> None:
    said = [Thought("hm"), Words("Ho"), Call("1")]
    whole, data = dialect.reply(*said), dialect.stream(said)
    for place in range(0, len(data), 7):
        try:
            heard = dialect.heard([data[:place]])
        except ProtocolViolation:
            continue
        assert heard.parts == whole.parts
