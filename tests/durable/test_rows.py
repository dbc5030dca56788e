"""Rows of a journal: their persisted names, and what comes back of an event."""

from __future__ import annotations

import msgspec
import pytest

from agentouto import Attachment, Message
from agentouto._domain.content import Native, Outcome, Place, Reply, ToolCall
from agentouto._domain.event import CallReturned, Event, MessagePosted, Replied, ToolFinished
from agentouto._domain.event_pieces import Stamp
from agentouto._domain.kept_event import CallOpened
from agentouto._journal.rows import ROW_KINDS, EventRow, RowReader, RowWriter, UnreadableRow

FIELDS = {
    "RunStarted": "stamp at message starting agents peers tools limits history attachments team "
    "caller_run caller worker",
    "CallStarted": "stamp at message background withheld tool_call person",
    "ModelAsked": "stamp at model turn attempt",
    "ModelWaited": "stamp at why attempt seconds error status most",
    "ModelSwitched": "stamp at model previous error turn",
    "Replied": "stamp at reply turn first cost model finish_is_text",
    "Broken": "stamp at parts turn",
    "ToolStarted": "stamp at tool_call builtin",
    "ToolFinished": "stamp at outcome builtin",
    "MessagePosted": "stamp at message address",
    "CallReturned": "stamp at message background",
    "CallFailed": "stamp at error kind code for_agents saved",
    "CallCancelled": "stamp at reason",
    "MessageRead": "stamp at message turn",
    "MessageReturned": "stamp at message reason withheld",
    "MailAwaited": "stamp at sender seconds",
    "MailWaitEnded": "stamp at sender seconds",
    "LimitNeared": "stamp at limit spent allowed reached by",
    "Noted": "stamp at kind text",
    "Repeated": "stamp at message times",
    "Summarized": "stamp at summary tokens_before tokens_after",
    "SummaryFailed": "stamp at error",
    "Spent": "stamp at usage cost purpose model turn text",
    "SourceMissing": "stamp at source error",
    "RunEnded": "stamp at status outputs output error spent saved",
    "CallOpened": "stamp at message place history background",
    "InputRead": "stamp at turn ids entries",
    "Compacted": "stamp at turn entries most_read window_bound failed_at",
    "Overflowed": "stamp at turn error",
    "ToolBegun": "stamp at place",
    "ReturnRefused": "stamp at turn text",
    "HookReplaced": "stamp at turn which",
    "ResultsCleared": "stamp at address place",
    "RunResumed": "stamp at turns",
    "TurnRestarted": "stamp at turn",
    "ToolInterrupted": "stamp at place tool policy",
}
"""Every kind of row and its fields, in their order. Journals of users have these names: a kind or a
field may be added, a field at the end and with a default. Nothing may be renamed, moved or removed."""

STAMP = Stamp("lead", "r", None)
TOOL_CALL = ToolCall("call_1", "do", '{"what":"x"}', Place(0, 0))


def test_kinds_and_fields_are_what_they_have_always_been() -> None:
    found = {
        name: " ".join(field.name for field in msgspec.structs.fields(kind))
        for name, kind in ROW_KINDS.items()
    }
    assert found == FIELDS


def test_every_field_after_the_first_version_has_a_default() -> None:
    required = {"CallFailed": 3, "RunEnded": 4, "Spent": 3, "ModelSwitched": 5, "LimitNeared": 6}
    for name, count in required.items():
        fields = msgspec.structs.fields(ROW_KINDS[name])
        assert [field.required for field in fields] == [
            number < count for number in range(len(fields))
        ]


def read_back(*events: Event) -> list[Event]:
    writer, reader = RowWriter(), RowReader()
    return [reader.event(writer.row(event)) for event in events]


def test_files_native_items_and_marks_of_returns_come_back() -> None:
    file = Attachment("image/png", data="AAAA", name="a.png")
    message = Message("forward", "user", "lead", "Look.", "r", [file])
    reply = Reply((TOOL_CALL,), native=Native("openai/m", {"items": [1, "two", None]}))
    events: list[Event] = [
        CallOpened(STAMP, 1.0, message, "", (message,)),
        Replied(STAMP, 2.0, reply, 0, 0.5, None, "m"),
        ToolFinished(STAMP, 3.0, Outcome(TOOL_CALL, "seen", (file,), returns=True), builtin=True),
        MessagePosted(STAMP, 4.0, message, "r"),
        CallReturned(STAMP, 5.0, message),
    ]
    assert read_back(*events) == events


def test_a_tool_call_is_written_once() -> None:
    long = ToolCall("call_1", "do", '{"what":"' + "x" * 5_000 + '"}', Place(0, 0))
    writer = RowWriter()
    writer.row(Replied(STAMP, 1.0, Reply((long,))))
    assert len(writer.row(ToolFinished(STAMP, 2.0, Outcome(long, "ok"), builtin=False)).body) < 60


@pytest.mark.parametrize(
    "row",
    [
        EventRow(0, "Unknown", b"[1.0]"),
        EventRow(0, "CallOpened", b"[1.0]"),
        EventRow(7, "Noted", b"[1.0]"),
        EventRow(0, "Noted", b'["lead","r",null,[1.0,"nudge"'),
    ],
)
def test_a_row_that_cannot_be_read_is_named(row: EventRow) -> None:
    with pytest.raises(UnreadableRow, match=row.kind):
        RowReader().event(row)


def test_a_large_file_is_a_mark_in_every_row_that_has_it() -> None:
    file = Attachment("image/png", data="A" * 5_000, name="a.png")
    text = '{"data":"\\u0040' + "0" * 32 + '"}'
    reply = Reply((), native=Native("o/m", {"data": "x" * 5_000, "more": {"data": text}}))
    events: list[Event] = [
        CallOpened(STAMP, 1.0, Message("forward", "user", "lead", "Look.", "r", [file])),
        Replied(STAMP, 2.0, reply),
        CallReturned(STAMP, 3.0, Message("return", "lead", "user", text * 200, "r", [file, file])),
    ]
    assert read_back(*events) == events
    writer = RowWriter()
    rows = [writer.row(event) for event in events]
    assert [len(row.files) for row in rows] == [1, 1, 1]
    assert rows[0].files == rows[2].files
    assert b"AAAA" not in rows[0].body + rows[2].body
    with pytest.raises(UnreadableRow):
        RowReader().event(rows[0]._replace(files={}))
