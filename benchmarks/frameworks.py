"""The frameworks of others that ``run.py --peers`` sets beside ours, and the table of them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from environments import about, make_theirs
from table import ROWS, Row, Samples, shown

BEHIND = 5.0
"""How many times our figure theirs should be, at least."""


class Framework(NamedTuple):
    """What a framework is installed from."""

    packages: tuple[str, ...]

    @property
    def environment(self) -> str:
        """The name of its environment, which is that of its first package."""
        return self.packages[0].partition("==")[0].partition("[")[0]


FRAMEWORKS = {
    "pydantic-ai": Framework(("pydantic-ai-slim[openai]==2.68.0",)),
    "agent-framework": Framework(
        ("agent-framework-core==1.23.0", "agent-framework-openai==1.17.0")
    ),
    "openai-agents": Framework(("openai-agents==0.24.0",)),
    "agno": Framework(("agno==3.1.10", "openai==3.57.0")),
}

SHARED = (
    ("S1_first", "ms"),
    ("S2", "us"),
    ("S3", "us"),
    ("S4_100", "us"),
    ("S6", "us"),
    ("S7", "us"),
    ("S7", "kb"),
)
"""The figures that all of them have: each asks a model."""

LONG = {"S2", "S4_100", "S7"}
"""Where a sample of theirs takes up to a minute: it is so far from ours that one will do."""


def make_frameworks(names: Iterable[str]) -> None:
    """Update the environments of the frameworks ``names``."""
    for name in names:
        make_theirs(FRAMEWORKS[name].environment, *FRAMEWORKS[name].packages)


def takes_long(scenario: str, who: str) -> bool:
    """Tell whether one sample has to do."""
    return scenario in LONG and who in FRAMEWORKS


def versions(names: Iterable[str]) -> str:
    """Return the frameworks ``names`` with their versions."""
    found = ((name, FRAMEWORKS[name].environment) for name in names)
    return ", ".join(f"{name} {about(place)[place]}" for name, place in found)


def beside(scenarios: Iterable[str], names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return every shared scenario, with ours and with the frameworks ``names``."""
    found = dict.fromkeys(scenario for scenario, _ in SHARED)
    wanted = tuple(scenarios)
    return [(scenario, "ours", *names) for scenario in found if scenario.startswith(wanted)]


def drawn_beside(samples: Samples, names: Iterable[str]) -> tuple[str, int]:
    """Return the table as Markdown, and how many figures are less than ``BEHIND`` times ours.

    Memory is shown and not counted: the bar is about time.
    """
    names = tuple(names)
    lines = ["| | ours | " + " | ".join(names) + " |", "|---|--:|" + "--:|" * len(names)]
    near = 0
    for scenario, metric in SHARED:
        ours = _median(samples, scenario, "ours", metric)
        if ours is None:
            continue
        row = next(row for row in ROWS if (row.scenario, row.metric) == (scenario, metric))
        cells = [shown(ours, row.digits)]
        for name in names:
            theirs = _median(samples, scenario, name, metric)
            near += theirs is not None and metric != "kb" and theirs < BEHIND * ours
            cells.append(_cell(row, ours, theirs))
        lines.append("| " + " | ".join([row.title, *cells]) + " |")
    return "\n".join(lines), near


def _cell(row: Row, ours: float, theirs: float | None) -> str:
    if theirs is None:
        return "failed"
    times = theirs / ours
    mark = times < BEHIND and row.metric != "kb"
    return f"{shown(theirs, row.digits)} ({'**' * mark}{times:.3g}x{'**' * mark})"


def _median(
    samples: Mapping[tuple[str, str], list[dict[str, float]]], scenario: str, who: str, metric: str
) -> float | None:
    figures = [one[metric] for one in samples.get((scenario, who), []) if metric in one]
    return statistics.median(figures) if figures else None
