"""Small pure pieces: ids, assembly, prompts, histories, traces."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentouto import (
    Agent,
    AgentError,
    AgentEvent,
    AgentoutoError,
    AuthError,
    ConfigurationError,
    EventLog,
    Provider,
    RoutingError,
    ToolError,
    Trace,
    Usage,
)
from agentouto._core.ids import assign_ids, call_id, starter_id, task_id
from agentouto._core.prompt import incoming_mail, tag_pattern, tagged
from agentouto._core.reply_builder import ReplyBuilder
from agentouto._domain.content import (
    Incoming,
    Outcome,
    Place,
    Reply,
    Stop,
    Text,
    ToolCall,
    Transcript,
    sum_usage,
)
from agentouto._domain.delta import (
    NativeDelta,
    ReasoningDelta,
    RetryDelta,
    StopDelta,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)
from agentouto._domain.errors import ProtocolViolation, RateLimited
from agentouto._domain.message import Message
from agentouto._domain.ports import Draft
from agentouto._domain.trace import Span
from agentouto._engine.loop import keep_first_return


def test_ids_follow_from_what_was_done() -> None:
    assert call_id("a", "0.0") == call_id("a", "0.0") != call_id("a", "0.1")
    assert len(call_id("a", "0.0")) == 32
    assert task_id("a", "0.0").startswith("bg_")
    assert len(task_id("a", "0.0")) == 15
    assert [starter_id("bg_x", place, background=True) for place in range(3)] == [
        "bg_x",
        "bg_x_1",
        "bg_x_2",
    ]


def calls(*ids: str) -> Reply:
    return Reply(tuple(ToolCall(id_, "t", "{}") for id_ in ids))


@given(st.lists(st.lists(st.sampled_from(["", "call_0", "call_0_0", "x"]), max_size=4), max_size=6))
def test_tool_call_ids_are_told_apart_whatever_a_server_gives(turns: list[list[str]]) -> None:
    taken: set[str] = set()
    seen: list[ToolCall] = []
    for turn, ids in enumerate(turns):
        seen += assign_ids(calls(*ids), turn, taken).tool_calls
    assert len({one.id for one in seen}) == len(seen)
    assert all(one.id for one in seen)
    assert len({one.place for one in seen}) == len(seen)


def test_good_ids_stay_as_they_are() -> None:
    assert [one.id for one in assign_ids(calls("a", "b"), 3, set()).tool_calls] == ["a", "b"]
    assert [one.place for one in assign_ids(calls("a", "b"), 3, set()).tool_calls] == [
        Place(3, 0),
        Place(3, 1),
    ]
    assert str(Place(3, 1)) == "3.1"


def test_deltas_fold_into_a_reply() -> None:
    builder = ReplyBuilder("p")
    for delta in (
        RetryDelta(2, 0.1, "x"),
        ReasoningDelta("h"),
        ReasoningDelta("m"),
        TextDelta("a"),
        ToolCallDelta(7, "id", "t", '{"a"'),
        ToolCallDelta(9, "id2", "u"),
        ToolCallDelta(7, arguments=": 1}"),
        TextDelta("b"),
        UsageDelta(Usage(1, 1)),
        UsageDelta(Usage(5, 2)),
        NativeDelta("o", {"x": 1}),
        StopDelta(Stop.COMPLETE),
    ):
        builder.add(delta)
    reply = builder.finish()
    assert [type(part).__name__ for part in reply.parts] == [
        "Reasoning",
        "Text",
        "ToolCall",
        "ToolCall",
        "Text",
    ]
    assert (reply.text, builder.text()) == ("ab", "ab")
    assert reply.tool_calls[0].arguments == '{"a": 1}'
    assert reply.usage.total_tokens == 7
    assert reply.native is not None


def test_a_stream_without_a_last_word_was_cut_short() -> None:
    builder = ReplyBuilder("p")
    builder.add(TextDelta("half"))
    with pytest.raises(ProtocolViolation, match="cut short"):
        builder.finish()


def test_usage_adds_up_without_inventing_zeros() -> None:
    assert (Usage() + Usage()).input_tokens is None
    assert (Usage(1, complete=False) + Usage(2, 3)).complete is False
    assert (Usage(1) + Usage(2, 3)).output_tokens == 3
    assert sum_usage([]) == Usage()


@given(st.text(alphabet="[]/ab\\ ", max_size=30))
def test_a_tagged_text_has_exactly_one_opening_and_one_closing_tag(text: str) -> None:
    block = tagged("a", text, tag_pattern(["a", "b"]))
    inner = block.removeprefix("[a]").removesuffix("[/a]")
    for tag in ("[a]", "[/a]", "[b]", "[/b]"):
        bare = [
            at
            for at in range(len(inner))
            if inner.startswith(tag, at) and inner[at - 1 : at] != "\\"
        ]
        assert not bare


def test_letters_say_who_wrote_unless_it_was_the_user() -> None:
    assert incoming_mail(Message("forward", "user", "a", "x"), None).text == "x"
    assert (
        incoming_mail(Message("forward", "b", "a", "x"), "id").text
        == "[Message from b (task_id: id)]: x"
    )
    assert incoming_mail(Message("forward", "b", "a", "x"), None).text == "[Message from b]: x"


def test_only_the_first_of_several_returns_stays_one() -> None:
    call = ToolCall("1", "finish", "{}")
    first, second = keep_first_return(
        [Outcome(call, "a", returns=True), Outcome(call, "b", returns=True)]
    )
    assert (first.returns, second.returns) == (True, False)
    assert "first" in second.content


def test_a_draft_writes_only_what_is_new_and_forgets_what_is_stale() -> None:
    draft = Draft()
    one, two = Incoming("1"), Reply((Text("2"),))
    short = Transcript("s", (one,))
    long = short.plus(two)
    assert draft.unwritten(short, "w") == (one,)
    assert draft.unwritten(short, "w") == ()
    assert draft.unwritten(long, "w") == (two,)
    assert draft.unwritten(long, "other") == (one, two)
    assert draft.unwritten(Transcript("s", (Incoming("new"),)), "other") == (Incoming("new"),)


def test_a_log_written_by_hand_makes_a_trace() -> None:
    log = EventLog()
    log.record(AgentEvent("agent_call", "a", "1", None, 1.0, {"message": "x" * 300}))
    log.record(AgentEvent("agent_call", "b", "2", "1", 2.0, {"message": "y"}))
    log.record(AgentEvent("tool_exec", "b", "2", "1", 2.5, {"tool_name": "t"}))
    log.record(AgentEvent("error", "b", "2", "1", 3.0, {"error": "boom"}))
    log.record(AgentEvent("llm_call", "a", "1", None, 3.0, {}))
    trace = Trace(log)
    assert trace.print_tree() == "└── [a] (...)\n    └── [b] (1.00s) failed: boom\n          ⚡ t"
    assert trace.root is not None
    assert trace.root.duration == 0.0
    assert trace.root.children[0].result == "failed: boom"
    log.record(AgentEvent("agent_return", "b", "2", "1", 3.0, {"result": "failed: but not me"}))
    assert Trace(EventLog([*log][:2] + [*log][-1:])).print_tree().endswith("[b] (1.00s)")
    assert Trace(EventLog()).print_tree() == "(empty trace)"
    assert Trace(EventLog()).root is None
    assert "message=" + "x" * 120 + "..." in log.format()
    assert f"{'[a]':<20} {'agent_call':<16} cid=1" in log.format()
    assert Span("a", "1", start_time=1.0, end_time=3.0).duration == 2.0
    assert AgentEvent("finish", "a", "1").timestamp > 0


@pytest.mark.parametrize(
    "error",
    [
        AgentError("a", "m", call_id="3"),
        RoutingError("a", "m"),
        RateLimited("p", "m", status=429, retry_after=2.0),
        AuthError("p", "m"),
        ToolError("t", "m"),
        ConfigurationError("m"),
    ],
)
def test_errors_survive_a_copy_and_a_trip_to_another_process(error: AgentoutoError) -> None:
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def test_nothing_secret_is_in_a_repr() -> None:
    provider = Provider("p", "openai", "sk-1", base_url="https://host/v1?key=sk-2")
    agent = Agent("a", "i", "m", provider, extra={"extra_headers": {"X-Key": "sk-3"}})
    assert "sk-" not in repr(provider) + repr(agent)
