"""The ``.env`` beside a team file: what is read, and what wins over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentouto.cli._env_file import parse_env_file, read_env_file
from agentouto.cli._exit_codes import ExitError
from cli.crews import TEAM
from cli.terminal import agentouto

KEY = "sk-1234567890abcdefx9Qa"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("export A = two words ", "two words"),
        ("A=one#two # three", "one#two"),
        ("A=# only a comment", ""),
        ("A=", ""),
        ("A='$HOME \\n # x' # y", "$HOME \\n # x"),
        (r'A="a\n\"b\" \\ # c"  # d', 'a\n"b" \\ # c'),
        ("A=$OTHER", "$OTHER"),
        ("A=first\nA=second", "second"),
        ("# A=0\n\n  A=1\r\n", "1"),
    ],
)
def test_a_value_is_read_as_docker_and_shells_do(line: str, value: str) -> None:
    assert parse_env_file(line) == {"A": value}


@pytest.mark.parametrize("line", ["secret", "A B=secret", "=secret", 'A="secret', "A='secret"])
def test_a_line_that_is_no_assignment_is_named_but_not_shown(line: str) -> None:
    with pytest.raises(ExitError) as raised:
        parse_env_file(f"B=1\n{line}\n")
    assert str(raised.value).startswith(".env, line 2: ")
    assert "secret" not in str(raised.value)


def test_the_environment_wins_and_only_new_names_are_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfA=file\nB=file\n")
    environment = {"A": "shell"}
    assert read_env_file(tmp_path, environment) == f"Read from {tmp_path / '.env'}: B."
    assert environment == {"A": "shell", "B": "file"}
    assert read_env_file(tmp_path, environment) == ""
    assert read_env_file(tmp_path / "none", environment) == ""


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    for data in (b"A=\0", b"A=\xff", b"A=1\n" * 300_000):
        (tmp_path / ".env").write_bytes(data)
        with pytest.raises(ExitError):
            read_env_file(tmp_path, {})


def test_check_finds_a_key_beside_the_team_file_and_shows_its_end_only(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "team.py").write_text(TEAM)
    (folder / ".env").write_text(f"OPENAI_API_KEY={KEY}\n")
    (tmp_path / ".env").write_text("OPENAI_API_KEY=of-another-folder\n")
    found = agentouto("check", "project/team.py:keyless", cwd=tmp_path)
    assert found.code == 0
    assert "OPENAI_API_KEY is set (...x9Qa)" in found.out
    assert "Read from project/.env: OPENAI_API_KEY.\n" in found.err
    assert KEY not in found.out + found.err
    inside = agentouto("check", "team:keyless", cwd=folder)
    assert "OPENAI_API_KEY is set (...x9Qa)" in inside.out


def test_run_reads_it_too_and_says_nothing_with_quiet(tmp_path: Path) -> None:
    code = "import os\nassert os.environ['TOWN'] == 'Bern'\n"
    (tmp_path / "team.py").write_text(code + TEAM)
    (tmp_path / ".env").write_text("TOWN=Bern\n")
    loud = agentouto("run", "team.py", "Go.", cwd=tmp_path)
    assert (loud.code, loud.out) == (0, "Done.\n")
    assert "Read from .env: TOWN." in loud.err
    quiet = agentouto("run", "team.py", "Go.", "--quiet", cwd=tmp_path)
    assert "TOWN" not in quiet.err
    assert (tmp_path / ".env").read_text() == "TOWN=Bern\n"


def test_a_broken_file_ends_the_command_with_3(tmp_path: Path) -> None:
    (tmp_path / "team.py").write_text(TEAM)
    (tmp_path / ".env").write_text(f"A=1\n{KEY}\n")
    done = agentouto("run", "team.py", "Go.", cwd=tmp_path)
    assert done.code == 3
    assert done.err == ".env, line 2: this is not NAME=value.\n"
