"""Measure what the library costs, beside two loops written by hand, and print the table.

::

    python3 benchmarks/run.py [--repeats 5] [--scenarios S2,S6] [--contenders ours,f2] [--json FILE]

It makes its own environments the first time, and installs this checkout as a wheel. Every sample is
a process of its own; the contenders take turns, and the table shows medians. The server has one
core to itself and the client another, if there are two. Exits with 1 if something is over its bar.
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

from cores import CLIENT, pin
from environments import HERE, about, make_all, plain, python, serving
from starting import started
from table import drawn, wanted

PATIENCE = 300.0
"""Seconds that one sample may take."""


def sample(scenario: str, who: str, url: str) -> dict[str, float]:
    """Return the figures of one process."""
    if scenario.startswith("S1_"):
        return started(scenario, who, url)
    where = "ours" if who.startswith("ours") else "floors"
    command = [python(where), str(HERE / "worker.py"), who, scenario, url]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=plain(), timeout=PATIENCE
    )
    if done.returncode:
        raise SystemExit(f"{scenario} of {who} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def tell(progress: str) -> None:
    """Show who is at it, to somebody who watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)


def machine() -> str:
    model = platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        lines = info.read_text("utf-8").splitlines()
        names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        model = next(names, model)
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def main() -> int:
    parser = argparse.ArgumentParser(description="What it costs, beside two loops by hand.")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scenarios", default="S", help="names or their beginnings, with commas")
    parser.add_argument("--contenders", default="ours,f2,f1")
    parser.add_argument("--json", type=Path, help="also write every sample to this file")
    given = parser.parse_args()
    make_all()
    turns = wanted(given.scenarios.split(","), given.contenders.split(","))
    samples: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    began = time.perf_counter()
    with serving() as url:
        pin(CLIENT)  # whoever is started from here stays there
        for repeat in range(given.repeats):
            for place, (scenario, who) in enumerate(turns[:: 1 if repeat % 2 else -1], start=1):
                tell(f"{repeat + 1}/{given.repeats} {place}/{len(turns)} {scenario} {who}")
                samples[scenario, who].append(sample(scenario, who, url))
    tell("")
    ours, floors = about("ours"), about("floors")
    took = time.perf_counter() - began
    print(f"{machine()}; load {os.getloadavg()[0]:.1f}; {given.repeats} repeats, {took:.0f} s")
    print(
        f"Python {ours['Python']}, agentouto {ours['agentouto']}, aiohttp {floors['aiohttp']}, "
        f"openai {floors['openai']}\n"
    )
    table, over = drawn(samples)
    print(table)
    print(f"\n{over} over the bar" if over else "\nnothing is over its bar")
    if given.json:
        kept = {f"{scenario} {who}": figures for (scenario, who), figures in samples.items()}
        given.json.write_text(json.dumps(kept, indent=1), "utf-8")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
