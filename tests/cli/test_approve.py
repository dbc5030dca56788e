"""Tools that need approval, at a terminal and without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentouto import Approval
from agentouto.cli._line_editor import Prompt
from agentouto.cli._tree_view import prompt_lines
from cli.crews import TEAM
from cli.terminal import Terminal, agentouto

ANSWERED = ("--answer", "writer=yes")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "team.py").write_text(TEAM, encoding="utf-8")
    return tmp_path


def test_without_a_terminal_tools_are_refused_and_an_answer_approves_nothing(here: Path) -> None:
    done = agentouto("run", "team.py:wipes", "Go", *ANSWERED, cwd=here)
    assert done.code == 0
    assert "refused: the user did not approve it" in done.out
    [note] = [line for line in done.err.splitlines() if "--approve" in line]
    assert note == (
        "writer may not use wipe: there is no terminal to approve it at. "
        "To approve all uses: --approve wipe"
    )


def test_a_tool_can_be_approved_by_name(here: Path) -> None:
    done = agentouto("run", "team.py:wipes", "Go", *ANSWERED, "--approve", "wipe", cwd=here)
    assert done.code == 0
    assert done.out.startswith("wiped /tmp/")


@pytest.mark.parametrize("name", ["wip", "Wipe", "*", "writer"])
def test_names_of_tools_are_exact(here: Path, name: str) -> None:
    done = agentouto("run", "team.py:wipes", "Go", "--approve", name, cwd=here)
    assert (done.code, done.out) == (2, "")
    last = done.err.splitlines()[-1]
    assert last == f"--approve {name}: no such tool. There are: wipe"


@pytest.mark.parametrize("progress", ["tree", "lines"])
@pytest.mark.parametrize(
    ("typed", "shown"),
    [("y\n", "wiped /tmp/"), ("\n", "did not approve"), ("yo\n", "did not approve")],
)
def test_a_person_is_asked_for_each_use(here: Path, progress: str, typed: str, shown: str) -> None:
    arguments = ("run", "team.py:wipes", "Go", *ANSWERED, "--progress", progress)
    with Terminal(*arguments, cwd=here) as terminal:
        terminal.wait_for(r'path: "/tmp/\u202ea"')
        terminal.wait_for("May writer use the tool wipe? [y/N]")
        terminal.wait_for("> ")
        terminal.type(typed)
        done = terminal.end()
    assert done.code == 0
    assert shown in done.out
    assert done.err.count("Refused: only y or yes approves.") == (typed == "yo\n")


def test_a_long_argument_leaves_the_question_above_the_prompt() -> None:
    text = Approval("i", "sh", {"command": "x\n" * 5_000, "more": "y" * 5_000}, "a", "c").text
    lines = [line.plain for line in prompt_lines(Prompt(f"{text} [y/N]"), 80, 24)]
    assert len(lines) <= 12
    assert lines[0].startswith('command: "x')
    assert lines[-3:] == [
        "(the whole question stands above)",
        "May a use the tool sh? [y/N]",
        "> _",
    ]
