"""A file of version 1, written on 29 November 2026: every later version has to read it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from agentouto import Agent, Attachment, Journal, Provider, Team, Tool
from agentouto.testing import Request, Script, call, say, tool

FILE = Path(__file__).with_name("version_1.sql")
"""The dump of a journal with two runs of this team: ``ended``, and ``open``, which was killed in
the second tool of ``writer``. It is never written again; a change of it breaks files of users."""

LINES: dict[str, list[Any]] = {
    "lead": [call("writer", "Write about the sea."), say("all done")],
    "writer": [tool("look", what="waves"), tool("look", what="sand"), say("The sea is wide.")],
}


def team(journal: Path, asked: list[tuple[str, int]]) -> Team:
    """Return the team that the runs in the file are of."""

    def line(request: Request) -> Any:
        asked.append((request.agent_name, request.turn))
        return LINES[request.agent_name][request.turn]

    @Tool(on_restart="run")
    def look(what: str) -> str:
        """Look at something."""
        return f"{what} were seen"

    provider = Provider("scripted", kind="script", script=Script(line))
    agents = [
        Agent("lead", "You lead.", "m", provider),
        Agent("writer", "You write.", "m", provider),
    ]
    return Team(agents, [look], starting_agents=agents[:1], journal=journal)


PICTURE = Attachment("image/png", data="iVBO" * 1_100, name="sea.png")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    place = tmp_path / "runs.db"
    connection = sqlite3.connect(place)
    connection.executescript(FILE.read_text("utf-8"))
    connection.close()
    return place


def test_a_run_that_has_ended_is_read_as_it_was(journal: Path) -> None:
    asked: list[tuple[str, int]] = []
    saved = Journal(journal)["ended"]
    assert (saved.status, saved.message) == ("returned", "Go.")
    result = saved.result()
    assert result.output == "all done"
    assert [(one.type, one.sender, one.receiver) for one in result.messages] == [
        ("forward", "user", "lead"),
        ("forward", "lead", "writer"),
        ("return", "writer", "lead"),
        ("return", "lead", "user"),
    ]
    assert result.messages[0].attachments == [PICTURE]
    assert [(one.name, one.status, one.turns) for one in saved.calls] == [
        ("lead", "completed", 2),
        ("writer", "completed", 3),
    ]
    lines = saved.lines()
    assert (lines[0]["type"], lines[-1]["type"]) == ("run.start", "run.end")
    tools = [line for line in lines if line["type"] == "tool.end" and line.get("tool") == "look"]
    assert len(tools) == 2
    assert team(journal, asked).run("Go.", run_id="ended").output == "all done"
    assert asked == []


def test_a_run_that_was_killed_goes_on(journal: Path) -> None:
    asked: list[tuple[str, int]] = []
    assert Journal(journal)["open"].status == "interrupted"
    result = team(journal, asked).run("Go.", run_id="open", attachments=[PICTURE])
    assert result.output == "all done"
    assert asked == [("writer", 2), ("lead", 1)]
