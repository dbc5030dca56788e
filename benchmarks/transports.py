"""Compares what could carry our requests: aiohttp as it is used here, and what others offer.

::

    python3 benchmarks/transports.py [--only first,cancel] [--repeats 3] [--transports NAMES]

All of them post the same bodies to the fake server, over plain HTTP and over TLS 1.3, and read the
answers in pieces; nothing of a run is measured. They are installed into an environment of their
own. Run it when one of them has a new release: the package reaches all of them through one door,
``providers/_transport/connections.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict

from cores import CLIENT, pin
from environments import HERE, about, make_all, make_transports, plain, python, serving

TRANSPORTS = {
    "aiohttp": "aiohttp, as here",
    "aiohttp_uvloop": "the same on uvloop",
    "httpx": "httpx",
    "pyreqwest": "pyreqwest",
    "pyreqwest_unread": "pyreqwest, no read-ahead",
}
MODULES = {"aiohttp": "aiohttp", "httpx": "httpx", "pyreqwest": "pyreqwest.client"}
PACKAGES = ("aiohttp", "uvloop", "httpx", "pyreqwest")
FIGURES = (
    ("import", "", "ms", "import, ms", 0),
    ("first", "http", "us", "a first request of 1,000 at once, µs", 0),
    ("first", "tls", "us", "the same over TLS, µs", 0),
    ("first", "http", "kb", "memory for each of 1,000 streams, KB", 1),
    ("first", "tls", "kb", "the same over TLS, KB", 1),
    ("turn", "http", "us", "a turn of 200, µs", 0),
    ("turn", "tls", "us", "the same over TLS, µs", 0),
    ("paced", "http", "us", "a token that comes alone, µs", 1),
    ("paced", "tls", "us", "the same over TLS, µs", 1),
    ("burst", "http", "us", "a token of 2,000 at once, µs", 2),
    ("cancel", "http", "ms", "a cancelled stream is closed after, ms", 1),
    ("cancel", "tls", "ms", "the same over TLS, ms", 1),
    ("exit", "http", "failed", "processes of 10 that do not exit cleanly", 0),
    ("exit", "tls", "failed", "the same over TLS", 0),
)
"""What is measured, over what, the name of the figure, its title, and digits after the point."""

PATIENCE = 120.0
EXITS = 10


def import_ms(module: str) -> float:
    """Return the CPU milliseconds of a process that imports ``module``, or nothing if empty."""
    program = f"import {module}" if module else "pass"
    command = [python("transports"), "-I", "-c", f"{program}\nimport os; os._exit(0)"]
    with subprocess.Popen(command, env=plain()) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{module} cannot be imported"
    return (used.ru_utime + used.ru_stime) * 1000


def child(name: str, what: str, over: str, url: str) -> subprocess.CompletedProcess[str]:
    command = [python("transports"), str(HERE / "transport_worker.py"), name, what, over, url]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=plain(), timeout=PATIENCE
    )


def sample(name: str, what: str, over: str, url: str) -> dict[str, float]:
    """Return the figures of one process; of several for ``import`` and ``exit``."""
    if what == "import":
        return {"ms": import_ms(MODULES[name.partition("_")[0]]) - import_ms("")}
    if what == "exit":
        return {"failed": sum(child(name, what, over, url).returncode != 0 for _ in range(EXITS))}
    done = child(name, what, over, url)
    if done.returncode:
        raise SystemExit(f"{what} of {name} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares what could carry our requests.")
    parser.add_argument("--only", default="", help="what to measure, with commas")
    parser.add_argument("--transports", default=",".join(TRANSPORTS), help="names, with commas")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    only, names = given.only.split(",") if given.only else None, given.transports.split(",")
    for name in names:
        if name not in TRANSPORTS:
            parser.error(f"--transports: there is no {name!r}. There are: {', '.join(TRANSPORTS)}")
    scenarios = dict.fromkeys(what for what, *_ in FIGURES)
    for what in only or ():
        if what not in scenarios:
            parser.error(f"--only: there is no {what!r}. There are: {', '.join(scenarios)}")
    make_all()
    make_transports(*PACKAGES)
    wanted = dict.fromkeys((what, over) for what, over, *_ in FIGURES if not only or what in only)
    samples: dict[tuple[str, str, str], list[dict[str, float]]] = defaultdict(list)
    with serving() as url:
        pin(CLIENT)
        for repeat in range(given.repeats):
            for what, over in wanted:
                if what == "exit" and repeat:
                    continue  # it is ten processes already
                for name in names[:: 1 if repeat % 2 else -1]:
                    print(f"{repeat + 1}/{given.repeats} {what} {over} {name}", file=sys.stderr)
                    samples[name, what, over].append(sample(name, what, over, url))
    found = about("transports")
    print(f"Python {found['Python']}, " + ", ".join(f"{one} {found[one]}" for one in PACKAGES))
    print(f"\n| | {' | '.join(TRANSPORTS[name] for name in names)} |")
    print("|---|" + "--:|" * len(names))
    for what, over, figure, title, digits in FIGURES:
        if (what, over) in wanted:
            cells = [_cell(samples[name, what, over], figure, digits) for name in names]
            print(f"| {title} | {' | '.join(cells)} |")
    return 0


def _cell(samples: list[dict[str, float]], figure: str, digits: int) -> str:
    median = statistics.median(one[figure] for one in samples)
    return "never" if median == float("inf") else f"{median:,.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
