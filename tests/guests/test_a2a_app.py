"""A team behind A2A, asked by the client of the protocol's SDK and as a peer of another run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx
import pytest
from a2a.client import ClientConfig, create_client
from a2a.client.client import Client
from a2a.helpers import get_message_text, get_stream_response_text
from a2a.types import (
    CancelTaskRequest,
    GetTaskRequest,
    Part,
    Role,
    SendMessageRequest,
    StreamResponse,
    TaskState,
)
from a2a.types import Message as A2AMessage

from agentouto import AgentError, Attachment, Here, Message, Peer, Team, ToolResult, async_run
from agentouto.a2a import a2a_app, remote
from agentouto.testing import call, finish, say
from serve.serving import served, team

NUMBERS = iter(range(10_000))


@asynccontextmanager
async def reached(served_team: Team, **how: Any) -> AsyncIterator[tuple[str, Client]]:
    """Serve a team; yield its address and a client of the SDK."""
    async with (
        served_at(served_team, **how) as address,
        httpx.AsyncClient(timeout=30) as http,
        await create_client(address, ClientConfig(httpx_client=http)) as asking,
    ):
        yield address, asking


@asynccontextmanager
async def served_at(served_team: Team, **how: Any) -> AsyncIterator[str]:
    """Serve a team at the root, as ``agentouto serve --a2a`` does."""
    async with served(a2a_app(served_team), prefix="", **how) as address:
        yield address


async def send(
    asking: Client, text: str, *, parts: Any = (), task: str = "", context: str = ""
) -> list[StreamResponse]:
    message = A2AMessage(
        message_id=f"m{next(NUMBERS)}",
        role=Role.ROLE_USER,
        parts=[Part(text=text), *parts],
        task_id=task,
        context_id=context,
    )
    return [each async for each in asking.send_message(SendMessageRequest(message=message))]


def states(answers: list[StreamResponse]) -> list[str]:
    updates = [each.status_update for each in answers if each.HasField("status_update")]
    found = [TaskState.Name(each.status.state).removeprefix("TASK_STATE_") for each in updates]
    return [each for place, each in enumerate(found) if each not in found[:place]]


def words(answers: list[StreamResponse]) -> str:
    return "".join(
        get_stream_response_text(each) for each in answers if each.HasField("artifact_update")
    )


async def test_a_message_is_a_run_and_its_words_an_artifact() -> None:
    script = {"lead": [call("writer", "Write."), say("Foxes are red.")], "writer": [say("Red.")]}
    async with reached(team(script)) as (_, asking):
        answers = await send(asking, "Foxes?")
        assert states(answers) == ["WORKING", "COMPLETED"]
        assert words(answers) == "Foxes are red."
        work = [
            get_message_text(a.status_update.status.message)
            for a in answers
            if a.HasField("status_update")
        ]
        assert "lead → writer: Write." in "\n".join(work)
        task = await asking.get_task(GetTaskRequest(id=answers[0].task.id))
        assert task.status.state == TaskState.TASK_STATE_COMPLETED


async def test_the_other_transport_is_served_too() -> None:
    async with (
        served_at(team({"lead": [say("Hi.")]})) as address,
        httpx.AsyncClient(timeout=30) as http,
        await create_client(
            address, ClientConfig(httpx_client=http, supported_protocol_bindings=["HTTP+JSON"])
        ) as asking,
    ):
        assert words(await send(asking, "Hello.")) == "Hi."


async def test_a_question_to_the_user_is_input_required_and_its_answer_goes_on() -> None:
    script = {"lead": [call("user", "Which fox?"), lambda seen: finish(seen.outcomes[0].content)]}
    async with reached(team(script)) as (_, asking):
        asked = await send(asking, "Foxes?")
        assert states(asked) == ["WORKING", "INPUT_REQUIRED"]
        assert get_message_text(asked[-1].status_update.status.message) == "Which fox?"
        task = asked[0].task
        answered = await send(asking, "the red one", task=task.id, context=task.context_id)
        assert states(answered) == ["WORKING", "COMPLETED"]
        assert "the red one" in words(answered)


async def test_the_tasks_of_a_context_are_one_conversation() -> None:
    async def answer(message: Message, here: Here) -> str:
        return " ".join(one.content for one in here.history) or "I know nothing."

    lead = Peer("lead", "", answer)
    async with reached(Team([lead], starting_agents=[lead])) as (_, asking):
        first = await send(asking, "I am Ada.")
        context = first[0].task.context_id
        assert "I am Ada." in words(await send(asking, "Who am I?", context=context))
        assert words(await send(asking, "And I?")) == "I know nothing."


async def test_files_go_in_and_come_out() -> None:
    got: list[Attachment] = []

    def draw(message: Message) -> ToolResult:
        got.extend(message.attachments or ())
        return ToolResult("Here.", [Attachment("image/png", data="iVBORw==", name="fox.png")])

    painter = Peer("painter", "Paints.", draw)
    png = Part(raw=b"\x89PNG", media_type="image/png", filename="a.png")
    async with reached(Team([painter], starting_agents=[painter])) as (_, asking):
        answers = await send(asking, "Draw.", parts=[png])
    assert [(one.mime_type, one.data, one.name) for one in got] == [
        ("image/png", "iVBORw==", "a.png")
    ]
    parts = [
        part
        for a in answers
        if a.HasField("artifact_update")
        for part in a.artifact_update.artifact.parts
    ]
    assert [(p.media_type, p.raw) for p in parts if p.WhichOneof("content") == "raw"] == [
        ("image/png", b"\x89PNG")
    ]


async def test_a_run_that_fails_is_a_failed_task_that_tells_only_the_kind() -> None:
    def fail(message: Message) -> str:
        raise ValueError("the password is 7")

    broken = Peer("broken", "", fail)
    async with reached(Team([broken], starting_agents=[broken])) as (_, asking):
        answers = await send(asking, "Go.")
    assert states(answers)[-1] == "FAILED"
    text = get_message_text(answers[-1].status_update.status.message)
    assert "broken" in text
    assert "password" not in text


async def test_cancelling_a_task_ends_its_run() -> None:
    ended = asyncio.Event()

    async def wait(message: Message) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    slow = Peer("slow", "", wait)
    async with reached(Team([slow], starting_agents=[slow])) as (_, asking):
        message = A2AMessage(message_id="m", role=Role.ROLE_USER, parts=[Part(text="Go.")])
        async for each in asking.send_message(SendMessageRequest(message=message)):
            if each.HasField("status_update"):
                task = await asking.cancel_task(CancelTaskRequest(id=each.status_update.task_id))
                break
        assert task.status.state == TaskState.TASK_STATE_CANCELED
        await asyncio.wait_for(ended.wait(), 30)


async def test_a_waiting_task_can_be_cancelled() -> None:
    script = {"lead": [call("user", "Which fox?"), say("Done.")]}
    async with reached(team(script)) as (_, asking):
        asked = await send(asking, "Foxes?")
        task = await asking.cancel_task(CancelTaskRequest(id=asked[0].task.id))
        assert task.status.state == TaskState.TASK_STATE_CANCELED


async def test_a_team_is_a_peer_of_another_run() -> None:
    script = {"lead": [call("user", "Which fox?"), lambda seen: finish(seen.outcomes[0].content)]}
    async with served_at(team(script)) as address:
        peer = await remote(address, name="foxes")
        assert "lead" in peer.role
        asked: list[str] = []
        result = await async_run(
            "Foxes?", [peer], ask_user=lambda m: asked.append(f"{m.sender}: {m.content}") or "red"
        )
    assert asked == ["foxes: Which fox?"]
    assert "red" in result.output


async def test_the_key_is_asked_for_and_the_card_says_so() -> None:
    front = a2a_app(team({"lead": [say("Hi.")]}), keyed=True)
    async with served(front, prefix="", key="secret") as address:
        with pytest.raises(AgentError, match="401"):
            await remote(address)
        peer = await remote(address, headers={"Authorization": "Bearer secret"})
        assert (await async_run("Hi.", [peer])).output == "Hi."
        async with httpx.AsyncClient(headers={"Authorization": "Bearer secret"}) as asking:
            card = await asking.get(f"{address}/.well-known/agent-card.json")
        assert card.json()["securitySchemes"]["key"]


async def test_bad_requests_and_pages_of_other_sites_are_refused() -> None:
    async with (
        served_at(team({"lead": [say("Hi.")]})) as address,
        aiohttp.ClientSession() as session,
    ):
        async with session.post(f"{address}/a2a", data=b"no json") as answer:
            assert answer.status == 415
        async with session.post(
            f"{address}/a2a", json={"jsonrpc": "2.0", "id": 1, "method": "x"}
        ) as answer:
            assert "error" in await answer.json()
        foreign = {"Origin": "https://evil.example"}
        async with session.post(f"{address}/a2a", json={}, headers=foreign) as answer:
            assert answer.status == 403
        async with session.get(f"{address}/elsewhere") as answer:
            assert answer.status == 404
