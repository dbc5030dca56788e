"""Gemini CLI as a peer, over the Agent Client Protocol; aimock plays its model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentouto import Approval, Message, Peer, async_run, async_run_stream
from agentouto.acp import program
from agentouto.testing import Script, call, finish
from edges.parties import needs_npm, on_node
from outside.simulators import AIMOCK, Player
from outside.simulators import on_node as server_on_node
from teams import peers


@pytest.fixture(scope="module")
def model() -> Iterator[Player]:
    needs_npm("@google/gemini-cli", "@copilotkit/aimock")
    with server_on_node(AIMOCK, "edges", "@copilotkit/aimock") as url:
        yield Player(url)


@pytest.fixture
def gemini(model: Player, tmp_path: Path) -> Peer:
    model.tell("reset")
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    return program(
        "gemini",
        "Writes files.",
        *on_node("gemini", "--experimental-acp", "--model", "gemini-2.5-flash"),
        cwd=project,
        env={"HOME": str(home), "GEMINI_API_KEY": "any", "GOOGLE_GEMINI_BASE_URL": model.url},
        auth="gemini-api-key",
    )


def writes(model: Player, content: str = "Foxes are red.") -> None:
    arguments = {"file_path": "notes.txt", "content": content}
    wish = {"toolCalls": [{"name": "write_file", "arguments": arguments}]}
    model.plays(({"hasToolResult": False}, wish), ({"hasToolResult": True}, {"content": "Done."}))


async def asked(gemini: Peer, **options: Any) -> str:
    lines = [call("gemini", "Take a note."), lambda seen: finish(seen.outcomes[-1].content)]
    [lead] = peers(Script({"lead": lines}), "lead")
    return (await async_run("Go.", [lead], run_agents=[lead, gemini], **options)).output


async def test_it_answers_and_streams(gemini: Peer, model: Player) -> None:
    model.plays(({}, {"content": "Hello from Gemini."}))
    stream = async_run_stream("Hi.", [gemini])
    tokens = [event.data["token"] async for event in stream if event.type == "token"]
    assert "".join(tokens) == (await stream.result()).output == "Hello from Gemini."
    assert len(tokens) > 1


@pytest.mark.parametrize("yes", [True, False])
async def test_it_writes_a_file_only_if_the_user_approves(
    gemini: Peer, model: Player, tmp_path: Path, yes: bool
) -> None:
    writes(model)
    shown: list[Approval] = []

    def approve(approval: Approval) -> bool:
        shown.append(approval)
        return yes

    def ask_user(message: Message) -> str:
        pytest.fail(f"a permission was asked for as a question: {message.content}")

    await asked(gemini, approve=approve, ask_user=ask_user)
    [approval] = shown
    assert (approval.agent, approval.tool) == ("gemini", "gemini.edit")
    assert "Foxes are red." in approval.text
    assert "notes.txt" in approval.text
    notes = tmp_path / "project" / "notes.txt"
    assert notes.exists() is yes
    if yes:
        assert notes.read_text(encoding="utf-8") == "Foxes are red."


async def test_cancelling_the_run_ends_it(gemini: Peer, model: Player) -> None:
    model.plays(({}, {"content": "word " * 2_000}), latency=20)
    stream = async_run_stream("Talk.", [gemini])
    async for event in stream:
        if event.type == "token":
            break
    await stream.aclose()


async def test_without_a_sign_in_it_says_how(gemini: Peer, tmp_path: Path) -> None:
    command = on_node("gemini", "--experimental-acp")
    locked = program("gemini", "", *command, env={"HOME": str(tmp_path / "home")})
    assert "gemini-api-key" in await asked(locked)
