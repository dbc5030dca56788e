"""The types of the public API say what is meant: what is right passes, what is wrong does not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import agentouto

API = Path(__file__).with_name("api.py")


@pytest.mark.timeout(120)
def test_a_type_checker_agrees_with_our_examples(tmp_path: Path) -> None:
    """What must be an error is marked in the file, and a mark that is not needed is an error."""
    shutil.copy(API, tmp_path)
    settings = {
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "reportUnnecessaryTypeIgnoreComment": "error",
        "extraPaths": [str(Path(agentouto.__file__).parents[1])],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    quiet = os.environ | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=quiet, capture_output=True, text=True, check=False
    )
    if not done.stdout.startswith("{"):
        if os.environ.get("CI"):
            pytest.fail(f"pyright cannot start: {done.stdout}{done.stderr}")
        pytest.skip("pyright cannot start here; it needs Node.js, once with a network")
    found = json.loads(done.stdout)
    complaints = [
        f"api.py:{one['range']['start']['line'] + 1}: {one['message']}"
        for one in found["generalDiagnostics"]
    ]
    assert not complaints
    assert found["summary"]["filesAnalyzed"] == 1
