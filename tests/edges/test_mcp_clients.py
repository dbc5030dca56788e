"""Clients that others have written use a team as an MCP server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from children import PIPE, child
from edges.parties import ON_NODE, needs_npm, node, on_node, python_module

python_module("mcp")

TEAM = """
from agentouto import Agent, Provider, Team
from agentouto.testing import Script, call, finish

def last(request):
    return finish("Then: " + request.outcomes[-1].content)

lines = {"lead": [call("user", "How long?"), last], "writer": [finish("a text")]}
provider = Provider("p", kind="script", script=Script(lines))
team = Team([Agent(name, "You work.", "m", provider) for name in lines])
"""

CLIENT = """
import { Client } from "@modelcontextprotocol/client";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
const [url, elicits] = process.argv.slice(-2);
const capabilities = elicits === "yes" ? { elicitation: { form: {} } } : {};
const client = new Client({ name: "js", version: "1" }, { capabilities });
if (elicits === "yes")
  client.setRequestHandler("elicitation/create", async (request) => {
    console.error(request.params.message);
    return { action: "accept", content: { answer: "short" } };
  });
await client.connect(new StreamableHTTPClientTransport(new URL(url)));
const { tools } = await client.listTools();
const asked = await client.callTool({ name: "ask_lead", arguments: { message: "Go." } });
const other = await client.callTool({ name: "ask_writer", arguments: { message: "Go." } });
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), asked, other }));
await client.close();
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of the team as an MCP server over HTTP."""
    (tmp_path / "team.py").write_text(TEAM)
    command = [sys.executable, "-m", "agentouto", "serve", "team.py", "--mcp-http", "--port", "0"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with child(command, cwd=tmp_path, env=env, stderr=PIPE) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"MCP: (http://\S+)", line):
                yield found[1]
                return
        raise AssertionError("it does not listen")


@pytest.mark.parametrize("elicits", ["yes", "no"])
def test_the_client_of_the_typescript_sdk_asks_a_team(served: str, elicits: str) -> None:
    needs_npm("@modelcontextprotocol/client")
    done = subprocess.run(
        [node(), "--input-type=module", "-e", CLIENT, "--", served, elicits],
        cwd=ON_NODE,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["tools"] == ["ask_team", "ask_lead", "ask_writer", "answer"]
    assert told["other"]["content"][0]["text"] == "a text"
    text = told["asked"]["content"][0]["text"]
    if elicits == "yes":
        assert "lead asks: How long?" in done.stderr
        assert text == "Then: [user]short[/user]"
    else:
        assert text.startswith("lead asks the user: How long?")


@pytest.mark.parametrize(
    "scenario",
    [
        "server-initialize",
        "ping",
        "tools-list",
        "tools-call-simple-text",
        "tools-call-error",
        "server-sse-multiple-streams",
        "dns-rebinding-protection",
    ],
)
def test_the_conformance_suite_passes(served: str, scenario: str, tmp_path: Path) -> None:
    needs_npm("@modelcontextprotocol/conformance")
    done = subprocess.run(
        on_node("conformance", "server", "--url", served, "--scenario", scenario),
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=50,
    )
    shown = done.stdout + done.stderr
    assert ", 0 failed" in shown, shown[-3000:]
