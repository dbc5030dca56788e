"""What the quick commands leave unloaded: a person waits for ``--help``, and a shell for its start.

How long they take is measured in ``benchmarks``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli.terminal import PATIENCE, at_once, surroundings

HEAVY = {
    "aiohttp",
    "email",
    "mcp",
    "prompt_toolkit",
    "pydantic",
    "pydantic_core",
    "rich",
    "sqlite3",
    "starlette",
    "urllib.request",
    "uvicorn",
}
"""Modules that take long to import, and that only a command at work needs."""

PROGRAM = """
import sys
from agentouto.cli import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("run", "--help"),
        ("runs", "--help"),
        ("runs", "export", "--help"),
        ("serve", "--help"),
        ("man",),
        ("completion", "bash"),
    ],
    ids=" ".join,
)
def test_help_loads_nothing_heavy(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=tmp_path,
        env=surroundings(),
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=PATIENCE,
    )
    assert done.stdout
    assert not HEAVY & set(done.stderr.split())


def test_a_command_is_the_same_with_and_without_the_others(tmp_path: Path) -> None:
    asked = (("--help",), ("runs", "--help"), ("runs", "show", "--help"), ("show", "--help"))
    whole, of_runs, show_run, show_team = at_once(asked, tmp_path)
    for name in ("run", "runs", "serve", "login", "completion"):
        assert f"\n  {name} " in whole.out
    assert "\n  replay " in of_runs.out
    assert show_run.out.startswith("Usage: agentouto runs show [OPTIONS] [RUN]\n")
    assert show_team.out.startswith("Usage: agentouto show [OPTIONS] [TEAM]\n")
    wrong = at_once((("runs", "sho"), ("sho",), ("show", "a", "b")), tmp_path)
    assert [each.code for each in wrong] == [2, 2, 2]
    assert "Did you mean 'show'" in wrong[0].err
    assert "Did you mean 'show'" in wrong[1].err
