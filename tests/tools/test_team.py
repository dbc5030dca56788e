"""All of them together: a team uses all five, and nothing else comes along."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import agentouto
from agentouto.tools import files, memory, shell, skills, web
from children import unmeasured

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "ready_tools"


def test_the_example_uses_every_ready_tool(tmp_path: Path) -> None:
    source = str(Path(agentouto.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, str(EXAMPLE / "team.py")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for used in ("fetch_url", "search_memory", "save_memory", "read_file", "read_skill"):
        assert f"⚡ {used}" in done.stdout
    for used in ("write_file", "edit_file", "run_command"):
        assert f"⚡ {used}" in done.stdout
    assert "May writer use the tool run_command?" in done.stdout
    assert not list(tmp_path.iterdir())


def test_the_tools_of_all_five_have_names_of_their_own_and_say_what_they_do(
    tmp_path: Path,
) -> None:
    tools = [
        *files(tmp_path, write=True),
        *shell(tmp_path),
        *skills(EXAMPLE / "skills"),
        *memory(tmp_path / "memory.db"),
        *web(),
    ]
    names = [one.name for one in tools]
    assert len(set(names)) == len(names) == 11
    for one in tools:
        assert 20 < len(one.description) < 1_024  # some servers take no more
        properties = one.parameters["properties"]
        assert isinstance(properties, dict)
        assert all("description" in parameter for parameter in properties.values()), one.name
    assert [one.name for one in tools if one.needs_approval] == ["run_command"]


def test_what_only_a_memory_needs_is_loaded_with_it(tmp_path: Path) -> None:
    program = (
        "import sys, json, agentouto.tools;"
        "before = [one for one in ('sqlite3', 'aiohttp') if one in sys.modules];"
        "agentouto.tools.memory(sys.argv[1] + '/m');"
        "print(json.dumps([before, 'sqlite3' in sys.modules]))"
    )
    done = unmeasured(program, tmp_path)
    assert json.loads(done.stdout) == [[], True]
