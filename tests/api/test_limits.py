"""A run stops where its user said, says why, and keeps what was done."""

from __future__ import annotations

import asyncio
import time

import pytest

from agentouto import (
    Agent,
    AgentError,
    ConfigurationError,
    LimitReached,
    Limits,
    Provider,
    RoutingError,
    Tool,
    async_run,
    async_run_stream,
    run,
    run_background,
)
from agentouto.testing import Request, Script, Turn, call, fail, finish, say, tool
from teams import peers


def came_back(request: Request) -> object:
    """Return what came of the last tool call."""
    [outcome] = request.outcomes
    return finish(outcome.content)


def endless(request: Request) -> object:
    """Call the other one, for ever."""
    return call("b" if request.agent_name == "a" else "a", "And you?")


def test_two_agents_that_always_call_each_other_make_the_requests_they_may_and_no_more() -> None:
    script = Script(endless)
    with pytest.raises(LimitReached) as caught:
        run("Go.", peers(script, "a", "b"), limits=Limits(requests=100))
    assert len(script.requests) == 100
    error = caught.value
    assert (error.limit, error.allowed) == ("requests", 100)
    assert "Limits(requests=100)" in str(error)
    messages = error.partial.messages
    assert [message.type for message in messages[:3]] == ["forward"] * 3
    assert len(messages) >= 100
    assert isinstance(error, AgentError)


def fanning_out(request: Request) -> object:
    """Call three hundred at once, each of which calls on for ever."""
    if request.agent_name == "b":
        return call("b", "Go on.")
    return Turn(*(call("b", f"Part {number}.") for number in range(300)))


@pytest.mark.parametrize("parallel", [None, 1, 8])
def test_three_hundred_calls_in_one_reply_do_not_spend_one_too_many(parallel: int | None) -> None:
    script = Script(fanning_out, delay=0.001)
    with pytest.raises(LimitReached):
        run("Go.", peers(script, "a", "b"), limits=Limits(requests=100, parallel=parallel))
    assert len(script.requests) == 100


async def test_no_more_requests_are_under_way_than_may_be() -> None:
    most = now = 0

    async def answering(_request: Request) -> object:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.002)
        now -= 1
        return finish("done")

    first = Turn(*(call("b", f"Part {number}.") for number in range(60)))
    script = Script({"a": [first, finish("all")], "b": answering})
    agents = peers(script, "a", "b")
    result = await async_run("Go.", agents[:1], run_agents=agents, limits=Limits(parallel=8))
    assert result.output == "all"
    assert most == 8


def test_replies_that_were_on_their_way_are_kept() -> None:
    first = Turn(*(call("b", f"Part {number}.") for number in range(6)))
    script = Script({"a": [first], "b": [Turn(finish("paid for"), delay=0.01)]}, usage=(10, 1))
    with pytest.raises(LimitReached) as caught:
        run("Go.", peers(script, "a", "b"), limits=Limits(requests=4))
    assert len(script.requests) == 4
    usage = caught.value.partial.usage
    assert (usage.input_tokens, usage.output_tokens) == (40, 4)


def test_requests_that_failed_count_too() -> None:
    script = Script({"a": [fail(503), fail(503), finish("at last")]})
    with pytest.raises(LimitReached):
        run("Go.", peers(script, "a"), limits=Limits(requests=2))
    assert len(script.requests) == 2
    script = Script({"a": [fail(503), fail(503), finish("at last")]})
    assert run("Go.", peers(script, "a"), limits=Limits(requests=3)).output == "at last"


def test_a_run_ends_when_there_may_be_no_more_calls() -> None:
    script = Script(endless)
    with pytest.raises(LimitReached) as caught:
        run("Go.", peers(script, "a", "b"), limits=Limits(calls=5))
    assert caught.value.limit == "calls"
    forwards = [m for m in caught.value.partial.messages if m.type == "forward"]
    assert len(forwards) == 5


def test_a_run_ends_when_calls_get_too_deep_and_the_text_says_so() -> None:
    script = Script(endless)
    with pytest.raises(LimitReached) as caught:
        run(
            "Go.",
            peers(script, "a", "b")[:1],
            run_agents=peers(script, "a", "b"),
            limits=Limits(depth=3),
        )
    assert caught.value.limit == "depth"
    assert len(script.requests) == 3


def test_a_call_that_takes_too_many_turns_fails_and_its_caller_goes_on() -> None:
    @Tool
    def look() -> str:
        """Look."""
        return "nothing"

    script = Script(
        {
            "a": [call("b", "Find it."), came_back],
            "b": lambda _request: tool("look"),
        }
    )
    result = run(
        "Go.",
        peers(script, "a", "b")[:1],
        [look],
        run_agents=peers(script, "a", "b"),
        limits=Limits(turns=5),
    )
    assert "Limits(turns=5) is reached" in result.output
    assert len([r for r in script.requests if r.agent_name == "b"]) == 5


def test_a_starting_agent_that_takes_too_many_turns_fails_the_run() -> None:
    script = Script({"a": lambda _request: tool("get_messages", task_id="x")})
    with pytest.raises(LimitReached) as caught:
        run("Go.", peers(script, "a"), limits=Limits(turns=3))
    assert caught.value.limit == "turns"
    assert len(script.requests) == 3


def test_tokens_are_counted_over_all_calls() -> None:
    script = Script(endless, usage=(90, 10))
    with pytest.raises(LimitReached) as caught:
        run("Go.", peers(script, "a", "b"), limits=Limits(tokens=1_000))
    assert caught.value.limit == "tokens"
    assert 1_000 <= (caught.value.partial.usage.total_tokens or 0) <= 1_300


def test_tokens_that_nobody_reports_are_estimated() -> None:
    with pytest.raises(LimitReached) as caught:
        run("Go.", peers(Script(endless), "a", "b"), limits=Limits(tokens=5_000))
    assert caught.value.limit == "tokens"


def test_cost_is_counted_with_the_prices_of_the_user() -> None:
    script = Script(endless, usage=(100_000, 0))
    limits = Limits(cost=1.0, prices={"m": (1.0, 2.0)})
    with pytest.raises(LimitReached) as caught:
        run("Go.", peers(script, "a"), run_agents=peers(script, "a", "b"), limits=limits)
    assert caught.value.limit == "cost"
    assert len(script.requests) == 10


def test_a_limit_in_dollars_needs_a_price() -> None:
    with pytest.raises(ConfigurationError, match=r"'m'.*prices="):
        run("Go.", peers(Script(endless), "a"), limits=Limits(cost=1.0))
    fallback = Agent(
        "a",
        "",
        "claude-opus-4-5",
        Provider("anthropic", api_key="k"),
        fallback=[("anthropic", "nobody-knows")],
    )
    with pytest.raises(ConfigurationError, match="nobody-knows"):
        run("Go.", [fallback], limits=Limits(cost=1.0))


def test_time_ends_a_run_whatever_it_is_doing() -> None:
    @Tool
    async def hold() -> str:
        """Hold."""
        await asyncio.sleep(60)
        return ""

    began = time.monotonic()
    with pytest.raises(LimitReached) as caught:
        run("Go.", peers(Script({"a": [tool("hold")]}), "a"), [hold], limits=Limits(seconds=0.05))
    assert caught.value.limit == "seconds"
    assert time.monotonic() - began < 10
    assert [m.content for m in caught.value.partial.messages] == ["Go."]


def test_agents_are_told_once_before_a_limit_is_reached() -> None:
    def careful(request: Request) -> object:
        if any("[SYSTEM]" in text for text in request.heard):
            return finish(request.last)
        return tool("get_messages", task_id="x")

    script = Script(careful)
    result = run("Go.", peers(script, "a"), limits=Limits(requests=20, warn_at=0.5))
    assert "10 of the 20 requests" in result.output
    assert len(script.requests) == 11

    script = Script(lambda _request: tool("get_messages", task_id="x"))
    with pytest.raises(LimitReached):
        run("Go.", peers(script, "a"), limits=Limits(requests=20, warn_at=0.5))
    [warning] = [text for text in script.heard_by("a") if "requests" in text]
    assert warning.startswith("[SYSTEM]")


def test_tool_calls_beyond_the_limit_are_not_done_and_the_agent_is_told() -> None:
    done: list[int] = []

    @Tool
    def do(number: int) -> str:
        """Do it."""
        done.append(number)
        return "ok"

    first = Turn(*(tool("do", number=number) for number in range(5)))
    script = Script({"a": [first, lambda seen: finish(" | ".join(seen.results("do")))]})
    result = run("Go.", peers(script, "a"), [do], limits=Limits(tool_calls=3))
    assert sorted(done) == [0, 1, 2]
    assert result.output.count("ok") == 3
    assert result.output.count("3 tool calls") == 2


def test_asking_the_same_again_along_one_chain_is_told_and_may_be_limited() -> None:
    script = Script(endless)
    with pytest.raises(LimitReached) as caught:
        run(
            "Go.",
            peers(script, "a")[:1],
            run_agents=peers(script, "a", "b"),
            limits=Limits(repeats=2),
        )
    assert caught.value.limit == "repeats"


async def test_repetition_is_an_event() -> None:
    count = 0

    def second(request: Request) -> object:
        nonlocal count
        count += 1
        return call("c", "Same!") if count == 1 else finish("b")

    script = Script(
        {
            "a": [call("b", "Same?"), finish("a")],
            "b": second,
            "c": [call("b", "Same?"), finish("c")],
        }
    )
    stream = async_run_stream("Go.", peers(script, "a"), run_agents=peers(script, "a", "b", "c"))
    told = [event async for event in stream if event.type == "repeated"]
    [event] = told
    assert (event.agent_name, event.data) == ("b", {"message": "Same?", "times": 2})


def test_a_full_mailbox_refuses_and_nothing_accepted_is_lost() -> None:
    gate = asyncio.Event()

    @Tool
    async def hold() -> str:
        """Hold."""
        await gate.wait()
        return ""

    async def main() -> list[str]:
        script = Script({"a": [tool("hold"), lambda seen: finish(" ".join(seen.heard))]})
        task = run_background("Go.", peers(script, "a"), [hold], limits=Limits(mail=3))
        for number in range(3):
            task.send(f"m{number}")
        with pytest.raises(RoutingError, match="3 unread messages"):
            task.send("m3")
        gate.set()
        return (await task.wait()).output.split()

    heard = asyncio.run(main())
    assert [text for text in heard if text.startswith("m")] == ["m0", "m1", "m2"]


def test_background_calls_share_the_pot() -> None:
    def spawning(request: Request) -> object:
        if request.turn == 0:
            return tool("spawn_background_agent", agent_name="a", message="More.")
        return tool("get_messages", task_id="x")

    script = Script(spawning)
    with pytest.raises(LimitReached):
        run("Go.", peers(script, "a"), limits=Limits(requests=50))
    assert len(script.requests) == 50


def test_an_agent_that_takes_too_long_fails_its_call_only() -> None:
    provider = Provider(
        "p",
        kind="script",
        script=Script(
            {
                "a": [call("b", "Quick!"), came_back],
                "b": [Turn(say("late"), delay=30)],
            }
        ),
    )
    agents = [Agent("a", "", "m", provider), Agent("b", "", "m", provider, timeout=0.05)]
    result = run("Go.", agents[:1], run_agents=agents)
    assert "[b] did not return within 0.05 s" in result.output


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"turns": 0}, "turns=0"),
        ({"requests": 1.5}, "requests=1.5"),
        ({"seconds": -1}, "seconds=-1"),
        ({"warn_at": 2}, "warn_at=2"),
        ({"mail": None}, "mail=None"),
        ({"depth": True}, "depth=True"),
        ({"prices": {"m": 3}}, "prices"),
        ({"cost": float("nan")}, "cost=nan"),
    ],
)
def test_limits_that_cannot_be_kept_are_refused(limits: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Limits(**limits)  # type: ignore[arg-type]


def test_limits_are_limits() -> None:
    with pytest.raises(ConfigurationError, match="limits="):
        run("Go.", peers(Script(endless), "a"), limits=5)  # type: ignore[arg-type]


async def test_a_turn_that_late_mail_reopens_counts() -> None:
    script = Script(lambda request: Turn(finish("done"), delay=0.02))
    task = run_background("Go.", peers(script, "a"), limits=Limits(turns=2))
    for number in range(2):
        while len(script.requests) <= number:
            await asyncio.sleep(0.001)
        task.send("One more thing.")
    with pytest.raises(LimitReached) as caught:
        await task.wait()
    assert caught.value.limit == "turns"
    assert len(script.requests) == 2
