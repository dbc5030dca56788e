"""What lines say of a run: who holds it up, what decided its end, and its figures."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from agentouto import ConfigurationError
from agentouto.events import Doing, critical, figures, held, read
from core.lines import Lines


def total(lines: Lines) -> float:
    """Return the sum of the critical path, after checking that it has no gap and no overlap."""
    pieces = critical(lines)
    assert pieces[0].start == 0.0
    assert all(a.end == b.start for a, b in pairwise(pieces))
    return sum(piece.seconds for piece in pieces)


def path(lines: Lines) -> list[tuple[str, str, float, float]]:
    return [(one.agent, one.doing.value, one.start, one.end) for one in critical(lines)]


# ── held ──────────────────────────────────────────────────────────────────────────────────────


def test_the_last_in_a_chain_of_calls_holds_up_all_before_it() -> None:
    lines = Lines()
    lines.forward(0.0, "a")
    lines.forward(1.0, "b", "a")
    lines.forward(2.0, "c", "b")
    lines.add(2.5, "tool.start", "c", tool_call="0.0", tool="search", arguments={}, builtin=False)
    [one] = held(lines)
    assert (one.agent, one.doing, one.detail, one.since) == ("c", Doing.TOOL, "search", 2.5)
    assert one.holds == ("b", "a")


def test_an_end_without_a_beginning_changes_nothing() -> None:
    lines = Lines()
    lines.forward(0.0, "a")
    before = held(lines)
    lines.add(0.0, "wait.end", "a", **{"for": "b"})
    assert held(lines) == before


def test_a_person_comes_first_whoever_else_holds_up_more() -> None:
    lines = Lines()
    lines.forward(0.0, "a")
    lines.forward(1.0, "b", "a")
    lines.forward(1.0, "c", "b")
    lines.forward(2.0, "d", "a")
    lines.forward(3.0, "q", "d", agent="user", text="Which?")
    first, second = held(lines)
    assert (first.agent, first.doing, first.detail, first.holds) == (
        "user",
        Doing.PERSON,
        "Which?",
        ("d", "a"),
    )
    assert (second.agent, second.holds) == ("c", ("b", "a"))


def test_what_a_background_call_does_holds_up_no_caller() -> None:
    lines = Lines()
    lines.forward(0.0, "a")
    lines.forward(1.0, "b", "a", background=True)
    assert [(one.agent, one.holds) for one in held(lines)] == [("a", ()), ("b", ())]


def test_a_call_that_uses_a_tool_beside_a_peer_acts_too() -> None:
    lines = Lines()
    lines.forward(0.0, "a")
    lines.add(0.5, "tool.start", "a", tool_call="0.1", tool="t", arguments={}, builtin=False)
    lines.forward(1.0, "b", "a")
    assert {one.agent: one.doing for one in held(lines)} == {
        "a": Doing.TOOL,
        "b": Doing.ENGINE,
    }


def approved(*, allowed: bool = True) -> Lines:
    """Return the lines of a tool that waits five seconds for an approval and works for two."""
    lines = Lines()
    lines.forward(0.0, "a")
    about = {"tool_call": "0.0", "tool": "buy"}
    lines.add(1.0, "tool.start", "a", **about, arguments={"x": 1}, builtin=False)
    lines.forward(1.0, "q", "a", agent="user", text="Allow?", kind="approval", **about)
    lines.returns(6.0, "q")
    end = 8.0 if allowed else 6.0
    lines.add(end, "tool.end", "a", **about, result="ok", failed=not allowed)
    lines.returns(9.0, "a")
    return lines


def test_a_tool_that_waits_for_an_approval_is_held_up_by_a_person() -> None:
    lines = approved()
    [person] = held(lines[:3])
    assert (person.agent, person.doing, person.holds) == ("user", Doing.PERSON, ("a",))
    [tool] = held(lines[:4])
    assert (tool.agent, tool.doing, tool.detail, tool.since) == ("a", Doing.TOOL, "buy", 6.0)


def test_a_tool_that_calls_peers_waits_until_the_last_of_them_has_returned() -> None:
    lines = Lines()
    lines.forward(0.0, "a")
    about = {"tool_call": "0.0", "tool": "survey"}
    lines.add(1.0, "tool.start", "a", **about, arguments={}, builtin=False)
    lines.forward(2.0, "b", "a", tool_call="0.0")
    lines.forward(2.0, "c", "a", tool_call="0.0")
    lines.forward(2.0, "d", "a", tool_call="0.0", background=True)
    lines.returns(3.0, "b")
    assert [one.agent for one in held(lines)] == ["c", "d"]
    lines.returns(4.0, "c")
    assert {one.agent: one.since for one in held(lines) if one.doing is Doing.TOOL} == {"a": 4.0}
    lines.add(5.0, "tool.end", "a", **about, result="ok", failed=False)
    lines.returns(5.0, "a")
    assert path(lines)[1:] == [
        ("a", "tool", 1.0, 2.0),
        ("c", "engine", 2.0, 4.0),
        ("a", "tool", 4.0, 5.0),
    ]


@pytest.mark.parametrize("how", ["returns", "ends with the run", "is cut off"])
def test_a_tool_whose_call_is_open_when_it_ends_does_not_go_on(how: str) -> None:
    lines = Lines()
    lines.forward(0.0, "a")
    about = {"tool_call": "0.0", "tool": "survey"}
    lines.add(1.0, "tool.start", "a", **about, arguments={}, builtin=False)
    lines.forward(2.0, "b", "a", tool_call="0.0")
    if how == "returns":
        lines.add(3.0, "tool.end", "a", **about, result="late", failed=True)
        lines.returns(4.0, "b")
        assert [(one.agent, one.doing) for one in held(lines)] == [("a", Doing.ENGINE)]
        lines.returns(4.0, "a")
    if how != "is cut off":
        lines.add(4.0, "run.end", "a", status="completed")
        assert held(lines) == []
    assert total(lines) == pytest.approx(2.0 if how == "is cut off" else 4.0)


def test_who_waits_for_the_message_of_another_is_held_up_by_that_one() -> None:
    lines = Lines()
    lines.forward(0.0, "a")
    lines.forward(0.5, "b", "a", background=True)
    lines.add(1.0, "wait", "a", seconds=60, **{"for": "b"})
    [one] = held(lines)
    assert (one.agent, one.holds) == ("b", ("a",))
    lines.add(2.0, "wait", "b", seconds=60, **{"for": "a"})
    assert held(lines), "calls that wait for each other are shown, too"
    lines.add(3.0, "wait.end", "b", seconds=1.0, **{"for": "a"})
    lines.returns(4.0, "b")
    [one] = held(lines)
    assert (one.agent, one.doing) == ("a", Doing.MAIL)


def test_each_state_of_a_request_to_a_model_has_a_word() -> None:
    lines = Lines()
    seen: list[str] = []
    lines.forward(0.0, "a")

    def then(type_: str, **fields: object) -> None:
        lines.add(1.0, type_, "a", **fields)
        seen.append(held(lines)[0].doing.value)

    then("model.wait", why="parallel", seconds=None, attempt=1, status=None, error="")
    then("model.start", turn=0, model="m", attempt=1)
    then("model.wait", why="retry", seconds=1.0, attempt=2, status=429, error="429")
    then("model.start", turn=0, model="m", attempt=2)
    then("draft", slot=0, tool="finish", text='{"mess')
    then("model.end", turn=0, stop="complete", first=None)
    assert seen == ["queue", "model", "rate limit", "model", "writing", "engine"]
    lines.returns(2.0, "a")
    assert held(lines) == []


# ── critical ──────────────────────────────────────────────────────────────────────────────────


def fan_out() -> Lines:
    lines = Lines()
    lines.add(0.0, "run.start", "r", text="Go.", to=["a"])
    lines.forward(0.1, "a")
    lines.thinks(0.1, 0.5, 1.0, "a")
    for name, end in (("b", 2.0), ("c", 5.0), ("d", 2.5)):
        lines.forward(1.0, name, "a")
        lines.thinks(1.0, 1.5, end, name)
        lines.returns(end, name)
    lines.thinks(5.0, 5.5, 6.0, "a")
    lines.returns(6.0, "a")
    return lines.in_order()


def test_the_path_goes_through_the_peer_that_returned_last() -> None:
    lines = fan_out()
    assert path(lines) == [
        ("a", "engine", 0.0, 0.1),
        ("a", "model", 0.1, 0.5),
        ("a", "writing", 0.5, 1.0),
        ("c", "model", 1.0, 1.5),
        ("c", "writing", 1.5, 5.0),
        ("a", "model", 5.0, 5.5),
        ("a", "writing", 5.5, 6.0),
    ]
    assert total(lines) == pytest.approx(6.0)


def test_a_tool_that_takes_longer_than_a_peer_beside_it_decides() -> None:
    lines = Lines()
    lines.forward(0.0, "a")
    lines.uses(1.0, 9.0, "a")
    lines.forward(1.0, "b", "a")
    lines.returns(3.0, "b")
    lines.returns(9.0, "a")
    assert ("a", "tool", 1.0, 9.0) in path(lines.in_order())
    assert total(lines.in_order()) == pytest.approx(9.0)


def test_the_sender_of_an_awaited_message_decides() -> None:
    lines = Lines()
    lines.forward(0.0, "a")
    lines.forward(1.0, "b", "a", background=True)
    lines.add(1.0, "wait", "a", seconds=60, **{"for": "b"})
    lines.uses(1.0, 4.0, "b", "search")
    lines.add(4.0, "message", "b", id="m", sender="b", receiver="a", text="found", to="a")
    lines.add(4.5, "wait.end", "a", seconds=3.5, **{"for": "b"})
    lines.returns(5.0, "a")
    assert path(lines.in_order()) == [
        ("a", "engine", 0.0, 1.0),
        ("b", "tool", 1.0, 4.0),
        ("a", "mail", 4.0, 4.5),
        ("a", "engine", 4.5, 5.0),
    ]


def test_calls_that_write_to_each_other_at_one_moment_end_the_walk() -> None:
    lines = Lines()
    lines.forward(0.0, "a")
    lines.forward(0.0, "b", "a", background=True)
    for one, other in (("a", "b"), ("b", "a")):
        lines.add(1.0, "wait", one, seconds=60, **{"for": other})
    for one, other in (("a", "b"), ("b", "a")):
        lines.add(2.0, "message", one, id="m", sender=one, receiver=other, text="", to=other)
    for one, other in (("a", "b"), ("b", "a")):
        lines.add(2.0, "wait.end", one, seconds=1.0, **{"for": other})
    lines.returns(3.0, "a")
    assert total(lines) == pytest.approx(3.0)


def test_a_run_that_was_cut_in_half_gives_what_there_is() -> None:
    lines = fan_out()
    for length in range(1, len(lines)):
        half = Lines()
        half.extend(lines[:length])
        pieces = critical(half)
        if pieces:
            assert total(half) == pytest.approx(float(str(half[-1]["t"])))
        figures(half)
    assert critical([]) == []
    assert figures([]).seconds == 0.0


def test_a_time_that_steps_back_between_threads_overlaps_nothing() -> None:
    lines = Lines()
    lines.forward(0.0, "a")
    lines.thinks(0.0, 0.5, 1.003, "a")
    lines.forward(1.0, "b", "a")
    lines.returns(2.0, "b")
    lines.returns(2.5, "a")
    assert ("a", "writing", 0.5, 1.003) in path(lines)
    assert total(lines) == pytest.approx(2.5)


# ── figures ───────────────────────────────────────────────────────────────────────────────────


def test_figures_say_where_the_time_went_and_what_more_agents_could_gain() -> None:
    count = figures(fan_out())
    assert count.seconds == pytest.approx(6.0)
    assert count.path[Doing.WRITING] == pytest.approx(4.5)
    assert count.work == pytest.approx(0.9 + 1.0 + 4.0 + 1.5 + 1.0)
    assert count.speed_up == pytest.approx(8.4 / 6)
    assert count.bound == pytest.approx(8.4 / 6)
    assert (count.messages, count.density) == (8, 8 / 5)


def test_waits_are_no_work_and_raise_the_bound() -> None:
    lines = Lines()
    lines.forward(0.0, "a")
    wait = {"why": "parallel", "seconds": None, "attempt": 1, "status": None, "error": ""}
    lines.add(0.0, "model.wait", "a", **wait)
    lines.thinks(3.0, 3.0, 4.0, "a")
    lines.returns(4.0, "a")
    count = figures(lines)
    assert (count.work, count.speed_up, count.bound) == pytest.approx((1.0, 0.25, 1.0))
    assert count.path == pytest.approx({Doing.QUEUE: 3.0, Doing.WRITING: 1.0})


def test_the_call_that_let_its_caller_wait_alone_is_a_straggler() -> None:
    [one] = figures(fan_out()).stragglers
    assert (one.agent, one.seconds, one.usual, one.alone) == pytest.approx(("c", 4.0, 1.25, 2.5))


def test_work_that_was_asked_for_again_is_counted() -> None:
    lines = Lines()
    lines.forward(0.0, "a")
    lines.uses(1.0, 2.0, "a", "search", "0.0")
    lines.uses(2.0, 4.0, "a", "search", "1.0")
    lines.forward(4.0, "b", "a", agent="b", text="Check.")
    lines.returns(5.0, "b")
    lines.forward(5.0, "c", "a", agent="b", text="Check.")
    lines.returns(8.0, "c")
    lines.returns(8.0, "a")
    first, second = figures(lines).repeated
    assert (first.kind, first.name, first.text, first.times, first.seconds) == (
        "forward",
        "b",
        "Check.",
        2,
        3.0,
    )
    assert (second.kind, second.name, second.text, second.seconds) == (
        "tool",
        "search",
        '{"x": 1}',
        2.0,
    )


@pytest.mark.parametrize("allowed", [True, False])
def test_the_time_of_an_approval_is_the_persons_and_not_the_tools(allowed: bool) -> None:
    count = figures(approved(allowed=allowed))
    [one] = count.people
    assert (one.asked_by, one.seconds, one.decided) == ("a", 5.0, 5.0)
    assert count.path[Doing.PERSON] == 5.0
    assert count.path.get(Doing.TOOL, 0.0) == (2.0 if allowed else 0.0)
    assert count.repeated == (), "a tool that goes on is used once"


def test_waits_for_people_are_told_with_what_they_decided() -> None:
    lines = Lines()
    lines.forward(0.0, "a")
    lines.forward(1.0, "q", "a", agent="user", text="Which?")
    lines.returns(7.0, "q")
    lines.returns(8.0, "a")
    [one] = figures(lines).people
    assert (one.call, one.asked_by, one.seconds, one.decided) == ("q", "a", 6.0, 6.0)


# ── read ──────────────────────────────────────────────────────────────────────────────────────


def test_a_file_is_read_up_to_a_last_line_that_was_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text('{"v":1,"type":"run.start","t":0.0}\n\n{"v":1,"type":"forw', "utf-8")
    assert [line["type"] for line in read(file)] == ["run.start"]
    assert read(str(file)) == read(file)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"v":2,"type":"x"}\n', "line 1 has the form v=2, and .* newer agentouto"),
        ('{"v":"x","type":"x"}\n', "no such form"),
        ('{"v":1,"type":"x"}\n{"v":1\n', "line 2: no JSON"),
        ("[]\n", "line 1 is no event of a run"),
        ('{"a":1}\n', "line 1 is no event of a run"),
    ],
)
def test_another_form_is_refused_with_the_line_and_the_way_out(
    tmp_path: Path, text: str, why: str
) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError, match=why):
        read(file)


def test_lines_of_another_form_are_refused_by_every_function() -> None:
    for function in (held, critical, figures):
        with pytest.raises(ConfigurationError, match="newer agentouto"):
            function([{"v": 2, "type": "run.start", "t": 0.0}])
