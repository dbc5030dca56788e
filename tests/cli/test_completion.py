"""The completion scripts, as the shells themselves run them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest

from cli.terminal import agentouto

BASH = shutil.which("bash") or ""
ASK_BASH = """
source ./script
COMP_WORDS=(agentouto {words})
COMP_CWORD={current}
_agentouto
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


Completed: TypeAlias = Callable[..., set[str]]


@pytest.fixture(scope="module")
def completed(tmp_path_factory: pytest.TempPathFactory) -> Completed:
    """Return a function that has bash complete words, with the script of our command."""
    here = tmp_path_factory.mktemp("bash")
    (here / "script").write_text(agentouto("completion", "bash", cwd=here).out)
    return partial(completed_by_bash, here)


def completed_by_bash(here: Path, *words: str) -> set[str]:
    quoted = " ".join(f"'{word}'" for word in words)
    program = ASK_BASH.format(words=quoted, current=len(words))
    done = subprocess.run(
        [BASH, "-c", program], cwd=here, capture_output=True, encoding="utf-8", check=True
    )
    assert not done.stderr
    return set(done.stdout.split())


@pytest.mark.skipif(not BASH, reason="there is no bash here")
def test_bash_completes_commands_and_their_options(completed: Completed) -> None:
    assert {"run", "demo", "check", "doctor"} <= completed("")
    assert completed("--v") == {"--version"}
    assert completed("do") == {"doctor"}
    assert completed("run", "--no-l") == {"--no-limits"}
    assert completed("check", "team.py", "--on") == {"--online"}
    assert not completed("run", "te")  # left to the names of files


@pytest.mark.skipif(not BASH, reason="there is no bash here")
def test_bash_completes_commands_of_a_group_and_values_of_a_choice(completed: Completed) -> None:
    assert "runs" in completed("")
    assert "export" in completed("runs", "")
    assert "--no-content" not in completed("runs", "--")
    assert completed("runs", "export", "--no") == {"--no-content"}
    assert completed("completion", "") == {"bash", "zsh", "fish"}
    assert completed("run", "team.py", "--progress", "t") == {"tree"}
    assert not completed("run", "team.py", "--progress", "tree", "t")
    assert not completed("init", "--progress", "t")


def test_fish_completes_commands_of_a_group_and_values_of_a_choice(tmp_path: Path) -> None:
    script = agentouto("completion", "fish", cwd=tmp_path).out
    seen = "__fish_seen_subcommand_from"
    assert f"-n '{seen} runs; and {seen} export' -l no-content" in script
    assert f"-n '{seen} run' -l progress -x -a 'auto tree lines off'" in script
    assert f"-n '{seen} completion' -f -a 'bash zsh fish'" in script
    assert re.search(rf"-n '{seen} runs; and not {seen} [a-z ]*export[a-z ]*' -f -a", script)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_names_every_command_and_is_read_by_its_shell(tmp_path: Path, shell: str) -> None:
    done = agentouto("completion", shell, cwd=tmp_path)
    assert done.code == 0
    for word in ("run", "demo", "login", "completion", "limits", "client-id"):
        assert word in done.out
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.out, encoding="utf-8", check=True)


def test_another_shell_is_refused_with_those_there_are(tmp_path: Path) -> None:
    done = agentouto("completion", "ksh", cwd=tmp_path)
    assert (done.code, done.err) == (2, "There is no 'ksh'. There are: bash, zsh, fish\n")
