"""Where mail and hooks meet: what is refused comes back, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from agentouto import (
    AgentError,
    Attachment,
    Cancelled,
    Hooks,
    Message,
    Refuse,
    Tool,
    ToolResult,
    async_run_stream,
    cancel,
    run,
    run_background,
    send_message,
)
from agentouto.providers._script.replies import ScriptedReply
from agentouto.testing import Request, Script, Turn, call, finish, say, tool
from teams import peers


def no_bad_words(message: Message) -> str | None:
    if "bad" in message.content:
        raise Refuse("no bad words")
    return message.content.replace("dull", "bright")


def writes_to_the_user(text: str) -> Script:
    def writer(request: Request) -> ScriptedReply:
        if request.turn == 0:
            address = request.system.partition("task_id is '")[2].partition("'")[0]
            return tool("send_message", task_id=address, message=text)
        return finish(request.outcomes[0].content)

    return Script({"a": writer})


def test_a_message_to_the_user_passes_the_hook_too() -> None:
    got: list[str] = []

    def on_message(message: Message, send: Callable[[str], None]) -> None:
        got.append(message.content)

    hooks = Hooks(on_forward=no_bad_words)
    agents = peers(writes_to_the_user("dull news"), "a")
    run("Go.", agents, on_message=on_message, hooks=hooks)
    assert got == ["bright news"]
    agents = peers(writes_to_the_user("bad news"), "a")
    result = run("Go.", agents, on_message=on_message, hooks=hooks)
    assert got == ["bright news"]
    assert "refused: no bad words" in result.output
    assert not any("was not read" in message.content for message in result.messages)


async def test_a_message_from_outside_to_the_user_that_is_refused_comes_back() -> None:
    gate = asyncio.Event()

    @Tool
    async def hold() -> str:
        """Hold."""
        await gate.wait()
        return ""

    got: list[str] = []
    script = Script({"a": [tool("hold"), finish("done")]})
    task = run_background(
        "Go.",
        peers(script, "a"),
        [hold],
        on_message=lambda message, send: got.append(message.content),
        hooks=Hooks(on_forward=no_bad_words),
    )
    good, bad = send_message(f"user_{task}", "good"), send_message(f"user_{task}", "bad")
    gate.set()
    await task.wait()
    assert got == ["good"]
    assert (good.status, bad.status, bad.reason) == ("read", "returned", "no bad words")


async def test_mail_that_a_hook_has_not_let_through_yet_comes_back_when_its_reader_ends() -> None:
    looking = asyncio.Event()

    async def slow(message: Message) -> None:
        if message.content == "hello":
            looking.set()
            await asyncio.sleep(60)

    script = Script({"a": [Turn(tool("get_messages", task_id="x"), delay=0.02), finish("done")]})
    task = run_background("Go.", peers(script, "a"), hooks=Hooks(on_forward=slow))
    while not script.requests:
        await asyncio.sleep(0.001)
    receipts = [task.send("hello"), task.send("and hello")]
    await looking.wait()
    task.cancel("enough")
    with pytest.raises(Cancelled):
        await task.wait()
    assert [receipt.status for receipt in receipts] == ["returned", "returned"]


def test_the_users_own_return_passes_the_hook() -> None:
    def ask_user(message: Message) -> ToolResult:
        return ToolResult(f"dull {message.content}", [Attachment("text/plain", data="aGk=")])

    script = Script({"a": [call("user", "answer?"), lambda seen: finish(seen.answers("user")[0])]})
    agents = peers(script, "a")
    result = run("Go.", agents, ask_user=ask_user, hooks=Hooks(on_return=no_bad_words))
    assert result.output == "bright answer?"

    script = Script({"a": [call("user", "bad?"), lambda seen: finish(seen.outcomes[0].content)]})
    hooks = Hooks(on_return=lambda m: no_bad_words(m) if m.sender == "user" else None)
    result = run("Go.", peers(script, "a"), ask_user=ask_user, hooks=hooks)
    assert "no bad words" in result.output


async def test_lines_of_a_run_tell_of_letters_repetition_and_cancelling() -> None:
    @Tool
    async def hold() -> str:
        """Hold."""
        await asyncio.sleep(60)
        return ""

    asked = 0

    def b(request: Request) -> ScriptedReply:
        nonlocal asked
        asked += 1
        return call("b", "Same?") if asked == 1 else tool("hold")

    script = Script({"a": [call("b", "Same?")], "b": b})
    agents = peers(script, "a", "b")
    stream = async_run_stream("Go.", agents[:1], [hold], run_agents=agents)
    told: list[dict[str, object]] = []
    async for line in stream.lines():
        told.append(line)
        if line["type"] == "tool.start" and line["tool"] == "hold":
            stream.send("Are you there?", to=str(line["call"]))
            stream.cancel("enough")
    kinds = [line["type"] for line in told]
    assert kinds[-1] == "run.end"
    [repeated] = [line for line in told if line["type"] == "repeated"]
    assert (repeated["text"], repeated["times"]) == ("Same?", 2)
    [letter] = [line for line in told if line["type"] == "message.returned"]
    assert letter["text"] == "Are you there?"
    assert "cancelled" in str(letter["reason"])
    assert sum(line["type"] == "tool.end" and line["failed"] is True for line in told) == 1
    assert [line["kind"] for line in told if line["type"] == "error"] == ["stopped"] * 3


def test_a_summary_and_a_read_letter_are_lines_too() -> None:
    async def main() -> list[dict[str, object]]:
        def working(request: Request) -> ScriptedReply:
            return finish("done") if request.turn == 12 else [say("y" * 3000), tool("hold")]

        @Tool
        async def hold() -> str:
            """Hold."""
            stream.send("hi")
            return ""

        [agent] = peers(Script(working), "a")
        small = type(agent)("a", "", "m", agent.provider, context_window=8_000)
        stream = async_run_stream("Go.", [small], [hold])
        return [line async for line in stream.lines()]

    told = asyncio.run(main())
    assert [line["turn"] for line in told if line["type"] == "message.read"][:2] == [1, 2]
    summaries = [line for line in told if line["type"] == "summarized"]
    assert summaries
    assert int(str(summaries[0]["tokens_before"])) > int(str(summaries[0]["tokens_after"]))


async def test_the_event_log_says_why_a_call_was_cancelled() -> None:
    @Tool
    async def hold() -> str:
        """Hold."""
        await asyncio.sleep(60)
        return ""

    script = Script({"a": [call("b", "x"), lambda seen: finish("gave up")], "b": [tool("hold")]})
    agents = peers(script, "a", "b")
    stream = async_run_stream("Go.", agents[:1], [hold], run_agents=agents)
    async for event in stream:
        if event.type == "tool_call" and event.agent_name == "b":
            cancel(event.call_id, "no time")
    assert "error=cancelled: no time" in (await stream.result()).event_log.format()


def test_a_hook_for_the_model_that_fails_refuses() -> None:
    def broken(_use: object) -> str:
        raise ZeroDivisionError("oops")

    with pytest.raises(AgentError, match="around_model failed: ZeroDivisionError"):
        run("Go.", peers(Script({"a": [finish("x")]}), "a"), hooks=Hooks(around_model=broken))


async def test_waiting_for_one_who_has_ended_or_never_was_ends_at_once() -> None:
    def waits(request: Request) -> ScriptedReply:
        if request.turn == 0:
            return call("b", "Quick.")
        if request.turn == 1:
            [other] = {r.call_id for r in script.requests if r.agent_name == "b"}
            ends = tool("wait_for_messages", task_id=other, timeout=50)
            return Turn(ends, tool("wait_for_messages", task_id="nobody", timeout=50))
        return finish(" | ".join(outcome.content for outcome in request.outcomes))

    script = Script({"a": waits, "b": [finish("done")]})
    agents = peers(script, "a", "b")
    task = run_background("Go.", agents[:1], run_agents=agents, enabled_tools=["wait_for_messages"])
    ended, never = (await task.wait()).output.split(" | ")
    assert "b is not at work any more" in ended
    assert "No background agent found with task_id: nobody" in never


@pytest.mark.parametrize("timeout", [-1, "soon", "nan"])
def test_a_wait_has_a_sensible_time(timeout: object) -> None:
    script = Script(
        {"a": [tool("wait_for_messages", timeout=timeout), lambda s: finish(s.outcomes[0].content)]}
    )
    result = run("Go.", peers(script, "a"), enabled_tools=["wait_for_messages"])
    assert "'timeout' is a number" in result.output
