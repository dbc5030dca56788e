"""What the quick commands leave unloaded: a person waits for ``--help``, and a shell for its start.

How long they take is measured in ``benchmarks``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli.terminal import PATIENCE, surroundings

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
