"""The form of event lines: the table, recorded runs and the page say the same."""

from __future__ import annotations

import asyncio
import gc
import pickle
import weakref
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from agentouto import (
    Agent,
    AgentError,
    Limits,
    Provider,
    async_run,
    async_run_stream,
    run,
    run_background,
)
from agentouto._core.line_writer import all_lines
from agentouto._domain.error_codes import ERROR_CODES
from agentouto.events import COMMON, LINE_TYPES, LineField, critical, figures, held, read
from agentouto.testing import Script, Turn, call, finish, say, tool
from docs.events_page import PAGE, text
from durable.scenes import interrupted_events
from golden import Lines, collect, guided_run, late_lines, limited_run, rest, whole_run
from teams import peers

JSON_TYPES: Mapping[str, tuple[type, ...]] = {
    "text": (str,),
    "number": (int, float),
    "integer": (int,),
    "flag": (bool,),
    "list": (list,),
    "object": (dict,),
}

NOT_REPORTED_BY_SCRIPTS = {"cached", "reasoning"}


@pytest.fixture(scope="module")
def golden() -> Lines:
    async def main() -> Lines:
        runs = whole_run(), limited_run(), guided_run()
        lines = [line for run in runs for line in await collect(run)]
        return lines + await late_lines()

    return asyncio.run(main())


@pytest.fixture(scope="module")
def recorded(golden: Lines) -> Lines:
    return [*golden, *all_lines(asyncio.run(interrupted_events()))]


def fields_of(type_: str) -> dict[str, LineField]:
    return {**COMMON, **LINE_TYPES[type_].fields}


def test_recorded_runs_have_every_type_and_no_other(recorded: Lines) -> None:
    assert {line["type"] for line in recorded} == set(LINE_TYPES)


def test_a_line_has_the_fields_of_its_type_and_no_other(recorded: Lines) -> None:
    for line in recorded:
        fields = fields_of(str(line["type"]))
        needed = {name for name, field in fields.items() if not field.optional}
        assert needed <= set(line) <= set(fields), line


def test_a_field_has_the_type_that_the_table_says(recorded: Lines) -> None:
    for line in recorded:
        fields = fields_of(str(line["type"]))
        for name, value in line.items():
            field = fields[name]
            if value is None:
                assert field.nullable, (line["type"], name)
            else:
                assert isinstance(value, JSON_TYPES[field.kind]), (line["type"], name, value)
                assert (field.kind == "flag") == isinstance(value, bool)


def test_every_field_is_filled_somewhere(recorded: Lines) -> None:
    filled = {
        (line["type"], name)
        for line in recorded
        for name, value in line.items()
        if value is not None
    }
    missing = [
        (type_, name)
        for type_, row in LINE_TYPES.items()
        for name in row.fields
        if (type_, name) not in filled and name not in NOT_REPORTED_BY_SCRIPTS
    ]
    assert not missing


def test_lines_are_json_and_are_read_back_as_they_were(golden: Lines, tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    file.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in golden))
    assert read(file) == golden


def test_the_page_has_the_table() -> None:
    assert PAGE.read_text("utf-8") == text()


def test_no_line_holds_the_data_of_a_file(golden: Lines) -> None:
    files = [file for line in golden for file in line.get("files", [])]  # type: ignore[attr-defined]
    assert {"name": "p.png", "type": "image/png", "size": 4} in files
    assert "AAECAw" not in msgspec.json.encode(golden).decode()


def test_both_uses_of_a_tool_in_one_reply_can_be_paired_with_their_ends(golden: Lines) -> None:
    begun = [
        (line["call"], line["tool_call"], line["tool"])
        for line in golden
        if line["type"] == "tool.start"
    ]
    ended = [
        (line["call"], line["tool_call"], line["tool"])
        for line in golden
        if line["type"] == "tool.end"
    ]
    assert len(set(begun)) == len(begun)
    assert sorted(map(str, begun)) == sorted(map(str, ended))


def test_what_is_asked_of_the_user_says_of_which_kind_it_is(golden: Lines) -> None:
    first_run = [line for line in golden if line["run"] == golden[0]["run"]]
    asked = {line["kind"]: line for line in first_run if line["type"] == "ask"}
    question, approval = asked["question"], asked["approval"]
    assert (question["kind"], question["text"], question["tool_call"]) == (
        "question",
        "Which?",
        "1.0",
    )
    assert (approval["kind"], approval["tool"], approval["arguments"]) == (
        "approval",
        "buy",
        {"what": "tea"},
    )


def test_a_call_that_is_told_by_its_forward_is_not_told_as_a_tool_too(golden: Lines) -> None:
    [nobody] = [
        line for line in golden if line["type"] == "tool.end" and line["tool"] == "call_agent"
    ]
    assert (nobody["failed"], nobody["tool_call"]) == (True, "4.2")
    assert {
        line["tool"] for line in golden if line["type"] == "tool.start" and line["builtin"]
    } == {
        "wait_for_messages",
        "call_agent",
        "send_message",
    }


def test_repetition_is_told_after_the_forward_it_is_about(golden: Lines) -> None:
    [repeated] = [line for line in golden if line["type"] == "repeated"]
    before = golden[: golden.index(repeated)]
    assert any(line["type"] == "forward" and line["call"] == repeated["call"] for line in before)


def test_a_wait_for_a_model_begins_with_its_reason_and_ends_with_a_request(golden: Lines) -> None:
    waits = [line for line in golden if line["type"] == "model.wait"]
    assert {line["why"] for line in waits} >= {"parallel", "retry"}
    [retry] = [line for line in waits if line["why"] == "retry"]
    assert (retry["attempt"], retry["most"], retry["status"]) == (2, 4, 429)
    for wait in waits:
        after = golden[golden.index(wait) :]
        starts = (
            line for line in after if line["type"] == "model.start" and line["call"] == wait["call"]
        )
        assert next(starts)["attempt"] == wait["attempt"]


def test_a_request_that_left_has_an_end(golden: Lines) -> None:
    first_run = [line for line in golden if line["run"] == golden[0]["run"]]
    open_requests: set[object] = set()
    for line in first_run:
        if line["type"] == "model.start":
            assert line["call"] not in open_requests
            open_requests.add(line["call"])
        elif line["type"] in {"model.end", "model.wait"}:
            open_requests.discard(line["call"])
    assert not open_requests


def test_the_end_has_what_the_run_has_used_of_its_limits(golden: Lines) -> None:
    end = [line for line in golden if line["type"] == "run.end"]
    assert [line["status"] for line in end] == ["completed", "failed", "completed", "completed"]
    assert end[1]["limits"] == {"requests": 2}
    requests = sum(
        line["type"] in {"model.start", "spent"} and line["run"] == golden[0]["run"]
        for line in golden
    )
    assert end[0]["limits"] == {"requests": requests}
    assert isinstance(end[0]["cost"], float)


def test_held_names_somebody_at_every_line_while_a_call_is_open(golden: Lines) -> None:
    lines: Lines = []
    for line in golden:
        if line["run"] != golden[0]["run"]:
            break
        lines.append(line)
        if len(lines) % 7 == 0:
            open_calls = {one["call"] for one in lines if one["type"] in {"forward", "ask"}}
            open_calls -= {one["call"] for one in lines if one["type"] in {"return", "error"}}
            named = {one.call for one in held(lines)} | {
                call for one in held(lines) for call in one.holds
            }
            assert named == open_calls
    assert held(lines) == []
    pieces = critical(lines)
    assert sum(piece.seconds for piece in pieces) == pytest.approx(pieces[-1].end, abs=0.001)
    assert figures(lines).people


# ── the same lines for every reader ───────────────────────────────────────────────────────────


def facts(lines: Lines) -> Lines:
    """Return lines without the pieces of replies, which come in other sizes."""
    return [line for line in lines if line["type"] not in {"token", "thinking", "draft"}]


def pair() -> list[Agent]:
    turns = [Turn(say("One two."), call("b", "x"), stream=True), finish("end")]
    return peers(Script({"a": turns, "b": [say("hi")]}), "a", "b")


async def test_stream_handle_and_result_give_the_same_lines() -> None:
    agents = pair()
    handle = run_background("Go.", agents[:1], run_agents=agents)
    live = [line async for line in handle.lines()]
    late = [line async for line in handle.lines()]
    result = await handle.wait()
    assert facts(live) == facts(late) == facts(result.lines())
    assert late == result.lines()
    words = [
        "".join(str(line["text"]) for line in lines if line["type"] == "token")
        for lines in (live, late)
    ]
    assert words == ["One two.hi"] * 2
    assert len(live) > len(late)
    stream = async_run_stream("Go.", agents := pair()[:1], run_agents=agents)
    streamed = [line async for line in stream.lines()]
    assert facts(streamed) == facts((await stream.result()).lines())


async def test_every_reader_may_begin_at_any_fact_and_gets_the_same() -> None:
    agents = pair()
    handle = run_background("Go.", agents[:1], run_agents=agents)
    result = await handle.wait()
    every = result.lines()
    for start in range(len(every) + 2):
        due = [line for line in every if number_of(line) >= start]
        assert result.lines(start) == due
        assert [line async for line in handle.lines(start)] == due
    async with async_run_stream("Go.", agents[:1], run_agents=agents) as stream:
        every = (await stream.result()).lines()
        for start in range(len(every) + 2):
            due = [line for line in every if number_of(line) >= start]
            assert [line async for line in stream.lines(start)] == due


def test_a_partial_result_and_its_copy_begin_at_any_fact_too() -> None:
    turns = [[say("One two."), tool("rest")], say("")]
    script = Script({"a": [*turns, say(""), say(""), say("")]})
    with pytest.raises(AgentError) as caught:
        run("Go.", peers(script, "a"), [rest])
    partial, copy = caught.value.partial, pickle.loads(pickle.dumps(caught.value)).partial
    every = partial.lines()
    assert any(line["type"] == "token" for line in every)
    for start in range(len(every) + 2):
        due = [line for line in every if number_of(line) >= start]
        assert partial.lines(start) == copy.lines(start) == due


def number_of(line: Mapping[str, object]) -> int:
    """Return the number of a fact, and of a piece that of the fact that comes after it."""
    return int(str(line["seq"])) + (line["type"] in {"token", "thinking"})


async def test_a_run_that_fails_tells_its_error_at_its_end() -> None:
    provider = Provider("scripted", kind="script", script=Script(lambda _: say("")))
    handle = run_background("Go.", [Agent("a", "", "m", provider)], limits=Limits(calls=9))
    lines = [line async for line in handle.lines()]
    assert lines[-1]["status"] == "failed"
    with pytest.raises(AgentError, match="nothing of use") as caught:
        await handle.wait()
    assert lines[-1]["error"] == caught.value.to_dict()
    [error] = [line for line in lines if line["type"] == "error"]
    assert (error["kind"], error["code"]) == ("failed", "useless-replies")
    assert [line["kind"] for line in lines if line["type"] == "note"] == ["nudge"] * 3


async def test_a_run_that_is_stopped_says_so_in_the_form_of_every_error() -> None:
    script = Script({"a": [Turn(say("hi"), delay=60)]})
    handle = run_background("Go.", peers(script, "a"))
    lines: Lines = []
    async for line in handle.lines():
        lines.append(line)
        if line["type"] == "model.start":
            handle.cancel("enough")
    assert [line["code"] for line in lines if line["type"] == "error"] == ["cancelled"]
    error = lines[-1]["error"]
    assert isinstance(error, dict)
    assert (error["code"], error.keys()) == (
        "cancelled",
        {"code": None, "what": None, "where": None, "why": None, "fix": None}.keys(),
    )


def test_every_error_of_a_line_has_a_code_of_the_table(golden: Lines) -> None:
    codes = [line["code"] for line in golden if line["type"] == "error"]
    ends = [line["error"] for line in golden if "error" in line and line["type"] == "run.end"]
    codes += [error["code"] for error in ends if isinstance(error, dict)]
    assert "limit-reached" in codes
    assert set(codes) <= set(ERROR_CODES)


async def test_a_result_keeps_no_agent_and_no_provider_alive() -> None:
    async def started() -> tuple[object, weakref.ref[Script]]:
        script = Script(lambda _: say("hi"))
        agent = Agent("a", "", "m", Provider("s", kind="script", script=script))
        return await async_run("Go.", [agent]), weakref.ref(script)

    result, script = await started()
    for _ in range(2):
        await asyncio.sleep(0)
        gc.collect()
    assert script() is None
    assert result is not None
