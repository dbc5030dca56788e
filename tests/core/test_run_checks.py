"""What is found to have gone wrong in a run, and what is not."""

from __future__ import annotations

import re

import pytest

from agentouto import RunResult
from agentouto.events import Finding, lint
from agentouto.testing import Request, call, finish, say, tool
from core.lines import Lines
from exports.teams import busy_run, run_of, wide_run


def found(run: RunResult) -> list[Finding]:
    return lint(run.lines())


def test_a_run_in_which_all_is_well_has_no_finding() -> None:
    assert found(wide_run(5)) == []
    parts = [call("left", "Half."), call("right", "Half.")]
    assert (
        found(run_of({"lead": [parts, finish("Done.")], "left": [say("L")], "right": [say("R")]}))
        == []
    )


def test_asking_again_what_was_answered_is_a_repetition_and_asking_at_once_is_none() -> None:
    again = call("clerk", "Count the books.")
    [one] = found(run_of({"lead": [again, again, finish("Done.")], "clerk": lambda seen: say("5")}))
    assert (one.check, one.mode, one.term) == ("step-repetition", "FM-1.3", "step repetition")
    assert one.agent == "lead"
    assert one.what == 'lead asks clerk again what it has answered once: "Count the books."'
    assert (
        found(run_of({"lead": [[again, again], finish("Done.")], "clerk": lambda seen: say("5")}))
        == []
    )


def test_a_tool_that_gives_the_same_result_for_the_same_arguments_is_a_repetition() -> None:
    look, other = tool("look", what="a"), tool("look", what="b")
    [one] = found(run_of({"lead": [look, other, look, finish("Done.")]}))
    assert one.check == "step-repetition"
    assert (
        'lead uses look with the same arguments as before, and gets the same result: "{"what": "a"}"'
        in one.what
    )


def background(*then: object) -> RunResult:
    """Return a run whose lead starts a clerk, waits until it has answered, and acts as ``then``."""

    def lead(seen: Request) -> object:
        if seen.turn == 0:
            return call("clerk", "Count.", background=True)
        if seen.turn == 1:
            tasks.extend(re.findall(r"bg_[0-9a-f]{12}", seen.outcomes[0].content))
            return call("slow", "Rest.")
        step = then[seen.turn - 2]
        return tool("get_messages", task_id=tasks[0]) if step == "read" else step

    tasks: list[str] = []
    slow = [tool("look", what="x"), tool("look", what="y"), say("Rested.")]
    return run_of({"lead": lead, "clerk": [say("5 books")], "slow": slow})


def test_an_answer_that_is_never_read_is_ignored() -> None:
    [one] = found(background(finish("Done.")))
    assert (one.check, one.mode, one.agent) == ("ignored-answer", "FM-2.5", "lead")
    assert "clerk has answered in the background, and lead has returned without reading" in one.what


def test_of_lines_with_the_same_time_the_order_says_whether_an_answer_was_ignored() -> None:
    lines = Lines()
    lines.forward(0.0, "a")
    lines.forward(0.0, "b", "a", background=True, tool_call="0.0")
    for call_id, caller in [("b", "a"), ("a", "user")]:
        lines.add(0.0, "return", call_id, sender=call_id, receiver=caller, text="Done.")
    assert [one.check for one in lint(lines)] == ["ignored-answer"]


def test_an_answer_that_is_read_is_not_ignored() -> None:
    assert found(background("read", finish("Done."))) == []


def test_a_return_while_others_still_work_for_it_is_premature() -> None:
    lead = [call("clerk", "Count.", background=True), finish("Done.")]
    clerk = [tool("look", what=str(n)) for n in range(6)]
    findings = found(run_of({"lead": lead, "clerk": [*clerk, say("5")]}))
    assert [(one.check, one.mode) for one in findings] == [("premature-return", "FM-3.1")]
    assert (
        findings[0].what
        == "lead returns while clerk, started by it in the background, had not answered"
    )


def test_a_message_that_went_back_is_unread_mail() -> None:
    lines = Lines()
    lines.forward(0.0, "a")
    lines.add(1.0, "message", "a", id="m", sender="user", receiver="a", text="Stop.", to="a")
    lines.add(
        2.0,
        "message.returned",
        "a",
        id="m",
        sender="user",
        receiver="a",
        text="Stop.",
        reason="a has returned",
    )
    [one] = lint(lines)
    assert (one.check, one.mode, one.at, one.seq) == ("unread-mail", "FM-2.5", 2.0, 2)
    assert one.what == 'a message of user to a was not read (a has returned): "Stop."'


@pytest.mark.parametrize(("depth", "findings"), [(2, 0), (3, 0), (4, 1), (9, 1)])
def test_two_agents_that_call_each_other_in_turns_play_ping_pong(depth: int, findings: int) -> None:
    lines = Lines()
    for place in range(depth):
        parent = f"c{place - 1}" if place else None
        lines.forward(float(place), f"c{place}", parent, agent="ab"[place % 2], text=f"{place}")
    told = [one for one in lint(lines) if one.check == "ping-pong"]
    assert len(told) == findings
    assert all((one.mode, one.at) == ("FM-1.5", 3.0) for one in told)


def test_others_in_between_are_no_ping_pong() -> None:
    lines = Lines()
    for place, agent in enumerate("abcabc"):
        lines.forward(
            float(place),
            f"c{place}",
            f"c{place - 1}" if place else None,
            agent=agent,
            text=f"{place}",
        )
    assert lint(lines) == []


def test_a_question_that_comes_back_is_ping_pong() -> None:
    again = "Is it good?"
    script = {
        "a": lambda seen: (
            say("yes")
            if len(seen.path.split("/")) > 3
            else call("b", again)
            if seen.turn == 0
            else say("ok")
        ),
        "b": lambda seen: call("a", again) if seen.turn == 0 else say("ok"),
    }
    checks = [one.check for one in found(run_of(script))]
    assert "ping-pong" in checks


def test_findings_of_a_run_that_was_cut_off_are_those_of_what_there_is() -> None:
    lines = busy_run().lines()
    for end in range(1, len(lines)):
        lint(lines[:end])
