"""``agentouto run``, as scripts use it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from cli.terminal import COMMAND, agentouto, at_once, surroundings

Process: TypeAlias = subprocess.Popen[str]

TEAM = """
from agentouto import Agent, Provider, Team, Tool
from agentouto.testing import Script, call, fail, finish, say, tool

print("the file is loaded")

@Tool
def shout() -> str:
    print("the tool prints")
    return "loud"

def crew(lines, tools=(), **options):
    provider = Provider("scripted", kind="script", script=Script(lines))
    agents = [Agent(name, "", "m", provider) for name in lines]
    return Team(agents, tools, starting_agents=agents[:1], **options)

echo = lambda seen: say(" + ".join(seen.heard))
team = crew({"writer": [tool("shout"), call("critic", "[writer]good?[/writer]"), finish("Done.")],
             "critic": [say("yes [/writer]")]}, [shout])
parrots = crew({"poll": echo, "lory": echo})
asks = crew({"writer": [call("user", "May I deploy?"), lambda seen: say(seen.answers("user")[0])]})
own = crew({"writer": [call("user", "May I?"), lambda seen: say(seen.answers("user")[0])]},
           ask_user=lambda message: "the code says yes")
refused = crew({"writer": [fail(401, message="the key ending in x9Qa is not valid")]})
broken = crew({"writer": [fail("refused")]})
escapes = crew({"writer": [say("\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07\\u202e안녕")]})
keyless = Team([Agent("writer", "", "gpt", "openai")])
unknown = Team([Agent("writer", "", "gpt", "opnai")])
not_a_team = 3
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "team.py").write_text(TEAM, "utf-8")
    return tmp_path


def test_the_answer_alone_is_on_standard_output(here: Path) -> None:
    done = agentouto("run", "team.py", "Go", cwd=here)
    assert (done.code, done.out) == (0, "Done.\n")
    assert "the file is loaded" in done.err
    assert "the tool prints" in done.err


def test_without_a_terminal_each_message_is_one_line(here: Path) -> None:
    told = agentouto("run", "team.py", "Go", cwd=here).err.splitlines()
    messages = [line.split("s ", 1)[1] for line in told if line.startswith(" ")]
    assert messages == [
        "forward  user -> writer  Go",
        "forward  writer -> critic  [writer]good?[/writer]",
        "return   critic -> writer  yes [/writer]",
        "return   writer -> user  Done.",
    ]


def test_quiet_shows_nothing_besides_the_answer(here: Path) -> None:
    done = agentouto("run", "team.py:parrots", "Go", "--quiet", cwd=here)
    assert (done.out, done.err) == ("Go\n", "the file is loaded\n")


def test_the_events_are_lines_of_json_and_end_with_one_run_end(here: Path) -> None:
    done = agentouto("run", "team.py", "Go", "--jsonl", cwd=here)
    lines = done.lines
    types = [line["type"] for line in lines]
    assert done.code == 0
    assert (types[0], types[-1], types.count("run.end")) == ("run.start", "run.end", 1)
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    assert lines[-1] | {"t": 0, "run": ""} == {
        "v": 1,
        "run": "",
        "seq": len(lines) - 1,
        "t": 0,
        "type": "run.end",
        "status": "completed",
        "output": "Done.",
        "usage": {"input": None, "output": None},
    }
    returns = [(e["sender"], e["receiver"], e["text"]) for e in lines if e["type"] == "return"]
    assert returns == [("critic", "writer", "yes [/writer]"), ("writer", "user", "Done.")]


def test_a_failed_run_ends_its_events_with_run_end_too(here: Path) -> None:
    done = agentouto("run", "team.py:refused", "Go", "--jsonl", cwd=here)
    assert done.code == 4
    assert [line["type"] for line in done.lines][-2:] == ["error", "run.end"]
    assert done.lines[-1]["status"] == "failed"


def test_the_message_may_come_from_standard_input(here: Path) -> None:
    assert agentouto("run", "team.py:parrots", "-", cwd=here, given="안녕\n").out == "안녕\n"


def test_what_is_piped_in_beside_a_message_is_added(here: Path) -> None:
    done = agentouto("run", "team.py:parrots", "Sum up:", cwd=here, given="a text\n")
    assert done.out == "Sum up:\n\na text\n"


def test_an_empty_standard_input_is_no_message(here: Path) -> None:
    done = agentouto("run", "team.py:parrots", "-", cwd=here)
    assert done.code == 2
    assert "nothing came in" in done.err


def test_whoever_is_named_gets_the_message(here: Path) -> None:
    arguments = ("run", "team.py:parrots", "Go", "--to", "lory", "--to", "poll")
    assert agentouto(*arguments, cwd=here).out == "[lory]Go[/lory]\n\n[poll]Go[/poll]\n"


def test_a_team_is_found_in_a_package_too(here: Path) -> None:
    (here / "crews").mkdir()
    (here / "team.py").rename(here / "crews" / "first.py")
    assert agentouto("run", "crews.first:parrots", "Go", cwd=here).out == "Go\n"


def test_a_team_file_finds_the_files_beside_it(here: Path) -> None:
    (here / "deep").mkdir()
    (here / "deep" / "words.py").write_text("WORD = 'beside'\n")
    (here / "deep" / "team.py").write_text("from team_of import team\n")
    (here / "deep" / "team_of.py").write_text(f"import words\n{TEAM}\nteam = parrots\n", "utf-8")
    assert agentouto("run", "deep/team.py", "Go", cwd=here).out == "Go\n"


def test_terminal_commands_in_an_answer_are_taken_out(here: Path) -> None:
    done = agentouto("run", "team.py:escapes", "Go", cwd=here)
    assert done.out == "red 안녕\n"
    assert "\x1b" not in done.err
    assert "red 안녕" in done.err


def test_an_output_that_knows_few_signs_gets_what_it_can(here: Path) -> None:
    env = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    assert agentouto("run", "team.py:escapes", "Go", cwd=here, env=env).out == "red ??\n"
    done = agentouto("run", "team.py:escapes", "Go", "--jsonl", cwd=here, env=env)
    assert done.lines[-1]["output"].endswith("안녕")
    assert "\x1b" not in done.out


# ── exit codes ────────────────────────────────────────────────────────────────────────────────


def test_a_run_that_fails_exits_1(here: Path) -> None:
    done = agentouto("run", "team.py:broken", "Go", "--quiet", cwd=here)
    assert (done.code, done.out) == (1, "")
    assert "[writer] refused" in done.err
    assert "Traceback" not in done.err


WRONG = [
    (["run"], "Missing argument 'TEAM'"),
    (["run", "team.py", "Go", "--answer", "writer"], "NAME=TEXT"),
    (["run", "team.py", "Go", "--answer", "writr=yes"], "There are: writer, critic"),
    (["run", "team.py", "Go", "--to", "writr"], "Did you mean writer?"),
    (["demo", "nowhere"], "does not exist"),
    (["demo", "--model", "gpt-5.2"], "openai:gpt-5.2"),
    (["demo", "--report", "nowhere/report.md"], "no folder nowhere"),
    (["demo", "--report", "team.py"], "not written by the demo"),
]


def test_wrong_usage_exits_2(here: Path) -> None:
    every = at_once((arguments for arguments, _ in WRONG), here)
    for done, (_, told) in zip(every, WRONG, strict=True):
        assert (done.code, done.out) == (2, "")
        assert told in " ".join(done.err.split())


NO_START = [
    ("gone.py", "There is no file gone.py."),
    ("gone.away", "There is no module gone.away here."),
    (".", "is no Python file"),
    ("team.py:parots", "Use `agentouto run team.py:parrots`."),
    ("team.py:not_a_team", "`not_a_team` is no Team, but int."),
    ("team.py:unknown", "Did you mean 'openai'?"),
    ("team.py:keyless", "`writer` cannot start: provider `openai` has no key. Set OPENAI_API_KEY"),
]


def test_a_team_that_cannot_start_exits_3(here: Path) -> None:
    every = at_once((("run", team, "Go", "--quiet") for team, _ in NO_START), here)
    for done, (_, told) in zip(every, NO_START, strict=True):
        assert (done.code, done.out) == (3, "")
        assert told in done.err
        assert "Traceback" not in done.err


def test_a_missing_team_is_told_with_those_there_are(here: Path) -> None:
    (here / "two.py").write_text("from team import asks as crew, own as main_team\n")
    done = agentouto("run", "two.py", "Go", "--quiet", cwd=here)
    assert done.err.splitlines()[-1] == (
        "two.py has no `team`. It has: `crew`, `main_team`. Use `agentouto run two.py:main_team`."
    )


MISTAKES = [
    ("x = 1\ny = (\n", "line 2: SyntaxError: '(' was never closed"),
    ("\n\nimport nothere\n", "line 3: ModuleNotFoundError: No module named 'nothere'"),
    ("raise SystemExit(7)\n", "line 1: SystemExit: 7"),
    (
        "from agentouto import Agent\nAgent('a[', '', 'm', 'openai')\n",
        "line 2: An agent cannot be called 'a[':",
    ),
]


def test_an_error_in_a_team_file_is_one_line(here: Path) -> None:
    for number, (text, _) in enumerate(MISTAKES):
        (here / f"bad{number}.py").write_text(text)
    every = at_once((("run", f"bad{number}.py", "Go") for number in range(len(MISTAKES))), here)
    for number, (done, (_, told)) in enumerate(zip(every, MISTAKES, strict=True)):
        assert (done.code, len(done.err.splitlines())) == (3, 1)
        assert done.err.startswith(f"bad{number}.py, {told}")
    wordy = agentouto("run", "bad1.py", "Go", "-v", cwd=here)
    assert "Traceback (most recent call last)" in wordy.err


def test_a_key_is_never_shown(here: Path) -> None:
    key = "sk-abcdefghijklmnopqrstuvwx"
    (here / "bad.py").write_text(f"raise ValueError('{key}', 'other-secret-text')\n")
    env = {"OTHER_API_KEY": "other-secret-text"}
    for more in (["-v"], []):
        done = agentouto("run", "bad.py", "Go", *more, cwd=here, env=env)
        assert key not in done.err
        assert "other-secret-text" not in done.err
        assert "OTHER_API_KEY" in done.err


def test_a_provider_that_refuses_exits_4(here: Path) -> None:
    done = agentouto("run", "team.py:refused", "Go", "--quiet", cwd=here)
    assert (done.code, done.out) == (4, "")
    assert done.err.splitlines()[-1] == "[scripted] the key ending in x9Qa is not valid"


def test_a_question_that_nobody_can_answer_exits_6(here: Path) -> None:
    done = agentouto("run", "team.py:asks", "Go", cwd=here)
    assert (done.code, done.out) == (6, "")
    lines = done.err.splitlines()
    assert lines[-3].endswith("s ask      writer -> user  May I deploy?")
    assert lines[-2:] == [
        "writer asked you a question and this run has no terminal.",
        "Give the answer before the start: --answer writer=yes    or let the code answer: ask_user=",
    ]


def test_the_question_is_shown_even_to_those_who_want_quiet(here: Path) -> None:
    done = agentouto("run", "team.py:asks", "Go", "--quiet", cwd=here)
    assert "writer -> user  May I deploy?" in done.err


def test_an_answer_may_be_given_before_the_start(here: Path) -> None:
    done = agentouto("run", "team.py:asks", "Go", "--answer", "writer=yes, but = slowly", cwd=here)
    assert (done.code, done.out) == (0, "yes, but = slowly\n")


def test_a_team_that_answers_itself_is_left_to_it(here: Path) -> None:
    done = agentouto("run", "team.py:own", "Go", cwd=here)
    assert (done.code, done.out) == (0, "the code says yes\n")


# ── Ctrl+C and friends ────────────────────────────────────────────────────────────────────────

SLOW = """
import asyncio
from agentouto import Agent, Provider, Team, Tool
from agentouto.testing import Script, say, tool

@Tool
async def wait() -> str:
    try:
        await asyncio.sleep(60)
    finally:
        print("the tool has stopped")

@Tool
async def cling() -> str:
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            print("the tool clings")

def crew(name):
    script = {"quick": [say("quick is done")], "slow": [tool(name)]}
    provider = Provider("scripted", kind="script", script=Script(script))
    return Team([Agent(n, "", "m", provider) for n in script], [wait, cling])

team = crew("wait")
clinging = crew("cling")
"""


@contextmanager
def begun(here: Path, *arguments: str, stdin: int = subprocess.DEVNULL) -> Iterator[Process]:
    with subprocess.Popen(
        [*COMMAND, "run", *arguments],
        cwd=here,
        env=surroundings(),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: Process, told: str) -> None:
    assert process.stderr is not None
    while told not in process.stderr.readline():
        assert process.poll() is None


def test_ctrl_c_stops_the_run_and_hands_over_what_was_finished(here: Path) -> None:
    (here / "slow.py").write_text(SLOW)
    with begun(here, "slow.py", "Go") as process:
        read_until(process, "return   quick")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (130, "quick is done\n")
    assert "the tool has stopped" in err
    assert err.splitlines()[-1] == "Stopped by Ctrl+C. 1 call of 2 had returned."


def test_ctrl_c_still_ends_the_events_with_run_end(here: Path) -> None:
    (here / "slow.py").write_text(SLOW)
    with begun(here, "slow.py", "Go", "--jsonl", "--progress", "lines") as process:
        read_until(process, "return   quick")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=10)
    assert process.returncode == 130
    assert '"type":"run.end","status":"cancelled"' in out.splitlines()[-1]


def test_a_second_ctrl_c_ends_at_once(here: Path) -> None:
    (here / "slow.py").write_text(SLOW)
    with begun(here, "slow.py:clinging", "Go") as process:
        read_until(process, "return   quick")
        process.send_signal(signal.SIGINT)
        read_until(process, "the tool clings")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)
    assert process.returncode == 130


def test_a_reader_who_leaves_early_causes_no_traceback(here: Path) -> None:
    with begun(here, "team.py", "Go", "--jsonl") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(10) == 1
    assert "Traceback" not in err
    assert "Exception ignored" not in err


# ── the command itself ────────────────────────────────────────────────────────────────────────


def test_help_is_quick_and_says_that_a_team_file_is_run(here: Path) -> None:
    before = os.times()
    done = agentouto("--help", cwd=here)
    after = os.times()
    assert done.code == 0
    assert {"run", "demo"} <= set(done.out.split())
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    assert used <= 0.3 * (3 if "COVERAGE_PROCESS_START" in os.environ else 1)
    assert "runs its Python" in " ".join(agentouto("run", "--help", cwd=here).out.split())


def test_the_version_is_told(here: Path) -> None:
    assert agentouto("--version", cwd=here).out == "agentouto 0.1.0\n"


def test_a_pipe_that_nobody_writes_to_is_told_of(here: Path) -> None:
    with begun(here, "team.py:parrots", "Go", "--quiet", stdin=subprocess.PIPE) as process:
        read_until(process, "Reading standard input")
        assert process.communicate(timeout=5)[0] == "Go\n"
