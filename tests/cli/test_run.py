"""``agentouto run``, as scripts use it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from agentouto.cli._exit_codes import ExitCode
from cli.crews import TEAM
from cli.terminal import agentouto, at_once, at_terminal, begun, plain, read_until


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
    addresses = [(line["seq"], line.get("part", 0)) for line in lines]
    assert addresses == sorted(set(addresses))
    last = {name: lines[-1][name] for name in ("v", "status", "output", "usage", "outputs")}
    assert last == {
        "v": 1,
        "status": "completed",
        "output": "Done.",
        "usage": {"input": None, "output": None},
        "outputs": [{"agent": "writer", "call": lines[1]["call"], "text": "Done."}],
    }
    returns = [(e["sender"], e["receiver"], e["text"]) for e in lines if e["type"] == "return"]
    assert returns == [("critic", "writer", "yes [/writer]"), ("writer", "user", "Done.")]


def test_the_first_event_names_the_team_or_where_it_was_loaded_from(here: Path) -> None:
    (here / "named.py").write_text("from team import team\nteam.options['name'] = 'reviewers'\n")
    starts = [
        agentouto("run", spec, "Go", "--jsonl", cwd=here).lines[0]
        for spec in ("team.py", f"{here / 'team.py'}:team", "team:team", "named.py")
    ]
    assert [start["team"] for start in starts] == [
        "team.py",
        "team.py:team",
        "team:team",
        "reviewers",
    ]


def test_a_failed_run_ends_its_events_with_run_end_too(here: Path) -> None:
    done = agentouto("run", "team.py:refused", "Go", "--jsonl", cwd=here)
    assert done.code == 4
    assert [line["type"] for line in done.lines][-2:] == ["error", "run.end"]
    assert done.lines[-2]["kind"] == "failed"
    assert done.lines[-1]["status"] == "failed"


@pytest.mark.parametrize(
    ("team", "code", "error"),
    [("refused", 4, "login"), ("unknown", 3, "provider-unknown"), ("keyless", 3, "key-missing")],
)
def test_errors_are_json_where_a_program_reads(
    here: Path, team: str, code: int, error: str
) -> None:
    with (here / "team.py").open("a") as file:
        file.write(
            "\nunknown = Team([Agent('a', 'Do.', 'm', 'opnai')])"
            "\nkeyless = Team([Agent('a', 'Do.', 'm', Provider('openai'))])\n"
        )
    done = agentouto("run", f"team.py:{team}", "Go", "--jsonl", cwd=here)
    assert done.code == code
    described = json.loads(done.err.splitlines()[-1])["error"]
    assert described["code"] == error
    assert described["what"]


def test_the_message_may_come_from_standard_input(here: Path) -> None:
    assert agentouto("run", "team.py:parrots", "-", cwd=here, given="안녕\n").out == "안녕\n"


def test_what_is_piped_in_beside_a_message_is_added(here: Path) -> None:
    done = agentouto("run", "team.py:parrots", "Sum up:", cwd=here, given="a text\n")
    assert done.out == "Sum up:\n\na text\n"


def test_an_empty_standard_input_is_no_message(here: Path) -> None:
    done = agentouto("run", "team.py:parrots", "-", cwd=here)
    assert done.code == 2
    assert "standard input is empty" in done.err


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


ODD = "\x1b[31mred\x1b[0m \x1b]0;title\x07\u202e안녕\n"


def test_terminal_commands_in_an_answer_are_taken_out(here: Path) -> None:
    done = at_terminal("run", "team.py:escapes", "Go", "-q", cwd=here, out_too=True)
    assert done.err.replace("\r", "").endswith("the file is loaded\nred 안녕\n")


def test_a_pipe_gets_the_answer_as_it_is_and_people_get_it_clean(here: Path) -> None:
    done = agentouto("run", "team.py:escapes", "Go", cwd=here)
    assert done.out == ODD
    assert "\x1b" not in done.err
    assert "red 안녕" in done.err


KNOWN_TO_FEW = {ord(sign): "?" for sign in ODD if not sign.isascii()}


def test_an_output_that_knows_few_signs_gets_what_it_can(here: Path) -> None:
    env = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    assert agentouto("run", "team.py:escapes", "Go", cwd=here, env=env).out == ODD.translate(
        KNOWN_TO_FEW
    )
    done = agentouto("run", "team.py:escapes", "Go", "--jsonl", cwd=here, env=env)
    assert done.lines[-1]["output"].endswith("안녕")
    assert "\x1b" not in done.out


# ── exit codes ────────────────────────────────────────────────────────────────────────────────


def test_a_run_that_fails_exits_1(here: Path) -> None:
    done = agentouto("run", "team.py:broken", "Go", "--quiet", cwd=here)
    assert (done.code, done.out) == (1, "")
    assert "[writer] refused" in done.err
    assert "Traceback" not in done.err


def test_a_script_that_is_broken_is_no_provider_that_refuses(here: Path) -> None:
    expected = {"ends_early": 1, "fails": 1, "invalid": 4}
    every = at_once((("run", f"team.py:{name}", "Go", "--quiet") for name in expected), here)
    assert [done.code for done in every] == list(expected.values())
    assert every[0].err.splitlines()[-1].startswith("[scripted] agent 'writer' is in turn 2, and")
    assert "ZeroDivisionError" in every[1].err.splitlines()[-1]


WRONG = [
    (["run"], "Missing argument '[TEAM] MESSAGE'"),
    (["run", "team.py"], "Missing argument 'MESSAGE'"),
    (["run", "team.py", "two", "words"], "two words, not 3. Put the message into quotes."),
    (["rnu", "team.py", "Go"], "Did you mean 'run'?"),
    (["run", "team.py", "Go", "--answer", "writer"], "NAME=TEXT"),
    (["run", "team.py", "Go", "--answer", "writr=yes"], "There are: writer, critic"),
    (["run", "team.py", "Go", "--to", "writr"], "Did you mean writer?"),
    (["demo", "nowhere"], "does not exist"),
    (["version"], "No such command 'version'. Did you mean '--version'?"),
    (["runs", "replay", "--speed", "x"], "Invalid value for '--speed': "),
    (["run", "team.py", "Go", "--progress", "x"], "auto, tree, lines or off, not 'x'"),
    (["demo", "--model", "gpt-5.2"], "for example openai:gpt-5.2."),
    (["demo", "--model", "openai"], "which model of openai. For example: --model openai:gpt-"),
    (["demo", "--model", "acme:1"], "knows no kind acme; there are: openai, openai_responses, an"),
    (["demo", "--model", "acme:1"], "A kind of your own is an object: put it into a team file, an"),
    (["demo", "--model", "script:x"], "the demo knows no kind script"),
    (["demo", "--model", "google:"], "which model of google. For example: --model google:gem"),
    (["demo", "--report", "nowhere/report.md"], "no folder nowhere"),
    (["demo", "--report", "team.py"], "not written by the demo"),
]


def test_wrong_usage_exits_2(here: Path) -> None:
    every = at_once((arguments for arguments, _ in WRONG), here)
    for done, (_, told) in zip(every, WRONG, strict=True):
        assert (done.code, done.out) == (2, "")
        assert told in done.err
        assert done.err.splitlines()[-1] == done.err.replace("the file is loaded\n", "").strip()


NO_START = [
    ("gone.py", "There is no file gone.py."),
    ("gone.away", "There is no module gone.away here."),
    (".", "is no Python file"),
    ("team.py:parots", "Use `agentouto run team.py:parrots`."),
    ("team.py:not_a_team", "`not_a_team` is no Team, but int."),
    ("team.py:unknown", "Did you mean 'openai'?"),
    (
        "team.py:own_kind",
        "provider `acme` has no key. Set ACME_API_KEY, or put it into .env beside the team file. No key",
    ),
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
    assert done.err.splitlines()[-2:] == [
        "[scripted] the key ending in x9Qa is not valid (agent 'writer', model 'm')",
        "Check the key, and whether it belongs to this provider and base_url.",
    ]


def test_a_limit_that_is_reached_exits_5_and_is_named(here: Path) -> None:
    done = agentouto("run", "team.py:endless", "Go", cwd=here)
    assert (done.code, done.out) == (5, "")
    last = done.err.splitlines()[-1]
    assert "Limits(requests=6) is reached. 0 calls of 7 had returned." in last


def test_a_question_that_nobody_can_answer_exits_6(here: Path) -> None:
    done = agentouto("run", "team.py:asks", "Go", cwd=here)
    assert (done.code, done.out) == (6, "")
    lines = done.err.splitlines()
    assert lines[-7].endswith("s ask      writer -> user  May I deploy?")
    assert lines[-6:-3] == [
        "writer asked you a question and this run has no terminal.",
        "Give the answer before the start: --answer writer=yes    or let the code answer: ask_user=",
        "Or answer it later, the run is kept:",
    ]
    told = re.fullmatch(r"writer asks \((\w+)\): May I deploy\?", lines[-3])
    command = re.fullmatch(r"  agentouto (runs answer (\w+)) TEXT (--to \w+)", lines[-2])
    assert told is not None
    assert command is not None
    assert command[3] == f"--to {told[1]}"
    assert lines[-1] == f"Then: agentouto runs resume {command[2]}"
    answered = agentouto(*command[1].split(), "On Monday.", *command[3].split(), cwd=here)
    assert answered.code == 0
    goes_on = agentouto("runs", "resume", command[2], cwd=here)
    assert (goes_on.code, goes_on.out) == (0, "On Monday.\n")


def test_a_question_of_a_run_that_is_not_saved_cannot_be_answered_later(here: Path) -> None:
    done = agentouto("run", "team.py:asks", "Go", "--no-save", cwd=here)
    assert done.code == 6
    assert done.err.splitlines()[-1].startswith("Give the answer before the start")


def test_the_question_is_shown_even_to_those_who_want_quiet(here: Path) -> None:
    done = agentouto("run", "team.py:asks", "Go", "--quiet", cwd=here)
    assert "writer -> user  May I deploy?" in done.err


def test_an_answer_may_be_given_before_the_start(here: Path) -> None:
    done = agentouto("run", "team.py:asks", "Go", "--answer", "writer=yes, but = slowly", cwd=here)
    assert (done.code, done.out) == (0, "yes, but = slowly\n")


def test_a_team_that_answers_itself_is_left_to_it(here: Path) -> None:
    done = agentouto("run", "team.py:own", "Go", cwd=here)
    assert (done.code, done.out) == (0, "the code says yes\n")


# ── the command itself ────────────────────────────────────────────────────────────────────────


def test_help_says_that_a_team_file_is_run(here: Path) -> None:
    done = agentouto("--help", cwd=here)
    assert done.code == 0
    assert {"run", "demo"} <= set(done.out.split())
    told = " ".join(agentouto("run", "--help", cwd=here).out.split())
    assert told.startswith("Usage: agentouto run [OPTIONS] [TEAM] MESSAGE Run a team once")
    assert "runs its Python" in told


@pytest.mark.parametrize("code", ExitCode)
def test_help_names_every_exit_code_and_so_do_the_docs(here: Path, code: ExitCode) -> None:
    told = " ".join(agentouto("run", "--help", cwd=here).out.split()).partition("Exit codes: ")[2]
    assert re.search(rf"(^|, ){code} [a-z]", told)
    page = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text("utf-8")
    assert f"\n| {code} | " in page


def test_the_version_is_told(here: Path) -> None:
    assert agentouto("--version", cwd=here).out == "agentouto 0.2.0\n"


def test_a_pipe_that_nobody_writes_to_is_told_of(here: Path) -> None:
    with begun(here, "team.py:parrots", "Go", "--quiet", stdin=subprocess.PIPE) as process:
        read_until(process, "Reading standard input")
        assert process.communicate(timeout=5)[0] == "Go\n"


@pytest.mark.parametrize("arguments", [("team.py:keyless", "Go"), ("team.py", "two", "words")])
def test_a_terminal_breaks_no_message_inside_of_a_word(
    here: Path, arguments: tuple[str, ...]
) -> None:
    arguments = ("run", *arguments)
    whole = agentouto(*arguments, cwd=here).err
    broken = at_terminal(*arguments, cwd=here, columns=40).err
    assert max(map(len, broken.splitlines())) < 40
    assert broken.split() == whole.split()
    assert len(broken.splitlines()) > len(whole.splitlines())


def test_files_travel_with_the_message(here: Path) -> None:
    (here / "Notes").write_text("Water the plants.")
    (here / "dot.png").write_bytes(b"\x89PNG")
    arguments = ("run", "team.py:parrots", "Go", "--jsonl", "-f", "Notes", "--file", "dot.png")
    done = agentouto(*arguments, cwd=here)
    assert done.code == 0
    (forward,) = (line for line in done.lines if line["type"] == "forward")
    assert forward["files"] == [
        {"name": "Notes", "type": "text/plain", "size": 17},
        {"name": "dot.png", "type": "image/png", "size": 4},
    ]


def test_a_file_that_cannot_be_sent_exits_2(here: Path) -> None:
    (here / "empty.txt").write_text("")
    (here / "blob").write_bytes(b"\xff\xfe\x00")
    problems = {
        "none.txt": "No such file or directory.",
        ".": "Is a directory.",
        "empty.txt": "the file is empty.",
        "blob": "its name does not tell what it is. Give it an ending, such as .png",
    }
    every = at_once((("run", "team.py:parrots", "Go", "-f", name) for name in problems), here)
    told = [(done.code, done.out, done.err) for done in every]
    assert told == [(2, "", f"--file {name}: {why}\n") for name, why in problems.items()]


@pytest.mark.parametrize(
    ("team", "code", "status"),
    [("parrots", 0, "completed"), ("invalid", 4, "failed"), ("asks", 6, "cancelled")],
)
def test_one_object_of_json_at_the_end(here: Path, team: str, code: int, status: str) -> None:
    done = agentouto("run", f"team.py:{team}", "Go", "--json", cwd=here)
    assert done.code == code
    (line,) = done.lines
    assert (line["type"], line["status"]) == ("run.end", status)
    assert line.get("output") == ("Go" if code == 0 else None)
    last = done.err.splitlines()[-1]
    assert code == 0 or json.loads(last)["error"]["what"]


def test_the_object_of_json_stands_below_the_tree(here: Path) -> None:
    done = at_terminal("run", "team.py:parrots", "Go", "--json", cwd=here, out_too=True, columns=80)
    assert json.loads(plain(done.err).splitlines()[-1])["output"] == "Go"


def test_one_object_and_many_lines_of_json_exclude_each_other(here: Path) -> None:
    done = agentouto("run", "team.py:parrots", "Go", "--json", "--jsonl", cwd=here)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("--json and --jsonl exclude each other.")
