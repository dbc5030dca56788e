"""A result says what its run has cost, by agent, and which models have no price."""

from __future__ import annotations

import pytest

from agentouto import (
    Agent,
    Hooks,
    LimitReached,
    Limits,
    ModelUse,
    Provider,
    RunResult,
    Tool,
    here,
    run,
)
from agentouto.testing import Script, call, finish, tool

PRICES = {"priced": (1.0, 2.0), "dear": (10.0, 20.0)}
"""Dollars for a million tokens, as ``Limits(prices=)`` takes them."""


def team(first: str, second: str, *, usage: tuple[int, int] | None = (1000, 500)) -> list[Agent]:
    """Return agents ``a`` and ``b`` with these models; ``a`` calls ``b`` and then returns."""
    script = Script({"a": [call("b", "Hi."), finish("done")], "b": finish("hello")}, usage=usage)
    provider = Provider("scripted", kind="script", script=script)
    return [Agent("a", "A.", first, provider), Agent("b", "B.", second, provider)]


def start(agents: list[Agent], limits: Limits) -> RunResult:
    """Start the first of ``agents``; the others can be called."""
    return run("Go.", agents[:1], run_agents=agents, limits=limits)


def test_the_cost_of_a_run_is_the_sum_of_its_agents() -> None:
    cost = start(team("priced", "dear"), Limits(prices=PRICES)).cost
    assert cost.by_agent == {"a": pytest.approx(0.004), "b": pytest.approx(0.02)}
    assert cost.dollars == pytest.approx(0.024)
    assert cost.unknown_models == ()


def test_a_model_without_a_price_is_named_and_makes_the_sum_unknown() -> None:
    cost = start(team("priced", "no-price"), Limits(prices=PRICES)).cost
    assert cost.by_agent == {"a": pytest.approx(0.004), "b": None}
    assert cost.dollars is None
    assert cost.unknown_models == ("no-price",)


def test_a_server_that_reports_no_tokens_makes_the_cost_unknown() -> None:
    cost = start(team("priced", "dear", usage=None), Limits(prices=PRICES)).cost
    assert (cost.dollars, cost.unknown_models) == (None, ("dear", "priced"))


def test_what_a_tool_reports_counts_for_the_agent_that_called_it() -> None:
    @Tool
    def look() -> str:
        here().spent(cost=0.5)
        return "seen"

    script = Script({"a": [tool("look"), finish("done")]}, usage=(1000, 500))
    one = Agent("a", "A.", "priced", Provider("scripted", kind="script", script=script))
    cost = run("Go.", [one], [look], limits=Limits(prices=PRICES)).cost
    assert cost.by_agent == {"a": pytest.approx(0.504)}


def test_an_error_says_what_its_run_has_cost() -> None:
    with pytest.raises(LimitReached) as caught:
        start(team("priced", "dear"), Limits(requests=2, prices=PRICES))
    cost = caught.value.partial.cost
    assert cost.by_agent == {"a": pytest.approx(0.002), "b": pytest.approx(0.02)}
    assert cost.dollars == pytest.approx(0.022)


def test_a_reply_that_a_hook_wrote_costs_nothing() -> None:
    async def from_a_cache(use: ModelUse, proceed: object) -> str:
        return "done"

    agents = team("priced", "dear")[:1]
    cost = run("Go.", agents, hooks=Hooks(around_model=from_a_cache)).cost
    assert (cost.dollars, cost.by_agent, cost.unknown_models) == (0.0, {"a": 0.0}, ())
