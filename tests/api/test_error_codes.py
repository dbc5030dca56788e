"""Every error has a code, and every code is raised, or told in an outcome."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from agentouto import (
    Agent,
    AgentoutoError,
    AuthError,
    ConfigurationError,
    Hooks,
    Limits,
    OAuth,
    ProviderError,
    Refuse,
    RoutingError,
    Tool,
    run,
    run_background,
    send_message,
)
from agentouto._domain.error_codes import ERROR_CODES
from agentouto._domain.event import ToolFinished
from agentouto.exceptions import AgentoutoWarning
from agentouto.testing import Script, call, fail, finish, say, tool
from teams import peers

DOCS = Path(__file__).parents[2] / "docs" / "errors.md"
ELSEWHERE = {
    "journal": "needs a file: tests/durable",
    "run-changed": "likewise",
    "run-other": "likewise",
    "run-taken": "likewise",
    "run-taken-over": "likewise",
    "waiting": "likewise",
    "worker-missing": "likewise",
}


@Tool
def broken(city: str) -> str:
    """Fail."""
    raise KeyError(city)


def answered_by(*replies: Any, **options: Any) -> Callable[[], object]:
    return lambda: run("Go.", peers({"solo": list(replies)}, "solo"), **options)


def refuse(message: object) -> None:
    raise Refuse("not today")


def calls_itself() -> object:
    team = peers(Script(lambda request: call("solo", "Go.")), "solo")
    return run("Go.", team, limits=Limits(depth=3))


def asks_again() -> object:
    def ask(request: Any) -> Any:
        return call("b" if request.agent_name == "a" else "a", "Same.")

    team = peers(Script(ask), "a", "b")
    return run("Same.", team[:1], run_agents=team, limits=Limits(repeats=2))


def without_key(monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return lambda: run("Go.", [Agent("a", "i", "m", "openai")])


def cancelled() -> object:
    async def stay(request: object) -> Any:
        await asyncio.sleep(60)

    handle = run_background("Go.", peers(Script(stay), "solo"))
    handle.cancel("enough")
    return handle.result(30)


def starter_left_out() -> object:
    a, b = peers({}, "a", "b")
    return run("Go.", [a], run_agents=[b])


RAISED: dict[str, Callable[[], object]] = {
    "agent-failed": lambda: run(
        "Go.", peers({"a": [finish("x")]}, "a"), hooks=Hooks(on_forward=refuse)
    ),
    "call-cycle": asks_again,
    "call-depth": calls_itself,
    "cancelled": cancelled,
    "configuration": lambda: run("Go.", []),
    "context-full": answered_by(*[fail("context")] * 9),
    "limit-reached": answered_by(call("solo", "x"), limits=Limits(calls=1)),
    "login": answered_by(fail(401)),
    "model-unknown": answered_by(fail(404)),
    "not-participant": starter_left_out,
    "output-cut": answered_by([say("half"), fail("out_of_tokens")]),
    "protocol": answered_by(*[fail("nonsense")] * 9),
    "provider-failed": answered_by(fail(400)),
    "provider-unavailable": answered_by([say("half"), fail(500)]),
    "provider-unknown": lambda: run("Go.", [Agent("a", "i", "m", "opnai")]),
    "quota": answered_by(fail("quota")),
    "rate-limit": answered_by(*[fail(429, retry_after=0.01)] * 9),
    "refused": answered_by([say("no"), fail("refused")]),
    "script-broken": answered_by(),
    "tool-schema": lambda: Tool(lambda *args: None),
    "useless-replies": answered_by(*[say("")] * 9),
}

TOLD: dict[str, Callable[[], Any]] = {
    "agent-unknown": answered_by(call("nobody", "x"), finish("Done.")),
    "tool-failed": answered_by(tool("missing"), finish("Done.")),
    "user-unavailable": answered_by(call("user", "x"), finish("Done.")),
}


@pytest.mark.parametrize("code", RAISED)
def test_an_error_has_its_code(code: str) -> None:
    with pytest.raises(AgentoutoError) as raised:
        RAISED[code]()
    error = raised.value
    assert error.code == code
    assert error.to_dict() == {
        "code": code,
        "what": str(error),
        "where": error.where,
        "why": error.why,
        "fix": error.fix,
    }
    assert error.fix


@pytest.mark.parametrize("code", TOLD)
def test_an_outcome_has_the_error_with_its_code(code: str) -> None:
    facts = TOLD[code]().facts
    (outcome,) = [
        each.outcome for each in facts if isinstance(each, ToolFinished) and each.outcome.error
    ]
    assert cast("AgentoutoError", outcome.error).code == code


def test_a_missing_key_has_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AuthError) as raised:
        without_key(monkeypatch)()
    assert raised.value.code == "key-missing"


def test_an_extra_that_is_missing_has_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] == "oauthlib":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "oauthlib", cast("ModuleType", None))  # as if not installed
    with pytest.raises(ConfigurationError) as raised:
        asyncio.run(OAuth("https://127.0.0.1:9", "desk", name="desk").login())
    assert raised.value.to_dict()["code"] == "extra-missing"
    assert raised.value.fix == 'pip install "agentouto[oauth]"'


def test_a_starter_that_takes_no_part_is_warned_of_with_its_code() -> None:
    team = peers({"a": [finish("Done.")], "b": []}, "a", "b")
    with pytest.warns(AgentoutoWarning, match="'b' is in starting_agents") as warned:
        run("Go.", team, run_agents=team[:1])
    assert cast("AgentoutoWarning", warned[0].message).code == "not-participant"


def test_every_code_is_seen_and_documented() -> None:
    seen = {*RAISED, *TOLD, *ELSEWHERE, "extra-missing", "key-missing"}
    assert seen == ERROR_CODES.keys()
    assert (
        set(re.findall(r"^## (\S+)$", DOCS.read_text("utf-8"), re.MULTILINE)) == ERROR_CODES.keys()
    )


def test_a_failure_of_a_model_names_agent_and_model() -> None:
    with pytest.raises(ProviderError) as raised:
        answered_by(fail(400))()
    error = raised.value
    assert (error.agent_name, error.model) == ("solo", "m")
    assert str(error).endswith("(agent 'solo', model 'm')")
    assert error.where.startswith("agent 'solo', model 'm', provider ")


def test_useless_replies_are_counted_by_what_they_were() -> None:
    replies = [say(""), say("words"), tool("finish"), say("")]
    with pytest.raises(AgentoutoError, match="4 times: 2 empty, 2 of the wrong form"):
        answered_by(*replies, output_type=int)()
    with pytest.raises(AgentoutoError, match="4 times: 4 refused by a hook"):
        answered_by(*[finish("x")] * 4, hooks=Hooks(on_return=refuse))()


def test_a_routing_error_has_its_code() -> None:
    with pytest.raises(RoutingError) as raised:
        send_message("bg_nothing", "x")
    assert raised.value.code == "agent-unknown"


def test_the_exception_of_a_tool_is_on_the_outcome() -> None:
    result: Any = answered_by(tool("broken", city="Jeju"), finish("Done."), tools=[broken])()
    (outcome,) = [
        each.outcome
        for each in result.facts
        if isinstance(each, ToolFinished) and each.outcome.error
    ]
    assert isinstance(outcome.error, KeyError)
    assert outcome.error.args == ("Jeju",)
