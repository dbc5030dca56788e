"""``agentouto serve``: what it says, what it refuses, and that a client can ask it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import urllib.request
from pathlib import Path
from typing import Any

import openai
import pytest

from agentouto import a2a, async_run
from children import PIPE, child
from cli.terminal import COMMAND, agentouto, surroundings

TEAM = """
from agentouto import Agent, Provider, Team
from agentouto.testing import Script, say, tool

script = Script({"lead": [say("Hello back.")], "writer": [say("Written.")]})
scripted = Provider("scripted", kind="script", script=script)
team = Team([Agent(name, "", "m", scripted) for name in ("lead", "writer")])
team.starting_agents = team.agents[:1]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "team.py").write_text(TEAM)
    return tmp_path


def test_a_client_asks_the_team_until_ctrl_c(folder: Path) -> None:
    command = [*COMMAND, "serve", "team.py", "--openai", "--port", "0"]
    env = surroundings({"AGENTOUTO_SERVE_KEY": "right"})
    with child(command, cwd=folder, env=env, stderr=PIPE, stdout=PIPE) as process:
        assert process.stderr is not None
        lines: list[str] = []
        while "Ctrl+C" not in (lines or [""])[-1]:
            lines.append(process.stderr.readline())
            assert lines[-1], "".join(lines)
        [address] = [line for line in lines if line.startswith("OpenAI's API: ")]
        assert address.endswith("/v1  models: team, lead, writer\n")
        assert "Limits: requests=200, seconds=1800 (--limits, --no-limits)\n" in lines
        assert "Clients must send the key in AGENTOUTO_SERVE_KEY.\n" in lines
        url = address.split()[2]
        assert not [line for line in lines if line.startswith("AG-UI")]
        with openai.OpenAI(base_url=url, api_key="right") as client:
            message = {"role": "user", "content": "Hello."}
            reply = client.chat.completions.create(model="team", messages=[message])  # type: ignore[list-item]
            with pytest.raises(openai.AuthenticationError):
                client.with_options(api_key="wrong").models.list()
        assert reply.choices[0].message.content == "Hello back."
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert err == "Stopped by Ctrl+C.\n"


def test_a2a_is_served_beside_it(folder: Path) -> None:
    pytest.importorskip("a2a.server", reason="the extra a2a takes a newer pydantic than the lowest")
    command = [*COMMAND, "serve", "team.py", "--openai", "--a2a", "--port", "0"]
    with child(command, cwd=folder, env=surroundings({}), stderr=PIPE, stdout=PIPE) as process:
        assert process.stderr is not None
        lines: list[str] = []
        while "Ctrl+C" not in (lines or [""])[-1]:
            lines.append(process.stderr.readline())
            assert lines[-1], "".join(lines)
        [line] = [line for line in lines if line.startswith("A2A: ")]
        address = line.split()[1]
        assert line == f"A2A: {address}  card: /.well-known/agent-card.json\n"
        assert f"OpenAI's API: {address}/v1  models: team, lead, writer\n" in lines

        async def ask() -> str:
            peer = await a2a.remote(address)
            return (await async_run("Hello.", [peer])).output

        assert asyncio.run(ask()) == "Hello back."
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130


def test_without_a_choice_both_protocols_are_served(folder: Path) -> None:
    command = [*COMMAND, "serve", "team.py", "--port", "0", "--only", "lead"]
    with child(command, cwd=folder, env=surroundings(), stderr=PIPE, stdout=PIPE) as process:
        assert process.stderr is not None
        lines: list[str] = []
        while "Ctrl+C" not in (lines or [""])[-1]:
            lines.append(process.stderr.readline())
            assert lines[-1], "".join(lines)
        told = dict(line.rstrip().split(": ", 1) for line in lines if ": http" in line)
        assert told["OpenAI's API"].endswith("/v1  models: lead")
        url = told["AG-UI"].removesuffix("  agents: lead")
        body = {"threadId": "t", "runId": "r", "messages": [{"role": "user", "content": "Go."}]}
        request = urllib.request.Request(  # noqa: S310 - the server above
            url, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            events = response.read().decode()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert '"type":"RUN_STARTED"' in events
    assert "Hello back." in events


ASKING = (
    TEAM.replace('"lead": [say("Hello back.")]', '"lead": paint')
    .replace(
        "script = ",
        """
def paint(request):
    if request.turn == 0:
        return call("user", "Which colour?")
    return say(f"Painted {request.answers('user')[0]}.")

script = """,
        1,
    )
    .replace("import Script, ", "import Script, call, ")
)


def test_a_question_survives_the_death_of_the_server(folder: Path) -> None:
    (folder / "team.py").write_text(ASKING)
    command = [*COMMAND, "serve", "team.py", "--openai", "--port", "0", "--journal", "runs.db"]
    messages: list[Any] = [{"role": "user", "content": "Paint."}]
    for _ in range(2):
        with child(command, cwd=folder, env=surroundings(), stderr=PIPE, stdout=PIPE) as process:
            assert process.stderr is not None
            while not (line := process.stderr.readline()).startswith("OpenAI's API: "):
                assert line
            with openai.OpenAI(base_url=line.split()[2], api_key="any") as client:
                reply = client.chat.completions.create(model="team", messages=messages)
            messages += [reply.choices[0].message, {"role": "user", "content": "Red"}]
            process.kill()
            process.communicate(timeout=20)
    assert messages[-2].content == "Painted Red."


@pytest.mark.parametrize(
    ("arguments", "env", "code", "text"),
    [
        (["--host", "192.0.2.1"], {}, 3, "set AGENTOUTO_SERVE_KEY to a key"),
        (
            ["--host", "no.such.name.invalid"],
            {"AGENTOUTO_SERVE_KEY": "k"},
            3,
            "cannot be listened at",
        ),
        (["--only", "writr"], {}, 3, "Did you mean 'writer'?"),
        (["--name", "writer"], {}, 3, "both called 'writer'"),
        (["--a2a", "--only", "lead"], {}, 2, "--a2a serves the team, which --only leaves out"),
        (["--approve", "rm"], {}, 2, "--approve rm: no such tool"),
        (["--limits", "monkeys=3"], {}, 2, "there is no 'monkeys'"),
        ([], {"AGENTOUTO_SERVE_KEY": " "}, 3, "AGENTOUTO_SERVE_KEY is set, and empty"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(
    folder: Path, arguments: list[str], env: dict[str, str], code: int, text: str
) -> None:
    ended = agentouto("serve", "team.py", "--port", "0", *arguments, cwd=folder, env=env)
    assert (ended.code, ended.out) == (code, "")
    assert text in ended.err
    assert "Traceback" not in ended.err


def test_without_uvicorn_the_extra_is_named(folder: Path) -> None:
    program = (
        "import sys; sys.modules['uvicorn'] = None; from agentouto.cli._app import run_app;"
        "sys.argv[1:] = ['serve', 'team.py']; sys.exit(run_app())"
    )
    with child(
        [sys.executable, "-c", program], cwd=folder, env=surroundings(), stderr=PIPE
    ) as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 3
    assert "serve needs uvicorn. Install the extra agentouto[serve].\n" in err
