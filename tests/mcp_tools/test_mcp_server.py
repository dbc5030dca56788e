"""Agents use the tools of MCP servers."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from agentouto import Agent, Message, Provider, async_run, run, run_stream
from agentouto.exceptions import ToolError
from agentouto.mcp import MCPServer
from agentouto.testing import Script, finish, tool
from children import PIPE, child
from mcp_tools.agents import user_of
from mcp_tools.conftest import STDIO

pytestmark = pytest.mark.timeout(120)


def test_the_result_of_a_tool_reaches_the_agent(workshop: MCPServer) -> None:
    assert run("Add.", [user_of(tool("shop_add", a=2, b=3))], [workshop]).output == "5"


def test_files_of_a_result_are_attachments(workshop: MCPServer) -> None:
    seen: list[Any] = []

    def look(request: Any) -> Any:
        seen.append(request.outcomes[-1])
        return finish("ok")

    script = Script({"worker": [tool("shop_picture"), look]})
    agent = Agent("worker", "Work.", "any-model", Provider("p", kind="script", script=script))
    run("Look.", [agent], [workshop])
    assert seen[0].content == "a dot"
    assert [file.mime_type for file in seen[0].attachments] == ["image/png"]


def test_an_error_of_the_server_is_told_to_the_agent(workshop: MCPServer) -> None:
    output = run("Fail.", [user_of(tool("shop_fail", why="no paper"))], [workshop]).output
    assert "no paper" in output


def test_progress_is_an_event(workshop: MCPServer) -> None:
    agent = user_of(tool("shop_count", to=2))
    with run_stream("Count.", [agent], [workshop]) as stream:
        progress = [event.data for event in stream if event.type == "tool_progress"]
    assert [(each["done"], each["total"]) for each in progress] == [(1, 2), (2, 2)]
    assert progress[0]["text"] == "at 1"


def test_a_question_of_the_server_is_put_to_the_user(workshop: MCPServer) -> None:
    questions: list[Message] = []

    def answer(question: Message) -> str:
        questions.append(question)
        return "Ada"

    result = run("Greet.", [user_of(tool("shop_greet"))], [workshop], ask_user=answer)
    assert result.output == "Hello, Ada."
    assert "shop asks: Who are you?" in questions[0].content
    assert questions[0].sender == "worker.shop"


def test_fields_that_are_left_out_have_their_defaults(workshop: MCPServer) -> None:
    result = run(
        "Book.", [user_of(tool("shop_book"))], [workshop], ask_user=lambda _: '{"seats": 2}'
    )
    assert result.output == "2 seats, soup"


@pytest.mark.parametrize("answer", ["no", "", None])
def test_a_question_that_gets_no_answer_fails_the_use(
    workshop: MCPServer, answer: str | None
) -> None:
    ask = None if answer is None else lambda _: answer
    output = run("Greet.", [user_of(tool("shop_greet"))], [workshop], ask_user=ask).output
    assert "Hello" not in output


def test_one_server_serves_runs_threads_and_uses_at_once(workshop: MCPServer) -> None:
    def pids(_: object = None) -> str:
        return run("Who?", [user_of(tool("shop_process"))], [workshop]).output

    found = [pids(), pids()]
    threads = [threading.Thread(target=lambda: found.append(pids())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    many = [tool("shop_process") for _ in range(50)]
    script = Script({"worker": [many, lambda r: finish(" ".join(o.content for o in r.outcomes))]})
    agent = Agent("worker", "Work.", "any-model", Provider("p", kind="script", script=script))
    found += run("Who?", [agent], [workshop]).output.split()
    assert len(found) == 56
    assert len(set(found)) == 1


async def test_cancelling_a_run_cancels_the_use_at_the_server(workshop: MCPServer) -> None:
    label = f"label of {id(workshop)}"
    task = asyncio.create_task(
        async_run("Wait.", [user_of(tool("shop_wait", label=label))], [workshop])
    )
    await until(workshop, f"{label} began")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(workshop, f"{label} was cancelled")


async def until(server: MCPServer, what: str) -> None:
    while True:
        noted = await async_run("So?", [user_of(tool("shop_noted"), name="noter")], [server])
        if what in noted.output:
            return
        await asyncio.sleep(0.01)


async def test_the_same_tools_are_returned_until_the_server_says_that_they_changed(
    workshop: MCPServer,
) -> None:
    before = await workshop.tools()
    assert all(one is other for one, other in zip(before, await workshop.tools(), strict=True))
    await async_run("Learn.", [user_of(tool("shop_learn", name=f"new{id(workshop)}"))], [workshop])
    while len(after := await workshop.tools()) == len(before):
        await asyncio.sleep(0.01)
    assert set(before) < set(after)


def test_a_session_that_the_server_forgot_is_opened_again(workshop_url: str) -> None:
    with MCPServer("shop", url=workshop_url, protocol="2025-11-25") as server:
        agent = user_of(tool("shop_forget"), tool("shop_add", a=1, b=2))
        assert run("Forget.", [agent], [server]).output == "3"
        run("Forget.", [user_of(tool("shop_forget"))], [server])
        assert run("Add.", [user_of(tool("shop_add", a=1, b=2))], [server]).output == "3"


async def test_over_http_a_question_finds_its_run_among_several(workshop_url: str) -> None:
    async def one(server: MCPServer, name: str) -> str:
        asks: Callable[[Message], str] = lambda _: name  # noqa: E731
        agent = user_of(tool("shop_greet"), name=name)
        return (await async_run("Greet.", [agent], [server], ask_user=asks)).output

    for protocol in ("2025-11-25", "2026-07-28"):
        with MCPServer("shop", url=workshop_url, protocol=protocol) as server:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(server, f"n{number}")) for number in range(5)]
            outputs = [task.result() for task in tasks]
        assert outputs == [f"Hello, n{number}." for number in range(5)]


@pytest.mark.parametrize("protocol", ["2025-11-25", "2026-07-28"])
async def test_a_server_that_dies_over_http_during_a_use_is_told_of(protocol: str) -> None:
    pytest.importorskip("mcp")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    with child([*STDIO, "http"], stdout=PIPE, env=clean) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        async with MCPServer("shop", url=url, protocol=protocol) as server:
            waiting = user_of(tool("shop_wait", label="use"))
            running = asyncio.create_task(async_run("Wait.", [waiting], [server]))
            await until(server, "use began")
            process.kill()
            assert "shop died while it worked on this" in (await running).output
            with pytest.raises(ToolError, match="the tools of shop cannot be read"):
                await async_run("Again.", [user_of()], [server])
