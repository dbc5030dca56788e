"""A team as an MCP server, for the client of the MCP SDK."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agentouto import Agent, Attachment, Limits, Peer, Provider, Team, Tool, ToolResult
from agentouto.exceptions import ConfigurationError
from agentouto.testing import Script, call, finish, tool
from serve.serving import served, team

mcp = pytest.importorskip("mcp")
types = pytest.importorskip("mcp_types")

import httpx2  # noqa: E402
from mcp.client.streamable_http import streamable_http_client  # noqa: E402

from agentouto.serve.mcp import McpServer, mcp_server  # noqa: E402 - needs the SDK

REVISIONS = {"2025-11-25": "legacy", "2026-07-28": "2026-07-28"}
"""The revisions of the protocol, and what the SDK calls them."""


@pytest.fixture(params=REVISIONS.values(), ids=REVISIONS)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def pair(*lines: Any) -> Team:
    """A lead who asks, and a writer."""
    return team({"lead": [*lines], "writer": [finish("a text")]})


def told(result: Any) -> str:
    return "".join(part.text for part in result.content if part.type == "text")


def last(request: Any) -> Any:
    return finish(f"Then: {request.outcomes[-1].content}")


async def test_the_tools_are_the_team_each_participant_and_answer(mode: str) -> None:
    async with mcp.Client(mcp_server(pair()).server, mode=mode) as client:
        listed = (await client.list_tools()).tools
    assert [each.name for each in listed] == ["ask_team", "ask_lead", "ask_writer", "answer"]
    assert "You are lead" not in "".join(each.description for each in listed)


async def test_a_call_is_a_run_whose_steps_are_progress(mode: str) -> None:
    notes: list[tuple[float, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        notes.append((progress, message))

    server = mcp_server(pair(call("writer", "a fox"), last))
    async with mcp.Client(server.server, mode=mode) as client:
        result = await client.call_tool("ask_team", {"message": "Go."}, progress_callback=note)
    assert told(result) == "Then: [writer]a text[/writer]"
    assert [text for _, text in notes] == [
        "lead begins",
        "lead → writer: a fox",
        "writer has returned",
        "lead has returned",
    ]
    assert [number for number, _ in notes] == [1, 2, 3, 4]


async def test_a_question_is_put_to_a_user_who_can_be_asked(mode: str) -> None:
    asked: list[Any] = []

    async def answer(context: Any, params: Any) -> Any:
        asked.append(params)
        return types.ElicitResult(action="accept", content={"answer": f"short {len(asked)}"})

    server = mcp_server(pair(call("user", "How long?"), call("user", "Sure?"), last))
    async with mcp.Client(server.server, mode=mode, elicitation_callback=answer) as client:
        result = await client.call_tool("ask_team", {"message": "Go."})
    assert told(result) == "Then: [user]short 2[/user]"
    assert [params.message for params in asked] == ["lead asks: How long?", "lead asks: Sure?"]


async def test_a_user_who_declines_lets_the_agent_decide(mode: str) -> None:
    async def decline(context: Any, params: Any) -> Any:
        return types.ElicitResult(action="decline")

    server = mcp_server(pair(call("user", "How long?"), last))
    async with mcp.Client(server.server, mode=mode, elicitation_callback=decline) as client:
        result = await client.call_tool("ask_team", {"message": "Go."})
    assert "The user does not answer" in told(result)


async def test_without_elicitation_a_question_is_the_result_and_answer_goes_on(mode: str) -> None:
    server = mcp_server(pair(call("user", "How long?"), last))
    async with mcp.Client(server.server, mode=mode) as client:
        question = told(await client.call_tool("ask_team", {"message": "Go."}))
        assert question.startswith("lead asks the user: How long?")
        found = re.search(r"question_id='(\w+)'", question)
        assert found is not None
        answer = {"question_id": found[1], "answer": "short"}
        assert told(await client.call_tool("answer", answer)) == "Then: [user]short[/user]"
        again = await client.call_tool("answer", answer)
        assert again.is_error
        assert "No run waits for this answer" in told(again)


async def test_a_request_state_that_the_server_did_not_make_is_refused() -> None:
    async def answer(context: Any, params: Any) -> Any:
        return types.ElicitResult(action="accept", content={"answer": "x"})

    server = mcp_server(pair(call("user", "How long?"), last))
    async with mcp.Client(server.server, mode="2026-07-28", elicitation_callback=answer) as client:
        with pytest.raises(mcp.MCPError, match="Invalid or expired requestState"):
            await client.call_tool("ask_team", {"message": "Go."}, request_state="made up")


async def test_leaving_a_call_ends_its_run(mode: str) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    @Tool
    async def wait() -> str:
        """Wait."""
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    server = mcp_server(team({"lead": [tool("wait")]}, tools=[wait]))
    async with mcp.Client(server.server, mode=mode) as client:
        calling = asyncio.create_task(client.call_tool("ask_team", {"message": "Go."}))
        await began.wait()
        calling.cancel()
        await ended.wait()
        await asyncio.wait([calling])


async def test_a_tool_that_needs_approval_is_refused(mode: str) -> None:
    @Tool(needs_approval=True)
    def pay() -> str:
        """Pay."""
        raise AssertionError("it was used")

    server = mcp_server(team({"lead": [tool("pay"), last]}, tools=[pay]))
    async with mcp.Client(server.server, mode=mode) as client:
        told_ = told(await client.call_tool("ask_team", {"message": "Go."}))
    assert "needs the user's approval" in told_


async def test_files_are_content(mode: str) -> None:
    files = [
        Attachment("image/png", data="aGk="),
        Attachment("audio/wav", data="aGk="),
        Attachment("application/pdf", data="aGk=", name="a.pdf"),
        Attachment("image/png", url="https://example.com/a.png"),
    ]
    painter = Peer("painter", "Paints.", lambda _: ToolResult("here", files))
    painters = Team([painter], limits=Limits(requests=5))
    async with mcp.Client(mcp_server(painters).server, mode=mode) as client:
        content = (await client.call_tool("ask_team", {"message": "Go."})).content
    assert [part.type for part in content] == [
        "text",
        "image",
        "audio",
        "resource",
        "resource_link",
    ]


async def test_an_error_of_a_run_tells_no_secret(mode: str) -> None:
    def fails(request: Any) -> Any:
        raise RuntimeError("sk-SECRET")

    server = mcp_server(team({"lead": [fails]}))
    async with mcp.Client(server.server, mode=mode) as client:
        result = await client.call_tool("ask_team", {"message": "Go."})
    assert result.is_error
    assert "SECRET" not in told(result)


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("ask_ghost", {"message": "x"}, "There is no tool 'ask_ghost'. There are: ask_team"),
        ("ask_team", {}, "takes message"),
        ("ask_team", {"message": " "}, "takes message"),
        ("answer", {"answer": "x"}, "takes question_id and answer"),
        ("answer", {"question_id": "x", "answer": "y"}, "No run waits"),
    ],
)
async def test_a_bad_call_says_why(
    mode: str, name: str, arguments: dict[str, str], why: str
) -> None:
    async with mcp.Client(mcp_server(pair()).server, mode=mode) as client:
        result = await client.call_tool(name, arguments)
    assert result.is_error
    assert why in told(result)


def test_two_names_that_become_one_tool_are_refused() -> None:
    provider = Provider("p", kind="script", script=Script({}))
    twins = [Agent(name, "x", "m", provider) for name in ("a b", "a_b")]
    with pytest.raises(ConfigurationError, match="become the tool ask_a_b"):
        mcp_server(Team(twins))


def test_only_what_is_named_is_offered() -> None:
    assert mcp_server(pair(), only=["writer"]).tools == ["ask_writer", "answer"]
    with pytest.raises(ConfigurationError, match="ghost"):
        mcp_server(pair(), only=["ghost"])


@asynccontextmanager
async def over_http(server: McpServer, **how: Any) -> AsyncIterator[str]:
    async with served(server.http_front(), "/mcp", **how) as address:
        yield f"{address}/mcp"


async def test_it_is_served_over_http(mode: str) -> None:
    async def answer(context: Any, params: Any) -> Any:
        return types.ElicitResult(action="accept", content={"answer": "short"})

    server = mcp_server(pair(call("user", "How long?"), last))
    async with (
        over_http(server) as url,
        mcp.Client(url, mode=mode, elicitation_callback=answer) as client,
    ):
        result = await client.call_tool("ask_team", {"message": "Go."})
    assert told(result) == "Then: [user]short[/user]"


async def test_over_http_the_key_and_the_origin_are_checked() -> None:
    async with over_http(mcp_server(pair()), key="one") as url, httpx2.AsyncClient() as web:
        assert (await web.post(url, json={})).status_code == 401
        key = {"authorization": "Bearer one"}
        foreign = {**key, "origin": "https://evil.example"}
        assert (await web.post(url, json={}, headers=foreign)).status_code == 403
        host = {**key, "host": "evil.example"}
        assert (await web.post(url, json={}, headers=host)).status_code == 403
        async with httpx2.AsyncClient(headers=key) as authorized:
            transport = streamable_http_client(url, http_client=authorized)
            async with mcp.Client(transport) as client:
                assert len((await client.list_tools()).tools) == 4


TEAM = """
from agentouto import Agent, Provider, Team
from agentouto.testing import Script, call, finish

def last(request):
    print("a tool prints")
    return finish("Then: " + request.outcomes[-1].content)

script = Script({"lead": [call("user", "How long?"), last]})
team = Team([Agent("lead", "You lead.", "m", Provider("p", kind="script", script=script))])
"""


async def test_the_command_serves_over_standard_input_and_output(tmp_path: Path, mode: str) -> None:
    async def answer(context: Any, params: Any) -> Any:
        return types.ElicitResult(action="accept", content={"answer": "short"})

    (tmp_path / "team.py").write_text(TEAM)
    command = ["-m", "agentouto", "serve", "--mcp", "team.py"]
    parameters = mcp.StdioServerParameters(command=sys.executable, args=command, cwd=tmp_path)
    parameters.env = {"PYTHONPATH": ":".join(sys.path)}
    async with mcp.Client(parameters, mode=mode, elicitation_callback=answer) as client:
        assert told(await client.call_tool("ask_team", {"message": "Go."})) == (
            "Then: [user]short[/user]"
        )
