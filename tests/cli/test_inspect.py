"""``agentouto check`` and ``agentouto show``: what they say about a team, without running it."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from cli.crews import TEAM
from cli.servers import serving, streamed
from cli.terminal import agentouto

TOOLS = """
from typing import Literal
from pydantic import BaseModel

class Place(BaseModel):
    city: str

@Tool(needs_approval=True)
def book(place: Place, nights: int = 1, beds: list[int] | None = None,
         view: Literal["sea", "yard"] = "sea") -> str:
    \"\"\"Book a room.\"\"\"
    raise AssertionError("a tool was run")

def look(text: str) -> str:
    \"\"\"Look a word\x1b[31m up.\"\"\"

guide = Agent("guide", "You guide.\\nMore of it.", "gpt-5.2", "openai", role="Knows the way.")
porter = Agent("porter", "You carry.", "claude-opus-5", "anthropic")
hotel = Team([guide, porter], [book, look], starting_agents=[guide])
users = Team([Agent("user", "", "m", Provider("scripted", kind="script", script=Script({})))])
no_address = Team([Agent("a", "", "m", Provider("x", kind="openai", base_url="nowhere"))])
bad_tool = Team([guide], [lambda **anything: 1])
"""

ONLINE = """
local = Provider("local", kind="openai", base_url="URL")
pair = [Agent("one", "", "tiny:1b", local, output_type=int), Agent("two", "", "tiny:1b", local)]
online = Team(pair, [shout], providers=[local])
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "team.py").write_text(TEAM + TOOLS, "utf-8")
    return tmp_path


def test_show_names_agents_models_and_the_parameters_of_tools(here: Path) -> None:
    done = agentouto("show", "team.py:hotel", cwd=here)
    assert done.code == 0
    parameters = "place: Place, nights?: integer, beds?: integer[]|null, view?: sea|yard"
    assert done.out.splitlines() == [
        "team.py:hotel   2 agents, 2 tools, 2 providers",
        "agent guide  gpt-5.2 at openai, starts",
        "      Knows the way.",
        "agent porter  claude-opus-5 at anthropic",
        "      You carry.",
        f"tool  book({parameters})  (needs approval)",
        "      Book a room.",
        "tool  look(text: string)",
        "      Look a word up.",
    ]


def test_show_gives_everything_as_json(here: Path) -> None:
    shown = json.loads(agentouto("show", "team.py:hotel", "--json", cwd=here).out)
    assert shown["starting_agents"] == ["guide"]
    assert [agent["provider"] for agent in shown["agents"]] == ["openai", "anthropic"]
    book = shown["tools"][0]
    assert book["needs_approval"] is True
    assert book["parameters"]["properties"]["nights"]["type"] == "integer"


def test_check_says_of_every_provider_whether_its_key_is_there(here: Path) -> None:
    key = "sk-1234567890abcdefx9Qa"
    done = agentouto("check", "team.py:hotel", cwd=here, env={"OPENAI_API_KEY": key})
    assert done.code == 3
    assert done.out.splitlines()[1:] == [
        "ok     openai  OPENAI_API_KEY is set (...x9Qa), used by: guide",
        "wrong  anthropic  ANTHROPIC_API_KEY is not set, used by: porter",
        "       Set it, or put ANTHROPIC_API_KEY=... into .env beside the team file.",
    ]
    assert key not in done.out + done.err


def test_check_shows_nothing_of_a_short_key_and_prefers_the_variable_of_the_provider(
    here: Path,
) -> None:
    env = {"OPENAI_API_KEY": "x" * 30, "AGENTOUTO_OPENAI_API_KEY": "short-key"}
    done = agentouto("check", "team.py:keyless", cwd=here, env=env)
    assert done.code == 0
    assert "AGENTOUTO_OPENAI_API_KEY is set, used by" in done.out


@pytest.mark.parametrize(
    ("team", "told"),
    [
        ("gone.py", "There is no file gone.py."),
        ("team.py:unknown", "Did you mean 'openai'?"),
        ("team.py:bad_tool", "<lambda>"),
        ("team.py:not_a_team", "`not_a_team` is no Team"),
        ("folder.py", "folder.py is a folder. Name a file in it."),
        ("team.py:users", "an agent cannot be called 'user'"),
        ("team.py:no_address", "base_url='nowhere' is no address of a server"),
    ],
)
def test_check_of_a_team_that_is_wrong_exits_3(here: Path, team: str, told: str) -> None:
    (here / "folder.py").mkdir()
    done = agentouto("check", team, cwd=here)
    assert done.code == 3
    assert told in done.err
    assert "Traceback" not in done.err


def test_show_counts_peers_as_peers(here: Path) -> None:
    (here / "team.py").write_text(
        "from agentouto import Agent, Peer, Team\n"
        "boss = Peer('boss', 'Knows why.', lambda message: 'why', person=True)\n"
        "team = Team([Agent('a', 'Do.', 'm', 'openai'), boss])\n"
    )
    lines = agentouto("show", "team.py", cwd=here).out.splitlines()
    assert lines[0] == "team.py   1 agent, 1 peer, 0 tools, 1 provider"
    assert any(line.startswith("peer  boss") for line in lines)


def test_check_online_asks_each_model_once(here: Path) -> None:
    with serving(200, streamed("Hello.")) as (url, asked):
        (here / "team.py").write_text(TEAM + ONLINE.replace("URL", url))
        done = agentouto("check", "team.py:online", "--online", cwd=here)
    assert done.code == 0
    assert "ok     local  no key needed, used by: one, two" in done.out
    assert "ok     local  tiny:1b answers after " in done.out
    assert len(asked) == 1
    assert [tool["function"]["name"] for tool in asked[0].get("tools", [])] in ([], ["finish"])


def test_check_online_exits_4_if_a_model_refuses(here: Path) -> None:
    with serving(401, b'{"error": {"message": "Incorrect API key provided"}}') as (url, _):
        (here / "team.py").write_text(TEAM + ONLINE.replace("URL", url))
        done = agentouto("check", "team.py:online", "--online", cwd=here)
    assert done.code == 4
    assert "wrong  local  tiny:1b [local] " in done.out
    assert "Incorrect API key provided" in done.out


def test_check_online_does_not_hang_where_no_server_is(here: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        (here / "team.py").write_text(TEAM + ONLINE.replace("URL", url))
        done = agentouto("check", "team.py:online", "--online", cwd=here)
    assert done.code == 4
    assert "wrong  local  tiny:1b" in done.out
    assert "127.0.0.1" in done.out.partition("wrong")[2]  # the reason, not that a limit is reached
    assert "Limits" not in done.out
