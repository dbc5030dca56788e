"""Compares this checkout with an earlier commit: resolves the commit, draws the table of ratios.

Both are installed as wheels with the same versions of all dependencies, and both are measured by
the scenarios of this checkout, which use public names only.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from table import ROWS, Row, Samples, shown

MOST = 1.05
"""The rule for changes: no slower means a median ratio of at most this."""

JUDGED = {"us", "ms", "late_us", "kb"}
"""CPU time and memory. Wall-clock times are shown but not judged: they depend on the load."""


@dataclass(frozen=True)
class Earlier:
    """A commit to measure against.

    Attributes:
        name: What it was called on the command line.
        commit: Its full hash.
        subject: The first line of its message.
        tree: What this tree is: its commit, and whether there are changes on top.
    """

    name: str
    commit: str
    subject: str
    tree: str

    def __str__(self) -> str:
        return f"{self.tree} against {self.name} ({self.commit[:10]}, {self.subject!r})"


def earlier(name: str, root: Path) -> Earlier:
    """Return the commit that ``name`` stands for.

    Raises:
        SystemExit: There is none, or ``root`` is no clone.
    """
    if _git(root, "rev-parse", "--is-inside-work-tree") is None:
        _refuse(f"it needs git, and {root} to be a clone of the project")
    commit = _git(
        root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
    )
    if not commit:
        shallow = _git(root, "rev-parse", "--is-shallow-repository") == "true"
        more = ". This clone is shallow: 'git fetch --unshallow' gets the rest" if shallow else ""
        _refuse(
            f"there is no commit {name!r} here; 'git log --oneline' shows those there are{more}"
        )
    subject = _git(root, "show", "--no-patch", "--format=%s", commit) or ""
    head = _git(root, "rev-parse", "--short=10", "HEAD")
    changed = _git(root, "status", "--porcelain", "--", "src", "pyproject.toml")
    tree = f"{head} with uncommitted changes" if changed else f"{head}"
    return Earlier(name, commit, subject, tree)


def _refuse(why: str) -> NoReturn:
    print(f"--against: {why}.", file=sys.stderr)
    raise SystemExit(2)


def _git(root: Path, *arguments: str) -> str | None:
    """Return the output of git, or ``None`` if it fails or is not installed."""
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return None if done.returncode else done.stdout.strip()


def then(who: str) -> str:
    """Return the name of the same contender at the earlier commit."""
    return who.replace("ours", "then", 1)


def pairs(scenarios: list[str]) -> list[tuple[str, str, str]]:
    """Return every scenario with the two contenders to compare: ours now, and ours then."""
    found = {
        (row.scenario, row.who, then(row.who)): None
        for row in ROWS
        if row.scenario.startswith(tuple(scenarios))
    }
    return list(found)


def compared(samples: Samples) -> tuple[str, int]:
    """Return the table as Markdown, and how many figures have grown by more than ``MOST``.

    A ratio is that of two samples taken one after the other; the table has the median of them.
    """
    lines = ["| | now | then | now / then | |", "|---|--:|--:|--:|---|"]
    over = 0
    for title, row in _rows().items():
        ratios = _ratios(samples, row)
        if not ratios:
            continue
        ratio = statistics.median(ratios)
        mark = ""
        if row.metric not in JUDGED:
            mark = "not judged"
        elif ratio > MOST:
            mark, over = "**slower**" if row.metric != "kb" else "**more**", over + 1
        figures = [
            shown(statistics.median(s[row.metric] for s in samples[row.scenario, who]), row.digits)
            for who in (row.who, then(row.who))
        ]
        lines.append(f"| {title} | {' | '.join(figures)} | {ratio:.3f} | {mark} |")
    return "\n".join(lines), over


def _rows() -> dict[str, Row]:
    """Return the rows with a figure of ours, each figure once."""
    figures: dict[tuple[str, str, str], Row] = {}
    for row in ROWS:
        figures.setdefault((row.scenario, row.who, row.metric), row)
    return {row.title: row for row in figures.values()}


def _ratios(samples: Samples, row: Row) -> list[float]:
    now, before = (samples.get((row.scenario, who), []) for who in (row.who, then(row.who)))
    return [
        one[row.metric] / other[row.metric]
        for one, other in zip(now, before, strict=True)
        if other.get(row.metric)
    ]
