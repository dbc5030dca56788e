"""MCP servers that others have written, as sources of tools."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentouto import Agent, Message, Provider, run, run_stream
from agentouto.mcp import MCPServer
from agentouto.testing import Script, finish, tool
from edges.parties import absent, needs_npm, on_node, python_module
from wire.dialects import DIALECTS

python_module("mcp")

SERVERS: dict[str, Callable[[Path], list[str]]] = {
    "everything": lambda _: npm("everything"),
    "files": lambda folder: npm("filesystem", folder),
    "memory": lambda _: npm("memory"),
    "thinking": lambda _: npm("sequential-thinking"),
    "git": lambda folder: python("mcp_server_git", "--repository", folder),
    "time": lambda _: python("mcp_server_time", "--local-timezone", "UTC"),
    "fetch": lambda _: python("mcp_server_fetch"),
}


def npm(name: str, *arguments: object) -> list[str]:
    needs_npm(f"@modelcontextprotocol/server-{name}")
    return on_node(f"mcp-server-{name}", *arguments)


def python(module: str, *arguments: object) -> list[str]:
    python_module(module)
    return [sys.executable, "-m", module, *map(str, arguments)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A git repository with a file."""
    place = tmp_path / "work"
    place.mkdir()
    (place / "a.txt").write_text("hello")
    git = shutil.which("git") or absent("there is no git")
    who = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    for command in (["init", "-q"], ["add", "a.txt"], [*who, "commit", "-qm", "The first"]):
        subprocess.run([git, *command], cwd=place, check=True)
    return place


@pytest.fixture(params=["2025-11-25", "auto"])
def everything(request: pytest.FixtureRequest) -> Iterator[MCPServer]:
    with MCPServer("all", command=npm("everything"), protocol=request.param) as server:
        yield server


def used(server: MCPServer, *uses: Any, **options: Any) -> str:
    """Return what the last of these tools returns to an agent that uses them in turn."""
    lines = [*uses, lambda request: finish(request.outcomes[-1].content)]
    provider = Provider("p", kind="script", script=Script({"worker": lines}))
    agent = Agent("worker", "You work.", "any-model", provider)
    return run("Work.", [agent], [server], **options).output


def test_files_are_read_and_written(folder: Path) -> None:
    with MCPServer("files", command=npm("filesystem", folder)) as server:
        assert used(server, tool("files_read_text_file", path=f"{folder}/a.txt")) == "hello"
        used(server, tool("files_write_file", path=f"{folder}/b.txt", content="new"))
        assert (folder / "b.txt").read_text() == "new"
        outside = used(server, tool("files_read_text_file", path="/etc/hostname"))
        assert "outside" in outside


def test_a_memory_remembers() -> None:
    entity = {"name": "Ada", "entityType": "person", "observations": ["writes programs"]}
    with MCPServer("memory", command=npm("memory")) as server:
        used(server, tool("memory_create_entities", entities=[entity]))
        assert "writes programs" in used(server, tool("memory_search_nodes", query="Ada"))


def test_thoughts_are_counted() -> None:
    thought = {"thought": "Hm.", "nextThoughtNeeded": False, "thoughtNumber": 1, "totalThoughts": 1}
    with MCPServer("think", command=npm("sequential-thinking")) as server:
        told = json.loads(used(server, tool("think_sequentialthinking", **thought)))
    assert told["thoughtHistoryLength"] == 1


def test_the_history_of_a_repository_is_read(folder: Path) -> None:
    with MCPServer("git", command=python("mcp_server_git")) as server:
        assert "The first" in used(server, tool("git_git_log", repo_path=str(folder)))


def test_the_time_is_told() -> None:
    with MCPServer("clock", command=python("mcp_server_time"), only=["get_*"]) as server:
        assert "+00:00" in used(server, tool("clock_get_current_time", timezone="UTC"))


def test_everything_that_a_result_can_hold_is_taken(everything: MCPServer) -> None:
    assert used(everything, tool("all_echo", message="hi")) == "Echo: hi"
    assert "2" in used(everything, tool("all_get-sum", a=1, b=1))
    assert used(everything, tool("all_get-structured-content", location="Chicago"))
    seen: list[Any] = []

    def look(request: Any) -> Any:
        seen.extend(request.outcomes)
        return finish("seen")

    uses = [
        tool("all_get-tiny-image"),
        tool("all_get-resource-links", count=2),
        tool("all_get-resource-reference", resourceType="Text", resourceId=1),
        tool("all_get-resource-reference", resourceType="Blob", resourceId=1),
        tool("all_get-annotated-message", messageType="error", includeImage=True),
    ]
    provider = Provider("p", kind="script", script=Script({"worker": [uses, look]}))
    run("Look.", [Agent("worker", "Look.", "any-model", provider)], [everything])
    assert [bool(outcome.is_error) for outcome in seen] == [False] * 5
    assert seen[0].attachments[0].mime_type == "image/png"
    assert "demo://resource" in seen[1].content
    assert "Resource 1" in seen[2].content
    assert seen[4].attachments[0].mime_type == "image/png"


def test_bad_arguments_are_told_by_the_server(everything: MCPServer) -> None:
    told = used(everything, tool("all_get-structured-content", location="Atlantis"))
    assert "Atlantis" in told or "New York" in told


def test_long_work_shows_progress(everything: MCPServer) -> None:
    lines = [tool("all_trigger-long-running-operation", duration=0.4, steps=2), finish("done")]
    provider = Provider("p", kind="script", script=Script({"worker": lines}))
    agent = Agent("worker", "Work.", "any-model", provider)
    with run_stream("Work.", [agent], [everything]) as stream:
        shown = [event.data["done"] for event in stream if event.type == "tool_progress"]
    assert shown == [1, 2]


def test_a_question_of_the_server_reaches_the_user(everything: MCPServer) -> None:
    questions: list[Message] = []

    def answer(question: Message) -> str:
        questions.append(question)
        return '{"name": "Ada", "check": true}'

    told = used(everything, tool("all_trigger-elicitation-request"), ask_user=answer)
    assert questions[0].content.startswith("all asks: ")
    assert "Ada" in told
    declined = used(everything, tool("all_trigger-elicitation-request"))
    assert "declined" in declined


def test_none_of_our_keys_reaches_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "x")
    with MCPServer("all", command=npm("everything"), env={"MORE": "1"}) as server:
        variables = json.loads(used(server, tool("all_get-env")))
    assert variables["MORE"] == "1"
    assert "PATH" in variables
    assert "MY_SECRET" not in variables


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc for the process")
def test_one_process_serves_plain_runs_and_threads_and_none_is_left() -> None:
    program = f"""
import threading
from agentouto import Agent, Provider, run
from agentouto.mcp import MCPServer
from agentouto.testing import Script, finish, tool

server = MCPServer("all", command={npm("everything")!r})

def use():
    script = Script({{"w": [tool("all_echo", message="hi"), finish("ok")]}})
    agent = Agent("w", "x", "m", Provider("p", kind="script", script=script))
    assert run("x", [agent], [server]).output == "ok"

use(), use()
threads = [threading.Thread(target=use) for _ in range(4)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
from pathlib import Path
children = " ".join(each.read_text() for each in Path("/proc/self/task").glob("*/children"))
print(children, flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=50
    )
    assert done.returncode == 0, done.stderr
    [pid] = done.stdout.split()
    assert not Path(f"/proc/{pid}").exists()


def listening_at(process: subprocess.Popen[str]) -> str:
    """Return the address at which ``process`` listens: it prints only which port it was given."""
    assert process.stderr is not None
    assert "listening" in process.stderr.readline()
    proc = Path(f"/proc/{process.pid}")
    sockets = {str(each.readlink()) for each in (proc / "fd").iterdir()}
    for table in ("tcp", "tcp6"):
        for row in (proc / "net" / table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = row.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in sockets:  # LISTEN
                return f"http://127.0.0.1:{int(local.rpartition(':')[2], 16)}"
    raise AssertionError("it does not listen")


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc for the port")
def test_a_server_speaks_over_http() -> None:
    with subprocess.Popen(
        npm("everything", "streamableHttp"),
        env={**os.environ, "PORT": "0"},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            address = listening_at(process)
            with MCPServer("all", url=f"{address}/mcp") as server:
                assert used(server, tool("all_echo", message="hi")) == "Echo: hi"
                threads = [
                    threading.Thread(target=used, args=(server, tool("all_echo", message="hi")))
                    for _ in range(4)
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
        finally:
            process.kill()


def test_no_vendor_refuses_the_schemas(folder: Path) -> None:
    """The vendors' published types judge a request with the tools of all reference servers."""
    servers = [MCPServer(name, command=command(folder)) for name, command in SERVERS.items()]

    async def listed() -> list[Any]:
        return [one.spec for server in servers for one in await server.tools()]

    specs = tuple(asyncio.run(listed()))
    for server in servers:
        server.close()
    assert len(specs) > 40
    for dialect in DIALECTS.values():
        assert dialect.complaints(dialect.body([], tools=specs)) == [], dialect.name
