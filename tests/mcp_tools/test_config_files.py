"""Files in which other programs keep their MCP servers, and servers of the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentouto.cli._load_team import load_team
from agentouto.exceptions import ConfigurationError
from agentouto.mcp import MCPServer
from cli.terminal import agentouto
from mcp_tools.conftest import TINY

pytest.importorskip("mcp")

TEAM = """
from agentouto import Agent, Provider, Team
from agentouto.testing import Script, finish, tool

lines = [tool("tiny_add", a=1, b=2), lambda request: finish(request.outcomes[-1].content)]
provider = Provider("p", kind="script", script=Script({"worker": lines}))
team = Team([Agent("worker", "You work.", "any-model", provider)])
"""


def written(folder: Path, content: object) -> Path:
    file = folder / "servers.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_the_files_of_other_programs_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "secret-1")
    servers = {
        "git": {"command": "uvx", "args": ["mcp-server-git"], "env": {"TOKEN": "${env:TOKEN}"}},
        "my docs": {"type": "http", "url": "https://x.example/mcp?key=${TOKEN}"},
        "old": {"command": "old", "disabled": True},
        "here": {"command": "${SHELL_OF_MINE:-sh}", "cwd": "${workspaceFolder}"},
    }
    text = f"// made by hand\n{json.dumps({'mcpServers': servers})}"
    found = MCPServer.from_config(written(tmp_path, text))
    assert [each.name for each in found] == ["git", "my_docs", "here"]
    addresses = ["uvx mcp-server-git", "https://x.example/mcp", "sh"]
    assert [each.address for each in found] == addresses
    assert "secret-1" not in repr(found)
    vscode = written(tmp_path, {"servers": {"git": {"command": "uvx"}}})
    assert MCPServer.from_config(vscode)[0].name == "git"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "is no JSON"),
        ({"mcpServers": {}}, "has no servers"),
        ({"mcpServers": {"a": {}}}, "a has neither command nor url"),
        ({"mcpServers": {"a": {"command": "${NOT_SET_AT_ALL}"}}}, "NOT_SET_AT_ALL is not set"),
        ({"mcpServers": {"a": {"type": "sse", "url": "https://x"}}}, "streamable HTTP"),
        ({"servers": {"a": {"command": "${input:key}"}}}, "asks a person"),
        ({"mcpServers": {"a b": {"command": "x"}, "a_b": {"command": "x"}}}, "two servers"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, content: object, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        MCPServer.from_config(written(tmp_path, content))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "either command= or url="),
        ({"command": ["x"], "url": "https://x"}, "either command= or url="),
        ({"command": "uvx mcp-server-git"}, "list of texts"),
        ({"command": []}, "is empty"),
        ({"command": ["x"], "headers": {"a": "b"}}, "for servers with url="),
        ({"url": "https://x", "env": {"a": "b"}}, "for servers with command="),
        ({"url": "ftp://x"}, "begins with http"),
        ({"command": ["x"], "timeout": 0}, "more than 0 seconds"),
        ({"command": ["x"], "protocol": "2024-11-05"}, "none of auto, 2025-11-25, 2026-07-28"),
        ({"command": ["x"], "only": "add"}, "list of texts"),
        ({"command": ["x"], "env": {"a": 1}}, "dictionary of texts"),
    ],
)
def test_a_setting_that_is_wrong_is_refused(settings: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        MCPServer("tiny", **settings)  # type: ignore[arg-type]


def test_a_name_of_a_server_begins_the_names_of_tools() -> None:
    with pytest.raises(ConfigurationError, match="no digit first"):
        MCPServer("my server", command=["x"])


def test_no_secret_is_shown() -> None:
    server = MCPServer("x", url="https://x.example/?key=S3", headers={"Authorization": "S3"})
    assert "S3" not in f"{server!r} {server._settings!r} {server.address}"


def test_a_run_uses_the_servers_of_a_file_and_says_what_it_starts(tmp_path: Path) -> None:
    file = written(tmp_path, {"mcpServers": {"tiny": {"command": TINY[0], "args": TINY[1:]}}})
    (tmp_path / "team.py").write_text(TEAM)
    done = agentouto("run", "team.py", "Add.", "--mcp", str(file), cwd=tmp_path)
    assert done.out == "3\n", done.err
    assert f"tiny starts: {TINY[0]} {TINY[1]}" in done.err
    missing = agentouto("run", "team.py", "Add.", "--mcp", "none.json", cwd=tmp_path)
    assert (missing.code, missing.out) == (3, "")
    assert "none.json cannot be read" in missing.err


TOML = """
[agents.worker]
model = "any-model"
provider = "openai"
[mcp.tiny]
command = ["sh", "-c", "touch started"]
only = ["add"]
"""


def test_a_team_file_has_servers_and_check_and_show_start_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    (tmp_path / "agentouto.toml").write_text(TOML)
    shown = agentouto("show", "agentouto.toml", cwd=tmp_path)
    assert "source tiny  sh -c touch started  (its tools are read when a run starts)" in shown.out
    assert agentouto("check", "agentouto.toml", cwd=tmp_path).code == 0
    assert not (tmp_path / "started").exists()


def test_a_team_file_names_variables_and_holds_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "agentouto.toml"
    file.write_text(f'{TOML}env = ["SHOP_TOKEN"]\n')
    with pytest.raises(Exception, match=r"mcp\.tiny: tiny needs SHOP_TOKEN, which is not set"):
        load_team(str(file))
    monkeypatch.setenv("SHOP_TOKEN", "s")
    [source] = load_team(str(file)).sources
    assert isinstance(source, MCPServer)
    file.write_text(TOML.replace("only", "olny"))
    with pytest.raises(Exception, match=r"mcp\.tiny: there is no 'olny'.*Did you mean only"):
        load_team(str(file))
