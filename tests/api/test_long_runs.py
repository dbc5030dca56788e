"""The corners of limits, hooks, mail and summaries: each was wrong once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agentouto import (
    Agent,
    AgentError,
    Approval,
    Cancelled,
    ConfigurationError,
    Hooks,
    LimitReached,
    Limits,
    Message,
    ModelUse,
    ProviderError,
    Refuse,
    Tool,
    ToolUse,
    async_run_stream,
    cancel,
    run,
    run_background,
)
from agentouto.providers._script.replies import ScriptedReply
from agentouto.testing import Request, Script, Turn, call, fail, finish, say, tool
from teams import peers


def came_back(request: Request) -> ScriptedReply:
    """Return what came of the last tool calls."""
    return finish(" | ".join(outcome.content for outcome in request.outcomes))


def small(script: Script, window: int = 8_000) -> list[Agent]:
    [agent] = peers(script, "a")
    return [Agent("a", "You are a.", "m", agent.provider, context_window=window)]


# ── limits ────────────────────────────────────────────────────────────────────────────────────


def test_large_numbers_are_told_as_they_were_given() -> None:
    script = Script(lambda _request: tool("get_messages", task_id="x"), usage=(500_000, 1))
    with pytest.raises(LimitReached, match=r"Limits\(tokens=12345678\)"):
        run("Go.", peers(script, "a"), limits=Limits(tokens=12_345_678))
    [told] = [text for text in script.heard_by("a") if text.startswith("[SYSTEM]")]
    assert "of the 12345678 tokens" in told


def test_of_few_requests_the_last_is_left_to_come_to_an_end_with() -> None:
    def careful(request: Request) -> ScriptedReply:
        warned = any(text.startswith("[SYSTEM]") for text in request.heard)
        return finish("in time") if warned else tool("get_messages", task_id="x")

    assert run("Go.", peers(Script(careful), "a"), limits=Limits(requests=3)).output == "in time"
    assert run("Go.", peers(Script(careful), "a"), limits=Limits(turns=2)).output == "in time"


def test_what_nobody_has_counted_costs_what_it_is_estimated_to() -> None:
    script = Script(lambda _request: tool("get_messages", task_id="x"))
    limits = Limits(cost=1.0, prices={"m": (1_000.0, 0.0)})
    with pytest.raises(LimitReached) as caught:
        run("Go.", peers(script, "a"), limits=limits)
    assert caught.value.limit == "cost"


@pytest.mark.parametrize("price", [(-1.0, 2.0), (float("inf"), 1.0), (float("nan"), 1.0)])
def test_a_price_is_a_number_from_0_on(price: tuple[float, float]) -> None:
    with pytest.raises(ConfigurationError, match="a price is"):
        Limits(prices={"m": price})


def test_asking_the_user_is_no_deeper_than_whoever_asks() -> None:
    script = Script({"a": [call("user", "May I?"), came_back]})
    result = run("Go.", peers(script, "a"), ask_user=lambda _: "yes", limits=Limits(depth=1))
    assert "yes" in result.output


def test_a_limit_ends_a_callback_that_is_still_being_waited_for() -> None:
    async def on_message(message: Message, send: Callable[[str], None]) -> None:
        await asyncio.sleep(60)

    def writes(request: Request) -> ScriptedReply:
        address = request.system.partition("task_id is '")[2].partition("'")[0]
        return tool("send_message", task_id=address, message="Read this.")

    began = time.monotonic()
    with pytest.raises(LimitReached):
        run("Go.", peers(Script(writes), "a"), on_message=on_message, limits=Limits(seconds=0.05))
    assert time.monotonic() - began < 20


async def test_a_run_can_be_cancelled_while_a_question_is_answered_in_a_thread() -> None:
    asked, answered = threading.Event(), threading.Event()

    def ask_user(message: Message) -> str:
        asked.set()
        answered.wait(5)
        return "late"

    script = Script({"a": [call("user", "Well?")]})
    task = run_background("Go.", peers(script, "a"), ask_user=ask_user)
    try:
        await asyncio.to_thread(asked.wait, 5)
        task.cancel()
        with pytest.raises(Cancelled):
            await task.wait()
    finally:
        answered.set()


async def test_one_place_is_enough_for_calls_inside_of_each_other() -> None:
    def deeper(request: Request) -> ScriptedReply:
        if request.turn == 0 and request.path.count("/") < 20:
            return (
                Turn(call("a", f"More {request.path}"), call("a", f"Less {request.path}"))
                if (request.path.count("/") < 3)
                else call("a", f"On {request.path}")
            )
        return finish("done")

    task = run_background("Go.", peers(Script(deeper), "a"), limits=Limits(parallel=1))
    assert (await asyncio.wait_for(task.wait(), 20)).output == "done"


async def test_a_place_is_given_back_by_whoever_is_cancelled_while_it_waits_or_holds_it() -> None:
    @Tool
    async def hold() -> str:
        """Hold."""
        await asyncio.sleep(60)
        return ""

    def works(request: Request) -> ScriptedReply:
        return Turn(finish("x"), delay=60 if "slow" in request.last else 0.0)

    first = Turn(*(call("b", f"slow {number}") for number in range(6)), call("b", "quick"))
    script = Script({"a": [first, came_back], "b": works})
    agents = peers(script, "a", "b")
    task = run_background("Go.", agents[:1], [hold], run_agents=agents, limits=Limits(parallel=2))
    events = task.events()
    slow: list[str] = []
    async for event in events:
        if event.type == "agent_call" and "slow" in str(event.data["message"]):
            slow.append(event.call_id)
        if len(slow) == 6:
            break
    while len(script.requests) < 2:  # of the slow ones one is at its model, the others wait
        await asyncio.sleep(0.001)
    for call_id in reversed(slow):
        assert cancel(call_id)
    result = await asyncio.wait_for(task.wait(), 5)
    assert result.output.count("was cancelled") == 6
    assert "[b]x[/b]" in result.output


# ── cancelling ────────────────────────────────────────────────────────────────────────────────


async def test_a_call_can_be_cancelled_before_it_has_begun() -> None:
    async def on_forward(message: Message) -> None:
        await asyncio.sleep(0)

    script = Script({"a": [finish("a")], "b": [finish("b")]})
    task = run_background("Go.", peers(script, "a", "b"), hooks=Hooks(on_forward=on_forward))
    assert cancel(f"{task}_1", "not needed")
    assert cancel(f"{task}_1", "again") is False
    with pytest.raises(Cancelled, match="not needed") as caught:
        await task.wait()
    assert [output.text for output in caught.value.partial.outputs] == ["a"]
    assert {request.agent_name for request in script.requests} == {"a"}


async def test_the_first_that_is_told_of_a_call_is_that_it_has_begun() -> None:
    begun: list[str] = []

    async def slow(message: Message) -> None:
        begun.append(message.receiver)
        if len(begun) == 2:
            asyncio.get_running_loop().call_soon(stream.cancel)
        await asyncio.sleep(60)

    script = Script({"a": [call("b", "x")], "b": [finish("b")]})
    stream = async_run_stream(
        "Go.",
        peers(script, "a", "b"),
        hooks=Hooks(on_forward=slow),
    )
    told: list[str] = []
    async for line in stream.lines():
        told.append(f"{line['type']} {line.get('agent')}")  # noqa: PERF401 - told as it comes
    assert told.index("forward a") < told.index("error a")
    assert told.index("forward b") < told.index("error b")


# ── hooks ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("odd", [5, {"content": "x"}, ["x"], object()])
def test_what_a_hook_returns_is_a_message_a_text_or_nothing(odd: Any) -> None:
    with pytest.raises(AgentError, match=r"on_forward returned .* no message"):
        run("Go.", peers(Script({"a": [finish("x")]}), "a"), hooks=Hooks(on_forward=lambda _: odd))


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("p", "down"),
        AgentError("x", "odd"),
        SystemExit(3),
        KeyError("k"),
        pytest.fail.Exception("no"),
    ],
)
def test_whatever_a_message_hook_raises_refuses(error: BaseException) -> None:
    async def guard(message: Message) -> None:
        if message.receiver == "b":
            raise error

    script = Script({"a": [call("b", "Hello."), came_back], "b": [finish("b")]})
    agents = peers(script, "a", "b")
    result = run("Go.", agents[:1], run_agents=agents, hooks=Hooks(on_forward=guard))
    assert f"on_forward failed: {type(error).__name__}" in result.output
    assert len(script.requests) == 2


def test_a_hook_may_be_an_object_with_an_async_call() -> None:
    class Guard:
        async def __call__(self, message: Message) -> str:
            await asyncio.sleep(0)
            return message.content.upper()

    script = Script({"a": lambda seen: finish(seen.last)})
    assert run("go", peers(script, "a"), hooks=Hooks(on_forward=Guard())).output == "GO"


def test_a_reply_that_a_hook_has_made_is_no_unknown_usage() -> None:
    def cached(use: ModelUse) -> str:
        return "cached"

    hooks = Hooks(around_model=cached)
    result = run("Go.", peers(Script({"a": [finish("x")]}), "a"), hooks=hooks)
    assert result.output == "cached"
    assert result.usage.complete


async def test_a_reply_that_a_hook_has_replaced_is_paid_for_once() -> None:
    async def replace(use: ModelUse, proceed: Callable[..., Awaitable[Any]]) -> str:
        reply = await proceed()
        return f"<{reply.text}>"

    script = Script({"a": [say("x")]}, usage=(100, 10))
    result = run("Go.", peers(script, "a"), hooks=Hooks(around_model=replace))
    assert result.output == "<x>"
    assert (result.usage.input_tokens, result.usage.output_tokens) == (100, 10)


def test_a_tool_that_a_hook_uses_twice_is_approved_twice() -> None:
    asked: list[str] = []
    done: list[int] = []

    @Tool(needs_approval=True)
    def fire() -> str:
        """Fire."""
        done.append(1)
        return "fired"

    def approve(approval: Approval) -> bool:
        asked.append(approval.id)
        return True

    async def twice(use: ToolUse, proceed: Callable[..., object]) -> object:
        await proceed()  # type: ignore[misc]
        return await proceed()  # type: ignore[misc]

    script = Script({"a": [tool("fire"), came_back]})
    hooks = Hooks(around_tool=twice)
    result = run("Go.", peers(script, "a"), [fire], approve=approve, hooks=hooks)
    assert result.output == "fired"
    assert len(done) == len(set(asked)) == 2


def test_waiting_for_a_person_does_not_count_against_the_time_of_a_tool() -> None:
    @Tool(needs_approval=True, timeout=0.2)
    async def fire() -> str:
        """Fire."""
        return "fired"

    def approve(approval: Approval) -> bool:
        time.sleep(0.3)
        return True

    script = Script({"a": [tool("fire"), came_back]})
    assert run("Go.", peers(script, "a"), [fire], approve=approve).output == "fired"


# ── mail ──────────────────────────────────────────────────────────────────────────────────────


async def test_mail_that_no_turn_is_left_to_read_goes_back() -> None:
    script = Script(lambda request: Turn(finish("done"), delay=0.02))
    task = run_background("Go.", peers(script, "a"), limits=Limits(turns=1))
    while not script.requests:
        await asyncio.sleep(0.001)
    receipt = task.send("Too late.")
    with pytest.raises(LimitReached):
        await task.wait()
    assert receipt.status == "returned"


async def test_an_agent_may_wait_twice_at_once() -> None:
    first = Turn(tool("wait_for_messages", timeout=0.02), tool("wait_for_messages", timeout=5))
    script = Script({"a": [first, came_back]})
    task = run_background("Go.", peers(script, "a"), enabled_tools=["wait_for_messages"])
    while not script.requests:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.2)  # ten times what the shorter one waits
    task.send("Now.")
    short, long = (await asyncio.wait_for(task.wait(), 5)).output.split(" | ")
    assert "0.02 s" in short
    assert "here they are" in long


# ── summaries ─────────────────────────────────────────────────────────────────────────────────


def working(turns: int, letters: int) -> Callable[[Request], ScriptedReply]:
    def turn(request: Request) -> ScriptedReply:
        if request.turn == turns:
            return finish("done")
        return say("y" * letters), tool("get_messages", task_id="x")

    return turn


def test_earlier_messages_stay_before_the_forward() -> None:
    history = [Message("forward", "user", "a", f"old {n} " + "z" * 900) for n in range(40)]
    script = Script({"a": lambda seen: finish(seen.last)})
    result = run("The question.", small(script), history=history)
    assert result.output == "The question."
    heard = script.requests[-1].heard
    assert heard[0].startswith("[Previous conversation summary]")
    assert heard[-1] == "The question."
    assert heard[-2].startswith("old 39")


def test_a_forward_that_can_never_fit_is_not_summed_up_again_and_again() -> None:
    asked = 0

    def count(_request: Request) -> ScriptedReply:
        nonlocal asked
        asked += 1
        return say("s")

    script = Script(working(12, 200), summary=count)
    assert run("x" * 40_000, small(script)).output == "done"
    assert asked <= 4


def test_a_summary_that_is_refused_changes_nothing() -> None:
    refused = Turn(say("no"), fail("refused"))
    result = run("Go.", small(Script(working(10, 2000), summary=lambda _: refused)))
    assert result.output == "done"
    assert not any(event.type == "summarized" for event in result.events)


def test_a_hook_may_refuse_a_summary() -> None:
    def no(_summary: object) -> str:
        raise Refuse("leave it")

    result = run("Go.", small(Script(working(10, 2000))), on_summarize=no)
    assert result.output == "done"
    assert not any(event.type == "summarized" for event in result.events)


def test_a_context_that_is_full_although_it_should_not_be_is_not_asked_for_for_ever() -> None:
    script = Script(lambda request: fail("context"))
    with pytest.raises(ProviderError):
        run("Go. " * 500, peers(script, "a"))
    assert len(script.requests) <= 3


def test_korean_is_not_taken_for_a_quarter_of_itself() -> None:
    text = "한국어로 된 긴 문장이 여기에 있습니다. "

    def korean(request: Request) -> ScriptedReply:
        if request.turn == 25:
            return finish("done")
        return say(text * 20), tool("get_messages", task_id="x")

    result = run("시작", small(Script(korean)))
    assert sum(event.type == "summarized" for event in result.events) >= 1
