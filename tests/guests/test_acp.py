"""Programs that speak the Agent Client Protocol as peers; ``acp_agent.py`` is one, on its own SDK."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from agentouto import (
    Approval,
    Attachment,
    ConfigurationError,
    LimitReached,
    Limits,
    Message,
    Peer,
    RunResult,
    async_run,
    async_run_stream,
)
from agentouto.acp import Permissions, program
from agentouto.testing import Script, call, finish
from teams import peers

AGENT = str(Path(__file__).with_name("acp_agent.py"))
ALL_OPTIONS = "allow_always allow_once reject_once reject_always"


def agent(*arguments: str, **options: Any) -> Peer:
    return program("coder", "Writes code.", sys.executable, AGENT, *arguments, **options)


async def told(peer: Peer, text: str, **options: Any) -> RunResult:
    """Run an agent that asks ``peer`` and returns what it was told, an error included."""
    lines = [call("coder", text), lambda seen: finish(seen.outcomes[-1].content)]
    [lead] = peers(Script({"lead": lines}), "lead")
    return await async_run("Go.", [lead], run_agents=[lead, peer], **options)


async def test_its_words_are_streamed_its_thoughts_told_and_its_usage_counted() -> None:
    stream = async_run_stream("say Done", [agent()])
    events = [event async for event in stream]
    result = await stream.result()
    assert result.output == "Done"
    assert [e.data["token"] for e in events if e.type == "token"] == [*"Done"]
    assert [e.data["thinking"] for e in events if e.type == "thinking"] == ["Hm."]
    assert (result.usage.input_tokens, result.usage.output_tokens) == (12, 3)
    assert result.cost.dollars == 0.25


async def test_it_gets_its_folder_its_variables_and_its_servers_and_no_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret")
    servers = {
        "files": {"command": "python3", "args": ["-m", "x"], "env": {"A": "b"}},
        "web": {"url": "http://127.0.0.1:9/mcp", "headers": {"X": "y"}},
    }
    peer = agent(cwd=tmp_path, env={"OWN_KEY": "k"}, mcp=servers)
    result = await async_run("where", [peer])
    assert str(tmp_path) in result.output
    assert "OWN_KEY" in result.output
    assert "SOME_API_KEY" not in result.output
    assert "['files', 'web']" in result.output


async def test_files_and_history_go_with_the_prompt() -> None:
    files = [
        Attachment("image/png", data="iVBORw0KGgo="),
        Attachment("text/html", url="https://example.com/a.html", name="a.html"),
    ]
    earlier = [Message("forward", "user", "coder", "I am Ada.", "c")]
    result = await async_run("show", [agent()], attachments=files, history=earlier)
    assert "I am Ada." in result.output
    assert "iVBORw0KGgo=" in result.output
    assert "https://example.com/a.html" in result.output


async def test_a_file_that_it_does_not_take_is_an_error() -> None:
    ring = Peer("ring", "", ask_with_sound)
    result = await async_run("Go.", [ring], run_agents=[ring, agent()])
    assert result.output == "[coder] takes no files of type audio/wav"


async def ask_with_sound(message: Message, here: Any) -> str:
    try:
        sound = Attachment("audio/wav", data="UklGRg==")
        return (await here.call("coder", "show", attachments=[sound])).content
    except Exception as error:  # noqa: BLE001 - it is the answer
        return str(error)


async def test_a_picture_comes_back_as_a_file() -> None:
    result = await async_run("draw", [agent()])
    [file] = result.attachments
    assert (file.mime_type, file.data) == ("image/png", "iVBORw0KGgo=")


@pytest.mark.parametrize("yes", [True, False])
async def test_a_permission_is_an_approval_and_allows_once(yes: bool) -> None:
    shown: list[Approval] = []
    result = await async_run(
        f"write a.txt {ALL_OPTIONS}",
        [agent()],
        approve=lambda approval: shown.append(approval) or yes,
        ask_user=lambda message: pytest.fail("a permission was asked for as a question"),
    )
    [approval] = shown
    assert (approval.agent, approval.tool) == ("coder", "coder.edit")
    assert approval.arguments == {"title": "Write a.txt", "raw_input": {"path": "a.txt"}}
    assert result.output == ("id-allow_once" if yes else "id-reject_once")


@pytest.mark.parametrize(
    ("permissions", "options", "chosen"),
    [
        ("ask", ALL_OPTIONS, "id-reject_once"),  # nobody is there who could approve
        ("allow", ALL_OPTIONS, "id-allow_once"),
        ("deny", ALL_OPTIONS, "id-reject_once"),
        ("allow", "allow_always reject_always", "cancelled"),
    ],
)
async def test_nothing_is_ever_allowed_for_good(
    permissions: Permissions, options: str, chosen: str
) -> None:
    result = await async_run(f"write a.txt {options}", [agent(permissions=permissions)])
    assert result.output == chosen


async def test_cancelling_the_run_tells_the_program(tmp_path: Path) -> None:
    note = tmp_path / "note"
    stream = async_run_stream(f"wait {note}", [agent()])
    async for event in stream:
        if event.type == "token":
            break
    await stream.aclose()
    assert note.read_text(encoding="utf-8") == "cancelled"


async def test_a_program_that_dies_is_an_error_with_its_last_words_and_the_run_goes_on() -> None:
    result = await told(agent(), "die")
    assert "the program ended with exit code 3: out of ink" in result.output


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("refuse", "refused to answer. Until then: I would rather not."),
        ("fail", "answered with an error: Internal error {'details': 'no paper'}"),
    ],
)
async def test_what_it_does_not_do_is_told_to_the_caller(text: str, error: str) -> None:
    assert error in (await told(agent(), text)).output


async def test_a_program_that_is_not_there_is_named() -> None:
    peer = program("coder", "", "no-such-program-anywhere")
    result = await told(peer, "Hi.")
    assert "the program 'no-such-program-anywhere' cannot be started" in result.output


async def test_a_program_that_speaks_something_else_is_an_error() -> None:
    for code in ("print('Hello.')", "import sys; sys.stdin.readline()"):
        result = await told(program("coder", "", sys.executable, "-c", code), "Hi.")
        assert "the program ended with exit code 0" in result.output
    newer = await told(agent("newer"), "Hi.")
    assert "speaks version 7 of the protocol, and this is version 1" in newer.output


async def test_a_program_that_wants_to_be_signed_in_to_says_how() -> None:
    locked = await told(agent("locked"), "say Hi")
    assert "Give program(auth=), one of: key" in locked.output
    assert (await async_run("say Hi", [agent("locked", auth="key")])).output == "Hi"


async def test_its_children_end_with_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import subprocess, sys, pathlib;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        f"pathlib.Path({str(note)!r}).write_text(str(child.pid)); sys.stdin.readline()"
    )
    await told(program("coder", "", sys.executable, "-c", code), "Hi.")
    child = int(note.read_text(encoding="utf-8"))
    for _ in range(200):
        if not is_running(child):
            return
        await asyncio.sleep(0.05)
    pytest.fail("the child of the program is still running")


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(") ")[2][0]
    except OSError:
        return False
    return state != "Z"


async def test_a_call_that_takes_too_long_ends_the_program() -> None:
    result = await told(agent("silent", timeout=1), "Hi.")
    assert "did not return within 1 s" in result.output


async def test_limits_count_it_as_a_call() -> None:
    with pytest.raises(LimitReached):
        await told(agent(), "say Hi", limits=Limits(calls=1))


@pytest.mark.parametrize(
    ("command", "options", "error"),
    [
        ((), {}, "not a program's name"),
        (("x",), {"permissions": "always"}, "must be one of ask, allow, deny"),
        (("x",), {"cwd": "/no/such/folder"}, "is not a folder"),
        (("x",), {"mcp": {"a": {}}}, "exactly one of command and url"),
    ],
)
def test_arguments_that_cannot_work_are_refused(
    command: tuple[str, ...], options: dict[str, Any], error: str
) -> None:
    with pytest.raises(ConfigurationError, match=error):
        program("coder", "", *command, **options)
