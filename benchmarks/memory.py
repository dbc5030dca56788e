"""Measures memory, and whether a process that runs for long grows.

::

    python3 benchmarks/memory.py [--only NAMES] [--runs NUMBER] [--trace]

First it measures one waiting agent, one kept message and one kept run; then many short runs of each
kind in one process, with its memory at ten moments. ``--trace`` shows where new memory was
allocated, at a tenth of the speed. Exits with 1 if a process grows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

from environments import HERE, make_all, plain, python, serving

FLAT = 40.0
"""Bytes that a run may leave behind at most: it takes 25 million of them to fill a gigabyte."""

HELD = {
    "runs_scripted": "a run that waits, without a connection, KB",
    "runs_http": "a run that waits over HTTP, KB",
    "calls_http": "a called agent that waits over HTTP, KB",
    "turn": "a turn with a tool call, in a kept result, bytes",
    "message": "a message and what happened around it, in a kept result, bytes",
    "result": "a kept result of a short run, bytes",
    "in_background": "a finished short run that can be asked about, bytes",
}
SHAPES = {
    "steady": (100_000, "one team: a tool, a peer, a return"),
    "fresh": (20_000, "team, tools and provider made anew each time"),
    "streamed": (20_000, "streams, every other left early"),
    "background": (20_000, "in the background"),
    "failing": (20_000, "that fail"),
    "cancelled": (20_000, "that are cancelled"),
    "threads": (20_000, "with a tool in a thread"),
    "http": (20_000, "over HTTP"),
    "http_fresh": (10_000, "over HTTP, a provider each"),
    "http_left": (10_000, "streams over HTTP, left early"),
    "http_blocking": (5_000, "over HTTP, an event loop each"),
}


def child(name: str, url: str, runs: int, *, trace: bool) -> subprocess.Popen[str]:
    """Start one measurement, with a server that nobody else asks."""
    command = [python("ours"), str(HERE / "holding.py"), name, url, str(runs), str(int(trace))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=plain())


def held(name: str, url: str) -> float:
    with child(name, url, 0, trace=False) as process:
        told = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"{name} failed")
    return json.loads(told)


PIECE = 0.5
"""Megabytes by which the memory of a process varies without a leak."""


def growth(seen: list[dict[str, Any]]) -> float:
    """Return how many bytes a run leaves behind, once everything is warm; 0 if it is by chance.

    The most there was in the last third is held against the most there was in the middle third:
    memory comes in pieces, and what is given back and taken again does not grow.
    """
    third = max(len(seen) // 3, 1)
    middle, last = seen[third : 2 * third], seen[-third:]
    runs = last[-1]["runs"] - middle[-1]["runs"]
    grown = max(one["mb"] for one in last) - max(one["mb"] for one in middle)
    return grown * (1 << 20) / runs if grown > PIECE else 0.0


def day(name: str, url: str, runs: int, *, trace: bool) -> bool:
    """Show one shape; tell whether it is flat."""
    seen: list[dict[str, Any]] = []
    print(f"\n{name}: {runs:,} runs {SHAPES[name][1]}", flush=True)
    with child(name, url, runs, trace=trace) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if not line.startswith("{"):
                print(line, end="")
                continue
            one = json.loads(line)
            seen.append(one)
            print(
                f"  {one['runs']:>8,} runs {one['mb']:7.1f} MB {one['objects']:>8,} objects "
                f"{one['tasks']:>3} tasks {one['files']:>3} files {one['us']:6.0f} µs each",
                flush=True,
            )
    if process.returncode or len(seen) < 10:
        raise SystemExit(f"{name} failed")
    left = growth(seen)
    print(f"  {left:.1f} bytes left behind by a run{'' if left <= FLAT else ': GROWS'}")
    return left <= FLAT


def main() -> int:
    parser = argparse.ArgumentParser(description="What is held in memory, and what grows.")
    parser.add_argument("--only", default=",".join((*HELD, *SHAPES)), help="names, with commas")
    parser.add_argument("--runs", type=int, help="instead of as many as are usual for each")
    parser.add_argument("--trace", action="store_true")
    given = parser.parse_args()
    make_all()
    names = given.only.split(",")
    flat = True
    for name, title in HELD.items():
        if name in names:
            with serving() as url:
                print(f"{title:<70} {held(name, url):9,.1f}", flush=True)
    for name, (usual, _) in SHAPES.items():
        if name in names:
            with serving() as url:
                flat &= day(name, url, given.runs or usual, trace=given.trace)
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
