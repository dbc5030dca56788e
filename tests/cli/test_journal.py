"""``agentouto run --journal``: a run that is stopped goes on with the same command."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from agentouto import Journal
from cli.terminal import agentouto, begun, read_until

TEAM = """
import asyncio, os
from agentouto import Agent, Provider, Team, Tool
from agentouto.testing import Script, say, tool

@Tool(on_restart="run")
async def wait() -> str:
    while not os.path.exists("go"):
        await asyncio.sleep(0.02)
    return "waited"

script = Script({"quick": [say("quick is done")], "slow": [tool("wait"), say("slow is done")]})
provider = Provider("scripted", kind="script", script=script)
team = Team([Agent(name, "", "m", provider) for name in ("quick", "slow")], [wait])
"""

KEPT = ("--journal", "runs.db", "--run-id", "order")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "team.py").write_text(TEAM, "utf-8")
    return tmp_path


def test_a_run_that_ctrl_c_has_stopped_goes_on_with_the_same_command(here: Path) -> None:
    with begun(here, "team.py", "Go", *KEPT) as process:
        read_until(process, "return   quick")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.splitlines()[-1] == (
        "It is kept: the same command with --run-id order goes on with it."
    )
    (here / "go").touch()
    for _ in range(2):
        done = agentouto("run", "team.py", "Go", *KEPT, cwd=here)
        assert done.code == 0
        assert "quick is done" in done.out
        assert "slow is done" in done.out


def test_a_run_that_is_terminated_goes_on_with_the_same_command(here: Path) -> None:
    with begun(here, "team.py", "Go", *KEPT) as process:
        read_until(process, "return   quick")
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode != 0
    (here / "go").touch()
    done = agentouto("run", "team.py", "Go", *KEPT, cwd=here)
    assert (done.code, "slow is done" in done.out) == (0, True)


def test_a_journal_that_cannot_be_used_is_named(here: Path) -> None:
    done = agentouto("run", "team.py", "Go", "--journal", ".", cwd=here)
    assert (done.code, done.err) == (3, f"the journal {here} is a folder; journal= takes a file\n")
    done = agentouto("run", "team.py", "Go", "--run-id", "order", "--no-save", cwd=here)
    assert (done.code, done.out) == (2, "")
    assert "--no-save excludes --journal and --run-id" in done.err


WAITING_TEAM = """
from agentouto import SAVE_AND_EXIT, Agent, Provider, Team
from agentouto.testing import Script, call, say

script = Script({"lead": [call("user", "Which?"), lambda seen: say(seen.answers("user")[0])]})
lead = Agent("lead", "", "m", Provider("scripted", kind="script", script=script))
team = Team([lead], ask_user=SAVE_AND_EXIT)
"""


def test_a_team_that_waits_for_people_goes_on_when_they_have_answered(here: Path) -> None:
    (here / "team.py").write_text(WAITING_TEAM, "utf-8")
    done = agentouto("run", "team.py", "Go", *KEPT, cwd=here)
    assert (done.code, done.out) == (6, "")
    [question] = Journal(here / "runs.db")["order"].questions()
    given = f"--journal {here / 'runs.db'}"
    told = [
        "The run waits for people.",
        f"lead asks ({question.call_id}): Which?",
        f"  agentouto runs answer order TEXT --to {question.call_id} {given}",
        f"Then: agentouto runs resume order team.py {given}",
    ]
    assert done.err.splitlines()[-4:] == told
    shown = agentouto("runs", "show", "order", "--journal", "runs.db", cwd=here)
    assert shown.out.splitlines()[-4:] == told
    answer = ("runs", "answer", "order", "This one.", "--to", question.call_id)
    assert agentouto(*answer, "--journal", "runs.db", cwd=here).code == 0
    done = agentouto("run", "team.py", "Go", *KEPT, "--json", cwd=here)
    assert (done.code, json.loads(done.out)["output"]) == (0, "This one.")


def test_approvals_are_kept_with_the_questions_of_a_user_who_is_away(here: Path) -> None:
    team = WAITING_TEAM.replace('call("user", "Which?")', 'tool("wipe", path="/a")').replace(
        "[lead], ", "[lead], [Tool(wipe, needs_approval=True)], "
    )
    head = "from agentouto import Tool\nfrom agentouto.testing import tool\n"
    team = team.replace('seen.answers("user")', 'seen.results("wipe")')
    wipe = "def wipe(path: str) -> str:\n    return f'wiped {path}'\n"
    (here / "team.py").write_text(head + wipe + team, "utf-8")
    done = agentouto("run", "team.py", "Go", *KEPT, cwd=here)
    assert (done.code, done.out) == (6, "")
    [approval] = Journal(here / "runs.db")["order"].approvals()
    assert f"agentouto runs approve order {approval.id} --yes" in done.err
    approve = ("runs", "approve", "order", approval.id, "--yes", "--journal", "runs.db")
    assert agentouto(*approve, cwd=here).code == 0
    done = agentouto("run", "team.py", "Go", *KEPT, cwd=here)
    assert (done.code, done.out) == (0, "wiped /a\n")
    other = ("--journal", "runs.db", "--run-id", "other")
    done = agentouto("run", "team.py", "Go", *other, "--approve", "wipe", cwd=here)
    assert (done.code, done.out) == (0, "wiped /a\n")


def test_a_run_that_waits_says_so_to_programs(here: Path) -> None:
    (here / "team.py").write_text(WAITING_TEAM, "utf-8")
    done = agentouto("run", "team.py", "Go", *KEPT, "--jsonl", cwd=here)
    assert done.code == 6
    assert json.loads(done.err.splitlines()[-1])["error"]["code"] == "waiting"
    shown = agentouto("runs", "show", "order", "--journal", "runs.db", "--json", cwd=here)
    fields = json.loads(shown.out)
    [question] = Journal(here / "runs.db")["order"].questions()
    asked = [{"id": question.call_id, "agent": "lead", "text": "Which?"}]
    assert (fields["questions"], fields["approvals"]) == (asked, [])


def test_a_team_with_a_journal_of_its_own_is_answered_there(here: Path) -> None:
    team = WAITING_TEAM.replace("SAVE_AND_EXIT)", "SAVE_AND_EXIT, journal='own runs.db')")
    (here / "team.py").write_text(team, "utf-8")
    done = agentouto("run", "team.py", "Go", "--run-id", "order", cwd=here)
    resume = f"agentouto runs resume order team.py --journal '{here / 'own runs.db'}'"
    assert done.err.splitlines()[-1] == f"Then: {resume}"
