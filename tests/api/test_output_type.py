"""Agents that return data of a type instead of text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from agentouto import AgentError, ConfigurationError, Tool, async_run_stream, run
from agentouto.testing import Request, Script, call, finish, raw, say, tool
from teams import peers


class Report(BaseModel):
    """A report."""

    title: str
    score: int = Field(ge=0, le=10)


@dataclass
class Point:
    """A point."""

    x: int
    y: int


GOOD = tool("finish", result={"title": "Tides", "score": "7"})


def test_the_value_that_was_asked_for_is_on_the_result() -> None:
    script = Script({"solo": [GOOD]})
    result = run("Go.", peers(script, "solo"), output_type=Report)
    assert result.data == Report(title="Tides", score=7)
    assert result.output == '{"title":"Tides","score":7}'
    assert result.outputs[0].data == result.data
    schema = script.requests[0].tools["finish"].parameters
    assert schema["required"] == ["result"]


@pytest.mark.parametrize(
    ("wanted", "given", "value"),
    [
        (Point, {"x": 1, "y": 2}, Point(1, 2)),
        (list[int], [1, "2"], [1, 2]),
        (int, 5, 5),
        (str, "text", "text"),
        (Literal["a", "b"], "b", "b"),
        (dict[str, float], {"pi": 3.14}, {"pi": 3.14}),
        (bool | None, None, None),
    ],
)
def test_any_type_that_can_be_checked_will_do(wanted: object, given: object, value: object) -> None:
    result = run("Go.", peers({"solo": [tool("finish", result=given)]}, "solo"), output_type=wanted)
    assert result.data == value


def test_a_wrong_value_is_told_and_may_be_put_right() -> None:
    heard: list[str] = []

    def solo(request: Request) -> object:
        heard.extend(outcome.content for outcome in request.outcomes)
        return GOOD if request.turn else tool("finish", result={"title": "x", "score": 11})

    assert run("Go.", peers({"solo": solo}, "solo"), output_type=Report).data == Report(
        title="Tides", score=7
    )
    assert "score" in heard[0]
    assert "11" in heard[0]


@pytest.mark.parametrize(
    "wrong", [tool("finish", result={"title": 1}), tool("finish"), say("words"), raw("finish", "{")]
)
def test_wrong_values_are_told_a_few_times_and_no_more(wrong: Any) -> None:
    script = Script({"solo": [wrong] * 10})
    with pytest.raises(AgentError, match="nothing of use"):
        run("Go.", peers(script, "solo"), output_type=Report)
    assert len(script.requests) == 4


def test_other_work_in_between_does_not_start_the_count_again() -> None:
    @Tool
    def look() -> str:
        """Look."""
        return "seen"

    wrong = tool("finish", result=3)
    script = Script({"solo": [wrong, wrong, wrong, tool("look"), wrong, GOOD]})
    with pytest.raises(AgentError, match="nothing of use"):
        run("Go.", peers(script, "solo"), [look], output_type=Report)


@pytest.mark.parametrize(
    "text", ['{"title": "Tides", "score": 7}', '```json\n{"title": "Tides", "score": 7}\n```']
)
def test_plain_text_that_has_the_form_is_taken(text: str) -> None:
    assert run("Go.", peers({"solo": [say(text)]}, "solo"), output_type=Report).data == Report(
        title="Tides", score=7
    )


def test_plain_text_that_has_not_is_told_what_is_wrong() -> None:
    def solo(request: Request) -> object:
        if request.turn:
            assert "[SYSTEM]" in request.last
            return GOOD
        return say("Here is your report.")

    assert run("Go.", peers({"solo": solo}, "solo"), output_type=Report).data


def test_an_agent_may_have_a_type_of_its_own_and_others_keep_theirs() -> None:
    script = Script(
        {
            "boss": [call("scorer", "x"), lambda request: finish(request.answers("scorer")[0])],
            "scorer": [tool("finish", result=7)],
        }
    )
    boss, scorer = peers(script, "boss", "scorer")
    result = run("Go.", [boss], run_agents=[boss, replace(scorer, output_type=int)])
    assert (result.output, result.data) == ("7", None)
    schemas = {r.agent_name: str(r.tools["finish"].parameters) for r in script.requests}
    assert "'message'" in schemas["boss"]
    assert "'result'" in schemas["scorer"]


def test_the_type_of_a_run_is_that_of_its_starting_agents() -> None:
    script = Script({"a": [call("b", "x"), GOOD], "b": [finish("text")]})
    team = peers(script, "a", "b")
    assert run("Go.", team[:1], run_agents=team, output_type=Report).data.title == "Tides"
    both = run("Go.", peers({"a": [GOOD], "c": [GOOD]}, "a", "c"), output_type=Report)
    assert [output.data.score for output in both.outputs] == [7, 7]


def test_the_data_of_several_starting_agents_is_in_the_outputs() -> None:
    both = run("Go.", peers({"a": [GOOD], "c": [GOOD]}, "a", "c"), output_type=Report)
    with pytest.raises(ValueError, match=r"2 have returned: use result\.outputs\[i\]\.data"):
        _ = both.data


async def test_a_stream_has_it_too() -> None:
    stream = async_run_stream("Go.", peers({"solo": [GOOD]}, "solo"), output_type=Report)
    events = [event async for event in stream]
    assert events[-1]["data"]["output"] == '{"title":"Tides","score":7}'
    assert (await stream.result()).data == Report(title="Tides", score=7)


def test_a_type_that_cannot_be_described_is_refused_before_anything_starts() -> None:
    script = Script({"solo": [GOOD]})
    with pytest.raises(ConfigurationError):
        run("Go.", peers(script, "solo"), output_type=object())
    assert script.requests == []


def test_so_is_that_of_an_agent_that_only_others_call() -> None:
    script = Script({"lead": [GOOD]})
    lead, clerk, scribe = peers(script, "lead", "clerk", "scribe")
    team = [lead, clerk, replace(scribe, output_type=object())]
    with pytest.raises(ConfigurationError):
        run("Go.", [lead], run_agents=team)
    assert script.requests == []


def test_a_finish_of_ones_own_and_a_type_exclude_each_other() -> None:
    @Tool(name="finish")
    def mine(message: str) -> str:
        """Return."""
        return message

    with pytest.raises(ConfigurationError, match="give one of the two"):
        run("Go.", peers({"solo": [GOOD]}, "solo"), [mine], output_type=Report)


class Answer(BaseModel):
    """Has one field, called as the parameter of ``finish`` is."""

    result: int


@pytest.mark.parametrize(
    ("wanted", "text", "value"),
    [
        (Answer, '{"result": 5}', Answer(result=5)),
        (Answer, '{"result": {"result": 5}}', Answer(result=5)),
        (int, '{"result": 5}', 5),
        (int, "5", 5),
        (dict, '{"result": 5}', {"result": 5}),
        (dict[str, int], '{"result": 5}', {"result": 5}),
        (Any, '{"result": 5}', {"result": 5}),
        (dict | int, '{"result": 5}', {"result": 5}),
        (dict[str, int], '{"result": {"a": 5}}', {"a": 5}),
        (Point, '{"result": {"x": 1, "y": 2}}', Point(1, 2)),
    ],
)
def test_plain_json_is_taken_with_and_without_the_form_of_finish(
    wanted: object, text: str, value: object
) -> None:
    script = Script({"solo": [say(text)]})
    assert run("Go.", peers(script, "solo"), output_type=wanted).data == value
