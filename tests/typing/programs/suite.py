"""Tests of a team of one's own, as pytest runs them."""

from __future__ import annotations

import pytest

from agentouto import Agent, AgentError, Provider, ProviderError, Tool, run
from agentouto.testing import Request, Script, ScriptedReply, call, fail, finish, say, tool


@Tool
def count(text: str) -> int:
    """Count words."""
    return len(text.split())


def team_of(script: Script) -> list[Agent]:
    provider = Provider("scripted", kind="script", script=script)
    return [Agent(name, "Work.", "some-model", provider) for name in ("clerk", "checker")]


def check(request: Request) -> ScriptedReply:
    assert request.last == "Is it 3?"
    return say("Yes.")


def test_the_clerk_counts_and_asks() -> None:
    script = Script(
        {
            "clerk": [
                tool("count", text="one two three"),
                lambda request: call("checker", f"Is it {request.results('count')[0]}?"),
                finish("3, and it is checked."),
            ],
            "checker": check,
        }
    )
    clerk, checker = team_of(script)
    result = run("Count.", [clerk], [count], run_agents=[clerk, checker])
    assert result.output == "3, and it is checked."
    assert script.heard_by("checker") == ["Is it 3?"]
    assert [event.data["result"] for event in result.events if event.type == "tool_result"] == ["3"]


@pytest.mark.parametrize("status", [400, 401])
def test_a_failure_of_the_model_is_raised(status: int) -> None:
    with pytest.raises(Exception, match=str(status)):
        run("Count.", team_of(Script({"clerk": [fail(status)]}))[:1])


def test_an_empty_answer_is_no_answer() -> None:
    with pytest.raises(AgentError) as raised:
        run("Count.", team_of(Script({"clerk": [say("")] * 9}))[:1])
    assert raised.value.code == "useless-replies"


def test_a_broken_script_fails() -> None:
    with pytest.raises(ProviderError, match="its script has 0"):
        run("Count.", team_of(Script({"clerk": []}))[:1])
