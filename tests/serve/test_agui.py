"""The AG-UI front: the events of a run, interrupts and resumption, tools of the page."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from agentouto import Team, Tool
from agentouto.serve import agui_app
from agentouto.testing import Request, Script, call, fail, finish, say, think, tool
from serve.serving import asks_user, served, team

USER = {"id": "1", "role": "user", "content": "Go."}


class Page:
    """A client of one conversation."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self.status = 0

    async def run(self, *messages: Any, path: str = "", **fields: Any) -> list[dict[str, Any]]:
        """Send a request; return the events, or the error as the only one."""
        body = {"threadId": "t", "runId": "r", "messages": [*messages], **fields}
        async with self._session.post(self._url + path, json=body) as response:
            self.status = response.status
            text = await response.text()
        if self.status != 200:
            return [json.loads(text)["error"]]
        blocks = [block for block in text.split("\n\n") if block]
        return [json.loads(block.removeprefix("data: ")) for block in blocks]


@asynccontextmanager
async def page(served_team: Team, key: str = "k", **options: Any) -> AsyncIterator[Page]:
    front = agui_app(served_team, **options)
    headers = {"authorization": f"Bearer {key}"}
    async with (
        served(front, "/agui") as address,
        aiohttp.ClientSession(headers=headers) as session,
    ):
        yield Page(session, f"{address}/agui")


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def of(events: list[dict[str, Any]], type_: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == type_]


async def test_a_run_is_told_as_messages_tools_and_subagents() -> None:
    def look(city: str) -> str:
        """Look."""
        return f"sun in {city}"

    lines = {
        "lead": [[think("Hm."), say("I ask."), call("writer", "Write.")], finish("The end.")],
        "writer": [tool("look", city="Seoul"), say("Once upon a time.")],
    }
    script = Script(lines, usage=(5, 2))
    async with page(team(script, *lines, tools=[look])) as client:
        events = await client.run(USER)
    assert types(events) == [
        "RUN_STARTED",
        "REASONING_START",
        "REASONING_MESSAGE_START",
        "REASONING_MESSAGE_CONTENT",
        "REASONING_MESSAGE_END",
        "REASONING_END",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        "SUBAGENT_STARTED",
        "TOOL_CALL_START",
        "TOOL_CALL_ARGS",
        "TOOL_CALL_END",
        "TOOL_CALL_RESULT",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        "SUBAGENT_FINISHED",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        "RUN_FINISHED",
    ]
    first, last = events[0], events[-1]
    assert (first["threadId"], first["runId"], first["protocolVersion"]) == ("t", "r", "1.0")
    assert last["outcome"] == {"type": "success"}
    assert last["usage"] == [{"inputTokens": 20, "outputTokens": 8, "totalTokens": 28}]
    [started] = of(events, "SUBAGENT_STARTED")
    [finished] = of(events, "SUBAGENT_FINISHED")
    assert (started["name"], finished["result"]) == ("writer", "Once upon a time.")
    assert "parentSubagentRunId" not in started
    texts = of(events, "TEXT_MESSAGE_CONTENT")
    assert [each["delta"] for each in texts] == ["I ask.", "Once upon a time.", "The end."]
    [result] = of(events, "TOOL_CALL_RESULT")
    assert (result["content"], result["subagentRunId"]) == (
        "sun in Seoul",
        started["subagentRunId"],
    )


async def test_nested_peers_name_their_parents() -> None:
    lines = {
        "lead": [call("writer", "Write."), finish("Done.")],
        "writer": [call("editor", "Edit."), finish("Written.")],
        "editor": [say("Edited.")],
    }
    async with page(team(lines)) as client:
        events = await client.run(USER)
    writer, editor = of(events, "SUBAGENT_STARTED")
    assert editor["parentSubagentRunId"] == writer["subagentRunId"]


async def test_a_question_is_an_interrupt_and_the_run_is_resumed_once() -> None:
    lines = {"lead": [call("writer", "Paint."), finish("Done.")], "writer": asks_user}
    async with page(team(lines)) as client:
        events = await client.run(USER)
        assert types(events)[-2:] == ["SUBAGENT_FINISHED", "RUN_FINISHED"]
        [interrupt] = events[-1]["outcome"]["interrupts"]
        assert (interrupt["message"], interrupt["reason"]) == ("Which colour?", "question")
        suspended = events[-2]
        assert suspended["outcome"] == {"type": "suspended", "interruptIds": [interrupt["id"]]}
        assert interrupt["subagentRunId"] == suspended["subagentRunId"]
        answer = {"interruptId": interrupt["id"], "status": "resolved", "payload": "Red"}
        events = await client.run(USER, resume=[answer])
        assert types(events)[:2] == ["RUN_STARTED", "SUBAGENT_STARTED"]
        assert events[1]["subagentRunId"] == suspended["subagentRunId"]
        assert of(events, "SUBAGENT_FINISHED")[0]["result"] == "Painted Red."
        assert events[-1]["outcome"] == {"type": "success"}
        [error] = await client.run(USER, resume=[answer])
        assert (client.status, error["code"]) == (400, "unknown_interrupt")


@pytest.mark.parametrize(
    ("entry", "heard"),
    [
        ({"status": "resolved", "payload": {"answer": "Red"}}, "Painted Red."),
        ({"status": "resolved", "payload": {"a": 1, "b": 2}}, 'Painted {"a":1,"b":2}.'),
        ({"status": "resolved", "payload": 7}, "Painted 7."),
        ({"status": "cancelled"}, "Painted (The user gave no answer.)."),
    ],
)
async def test_any_payload_reaches_the_agent_as_text(entry: Any, heard: str) -> None:
    async with page(team({"lead": asks_user})) as client:
        events = await client.run(USER)
        [interrupt] = events[-1]["outcome"]["interrupts"]
        events = await client.run(USER, resume=[{"interruptId": interrupt["id"], **entry}])
    assert of(events, "TEXT_MESSAGE_CONTENT")[-1]["delta"] == heard


async def test_an_interrupt_is_answered_from_its_conversation_and_key_only() -> None:
    front = agui_app(team({"lead": asks_user}))
    async with served(front, "/agui") as address, aiohttp.ClientSession() as session:
        client = Page(session, f"{address}/agui")
        events = await client.run(USER)
        [interrupt] = events[-1]["outcome"]["interrupts"]
        resume = [{"interruptId": interrupt["id"], "status": "resolved", "payload": "Red"}]
        await client.run(USER, resume=resume, threadId="another")
        assert client.status == 400
        await client.run(USER, resume=resume, path="/lead")
        assert client.status == 400
        async with aiohttp.ClientSession(headers={"x-api-key": "other"}) as stranger:
            other = Page(stranger, f"{address}/agui")
            await other.run(USER, resume=resume)
            assert other.status == 400
        events = await client.run(USER, resume=resume)
    assert of(events, "TEXT_MESSAGE_CONTENT")[-1]["delta"] == "Painted Red."


async def test_tools_of_the_page_end_the_run_and_their_results_go_on() -> None:
    def reply(request: Request) -> Any:
        if request.turn == 0:
            return [say("I look."), tool("clock")]
        return finish(f"It is {request.results('clock')[0]}.")

    clock = {"name": "clock", "description": "Tells the time.", "parameters": {"type": "object"}}
    script = Script({"lead": reply})
    async with page(team(script, "lead")) as client:
        events = await client.run(USER, tools=[clock])
        [start] = of(events, "TOOL_CALL_START")
        id_ = start["toolCallId"]
        assert start["parentMessageId"] == of(events, "TEXT_MESSAGE_START")[0]["messageId"]
        assert events[-1]["outcome"] == {"type": "success", "pendingToolCallIds": [id_]}
        output = {"id": "3", "role": "tool", "toolCallId": id_, "content": "noon"}
        events = await client.run(USER, output, tools=[clock])
        assert of(events, "TEXT_MESSAGE_CONTENT")[-1]["delta"] == "It is noon."
        assert not of(events, "TOOL_CALL_RESULT")
        [error] = await client.run(USER, output)
    assert error["code"] == "unknown_tool_call"
    assert len(script.requests) == 2


async def test_earlier_messages_context_and_files_reach_the_agent() -> None:
    seen: list[Request] = []

    def reply(request: Request) -> Any:
        seen.append(request)
        return say("Yes.")

    messages = [
        {"id": "0", "role": "system", "content": "Be brief."},
        {"id": "1", "role": "user", "content": "Hello."},
        {"id": "2", "role": "reasoning", "content": "Hm."},
        {"id": "3", "role": "assistant", "content": "Peer's work.", "subagentRunId": "s"},
        {"id": "4", "role": "assistant", "content": "Hello back."},
        {
            "id": "5",
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "url", "value": "https://x.example/a.png"}},
                {
                    "type": "document",
                    "source": {"type": "data", "value": "aGk=", "mimeType": "text/plain"},
                },
            ],
        },
    ]
    context = [{"description": "Page", "value": "/home"}]
    async with page(team({"lead": reply})) as client:
        await client.run(*messages, context=context)
    [request] = seen
    assert request.heard == ["Hello.", "What is this?"]
    assert "Be brief.\n\nPage: /home" in request.system
    files = request.entries[-1].attachments  # type: ignore[union-attr]
    assert [file.mime_type for file in files] == ["image/*", "text/plain"]


async def test_a_run_that_fails_ends_with_an_error_without_the_providers_text() -> None:
    lines = {
        "lead": [[say("I begin."), call("writer", "Write.")], fail(400, message="SECRET")],
        "writer": [fail(401, message="SECRET")],
    }
    async with page(team(lines)) as client:
        events = await client.run(USER)
    assert types(events)[-1] == "RUN_ERROR"
    assert of(events, "SUBAGENT_ERROR")
    assert events[-1]["code"] == "provider_failed"
    assert "SECRET" not in json.dumps(events)


MISTAKES: list[tuple[dict[str, Any], int, str | None, str]] = [
    ({"threadId": 3}, 400, "threadId", "must be text"),
    ({"runId": ""}, 400, "runId", "must be text"),
    ({"messages": None}, 400, "messages", "must be a list"),
    ({"messages": []}, 400, "messages", "the last message must have the role user"),
    ({"messages": [{"role": "king"}]}, 400, "messages[0].role", "not 'king'"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, 400, "messages", "the role user"),
    ({"messages": [{"role": "user"}]}, 400, "messages[0].content", "text or a list"),
    ({"tools": [{"name": ""}]}, 400, "tools[0].name", "needs a name"),
    ({"resume": [{"status": "resolved"}]}, 400, "resume[0].interruptId", "must be text"),
    ({"resume": [{"interruptId": "x", "status": "done"}]}, 400, "resume[0].status", "not 'done'"),
    (
        {
            "messages": [
                {"role": "user", "content": [{"type": "image", "source": {"type": "file"}}]}
            ]
        },
        400,
        "messages[0].content[0].source.type",
        "data or url",
    ),
]


async def test_every_mistake_is_named_and_starts_nothing() -> None:
    script = Script({"lead": [say("Done.")]})
    async with page(team(script, "lead")) as client:
        for fields, status, param, text in MISTAKES:
            [error] = await client.run(USER, **fields)
            assert (client.status, error["param"]) == (status, param)
            assert text in error["message"]
        [error] = await client.run(USER, path="/nobody-there")
        assert (client.status, error["code"]) == (404, "agent_not_found")
        assert script.requests == []
        events = await client.run(USER, path="/lead")
        assert events[-1]["type"] == "RUN_FINISHED"


@pytest.mark.parametrize(
    ("entry", "runs"),
    [
        ({"status": "resolved", "payload": {"approved": True}}, True),
        ({"status": "resolved", "payload": {"approved": "yes"}}, False),
        ({"status": "resolved", "payload": {"approved": True, "editedArgs": {"path": "b"}}}, False),
        ({"status": "resolved", "payload": "yes"}, False),
        ({"status": "resolved", "payload": 1}, False),
        ({"status": "resolved"}, False),
        ({"status": "cancelled", "payload": {"approved": True}}, False),
    ],
)
async def test_a_tool_that_needs_approval_runs_only_if_it_is_given(entry: Any, runs: bool) -> None:
    used: list[str] = []

    @Tool(needs_approval=True)
    def delete(path: str) -> str:
        """Delete."""
        used.append(path)
        return "deleted"

    lines = {"lead": [tool("delete", path="a"), finish("Done.")]}
    async with page(team(lines, tools=[delete])) as client:
        events = await client.run(USER)
        [interrupt] = events[-1]["outcome"]["interrupts"]
        assert interrupt["reason"] == "approval"
        assert interrupt["message"] == 'path: "a"\nMay lead use the tool delete?'
        assert interrupt["toolCallId"] == of(events, "TOOL_CALL_START")[0]["toolCallId"]
        events = await client.run(USER, resume=[{"interruptId": interrupt["id"], **entry}])
    assert events[-1]["outcome"] == {"type": "success"}
    assert used == (["a"] if runs else [])
    [result] = of(events, "TOOL_CALL_RESULT")
    assert result["content"] == ("deleted" if runs else "The tool has failed.")


async def test_a_team_that_approves_itself_is_left_as_it_is() -> None:
    @Tool(needs_approval=True)
    def delete() -> str:
        """Delete."""
        return "deleted"

    lines = {"lead": [tool("delete"), lambda request: finish(request.results("delete")[0])]}
    async with page(team(lines, tools=[delete], approve=lambda approval: True)) as client:
        events = await client.run(USER)
    assert of(events, "TEXT_MESSAGE_CONTENT")[-1]["delta"] == "deleted"
