"""``agentouto demo``: the demo's team, its models, and its report, put together.

What the team does is written in ``demo``; how a run is carried out is not known here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from agentouto import Provider
from agentouto.cli._carry import carry_out, check_answers, hand_over
from agentouto.cli._exit import Code, Trouble
from agentouto.cli._run import check_keys
from agentouto.cli._view import Manner, Progress
from agentouto.cli.demo.folder import Folder
from agentouto.cli.demo.notes import Notes
from agentouto.cli.demo.report import complete, may_write
from agentouto.cli.demo.team import MESSAGE, make_team, scripted
from agentouto.cli.demo.tools import Toolbox

PAUSE = 0.009
"""Seconds between two pieces of a word, so that a person can watch."""

EXAMPLES = {
    "openai": "gpt-5.2-mini",
    "openai_responses": "gpt-5.2-mini",
    "anthropic": "claude-sonnet-4-5",
    "google": "gemini-2.5-flash",
}
"""A model of each kind, for those who name a kind only."""


def run_demo(
    path: Path, report: Path, model: str, base_url: str, pause: float | None, manner: Manner
) -> Code:
    """Review ``path``, write ``report`` and print the answer."""
    _check_report(report)
    watched = manner.way() is Progress.TREE and not manner.jsonl
    provider, name = _models(model, base_url, PAUSE if pause is None and watched else pause or 0.0)
    notes = Notes(Folder(path, report, _say if manner.way() is Progress.LINES else None))
    team = make_team(Toolbox(notes, report).functions(), provider, name)
    check_answers(team, manner.answers)
    check_keys(team)
    if not (model or manner.quiet):
        sys.stderr.write("Demo team, scripted models: no key and no network used.\n")
    lines: list[Mapping[str, object]] = []
    try:
        result = carry_out(team, MESSAGE, None, manner, lines.append, asks=_can_ask(manner))
    except BaseException:
        if notes.sizes:
            complete(notes, report, lines)
        raise
    complete(notes, report, lines)
    code = hand_over(result, manner)
    if not manner.quiet:
        sys.stderr.write(f"Report: {report}\n")
    return code


def _say(told: str) -> None:
    sys.stderr.write(f"{told}\n")
    sys.stderr.flush()


def _can_ask(manner: Manner) -> bool:
    return bool(manner.answers) or (sys.stdin.isatty() and sys.stderr.isatty())


def _models(model: str, base_url: str, pause: float) -> tuple[Provider, str]:
    if not model:
        if base_url:
            raise Trouble("--base-url goes with --model KIND:NAME.", Code.USAGE)
        return scripted(pause), "scripted"
    kind, _, name = model.partition(":")
    if kind in EXAMPLES and not name:
        why = f"--model {model} does not say which model of {kind}."
        raise Trouble(f"{why} For example: --model {kind}:{EXAMPLES[kind]}", Code.USAGE)
    if not (kind and name):
        only = model.strip(":") or EXAMPLES["openai"]
        raise Trouble(f"--model takes KIND:NAME, for example openai:{only}.", Code.USAGE)
    return Provider(kind, base_url=base_url or None), name


def _check_report(report: Path) -> None:
    if not report.parent.is_dir():
        raise Trouble(f"There is no folder {report.parent} for the report.", Code.USAGE)
    if not may_write(report):
        why = f"{report} is there already, and was not written by the demo."
        raise Trouble(f"{why} Name another: --report FILE", Code.USAGE)
