"""``agentouto init``: a new project passes its own tests, type check and lint."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import agentouto as package
from agentouto.cli._init import FILE_NAMES, project_files
from cli.terminal import agentouto, surroundings

SOURCE = Path(package.__file__).parents[1]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("new")
    done = agentouto("init", "deep/My Team", cwd=root)
    assert (done.code, done.out) == (0, ""), done.err
    assert "Wrote to deep/My Team: team.py, " in done.err
    return root / "deep/My Team"


NOT_INSTALLED = (
    {}
    if SOURCE.name == "site-packages"  # an installed package is found, and mypy wants no such path
    else {"PYTHONPATH": str(SOURCE), "MYPYPATH": str(SOURCE)}
)


def in_project(project: Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env=surroundings(NOT_INSTALLED),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_passes_its_own_tests(project: Path) -> None:
    in_project(project, "pytest", "-q", "-p", "no:cacheprovider")


def test_it_passes_its_own_lint(project: Path) -> None:
    pytest.importorskip("ruff")
    in_project(project, "ruff", "check", "--no-cache", ".")
    in_project(project, "ruff", "format", "--no-cache", "--check", ".")


def test_it_passes_its_own_type_check(project: Path) -> None:
    pytest.importorskip("mypy")
    in_project(project, "mypy", "--follow-imports=silent", ".")


def test_the_team_can_start_as_soon_as_the_key_is_in_env(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in FILE_NAMES:
        (copy / name).write_bytes((project / name).read_bytes())
    assert agentouto("check", "team.py", cwd=copy).code == 3
    example = (copy / ".env.example").read_text()
    (copy / ".env").write_text(example.replace("KEY=", "KEY=sk-1234567890abcdefx9Qa"))
    done = agentouto("check", "team.py", cwd=copy)
    assert done.code == 0, done.err
    assert ".env" in (copy / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize(
    ("folder", "name"), [("My Team", "my-team"), ("팀", "my-team"), ("a__b--", "a-b")]
)
def test_the_project_has_a_name_that_installers_take(folder: str, name: str) -> None:
    assert tomllib.loads(project_files(folder)["pyproject.toml"])["project"]["name"] == name


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "empty").mkdir()
    for folder, why in ((".", "is not empty"), ("notes.txt", "is a file"), ("notes.txt/x", "")):
        done = agentouto("init", folder, cwd=tmp_path)
        assert done.code == 2
        assert why in done.err
        assert done.err.count("\n") == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["empty", "notes.txt"]
    assert agentouto("init", "empty", cwd=tmp_path).code == 0
