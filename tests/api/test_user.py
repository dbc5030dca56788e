"""The user as a peer: written to, called, and never in the way."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections.abc import Callable

import pytest

from agentouto import (
    Message,
    ToolResult,
    async_run,
    async_run_stream,
    run,
    run_background,
    send_message,
)
from agentouto.providers._script.replies import ScriptedReply
from agentouto.testing import Request, call, finish, tool
from teams import peers


def writes_to_user(request: Request) -> ScriptedReply:
    """Write to the user, then return everything heard."""
    if request.turn == 0:
        [address] = re.findall(r"task_id is '([^']+)'", request.system)
        return tool("send_message", task_id=address, message="Need your input")
    return finish(" | ".join(request.heard))


def test_a_message_to_the_user_is_answered_before_the_next_turn() -> None:
    got: list[Message] = []

    def on_message(message: Message, send: Callable[[str], None]) -> None:
        got.append(message)
        send("Approved,")
        send("proceed.")

    result = run("Go.", peers({"a": writes_to_user}, "a"), on_message=on_message)
    assert result.output == "Go. | Approved, | proceed."
    assert [(m.sender, m.receiver, m.content) for m in got] == [("a", "user", "Need your input")]
    assert "Need your input" in [message.content for message in result.messages]


def test_the_callback_runs_outside_the_loop_and_one_at_a_time() -> None:
    inside = 0
    most = 0
    names: set[str] = set()

    def on_message(message: Message, send: Callable[[str], None]) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        names.add(threading.current_thread().name)
        time.sleep(0.01)
        inside -= 1

    run("Go.", peers({"a": writes_to_user}, "a") * 5, on_message=on_message)
    assert most == 1
    assert threading.current_thread().name not in names


@pytest.mark.parametrize("mode", ["run", "stream", "background"])
async def test_an_async_callback_is_awaited_in_every_mode(mode: str) -> None:
    async def on_message(message: Message, send: Callable[[str], None]) -> None:
        await asyncio.sleep(0.001)
        send("yes")

    team = peers({"a": writes_to_user}, "a")
    if mode == "run":
        output = (await async_run("Go.", team, on_message=on_message)).output
    elif mode == "stream":
        stream = async_run_stream("Go.", team, on_message=on_message)
        events = [event async for event in stream]
        [told] = [event for event in events if event.type == "user_message"]
        about = {"message": "Need your input", "sender": "a"}
        assert told.data == about | {"id": told.call_id}
        assert told.agent_name == "a"
        assert told.parent_call_id == events[-1].call_id
        output = events[-1]["data"]["output"]
    else:
        output = (await run_background("Go.", team, on_message=on_message).wait()).output
    assert output == "Go. | yes"


def test_a_callback_that_raises_is_logged_and_the_run_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def on_message(message: Message, send: Callable[[str], None]) -> None:
        raise ValueError("no")

    with caplog.at_level(logging.ERROR, "agentouto"):
        assert run("Go.", peers({"a": writes_to_user}, "a"), on_message=on_message).output == "Go."
    assert "on_message failed" in caplog.text


def test_every_starting_agent_has_its_own_way_to_the_user() -> None:
    def on_message(message: Message, send: Callable[[str], None]) -> None:
        send(f"hello {message.sender}")

    team = peers({"a": writes_to_user, "b": writes_to_user}, "a", "b")
    outputs = {o.name: o.text for o in run("Go.", team, on_message=on_message).outputs}
    assert outputs == {"a": "Go. | hello a", "b": "Go. | hello b"}


def ask(question: str = "Which?") -> Callable[[Request], ScriptedReply]:
    def asks(request: Request) -> ScriptedReply:
        return (
            call("user", question)
            if request.turn == 0
            else finish(request.results("call_agent")[0])
        )

    return asks


@pytest.mark.parametrize("answers", ["plain", "async", "files", "nothing"])
def test_the_user_can_be_called_and_answers(answers: str) -> None:
    def plain(message: Message) -> object:
        assert message.content == "Which?"
        return {"plain": "blue", "nothing": None, "files": ToolResult("blue")}[answers]

    async def answered(message: Message) -> str:
        return "blue"

    team = peers({"a": ask()}, "a")
    result = run("Go.", team, ask_user=answered if answers == "async" else plain)
    assert result.output == ("[user][/user]" if answers == "nothing" else "[user]blue[/user]")
    assert ("return", "user", "a") in [(m.type, m.sender, m.receiver) for m in result.messages]


def test_the_user_can_be_called_from_any_depth_and_is_listed() -> None:
    seen: list[str] = []

    def b(request: Request) -> ScriptedReply:
        seen.append(request.system)
        return ask()(request)

    def a(request: Request) -> ScriptedReply:
        return finish(request.answers("b")[0]) if request.turn else call("b", "x")

    team = peers({"a": a, "b": b}, "a", "b")
    result = run("Go.", team[:1], run_agents=team, ask_user=lambda message: f"for {message.sender}")
    assert "for b" in result.output
    assert "- user:" in seen[0]


def test_a_user_who_cannot_answer_is_an_error_the_agent_hears() -> None:
    def nobody(message: Message) -> str:
        raise LookupError("nobody is there")

    output = run("Go.", peers({"a": ask()}, "a"), ask_user=nobody).output
    assert output.startswith("Error: [user] nobody is there")


def test_two_questions_never_share_the_terminal() -> None:
    inside: list[int] = []
    most: list[int] = []

    def slow(message: Message) -> str:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)
        inside.pop()
        return "ok"

    run("Go.", peers({"a": ask(), "b": ask()}, "a", "b"), ask_user=slow)
    assert most == [1, 1]


async def test_the_user_can_be_written_to_from_outside() -> None:
    got: list[str] = []
    arrived = asyncio.Event()

    async def on_message(message: Message, send: Callable[[str], None]) -> None:
        got.append(message.content)
        if message.content == "psst":
            arrived.set()
            return
        assert send_message(f"user_{task}", "psst").startswith("Message sent to user")
        async with asyncio.timeout(10):
            await arrived.wait()

    task = run_background("Go.", peers({"a": writes_to_user}, "a"), on_message=on_message)
    await task.wait()
    assert got == ["Need your input", "psst"]
