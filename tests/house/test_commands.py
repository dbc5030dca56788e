"""The two commands that set everything up."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DEV = REPOSITORY / "dev.py"
CI = REPOSITORY / ".ci" / "run"


def test_an_old_python_can_read_that_it_is_too_old() -> None:
    ast.parse(DEV.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_the_commands_need_nothing_but_python() -> None:
    needed = {
        alias.name.split(".")[0]
        for node in ast.walk(ast.parse(DEV.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert needed
    assert needed <= sys.stdlib_module_names


def test_a_command_there_is_not_is_told_with_those_there_are() -> None:
    command = [sys.executable, str(DEV), "frob"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "dev.py: there is no 'frob'. There are: demo, test.\n"


def test_ci_runs_what_everyone_runs() -> None:
    script = CI.read_text(encoding="utf-8")
    assert "set -euo pipefail" in script
    assert "export CI=1" in script
    assert script.rstrip().endswith("python3 dev.py test")
    assert os.access(CI, os.X_OK)
