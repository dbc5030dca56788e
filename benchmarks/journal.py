"""Measures a journal that many processes share, and a long run in one; prints figures with bars.

::

    python benchmarks/journal.py

Ten processes write a run of 100 turns each into one file, with models that take 100 ms, while 500
old runs are removed from it. Afterwards, the file has less in use; then runs are written until it
has as many turns as before, and it must not have grown by more than what a page or two in a hundred
are fuller or emptier. Last, a run of 20,000 lines is listed and shown. Exits with 1 if a figure is
over its bar.
"""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentouto import Agent, Journal, Provider, Tool, run
from agentouto._journal.sqlite_database import SqliteDatabase
from agentouto._journal.store import Store
from agentouto.testing import Script, say, tool

PROCESSES = 10
TURNS = 100
LATENCY = 0.1
OLD_RUNS = 500
OLD_TURNS = 10
WORDS = "many words " * 91
LONG_LINES = 20_000


def run_once(place: Path, run_id: str, turns: int, latency: float = 0.0, text: str = "") -> str:
    """Execute one run in the journal, and return its answer."""

    async def read(n: int) -> str:
        return f"{n} {text}"

    lines: list[Any] = [*(tool("read", n=number) for number in range(turns)), say("done")]
    provider = Provider("p", kind="script", script=Script({"lead": lines}, delay=latency))
    lead = Agent("lead", "You lead.", "m", provider)
    return run("Go.", [lead], [Tool(read)], journal=place, run_id=run_id).output


def work(place: Path, run_id: str) -> None:
    """Execute a run, and print how long each of its commits took."""
    took: list[float] = []

    def timed(write: Callable[..., Any]) -> Callable[..., Any]:
        def timed_write(*arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                return write(*arguments)
            finally:
                took.append(time.perf_counter() - began)

        return timed_write

    SqliteDatabase.insert_few_events = timed(SqliteDatabase.insert_few_events)  # type: ignore[method-assign]
    Store.add_rows = timed(Store.add_rows)  # type: ignore[method-assign]
    output = run_once(place, run_id, TURNS, LATENCY, WORDS)
    print(json.dumps([output, took]))


def pages(place: Path) -> tuple[int, int]:
    """Return how many pages a file has, and how many of them are in use."""
    with contextlib.closing(sqlite3.connect(place)) as connection:
        (every,) = connection.execute("pragma page_count").fetchone()
        (free,) = connection.execute("pragma freelist_count").fetchone()
    return every, every - free


def write_old_runs(place: Path, name: str, count: int) -> None:
    """Write so many runs of ten turns."""
    for number in range(count):
        run_once(place, f"{name}-{number}", OLD_TURNS, text=WORDS)


def share(place: Path) -> list[tuple[str, float, float]]:
    """Return the figures of ten processes that write while old runs are removed."""
    write_old_runs(place, "old", OLD_RUNS)
    journal, (full, used) = Journal(place), pages(place)
    command = [sys.executable, __file__, str(place)]
    began = time.perf_counter()
    writers = [
        subprocess.Popen([*command, f"new-{number}"], stdout=subprocess.PIPE, text=True)
        for number in range(PROCESSES)
    ]
    time.sleep(3)  # they are at work
    removed = journal.delete(older_than=0)
    freed = time.perf_counter() - began
    results = [json.loads(writer.communicate()[0] or '["", [9.0]]') for writer in writers]
    commits = sorted(seconds for _, took in results for seconds in took)
    print(f"{removed} runs were removed in {freed - 3:.1f} s, beside {len(commits):,} commits")
    print(f"commit: median {commits[len(commits) // 2] * 1000:.2f} ms")
    after, used_after = pages(place)
    print(f"the file: {full:,} pages, {after:,} afterwards; in use {used:,}, then {used_after:,}")
    write_old_runs(place, "again", OLD_RUNS - PROCESSES * TURNS // OLD_TURNS)
    return [
        ("runs ended by it", sum(output != "done" for output, _ in results), 0),
        ("longest commit, ms", commits[-1] * 1000, 50),
        ("in use afterwards / before", used_after / used, 1),
        ("file, as full again / before", pages(place)[0] / full, 1.02),
    ]


def look(place: Path) -> list[tuple[str, float, float]]:
    """Return the figures of a long run that is looked at."""
    from agentouto.cli._runs_list import ListOptions, list_runs  # noqa: PLC0415
    from agentouto.cli._runs_show import ShowOptions, show_run  # noqa: PLC0415

    run_once(place, "long", LONG_LINES // 4)
    count = len(Journal(place)["long"].lines())
    print(f"a run of {count:,} lines")
    figures: list[tuple[str, float, float]] = []
    listing = ListOptions("", every=True, as_json=False, color=False)
    showing = ShowOptions(every=False, as_json=False, color=False)
    for name, action in (
        ("listed, s", lambda: list_runs(str(place), listing)),
        ("shown, s", lambda: show_run("long", str(place), showing)),
    ):
        best = 9.0
        for _ in range(3):
            began = time.perf_counter()
            with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")):
                action()
            best = min(best, time.perf_counter() - began)
        figures.append((name, best, 0.5))
    return figures


def main() -> int:
    """Print all figures; return 1 if one is over its bar."""
    if len(sys.argv) == 3:
        work(Path(sys.argv[1]), sys.argv[2])
        return 0
    with tempfile.TemporaryDirectory() as folder:
        figures = [*share(Path(folder, "shared.db")), *look(Path(folder, "long.db"))]
    for name, value, bar in figures:
        print(f"{name:<28} {value:8.2f}   bar {bar:g}{'' if value <= bar else '   OVER'}")
    return int(any(value > bar for _, value, bar in figures))


if __name__ == "__main__":
    sys.exit(main())
