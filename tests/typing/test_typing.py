"""The types of the public API say what is meant: what is right passes, what is wrong does not."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

import agentouto

API = Path(__file__).with_name("api.py")
PROGRAMS = Path(__file__).with_name("programs")
EXAMPLES = Path(__file__).parents[2] / "examples"

WORDS = {
    "background_team": "1.2 is live; finish; ['1.2']; ['releaser: deploy']",
    "notebook": "Written: Shorter.",
    "research_team": "tides 0",
    "web_handler": 'event: end\ndata: "Ebb and flow."',
}
"""What each program returns, in part."""
PACKAGE = Path(agentouto.__file__).parent
INSTALLED = PACKAGE.parent.name == "site-packages"

CHECKERS = ["pyright basic", "pyright strict", "mypy", "mypy --strict"]

MARK = re.compile(r"  # pyright: ignore\[.*\]$", re.MULTILINE)
"""At the end of a line that a checker must refuse. It is taken away before one reads the file."""

_MYPY_ERROR = re.compile(r"(?P<file>[^:]+\.py):(?P<line>\d+): error: (?P<text>.*)")


def complaints(checker: str, folder: Path) -> dict[tuple[str, int], str]:
    """Return what a checker says of the files in ``folder``, by file and line."""
    name, _, mode = checker.partition(" ")
    return (_of_pyright if name == "pyright" else _of_mypy)(mode, folder)


STRICT_ONLY = "reportUnnecessaryComparison"
"""In the mark of a line that a checker refuses only where it is strict."""


def without_marks(file: Path, folder: Path, checker: str) -> set[tuple[str, int]]:
    """Copy ``file`` into ``folder`` without its marks; return the lines to be refused."""
    text = file.read_text(encoding="utf-8")
    (folder / file.name).write_text(MARK.sub("", text), encoding="utf-8")
    return {
        (file.name, number)
        for number, line in enumerate(text.splitlines(), 1)
        if MARK.search(line) and (STRICT_ONLY not in line or "strict" in checker)
    }


def _of_pyright(mode: str, folder: Path) -> dict[tuple[str, int], str]:
    settings = {
        "typeCheckingMode": mode,
        "pythonVersion": "3.11",
        "extraPaths": [] if INSTALLED else [str(PACKAGE.parent)],
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    quiet = os.environ | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=quiet, capture_output=True, text=True, check=False
    )
    if not done.stdout.startswith("{"):
        if os.environ.get("CI"):
            pytest.fail(f"pyright cannot start: {done.stdout}{done.stderr}")
        pytest.skip("pyright cannot start here; it needs Node.js, once with a network")
    found = json.loads(done.stdout)
    assert found["summary"]["filesAnalyzed"] == len(list(folder.glob("*.py")))
    return {
        (Path(one["file"]).name, one["range"]["start"]["line"] + 1): one["message"]
        for one in found["generalDiagnostics"]
        if one["severity"] == "error"
    }


def _of_mypy(mode: str, folder: Path) -> dict[tuple[str, int], str]:
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--python-version=3.11",
        "--no-error-summary",
        *mode.split(),
    ]
    command += ["--config-file=", "--follow-imports=silent"]
    environment = os.environ | ({} if INSTALLED else {"MYPYPATH": str(PACKAGE.parent)})
    files = sorted(path.name for path in folder.glob("*.py"))
    done = subprocess.run(
        [*command, *files], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    found = (match for line in done.stdout.splitlines() if (match := _MYPY_ERROR.match(line)))
    return {(each["file"], int(each["line"])): each["text"] for each in found}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", CHECKERS)
def test_a_type_checker_agrees_with_our_examples(checker: str, tmp_path: Path) -> None:
    wanted = without_marks(API, tmp_path, checker)
    found = complaints(checker, tmp_path)
    assert {at: text for at, text in found.items() if at not in wanted} == {}
    assert wanted - found.keys() == set()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", CHECKERS)
def test_programs_of_users_and_our_examples_need_no_casts(checker: str, tmp_path: Path) -> None:
    programs = [*PROGRAMS.glob("*.py"), *EXAMPLES.glob("*/*.py")]
    assert len(programs) >= 6
    for path in programs:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\bcast\(|# type: ignore|# pyright:", text), path.name
        folder = path.parent.name
        for beside in path.parent.glob("*.py"):  # several examples have a module ``script``
            text = re.sub(
                rf"^from {beside.stem} ", f"from {folder}_{beside.stem} ", text, flags=re.MULTILINE
            )
        (tmp_path / f"{folder}_{path.name}").write_text(text, encoding="utf-8")
    assert complaints(checker, tmp_path) == {}


@pytest.mark.parametrize("name", ["background_team", "notebook", "research_team", "web_handler"])
async def test_programs_of_users_run(name: str) -> None:
    main = load(name).main
    text = await main() if inspect.iscoroutinefunction(main) else await asyncio.to_thread(main)
    assert WORDS[name] in text


def test_the_suite_of_a_user_passes() -> None:
    suite = load("suite")
    suite.test_the_clerk_counts_and_asks()
    suite.test_a_failure_of_the_model_is_raised(400)
    suite.test_an_empty_answer_is_no_answer()
    suite.test_a_broken_script_fails()


def load(name: str) -> Any:
    spec = spec_from_file_location(f"program_{name}", PROGRAMS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module
