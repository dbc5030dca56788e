"""What went wrong in the user's own code, and what runs put up with, is logged."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from agentouto import Agent, Hooks, Provider, ProviderError, RunResult, Tool, run
from agentouto.exceptions import BrokenScript
from agentouto.testing import Request, Script, call, fail, finish, say, tool
from teams import peers


@Tool
def broken(city: str) -> str:
    """Fail."""
    raise KeyError(city)


def logged(caplog: pytest.LogCaptureFixture, level: int, text: str) -> logging.LogRecord:
    (record,) = [one for one in caplog.records if text in one.getMessage()]
    assert (record.name, record.levelno) == ("agentouto", level)
    return record


def raised_in(record: logging.LogRecord) -> BaseException | None:
    assert record.exc_info is not None
    return record.exc_info[1]


def test_a_tool_that_raises_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    team = peers({"solo": [tool("broken", city="Jeju"), finish("Done.")]}, "solo")
    run("Go.", team, [broken])
    record = logged(caplog, logging.WARNING, "tool 'broken' raised")
    assert isinstance(raised_in(record), KeyError)
    assert "raise KeyError(city)" in caplog.text


def test_mistakes_of_a_model_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    replies = [tool("broken", town=1), tool("nothing"), call("nobody", "x"), finish("Done.")]
    run("Go.", peers({"solo": replies}, "solo"), [broken])
    assert not caplog.records


def test_ask_user_and_hooks_that_raise_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    def ask(message: object) -> str:
        raise AttributeError("no terminal")

    def guard(message: object) -> None:
        raise LookupError("no rule")

    team = peers({"solo": [call("user", "Well?"), finish("Done.")]}, "solo")
    run("Go.", team, ask_user=ask)
    assert isinstance(raised_in(logged(caplog, logging.WARNING, "'user' failed")), AttributeError)
    with pytest.raises(Exception, match="no rule"):
        run("Go.", team, hooks=Hooks(on_forward=guard))
    assert isinstance(raised_in(logged(caplog, logging.WARNING, "on_forward")), LookupError)


def test_a_peer_whose_model_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    team = peers({"a": [call("b", "x"), finish("Done.")], "b": [fail(401)]}, "a", "b")
    run("Go.", team[:1], run_agents=team)
    assert "HTTP 401" in logged(caplog, logging.WARNING, "peer 'b'").getMessage()


def test_retries_and_fallbacks_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "agentouto")
    (a,) = peers(Script({"a": [fail(429, retry_after=0.01), finish("Done.")]}), "a")
    run("Go.", [a])
    assert "try 2" in logged(caplog, logging.INFO, "'a' asks its model again").getMessage()
    other = Provider("other", kind="script", script={"a": [finish("From the other.")]})
    gone = Provider("gone", kind="script", script={"a": [fail("quota")]})
    run("Go.", [replace(a, provider=gone, fallback=[(other, "second")])])
    logged(caplog, logging.WARNING, "falling back to model 'second'")


def test_requests_are_logged_at_debug_without_texts_and_keys(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "agentouto")
    script = {"a": [finish("SECRET")]}
    provider = Provider("own", kind="script", script=script, api_key="SECRET")
    run("SECRET", [Agent("a", "SECRET", "m", provider)])
    logged(caplog, logging.DEBUG, "agent 'a', call")
    assert "SECRET" not in caplog.text


def test_an_answer_of_the_user_that_is_none_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def ask(message: object) -> None:
        """Forget to return the answer."""

    team = peers({"solo": [call("user", "Well?"), finish("Done.")]}, "solo")
    assert run("Go.", team, ask_user=ask).messages[2].content == ""
    assert "return the answer" in logged(caplog, logging.WARNING, "'user' returned").getMessage()


def test_a_misspelled_tool_in_the_script_of_a_peer_ends_the_run() -> None:
    team = peers({"a": [call("b", "x"), finish("Done.")], "b": [tool("brokn", city="x")]}, "a", "b")
    with pytest.raises(BrokenScript, match=r"'brokn' in turn 1, .*Did you mean 'broken'\?"):
        run("Go.", team[:1], [broken], run_agents=team)


def boss_of(*replies: Any) -> RunResult:
    script = {
        "boss": [call("middle", "x"), finish("Done.")],
        "middle": [call("last", "x"), finish("Done.")],
        "last": list(replies),
    }
    team = peers(script, "boss", "middle", "last")
    return run("Go.", team[:1], run_agents=team)


def test_a_broken_script_of_a_called_peer_ends_the_run() -> None:
    def misspelled(request: Request) -> Any:
        raise KeyError("turn")

    with pytest.raises(
        BrokenScript, match="agent 'last' is in turn 1, and its script has 0"
    ) as raised:
        boss_of()
    assert raised.value.agent_name == "last"
    assert [message.sender for message in raised.value.partial.messages] == [
        "user",
        "boss",
        "middle",
    ]
    with pytest.raises(BrokenScript, match="KeyError: 'turn'"):
        boss_of(misspelled)
    team = peers({"boss": [call("other", "x"), finish("Done.")]}, "boss", "other")
    with pytest.raises(ProviderError, match="the script has no agent 'other'"):
        run("Go.", team[:1], run_agents=team)


def test_a_broken_script_in_the_background_ends_the_run() -> None:
    script = {
        "boss": [tool("spawn_background_agent", agent_name="b", message="x"), finish("Done.")]
    }
    team = peers(script, "boss", "b")
    with pytest.raises(BrokenScript, match="no agent 'b'"):
        run("Go.", team[:1], run_agents=team)


def test_an_assertion_in_the_script_of_a_peer_is_raised_as_it_is() -> None:
    def check(request: Request) -> Any:
        assert request.last == "something else"
        return say("never")

    with pytest.raises(AssertionError, match="something else") as raised:
        boss_of(check)
    assert type(raised.value) is AssertionError
