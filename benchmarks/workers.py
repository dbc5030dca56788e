"""Carries out many runs on two workers, kills each of them once, and looks what was lost.

``workers.py --runs 1000`` prints a table: CPU of a run in one process without and with a journal,
on two workers, on two workers that are killed, and with calls on other workers. Each run has five
calls; the models are scripts that take 100 ms. ``--postgres`` starts a server of its own.

A worker loads this file as its team.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from agentouto import Agent, Journal, Provider, RoutingError, Team, Tool, here
from agentouto.testing import Script, Turn, call, say, tool

PARTS = 4
LATENCY = 0.1
LETTER_EVERY = 10
_folder = Path(os.environ.get("WORKERS_FOLDER", "."))
"""Where effects and letters are noted; workers get it from the environment."""

REMOTE = os.environ.get("WORKERS_REMOTE") == "1"


def _effects() -> Path:
    return _folder / "effects"


def look() -> str | None:
    """Return the result of ``effect`` if it has happened."""
    done = _effects().read_text().splitlines() if _effects().exists() else []
    return "done" if here().key in done else None


@Tool(in_loop=True, on_restart=look)
def effect() -> str:
    """Do something that must happen once."""
    with _effects().open("a") as file:
        file.write(f"{here().key}\n")
    return "done"


def _lead(request: Any) -> Any:
    if request.turn == 0:
        return Turn(*(call("peer", f"Part {number}.") for number in range(PARTS)))
    return say(f"{len(request.answers('peer'))} parts")


MODELS = Provider(
    "scripted",
    kind="script",
    script=Script(
        {"lead": _lead, "peer": lambda seen: say("part") if seen.turn else tool("effect")},
        delay=LATENCY,
    ),
)
LEAD = Agent("lead", "You lead.", "any-model", MODELS)
PEER = Agent("peer", "You do parts.", "any-model", MODELS, worker="far" if REMOTE else None)
team = Team([LEAD, PEER], [effect], starting_agents=[LEAD])


# ── what is measured ──────────────────────────────────────────────────────────────────────────


class Measured(NamedTuple):
    """What one way to carry out the runs has come to."""

    wall: float
    cpu: float
    server: float
    found: dict[str, int]


async def _in_this_process(runs: int, journal: str, at_once: int) -> None:
    gate = asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        kept: dict[str, Any] = {"journal": journal, "run_id": f"run-{number}"} if journal else {}
        async with gate:
            await team.async_run("Go.", **kept)

    async with asyncio.TaskGroup() as group:
        for number in range(runs):
            group.create_task(one(number))


@contextmanager
def measured_children() -> Generator[list[float]]:
    """Add the CPU seconds of processes that were started and have ended inside."""
    before, spent = resource.getrusage(resource.RUSAGE_CHILDREN), [0.0]
    yield spent
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent[0] = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def start_worker(place: str, environment: dict[str, str], kind: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "agentouto", "worker", __file__, "--worker", kind]
    options = ["--grace", "0", "--runs", "200"]
    return subprocess.Popen(
        [*command, *options],
        env={**environment, "AGENTOUTO_JOURNAL": place},
        stderr=None if os.environ.get("WORKERS_LOUD") else subprocess.DEVNULL,
    )


def on_workers(place: str, runs: int, environment: dict[str, str], *, kill: bool) -> float:
    """Carry out the runs on two workers; return how long that took, without the starting."""
    kinds = ("default", "far") if environment["WORKERS_REMOTE"] == "1" else ("default", "default")
    journal = Journal(place)
    handles = [team.submit("Go.", journal=journal, run_id=f"run-{n}") for n in range(runs)]
    workers = [start_worker(place, environment, kind) for kind in kinds]
    watch, ids = journal.saved_runs().watch(), [handle.id for handle in handles]
    began, kills, letters = time.monotonic(), [0.25, 0.6] if kill else [], iter(handles)
    while True:
        states = Counter(watch.statuses(ids).values())
        share = 1 - states["running"] / runs
        if kills and share >= kills[0]:
            which = 2 - len(kills)
            kills.pop(0)
            workers[which].send_signal(signal.SIGKILL)
            workers[which].wait()
            workers[which] = start_worker(place, environment, kinds[which])
        for handle in [one for one, _ in zip(letters, range(LETTER_EVERY), strict=False)][:1]:
            with suppress(RoutingError):  # it has ended: it was refused, and its sender knows
                handle.send("a letter", id=f"letter-{handle.id}")
                with (_folder / "letters").open("a") as file:
                    file.write(f"{handle.id}\n")
        if states["running"] == 0:
            break
        time.sleep(0.1)
    wall = time.monotonic() - began
    watch.close()
    for worker in workers:
        worker.terminate()
        worker.wait()
    return wall


def look_at(place: str, runs: int) -> dict[str, int]:
    """Count what is wrong with the runs of a journal, and what they take."""
    watch, found = Journal(place).saved_runs().watch(), Counter[str]()
    for number in range(runs):
        id_ = f"run-{number}"
        events = watch.events(id_) or ()
        found["rows"] += len(events)
        last = events[-1] if events else None
        is_right = getattr(last, "output", "") == f"{PARTS} parts"
        found["right"] += is_right
        if not is_right:
            outcomes = (getattr(event, "outcome", None) for event in events)
            failed = {one.content for one in outcomes if one is not None and one.is_error}
            print(f"wrong: {id_}: {failed or last}")
        done: set[tuple[str, int]] = set()
        for event in events:
            kind, place_ = type(event).__name__, (event.stamp.call_id, getattr(event, "turn", -1))
            if kind == "Replied":
                found["replies"] += 1
                found["replies twice"] += place_ in done
                done.add(place_)
            found["asked although on record"] += kind == "ModelAsked" and place_ in done
            found["resumed"] += kind == "RunResumed"
    letters = (_folder / "letters").read_text().split() if (_folder / "letters").exists() else []
    for id_ in letters:
        found["letters"] += 1
        posted = any(
            getattr(getattr(event, "message", None), "call_id", "") == f"letter-{id_}"
            for event in watch.events(id_) or ()
        )
        found["letters lost"] += not posted
    done_effects = Counter(_effects().read_text().split())
    found["effects"] = len(done_effects)
    found["effects twice"] = sum(times > 1 for times in done_effects.values())
    watch.close()
    return dict(found)


# ── Postgres ──────────────────────────────────────────────────────────────────────────────────


def _tool(name: str) -> str:
    places = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]
    found = shutil.which(name, path=os.pathsep.join(places)) or shutil.which(name)
    if found is None:
        raise SystemExit("there is no Postgres: apt-get install postgresql")
    return found


@contextmanager
def postgres() -> Generator[tuple[str, int]]:
    """Start a server; give the address of its database, and its process."""
    folder = Path(tempfile.mkdtemp(prefix="agentouto-pg-"))
    folder.chmod(0o777)
    user = [] if os.geteuid() else ["setpriv", "--reuid=postgres", "--regid=postgres"]
    user += [] if os.geteuid() else ["--clear-groups", "--"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def do(*command: str) -> None:
        subprocess.run([*user, *command], check=True, cwd=folder, stdout=subprocess.DEVNULL)

    data = str(folder / "data")
    try:
        do(_tool("initdb"), "--pgdata", data, "--username=boss", "--auth=trust", "--no-sync")
        settings = f"-c port={port} -c unix_socket_directories={folder} -c max_connections=200"
        do(_tool("pg_ctl"), "-D", data, "-w", "-o", settings, "-l", str(folder / "log"), "start")
        try:
            first = int((folder / "data" / "postmaster.pid").read_text().split()[0])
            yield f"postgresql://boss@127.0.0.1:{port}/postgres", first
        finally:
            do(_tool("pg_ctl"), "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def server_seconds(process: int) -> float:
    """Return the CPU seconds of a server and of its sessions, those that have ended as well."""
    if not process:
        return 0.0
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    total = 0
    for one in (str(process), *children):
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11 : 15 if one == str(process) else 13]))
    return total / os.sysconf("SC_CLK_TCK")


# ── the table ─────────────────────────────────────────────────────────────────────────────────

WAYS = ("memory", "journal", "workers", "killed", "remote")


def measure(way: str, runs: int, place: str, process: int) -> Measured:
    """Carry out the runs in one way."""
    for left in ("effects", "letters"):
        (_folder / left).unlink(missing_ok=True)
    environment = {
        **os.environ,
        "WORKERS_FOLDER": str(_folder),
        "WORKERS_REMOTE": str(int(way == "remote")),
    }
    began, at_server = time.monotonic(), server_seconds(process)
    with measured_children() as spent:
        if way in ("memory", "journal"):
            arguments = ["--inside", str(runs), "" if way == "memory" else place]
            subprocess.run([sys.executable, __file__, *arguments], env=environment, check=True)
            wall = time.monotonic() - began
        else:
            wall = on_workers(place, runs, environment, kill=way == "killed")
    server = server_seconds(process) - at_server
    return Measured(wall, spent[0], server, {} if way == "memory" else look_at(place, runs))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--only", default=",".join(WAYS))
    parser.add_argument("--inside", nargs=2, metavar=("RUNS", "JOURNAL"))
    given = parser.parse_args(arguments)
    if given.inside:
        asyncio.run(_in_this_process(int(given.inside[0]), given.inside[1], 200))
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the server is stopped
    global _folder  # noqa: PLW0603
    _folder = Path(tempfile.mkdtemp(prefix="agentouto-workers-"))
    print(f"{given.runs} runs of {PARTS + 1} calls, models take {LATENCY * 1000:.0f} ms")
    print("way       wall s  CPU ms a run  server ms a run  found")
    try:
        for way in given.only.split(","):
            if given.postgres:
                with postgres() as (place, process):
                    done = measure(way, given.runs, place, process)
            else:
                done = measure(way, given.runs, str(_folder / f"{way}.db"), 0)
            cpu, server = (seconds * 1000 / given.runs for seconds in (done.cpu, done.server))
            print(f"{way:9} {done.wall:6.1f} {cpu:13.2f} {server:16.2f}  {json.dumps(done.found)}")
    finally:
        shutil.rmtree(_folder, ignore_errors=True)


if __name__ == "__main__":
    main()
