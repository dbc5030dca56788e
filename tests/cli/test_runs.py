"""``agentouto runs``: saved runs, as a terminal and as a pipe get them, and what is refused."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from agentouto import (
    SAVE_AND_EXIT,
    Agent,
    ConfigurationError,
    Journal,
    Provider,
    Team,
    Tool,
    Waiting,
)
from agentouto.cli._exit_codes import ExitError
from agentouto.cli._export import ExportOptions, export_run, lint_run
from agentouto.cli._journal_choice import find_run
from agentouto.cli._runs_answer import answer_question, decide_approval
from agentouto.cli._runs_list import ListOptions, keep_runs, list_runs, remove_runs
from agentouto.cli._runs_replay import ReplayClock, replay_run
from agentouto.cli._runs_resume import fork_run, resume_run
from agentouto.cli._runs_show import ShowOptions, show_run
from agentouto.cli._views import CommandOptions
from agentouto.exports import to_mermaid
from agentouto.testing import Request, Say, Script, call, finish, say, tool
from cli.terminal import Terminal, agentouto, at_once, plain

TEAM = """
import os
from agentouto import Agent, Provider, Team, Tool
from agentouto.testing import Request, Say, Script, call, finish, say, tool, tool

@Tool(on_restart="run")
def work() -> str:
    if not os.path.exists("go"):
        os._exit(9)
    return "worked"

script = Script({"lead": [call("helper", "Help."), tool("work"), finish("All done.")],
                 "helper": [say("I help.")], "other": [say("Other.")]}, usage=(100, 20))
provider = Provider("scripted", kind="script", script=script)
agents = [Agent(name, "", "m", provider) for name in ("lead", "helper", "other")]
team = Team(agents, [work], starting_agents=agents[2:])
"""


def divide(request: Request) -> Say:
    return say(str(request.turn / 0))


def crew(**options: object) -> Team:
    script = Script(
        {
            "lead": [call("helper", "Help."), finish("All [b]done[/b].\x1b[31m")],
            "helper": [say("I help.")],
            "broken": divide,
        },
        usage=(1200, 20),
    )
    provider = Provider("scripted", kind="script", script=script)
    agents = [Agent(name, "", "m", provider) for name in ("lead", "helper", "broken")]
    return Team(agents, starting_agents=agents[:1], **options)  # type: ignore[arg-type]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the journal of the command line, with two runs in it."""
    place = tmp_path / "agentouto-home" / "runs.db"
    place.parent.mkdir()
    team = crew(journal=place)
    team.run("Write about\ntides.\x1b[31m", run_id="order-1")
    team.run("Write about 안녕.", run_id="order-2")
    return place


def helps(request: Request) -> Say:
    return say(f"I help {request.agent_name}.")


def listing(status: str = "", *, as_json: bool = False) -> ListOptions:
    return ListOptions(status, every=False, as_json=as_json, color=True)


def failed(place: Path) -> None:
    team = crew(journal=place)
    with pytest.raises(Exception, match="division"):
        team.run("Go.", team.agents[2:], run_id="failed-1")


def test_a_run_is_saved_unless_that_is_not_wanted(tmp_path: Path) -> None:
    (tmp_path / "team.py").write_text(TEAM, "utf-8")
    place = tmp_path / "agentouto-home" / "runs.db"
    unsaved = agentouto("run", "team.py", "Go.", "--no-save", cwd=tmp_path)
    assert (unsaved.code, unsaved.out) == (0, "Other.\n")
    assert not place.exists()
    first, second = (agentouto("run", "team.py", "Go.", cwd=tmp_path) for _ in range(2))
    assert (first.code, first.out) == (0, "Other.\n")
    notice = f"Runs are saved in {place}: agentouto runs list (--no-save)\n"
    assert (first.err.count(notice), second.err.count("Runs are saved")) == (1, 0)
    runs = Journal(place).runs()
    assert [(run.status, run.team, run.folder) for run in runs] == [
        ("returned", "team.py", str(tmp_path))
    ] * 2


def test_a_home_that_cannot_be_written_costs_a_warning_and_no_run(tmp_path: Path) -> None:
    (tmp_path / "team.py").write_text(TEAM, "utf-8")
    (tmp_path / "agentouto-home").write_text("a file", "utf-8")
    done, named, unclear = at_once(
        [
            ("run", "team.py", "Go.", "--quiet"),
            ("run", "team.py", "Go.", "--run-id", "mine"),
            ("run", "team.py", "Go.", "--run-id", "mine", "--no-save"),
        ],
        tmp_path,
    )
    assert (done.code, done.out) == (0, "Other.\n")
    assert done.err.count("This run is not saved: the journal ") == 1
    assert (named.code, named.out) == (3, "")
    assert (unclear.code, unclear.out) == (2, "")


def test_a_home_that_cannot_be_looked_at_costs_a_warning_and_no_run(tmp_path: Path) -> None:
    (tmp_path / "team.py").write_text(TEAM, "utf-8")
    env = {"AGENTOUTO_HOME": str(tmp_path / ("long" * 100))}  # a name that no file system takes
    done = agentouto("run", "team.py", "Go.", "--quiet", cwd=tmp_path, env=env)
    assert (done.code, done.out) == (0, "Other.\n")
    assert done.err.count("This run is not saved: ") == 1
    listed = agentouto("runs", "list", cwd=tmp_path, env=env)
    assert listed.out == ""
    assert "Traceback" not in listed.err


def test_a_run_goes_on_where_it_was_begun_with_the_team_it_was_begun_with(tmp_path: Path) -> None:
    project, place = tmp_path / "project", tmp_path / "agentouto-home" / "runs.db"
    project.mkdir()
    (project / "team.py").write_text(TEAM, "utf-8")
    died = agentouto("run", "team.py", "Go.", "--to", "lead", cwd=project)
    assert (died.code, died.out) == (9, "")
    (run,) = Journal(place).runs()
    assert run.status == "interrupted"
    (project / "go").touch()
    foreign, unknown = at_once(
        [
            ("runs", "resume", run.id[:6], "--journal", str(place)),
            ("runs", "resume", "zzz"),
        ],
        tmp_path,
    )
    assert (foreign.code, unknown.code) == (2, 3)
    assert "its team is not loaded by itself" in foreign.err
    done = agentouto("runs", "resume", run.id[:6], cwd=tmp_path)
    assert (done.code, done.out) == (0, "All done.\n")
    assert f"In {project}, where it was begun:" in done.err
    (project / "team.py").unlink()
    again = agentouto("runs", "resume", run.id, cwd=tmp_path)
    assert (again.code, again.out) == (0, "All done.\n")


def test_a_resumed_run_that_waits_again_goes_on_in_the_same_way(tmp_path: Path) -> None:
    asks = """script = Script({"lead": [call("user", "First?"), call("user", "Next?"), say("Done.")]})
lead = Agent("lead", "", "m", Provider("scripted", kind="script", script=script))
team = Team([lead], ask_user=SAVE_AND_EXIT)
"""
    imports = TEAM.partition("@Tool")[0] + "from agentouto import SAVE_AND_EXIT\n"
    (tmp_path / "team.py").write_text(imports + asks, "utf-8")
    first = agentouto("run", "team.py", "Go.", cwd=tmp_path)
    (run,) = Journal(tmp_path / "agentouto-home" / "runs.db").runs()
    assert agentouto("runs", "answer", run.id, "Yes.", cwd=tmp_path).code == 0
    again = agentouto("runs", "resume", run.id, cwd=tmp_path)
    assert (first.code, again.code) == (6, 6)
    assert "Next?" in again.err
    last = [done.err.splitlines()[-1] for done in (first, again)]
    assert last == [f"Then: agentouto runs resume {run.id[:8]}"] * 2


def test_a_pipe_gets_a_line_a_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Journal(home)["order-1"].keep()
    list_runs("", listing())
    rows = [row.split("\t") for row in capsys.readouterr().out.splitlines()]
    assert [(row[0], row[1], row[4]) for row in rows] == [
        ("order-2", "returned", "Write about 안녕."),
        ("order-1", "returned", "Write about tides."),
    ]
    assert all(row[2].endswith("Z") and float(row[3]) < 60 for row in rows)
    list_runs("", listing(as_json=True))
    found = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [(one["id"], one["kept"], one["message"]) for one in found] == [
        ("order-2", False, "Write about 안녕."),
        ("order-1", True, "Write about\ntides.\x1b[31m"),
    ]
    list_runs("", listing(status="failed"))
    assert capsys.readouterr().out == ""
    with pytest.raises(ConfigurationError, match="Did you mean 'failed'"):
        list_runs("", listing(status="faled"))
    with pytest.raises(ExitError, match="there is no such file"):
        list_runs("gone.db", listing())


def test_before_the_first_run_it_is_said_where_runs_will_be(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert list_runs("", listing()) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("No runs are saved yet. `agentouto run` saves them in ")
    with pytest.raises(ExitError, match="No runs are saved yet"):
        show_run("", "", ShowOptions(every=False, as_json=False, color=False))


def terminal(tmp_path: Path, *arguments: str, columns: int) -> str:
    with Terminal(*arguments, cwd=tmp_path, columns=columns, out_too=True) as shown:
        assert shown.end().code == 0
        return plain(shown.seen)


def test_a_terminal_gets_a_table_that_fits(home: Path, tmp_path: Path) -> None:
    Journal(home)["order-1"].keep()
    shown = terminal(tmp_path, "runs", "list", columns=60)
    head, second, first = shown.splitlines()
    assert head.split() == ["ID", "STATUS", "STARTED", "TOOK", "MESSAGE"]
    assert second.startswith("order-2  returned        20")
    assert first.startswith("order-1  returned, kept  20")
    assert all(len(row) < 60 for row in shown.splitlines())
    assert first.endswith("…")


def test_a_run_is_shown_with_its_calls_its_time_and_its_answer(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown(name: str, *, as_json: bool = False) -> str:
        show_run(name, "", ShowOptions(every=False, as_json=as_json, color=True))
        return capsys.readouterr().out

    failed(home)
    assert "From before the failure: agentouto runs fork failed-1" in shown("")
    text = shown("order-1")
    assert "used        3,600 in / 60 out\n" in text
    assert "\n└── lead order-1 returned  2 turns, " in text
    assert "\n    └── helper " in text
    assert text.endswith("\n\nAll [b]done[/b].\n")
    about = json.loads(shown("order-1", as_json=True))
    (helper,) = (one for one in Journal(home)["order-1"].calls if one.name == "helper")
    assert about["calls"][1] == about["calls"][1] | {
        "id": helper.id,
        "agent": "helper",
        "parent": "order-1",
        "status": "returned",
        "turns": 1,
    }
    narrow = terminal(tmp_path, "runs", "show", "order-1", columns=50)
    assert all(len(row) < 50 for row in narrow.splitlines())


def test_of_many_calls_the_first_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "many.db"
    script = Script(
        {
            "lead": [[call("helper", f"Help {n}.") for n in range(120)], finish("Done.")],
            "helper": helps,
        }
    )
    provider = Provider("scripted", kind="script", script=script)
    agents = [Agent(name, "", "m", provider) for name in ("lead", "helper")]
    Team(agents, starting_agents=agents[:1], journal=place).run("Go.", run_id="many")
    for every, rows, note in ((False, 99, 1), (True, 120, 0)):
        show_run("many", str(place), ShowOptions(every=every, as_json=False, color=False))
        out = capsys.readouterr().out
        assert (out.count("── helper "), out.count("\n21 more calls: --all\n")) == (rows, note)


def test_a_replay_has_the_lines_of_the_run_and_needs_no_team(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay_run("order-1", "", None, CommandOptions()) == 0
    out, err = capsys.readouterr()
    assert out == "All [b]done[/b].\x1b[31m\n"
    assert [row.split(maxsplit=1)[1] for row in err.splitlines()] == [
        "forward  user -> lead  Write about tides.",
        "forward  lead -> helper  Help.",
        "return   helper -> lead  I help.",
        "return   lead -> user  All [b]done[/b].",
    ]
    replay_run("order-1", "", 50.0, CommandOptions(jsonl=True))
    played = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert played == Journal(home)["order-1"].lines()
    with pytest.raises(ExitError, match="--speed takes a number above 0, not 0"):
        replay_run("order-1", "", 0.0, CommandOptions())
    seen = terminal(tmp_path, "runs", "replay", "order-1", columns=80)
    assert "└── lead returned All [b]done[/b]." in seen


def test_a_pause_in_a_replay_is_never_long() -> None:
    real = 100.0
    clock = ReplayClock(lambda: real, 2.0)
    assert clock.start_pause(4.0) == 2.0
    real += 1.5
    assert clock() == 3.0
    clock.end_pause()
    assert clock() == 4.0
    assert clock.start_pause(3600.0) == 3.0  # at most
    clock.end_pause()
    assert clock() == 3600.0
    assert clock.start_pause(3599.9) == 0.0  # times may step back


def test_what_is_said_of_a_named_journal_names_it(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "other.db"
    failed(place)
    named = f"--journal {place}"
    options = CommandOptions(journal=Journal(place))
    with pytest.raises(ExitError) as raised:
        resume_run("failed-1", "", options)
    assert str(raised.value).endswith(f"failure: agentouto runs fork failed-1 {named}")
    show_run("failed-1", str(place), ShowOptions(every=False, as_json=False, color=False))
    assert capsys.readouterr().out.endswith(f"agentouto runs fork failed-1 {named}\n")
    fork_run("failed-1", str(place), "", "mine")
    assert capsys.readouterr().err == (f"Go on with it: agentouto runs resume mine TEAM {named}\n")


def test_a_fork_begins_again_from_a_turn(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed(home)
    fork_run("order-1", "", "helper:0", "")
    out, err = capsys.readouterr()
    new = Journal(home)[out.strip()]
    assert (new.status, new.forked_from) == ("interrupted", "order-1")
    assert err == f"Go on with it: agentouto runs resume {new.id[:8]} TEAM\n"
    fork_run("failed-1", "", "", "mine")
    assert capsys.readouterr().out == "mine\n"
    for before, run_id, why in (
        ("", "", "It has not failed: --before CALL:TURN says where to begin"),
        ("helper", "", "--before takes CALL:TURN"),
        ("helper:7", "", "--before helper:7: helper has no turn 7; it has 0 to 0"),
        ("nobody:0", "", "--before nobody:0: there is no such call. There are: lead order-1, "),
        ("lead:0", "order-2", "there is a run 'order-2' already"),
        ("lead:0", "a/b", "run_id='a/b' must be"),
    ):
        with pytest.raises((ExitError, ConfigurationError)) as raised:
            fork_run("order-1", "", before, run_id)
        assert str(raised.value).startswith(why)


def test_what_names_no_run_or_several_is_refused(home: Path) -> None:
    failed(home)
    unknown = f"the journal {home} has no run 'zzz'. There are: agentouto runs list"
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: find_run(Journal(home), "order"), "2 runs have ids that begin with order: order-"),
        (lambda: find_run(Journal(home), "ordr-1"), f"the journal {home} has no run 'ordr-1'. Did"),
        (lambda: find_run(Journal(home), "zzz"), unknown),
        (lambda: keep_runs(["order-1", "zzz"], "", keep=True), unknown),
        (lambda: remove_runs(["order-1", "zzz"], "", ""), unknown),
        (lambda: remove_runs([], "", ""), "runs rm takes the ids of runs, or --older-than TIME"),
        (lambda: remove_runs([], "", "soon"), "'soon' is no duration, such as 30m, 12h, 7d or 4w"),
        (lambda: resume_run("failed-1", "", CommandOptions()), "It failed: "),
    ]
    for use, why in cases:
        with pytest.raises((ExitError, ConfigurationError)) as raised:
            use()
        assert str(raised.value).startswith(why)
    assert [(run.id, run.kept) for run in Journal(home).runs()] == [
        ("failed-1", False),
        ("order-2", False),
        ("order-1", False),
    ]
    assert find_run(Journal(home), "f").id == find_run(Journal(home), "").id == "failed-1"


def test_runs_are_kept_and_removed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed(home)
    keep_runs(["order-1"], "", keep=True)
    remove_runs(["order-2", "order-2"], "", "")
    remove_runs([], "", "0s")
    assert [run.id for run in Journal(home).runs()] == ["order-1"]
    keep_runs(["order-1"], "", keep=False)
    remove_runs([], "", "0s")
    assert Journal(home).runs() == []
    assert capsys.readouterr().err.splitlines() == [
        "order-1 is kept",
        "Removed: 1 run",
        "Removed: 1 run",
        "order-1 is kept no longer",
        "Removed: 1 run",
    ]


def test_a_new_run_removes_the_oldest_of_too_many(home: Path, tmp_path: Path) -> None:
    (tmp_path / "team.py").write_text(TEAM, "utf-8")
    connection = sqlite3.connect(home)
    with connection:
        connection.executemany(
            "insert into runs(id, status, message, started, ended) values (?, 'returned', '', ?, ?)",
            ((f"old-{number}", float(number), float(number)) for number in range(501)),
        )
    connection.close()
    assert agentouto("run", "team.py", "Go.", cwd=tmp_path).code == 0
    ids = [run.id for run in Journal(home).runs()]
    assert len(ids) == 501
    assert ids[1:4] == ["order-2", "order-1", "old-500"]
    assert ids[-1] == "old-3"


def test_a_saved_run_is_exported_and_checked_by_its_id(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ExportOptions(to="mermaid", output=None, picture="auto", content=True, force=False)
    assert export_run("order-1", "", how) == 0
    assert capsys.readouterr().out == to_mermaid(Journal(home)["order-1"])
    assert lint_run("order-1", "", as_json=True) == 0
    with pytest.raises(ExitError, match="2 runs have ids"):
        lint_run("order", "", as_json=True)


def waiting(place: Path) -> Team:
    """Leave a run that waits for two answers and an approval."""

    def wipe(path: str) -> str:
        return f"wiped {path}"

    def decide(request: Request) -> object:
        if request.turn == 0:
            asked = [call("user", "Which\u202e?"), call("user", "How many?")]
            return [*asked, tool("wipe", path="/data/\u202ea")]
        return say(" ".join([*request.answers("user"), *request.results("wipe")]))

    provider = Provider("scripted", kind="script", script=Script({"lead": decide}))  # type: ignore[dict-item]
    tools = [Tool(wipe, needs_approval=True)]
    lead = Agent("lead", "", "m", provider)
    team = Team([lead], tools, journal=place, ask_user=SAVE_AND_EXIT, approve=SAVE_AND_EXIT)
    with pytest.raises(Waiting):
        team.run("Go.", run_id="order-9")
    return team


def test_questions_and_approvals_are_decided_later(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    team = waiting(home)
    answer_question("order-9", None, "", "")
    rows = [row.split("\t") for row in capsys.readouterr().out.splitlines()]
    assert [row[1:] for row in rows] == [["lead", "Which\\u202e?"], ["lead", "How many?"]]
    decide_approval("order-9", "", yes=None, reason="", journal_file="")
    [(approval, *about)] = [row.split("\t") for row in capsys.readouterr().out.splitlines()]
    show_run("order-9", "", ShowOptions(every=False, as_json=False, color=False))
    assert capsys.readouterr().out.splitlines()[-9:] == [
        "The run waits for people.",
        f"lead asks ({rows[0][0]}): Which\\u202e?",
        f"  agentouto runs answer order-9 TEXT --to {rows[0][0]}",
        f"lead asks ({rows[1][0]}): How many?",
        f"  agentouto runs answer order-9 TEXT --to {rows[1][0]}",
        f'path: "/data/\\u202ea" May lead use the tool wipe? ({approval})',
        f"  agentouto runs approve order-9 {approval} --yes",
        "    or --no, and --reason TEXT tells the agent why",
        "Then: agentouto runs resume order-9 TEAM",
    ]
    assert about == ["lead", "wipe", '{"path": "/data/\\u202ea"}']
    with pytest.raises(ExitError, match="2 questions are open; --to says which"):
        answer_question("order-9", "blue", "", "")
    with pytest.raises(ExitError, match="--to zzz: no such question is open"):
        answer_question("order-9", "blue", "zzz", "")
    with pytest.raises(ExitError, match="zzz: no such approval waits"):
        decide_approval("order-9", "zzz", yes=True, reason="", journal_file="")
    answer_question("order-9", "blue", rows[0][0], "")
    answer_question("order-9", "two", "", "")
    with pytest.raises(ExitError, match="run order-9 has no open question"):
        answer_question("order-9", "three", "", "")
    decide_approval("order-9", approval, yes=False, reason="not that", journal_file="")
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == ["Answered: Which?", "Go on: agentouto runs resume order-9 TEAM"]
    output = team.run("Go.", run_id="order-9").output
    assert output.startswith("blue two ")
    assert "not that" in output
