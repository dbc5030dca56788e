"""A team in ``agentouto.toml``: what it holds, what it refuses, and when it is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from agentouto import Limits, Team
from agentouto.cli._exit_codes import ExitError
from agentouto.cli._load_team import load_team, model_agents
from agentouto.cli._team_toml import team_schema
from cli.terminal import Terminal, agentouto

AGENTS = """
[agents.researcher]
model = "gpt-5.2"
provider = "openai"
instructions = \"\"\"
Find facts.
Ask.
\"\"\"
[agents.writer]
model = "tiny:1b"
provider = "local"
role = "Writes."
temperature = 0.5
reasoning_effort = "low"
"""

WHOLE = f"""
#:schema ./agentouto.schema.json
starting_agents = ["writer"]
{AGENTS}
[providers.local]
kind = "openai"
base_url = "http://127.0.0.1:11434/v1"
idle = 30
[tools]
use = ["tools.py:look", "tools.py:count"]
[limits]
requests = 20
seconds = 90.5
"""

TOOLS = """
from agentouto import Tool

loads = []

@Tool
def look(text: str) -> str:
    \"\"\"Look.\"\"\"
    return text

def count(text: str) -> int:
    \"\"\"Count.\"\"\"
    return len(text)
"""


def load(folder: Path, text: str) -> Team:
    (folder / "agentouto.toml").write_text(text)
    (folder / "tools.py").write_text(TOOLS)
    return load_team(str(folder / "agentouto.toml"))


def test_everything_in_the_file_is_in_the_team(tmp_path: Path) -> None:
    team = load(tmp_path, WHOLE)
    researcher, writer = model_agents(team)
    assert (researcher.name, researcher.instructions) == ("researcher", "Find facts.\nAsk.\n")
    assert (writer.temperature, writer.reasoning_effort, writer.role) == (0.5, "low", "Writes.")
    assert team.starting_agents == [writer]
    assert (team.providers[0].kind, team.providers[0].idle) == ("openai", 30.0)
    assert team.options.get("limits") == Limits(requests=20, seconds=90.5)
    assert len(team.tools) == 2


def test_without_settings_all_agents_start_and_the_command_sets_the_limits(tmp_path: Path) -> None:
    team = load(tmp_path, AGENTS.replace('"local"', '"openai"'))
    assert [agent.name for agent in team.starting_agents] == ["researcher", "writer"]
    assert "limits" not in team.options


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (AGENTS + AGENTS, "line 16: there are two tables [agents.researcher]"),
        (AGENTS + "modl = 1", "agents.writer: there is no 'modl'. There are: model, "),
        (AGENTS + "modl = 1", "Did you mean model?"),
        ("[agents.a]\nmodel = 'm'", "agents.a: there is no 'provider'"),
        ("[agents.a]\nmodel = 1\nprovider = 'x'", "agents.a: model takes a text, not a whole"),
        ("agents.a = 3", "agents.a: it takes a table, not a whole number."),
        (
            "[agents.a]\nmodel = 'm'\nprovider = 'x'\ntemperature = 'hot'",
            "temperature takes a number, not a text.",
        ),
        (AGENTS + "[tools]\nuse = 'x'", "agentouto.toml: tools.use takes a list, not a text."),
        (AGENTS + "role = 'a'\nrole = 'b'", "line 15: this setting stands twice."),
        ("[agents.'a[b]']\nmodel = 'm'\nprovider = 'x'", "agents.a[b]: "),
        ("agents = 3", "agents: write a table for each: [agents.NAME]"),
        ("", "has no agents"),
        ("[agents", "agentouto.toml: "),
        ("[agent.a]", "Did you mean agents?"),
        (AGENTS + "[providers.local]\nkind = 'opnai'", "providers.local: "),
        (AGENTS + "[limits]\nrequests = 0", "limits: "),
        (AGENTS + "[tools]\nuse = ['tools.py:loook']", "no function 'loook'. Did you mean look?"),
        (AGENTS + "[tools]\nuse = ['look']", "'look' is neither file.py:name nor"),
        (AGENTS + "[tools]\nuse = ['gone.py:look']", "tools.use: there is no file "),
        (
            "starting_agents = ['writr']" + AGENTS,
            "no agent 'writr'. There are: researcher, writer.",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_there_is(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ExitError) as raised:
        load(tmp_path, text)
    assert why in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "setting",
    [
        "[providers.openai]\napi_key = 'verysecret'",
        "[providers.openai]\nkey = 'verysecret'",
        "[providers.openai]\nkind = 'sk-verysecret1234567890'",
        "[providers.openai]\nbase_url = 'https://me:verysecret@host/v1'",
        "[agents.a]\ninstructions = 'Use sk-verysecret1234567890.'",
        "tools.use = ['sk-verysecret1234567890']",
        "OPENAI_API_KEY = 'verysecret'",
    ],
)
def test_a_key_is_refused_and_not_shown(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ExitError) as raised:
        load(tmp_path, setting)
    assert "takes no keys" in str(raised.value)
    assert "verysecret" not in str(raised.value)


def test_the_schema_has_every_table_and_says_what_is_required() -> None:
    schema: dict[str, Any] = team_schema()
    agent = schema["$defs"]["AgentTable"]
    assert set(agent["required"]) == {"model", "provider"}
    assert agent["additionalProperties"] is False
    assert "max" in json.dumps(agent["properties"]["reasoning_effort"])
    assert {"ProviderTable", "ToolsTable", "LimitsTable"} < schema["$defs"].keys()


def test_the_commands_take_the_file_by_name(tmp_path: Path) -> None:
    load(tmp_path, WHOLE)
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-1234567890abcdefx9Qa\n")
    done = agentouto("check", "agentouto.toml", cwd=tmp_path)
    assert done.code == 0
    assert "ok     openai  OPENAI_API_KEY is set (...x9Qa), used by: researcher" in done.out
    shown = agentouto("show", "agentouto.toml", cwd=tmp_path)
    assert "tool  look(text: string)" in shown.out
    (tmp_path / "agentouto.toml").write_text(WHOLE.replace('"gpt-5.2"', "1"))
    wrong = agentouto("check", "agentouto.toml", cwd=tmp_path)
    assert wrong.code == 3
    assert wrong.err.splitlines()[-1] == (
        "agentouto.toml, agents.researcher: model takes a text, not a whole number."
    )
    assert json.loads(agentouto("schema", cwd=tmp_path).out)["$ref"] == "#/$defs/TeamTable"


def test_a_team_that_was_found_is_asked_about_once_for_its_content(tmp_path: Path) -> None:
    home = tmp_path / "home"
    folder = tmp_path / "strange"
    folder.mkdir()
    env = {"AGENTOUTO_HOME": str(home)}
    load(folder, WHOLE)
    assert agentouto("show", cwd=folder, env=env).code == 3
    for answer, code in (("\n", 3), ("y\n", 0)):
        with Terminal("show", cwd=folder, env=env) as terminal:
            terminal.wait_for("Load it? [y/N]")
            terminal.type(answer)
            assert terminal.end().code == code
    without = agentouto("show", cwd=folder, env=env)
    assert without.code == 0, without.err
    assert without.out.startswith("agentouto.toml   2 agents")
    (folder / "agentouto.toml").write_text(f"{WHOLE}# changed")
    changed = agentouto("run", "Go.", cwd=folder, env=env)
    assert changed.code == 3
    assert "agentouto.toml was found, not named." in changed.err
    shutil.rmtree(home)
    home.write_text("no folder")
    with Terminal("show", cwd=folder, env=env) as terminal:
        terminal.wait_for("Load it? [y/N]")
        terminal.type("y\n")
        done = terminal.end()
    assert done.code == 0
    assert "you will be asked again" in done.err


def test_a_folder_without_a_team_is_wrong_usage(tmp_path: Path) -> None:
    for command in (["check"], ["run", "Go."]):
        done = agentouto(*command, cwd=tmp_path)
        assert done.code == 2
        assert "This folder has no agentouto.toml and no team.py." in done.err
