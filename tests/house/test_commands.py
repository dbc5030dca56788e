"""The two commands that set everything up."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

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
    assert (
        done.stderr
        == "dev.py: there is no 'frob'. There are: demo, test, edges, docs, real-model, kill, nox.\n"
    )


def test_ci_takes_what_is_missing_for_a_failure() -> None:
    script = CI.read_text(encoding="utf-8")
    assert "set -euo pipefail" in script
    assert "export CI=1" in script
    assert script.rstrip().endswith("python3 dev.py nox --tags ci")
    assert os.access(CI, os.X_OK)


def test_the_counts_of_all_runs_of_pytest_are_added_up(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("dev", DEV)
    assert spec is not None
    assert spec.loader is not None
    dev = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(dev)
    assert dev.counted(tmp_path) == ""
    suite = (
        '<testsuites><testsuite tests="{}" failures="{}" errors="{}" skipped="{}"/></testsuites>'
    )
    (tmp_path / "test.xml").write_text(suite.format(10, 1, 2, 3))
    (tmp_path / "lowest.xml").write_text(suite.format(5, 0, 0, 0))
    assert dev.counted(tmp_path) == "9 passed, 3 failed, 3 skipped"


def test_the_lock_has_a_version_that_is_allowed_for_all_that_is_needed() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    extras = project["project"]["optional-dependencies"].values()
    groups = project["dependency-groups"].values()
    needed = [
        Requirement(one)
        for several in (project["project"]["dependencies"], *extras, *groups)
        for one in several
        if isinstance(one, str)
    ]
    assert len(needed) > 20
    for one in needed:
        found = [pin for pin in pins if same_name(pin.name, one.name)]
        assert found, f"constraints.txt lacks {one.name}: python3 dev.py nox -s lock"
        for pin in found:
            (version,) = (spec.version for spec in pin.specifier if spec.operator == "==")
            assert one.specifier.contains(version), f"{pin} is not {one}"


def test_the_lock_names_packages_and_no_places() -> None:
    lock = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|@|(?<!')/|\\", lock)


def test_a_commit_there_is_not_is_told_before_anything_is_measured() -> None:
    command = [sys.executable, str(REPOSITORY / "benchmarks" / "run.py"), "--against", "frob"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    clone = "there is no commit 'frob' here; 'git log --oneline' shows those there are"
    bare = "it needs git"
    assert done.stderr.startswith((f"--against: {clone}", f"--against: {bare}"))


def test_a_scenario_there_is_not_is_told_with_those_there_are() -> None:
    command = [sys.executable, str(REPOSITORY / "benchmarks" / "run.py"), "--only", "S99"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no scenario 'S99'. There are: S1_import, " in done.stderr


def test_other_frameworks_and_an_older_commit_are_not_compared_at_once() -> None:
    command = [sys.executable, str(REPOSITORY / "benchmarks" / "run.py"), "--peers", "--against=x"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--peers compares ours with all frameworks; it takes neither" in done.stderr


def same_name(one: str, other: str) -> bool:
    return re.sub(r"[-_.]+", "-", one).lower() == re.sub(r"[-_.]+", "-", other).lower()
