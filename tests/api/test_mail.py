"""Messages to participants at work: all are read, in order, or their senders are told."""

from __future__ import annotations

import asyncio
import threading

import pytest

from agentouto import (
    RoutingError,
    Tool,
    async_run,
    run_background,
    run_background_sync,
    send_message,
)
from agentouto.testing import Request, Script, Turn, call, finish, say, tool
from teams import peers


async def test_ten_thousand_messages_from_threads_and_tasks_all_arrive_in_order() -> None:
    enough = asyncio.Event()

    @Tool
    async def hold() -> str:
        """Wait until all have written."""
        await enough.wait()
        return "ok"

    script = Script({"a": [tool("hold"), tool("hold"), finish("read")]})
    task = run_background("Go.", peers(script, "a"), [hold])

    def write(sender: int) -> None:
        for number in range(50):
            send_message(task, f"{sender}:{number}")

    async def write_async(sender: int) -> None:
        for number in range(50):
            task.send(f"{sender}:{number}")
            await asyncio.sleep(0)

    threads = [threading.Thread(target=write, args=(sender,)) for sender in range(100)]
    for thread in threads:
        thread.start()
    async with asyncio.TaskGroup() as group:
        for sender in range(100, 200):
            group.create_task(write_async(sender))
    for thread in threads:
        await asyncio.to_thread(thread.join)
    enough.set()
    await task.wait()
    read = [text for text in script.heard_by("a") if ":" in text]
    assert len(read) == len(set(read)) == 10_000
    for sender in range(200):
        own = [int(text.split(":")[1]) for text in read if text.startswith(f"{sender}:")]
        assert own == list(range(50))


async def test_mail_that_comes_before_the_return_reopens_the_last_turn() -> None:
    def a(request: Request) -> object:
        if request.turn == 0:
            send_message(str(task), "one more thing")
            return finish("too early")
        return finish(f"done after {request.last}")

    task = run_background("Go.", peers({"a": a}, "a"))
    assert (await task.wait()).output == "done after one more thing"


async def test_mail_after_plain_text_reopens_the_last_turn_too() -> None:
    def a(request: Request) -> object:
        if request.turn == 0:
            send_message(str(task), "wait")
            return say("too early")
        return say("now")

    task = run_background("Go.", peers({"a": a}, "a"))
    assert (await task.wait()).output == "now"


async def test_whoever_writes_too_late_is_told() -> None:
    task = run_background("Go.", peers({"a": [finish("x")]}, "a"))
    await task.wait()
    with pytest.raises(RoutingError, match="already returned"):
        send_message(str(task), "hello?")


async def test_nothing_accepted_is_lost_while_agents_come_and_go() -> None:
    accepted: list[str] = []
    script = Script({"a": lambda r: Turn(finish("x"), delay=0.0005 * (len(r.heard) % 3))})
    tasks = [run_background_sync("Go.", peers(script, "a")) for _ in range(20)]

    def write(sender: int) -> None:
        for number in range(100):
            text = f"{sender}:{number}"
            try:
                send_message(tasks[(sender + number) % 20], text)
            except RoutingError:
                continue
            accepted.append(text)

    threads = [threading.Thread(target=write, args=(sender,)) for sender in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    for task in tasks:
        await task.wait()
    read = [text for text in script.heard_by("a") if ":" in text]
    assert sorted(read) == sorted(accepted)


async def test_peers_write_to_each_other_and_see_who_wrote() -> None:
    def a(request: Request) -> object:
        return call("b", "Work.") if request.turn == 0 else finish("|".join(request.heard))

    def b(request: Request) -> object:
        if request.turn:
            return finish("done")
        caller = request.system.split("task_id is '")[1].split("'")[0]
        return tool("send_message", task_id=caller, message="50%")

    team = peers({"a": a, "b": b}, "a", "b")
    result = await async_run("Go.", team[:1], run_agents=team)
    [sub] = {m.call_id for m in result.messages if m.sender == "b" and m.type == "return"}
    assert result.output == f"Go.|[Message from b (task_id: {sub})]: 50%"


async def test_agents_reach_nobody_outside_their_run() -> None:
    outside = run_background("Go.", peers({"x": [Turn(finish("x"), delay=0.03)]}, "x"))
    script = {
        "a": [
            tool("send_message", task_id=str(outside), message="hi"),
            lambda r: finish(r.outcomes[0].content),
        ]
    }
    result = await async_run("Go.", peers(script, "a"))
    assert "No background agent found" in result.output
    await outside.wait()
