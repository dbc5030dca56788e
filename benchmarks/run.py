"""Measures what the package costs, and prints the table.

::

    python3 benchmarks/run.py [--only S2,S6] [--repeats 5] [--contenders ours,f2] [--json FILE]
    python3 benchmarks/run.py --only P [--repeats 5] [--json FILE]
    python3 benchmarks/run.py --against REV [--only S2,S6] [--repeats 11] [--json FILE]
    python3 benchmarks/run.py --peers [--only S2,S6] [--repeats 3] [--json FILE]

The first compares it with two loops written by hand, the second measures the page in Chromium, the
third compares it with itself at an earlier commit, and the last with frameworks of others, which
are installed into environments of their own.
The first time, it creates its environments and installs this checkout as a wheel. Every sample is a
process of its own; the contenders take turns, so that a change of load affects all of them, and the
table shows medians, which a few disturbed samples do not move. The server and the client have one
core each, if there are two. Exits with 1 if a figure is over its bar, or a framework
less than five times behind, and with 2 if the arguments
cannot work.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from against import compared, earlier, pairs
from cores import CLIENT, pin
from environments import (
    HERE,
    ROOT,
    about,
    make_all,
    make_layers,
    make_page,
    make_then,
    plain,
    python,
    serving,
)
from frameworks import FRAMEWORKS, beside, drawn_beside, make_frameworks, takes_long, versions
from starting import started
from table import LAYERS, ROWS, Samples, drawn, wanted

PATIENCE = 300.0
"""Seconds that one sample may take: the longest takes about a minute."""


class SampleFailed(Exception):
    """A process ended with an error, or not at all; the text says why."""


def sample(scenario: str, who: str, url: str) -> dict[str, float]:
    """Return the figures of one process.

    Raises:
        SampleFailed: There are none.
    """
    if scenario.startswith("S1_"):
        try:
            return started(scenario, who, url)
        except AssertionError as error:
            raise SampleFailed(str(error)) from error
    name = who.partition(":")[0]
    where = FRAMEWORKS[name].environment if name in FRAMEWORKS else "floors"
    where = name if name in {"ours", "then"} else where
    if scenario in LAYERS:
        where = "layers" if name == "ours" else "layers_then"
    command = [python(where), str(HERE / "worker.py"), who, scenario, url]
    if is_of_page(scenario):
        command = [python("page"), str(HERE / "in_browser.py"), scenario]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=plain(), timeout=PATIENCE
        )
    except subprocess.TimeoutExpired as error:
        raise SampleFailed(f"{scenario} of {who} took more than {PATIENCE:g} seconds") from error
    if done.returncode:
        raise SampleFailed(f"{scenario} of {who} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def is_of_page(scenario: str) -> bool:
    """Tell whether a scenario is measured in a browser."""
    return scenario.startswith("P")


def take_samples(turns: list[tuple[str, ...]], repeats: int) -> Samples:
    """Return ``repeats`` samples of every scenario for the contenders that ``turns`` names.

    Every second round goes backwards, so that no contender is always the first. A framework of
    others that takes long is sampled once; one that fails is told of, and not asked again.
    """
    failed: set[tuple[str, str]] = set()
    samples: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    order = [(scenario, who) for scenario, *several in turns for who in several]
    with serving() as url:
        if not all(is_of_page(scenario) for scenario, _ in order):
            pin(CLIENT)  # child processes inherit the core; a browser needs more than one
        for repeat in range(repeats):
            for place, (scenario, who) in enumerate(order[:: 1 if repeat % 2 else -1], start=1):
                if (scenario, who) in failed or (repeat and takes_long(scenario, who)):
                    continue
                show_progress(f"{repeat + 1}/{repeats} {place}/{len(order)} {scenario} {who}")
                try:
                    samples[scenario, who].append(sample(scenario, who, url))
                except SampleFailed as error:
                    if who not in FRAMEWORKS:
                        raise SystemExit(str(error)) from error
                    print(f"\n{error}", file=sys.stderr)
                    failed.add((scenario, who))
    show_progress("")
    return samples


def show_progress(progress: str) -> None:
    """Show the progress: in one line of a terminal, or a line for each sample in a file."""
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)
    elif progress:
        print(f"{time.strftime('%H:%M:%S')} {progress}", file=sys.stderr, flush=True)


def machine() -> str:
    model = platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        lines = info.read_text("utf-8").splitlines()
        names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        model = next(names, model)
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def _begins_with(scenario: str, name: str) -> bool:
    """Return whether ``name`` is the beginning of a scenario. ``S1`` is not that of ``S10``."""
    rest = scenario.removeprefix(name)
    return bool(name) and rest != scenario and not (name[-1].isdigit() and rest[:1].isdigit())


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description="Measures what the package costs.")
    parser.add_argument("--against", metavar="REV", help="compare with ours at this commit")
    parser.add_argument("--peers", action="store_true", help="compare with other frameworks")
    parser.add_argument("--repeats", type=int, help="samples of each; 5, --against 11, --peers 3")
    parser.add_argument("--only", default="S", help="scenarios or their beginnings, with commas")
    parser.add_argument("--contenders", help="some of ours,f2,f1")
    parser.add_argument("--json", type=Path, help="also write every sample to this file")
    options = parser.parse_args()
    if options.against is not None and options.contenders is not None:
        parser.error("--against compares ours with ours; --contenders is for runs without it")
    if options.peers and (options.against is not None or options.contenders is not None):
        parser.error(
            "--peers compares ours with all frameworks; it takes neither of the two others"
        )
    if options.repeats is not None and options.repeats < 1:
        parser.error("--repeats takes a number from 1 on")
    there = dict.fromkeys(row.scenario for row in ROWS)
    asked, options.only = options.only, []
    for name in map(str.strip, asked.split(",")):
        found = [scenario for scenario in there if _begins_with(scenario, name)]
        if not found:
            names = ", ".join(there)
            parser.error(f"--only: there is no scenario {name!r}. There are: {names}")
        options.only += found
    if options.against is not None and any(map(is_of_page, options.only)):
        parser.error("--against: the page (P) is not compared with an earlier commit")
    return options


def main() -> int:
    options = parse_options()
    old = earlier(options.against, ROOT) if options.against is not None else None
    repeats = options.repeats or (11 if old else 3 if options.peers else 5)
    make_all()
    if any(map(is_of_page, options.only)):
        make_page()
    layers = any(name.startswith(tuple(options.only)) for name in LAYERS)
    if layers and not options.peers:
        make_layers()
    turns: list[tuple[str, ...]]
    if old:
        make_then(old.commit, layers=layers)
        turns = [*pairs(options.only)]
    elif options.peers:
        make_frameworks(FRAMEWORKS)
        turns = beside(options.only, FRAMEWORKS)
    else:
        turns = [*wanted(options.only, (options.contenders or "ours,f2,f1").split(","))]
    began = time.perf_counter()
    samples = take_samples(turns, repeats)
    took = time.perf_counter() - began
    ours, floors = about("ours"), about("floors")
    print(f"{machine()}; load {os.getloadavg()[0]:.1f}; {repeats} repeats, {took:.0f} s")
    print(
        f"Python {ours['Python']}, agentouto {ours['agentouto']}, aiohttp {ours['aiohttp']}"
        + (f"\n{old}\n" if old else f", openai {floors['openai']}\n")
    )
    if options.peers:
        print(f"{versions(FRAMEWORKS)}\n")
        table, over = drawn_beside(samples, FRAMEWORKS)
        print(f"{table}\n\n{over} figures of others are less than five times ours")
    else:
        table, over = compared(samples) if old else drawn(samples)
        print(table)
        print(f"\n{over} over the bar" if over else "\nnothing is over its bar")
    if options.json:
        figures_by_name = {
            f"{scenario} {who}": figures for (scenario, who), figures in samples.items()
        }
        options.json.write_text(json.dumps(figures_by_name, indent=1), "utf-8")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
