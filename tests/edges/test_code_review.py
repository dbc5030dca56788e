"""The example of a code review reads a repository with the real git server."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from edges.parties import python_module
from examples.from_readme import commands, done

python_module("mcp_server_git")

GIT = shutil.which("git") or "git"

BEFORE = "def runs(command):\n    return command\n"
AFTER = """\
import subprocess
def runs(command, seen=[]):
    subprocess.run(command, shell=True)
    try:
        return command
    except Exception:
        return None
"""


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run([GIT, *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_four_peers_review_the_last_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    for text in (BEFORE, AFTER):
        (tmp_path / "runs.py").write_text(text, encoding="utf-8")
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-q", "-m", "Run it")
    [command] = commands("code_review")
    ended = done(command, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "runs.py:3 runs what it is given in a shell",
        "runs.py:2 shares its default between all calls; no test changed with it",
        "runs.py:6 catches every error, and may hide one; no test changed with it",
        "no test changed with it",
    ]
    assert "correctness -> tests" in ended.stderr


def test_without_a_key_the_review_says_so_in_one_line(tmp_path: Path) -> None:
    [command] = commands("code_review")
    ended = done(command.replace(":scripted", ""), tmp_path)
    assert ended.returncode == 3
    assert "Set OPENAI_API_KEY" in ended.stderr
    assert ended.stderr.count("\n") == 1
