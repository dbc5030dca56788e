"""Runs the examples by the commands of their READMEs."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def commands(example: str) -> list[str]:
    """Return the indented lines of the README of an example."""
    text = (EXAMPLES / example / "README.md").read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def arguments(command: str) -> list[str]:
    """Return the arguments for a command of a README, from any folder."""
    program, *words = shlex.split(command)
    words = [
        str(EXAMPLES.parent / word) if word.startswith("examples/") else word for word in words
    ]
    return [sys.executable, *(["-m", "agentouto"] if program == "agentouto" else []), *words]


def without_keys() -> dict[str, str]:
    """Return the environment without keys of models."""
    return {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}


def done(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of a README in ``folder``; what it echoes into a program is the input."""
    said, _, program = command.rpartition(" | ")
    given = shlex.split(said)[1] if said else ""
    return subprocess.run(
        arguments(program),
        cwd=folder,
        env=without_keys(),
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
