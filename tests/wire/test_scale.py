"""A thousand replies at once in each format, from a process that does nothing else.

The server runs in a process of its own and finishes none of the replies before all have begun. The
client runs in another, because its memory, its sockets and its tasks are counted.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

import agentouto
from children import PIPE, child
from wire import crowd

CROWD = 1000
WORDS = 20
MOST_MEGABYTES = 60.0
MOST_SECONDS = 4.0
"""Of the processor: how long it takes also depends on who else is at work."""

PAGE_FAULTS = """
import asyncio, resource, sys
from agentouto import Agent, Provider, async_run

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

async def main():
    provider = Provider("p", kind="openai", api_key="none", base_url=sys.argv[1])
    agent = Agent("teller", "You tell.", "m", provider, max_output_tokens=1024)
    for _ in range(50):
        await async_run("?", [agent])
    before = faults()
    for _ in range(300):
        await async_run("?", [agent])
    print(faults() - before)

asyncio.run(main())
"""
"""A program that imports nothing else: what others import may have freed large blocks already."""

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    command = [sys.executable, crowd.__file__]
    with child(command, env=plain(), stdin=PIPE, stdout=PIPE) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"


def plain() -> dict[str, str]:
    """Return the environment without what would watch, and slow down, every line."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


@pytest.mark.parametrize("kind", crowd.FORMATS)
def test_a_thousand_replies_at_once_cost_little_and_leave_nothing(server: str, kind: str) -> None:
    package = Path(agentouto.__file__).parents[1]
    environment = plain() | {"PYTHONPATH": os.pathsep.join([str(package), str(TESTS)])}
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__, kind, server],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert not done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen["outputs"] == {crowd.whole(WORDS): CROWD}
    assert seen["sockets_left"] == 0
    assert seen["tasks_left"] == 0
    assert seen["open_at_the_server"] == 0
    assert seen["megabytes"] <= MOST_MEGABYTES, seen
    assert seen["seconds"] <= MOST_SECONDS, seen


@pytest.mark.skipif(sys.platform != "linux", reason="the C libraries of others decide otherwise")
def test_requests_one_after_another_get_no_new_memory_from_the_system(server: str) -> None:
    command = [sys.executable, "-c", PAGE_FAULTS, f"{server}/openai/1/0"]
    environment = plain() | {"PYTHONPATH": str(Path(agentouto.__file__).parents[1])}
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert int(done.stdout) < 300, "each read of a connection maps memory"


# The client ---------------------------------------------------------------------------------------


def teller(kind: str, address: str) -> agentouto.Agent:
    provider = agentouto.Provider(kind, kind=kind, api_key="none", base_url=address)
    return agentouto.Agent("teller", "You tell.", "m", provider, max_output_tokens=1024)


async def ask_all(kind: str, url: str) -> dict[str, Any]:
    """Ask once, so that everything is loaded; then a thousand times, and tell what it took."""
    await agentouto.async_run("?", [teller(kind, f"{url}/{kind}/1/0")])
    agent = teller(kind, f"{url}/{kind}/{WORDS}/{CROWD}")
    before, began = megabytes(), time.process_time()
    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(agentouto.async_run("?", [agent])) for _ in range(CROWD)]
    return {
        "outputs": Counter(run.result().output for run in runs),
        "seconds": round(time.process_time() - began, 2),
        "megabytes": round(megabytes() - before, 1),
        "tasks_left": len(asyncio.all_tasks()) - 1,
    }


def sockets() -> int:
    links = (os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd"))  # noqa: PTH208
    return sum("socket:" in link for link in links)


def megabytes() -> float:
    """Return how much memory this process has used at most."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main(kind: str, url: str) -> None:
    crowd.more_files()
    seen = asyncio.run(ask_all(kind, url))
    seen["sockets_left"] = sockets() if sys.platform == "linux" else 0
    with urlopen(f"{url}/open") as answer:  # noqa: S310
        seen["open_at_the_server"] = int(answer.read())
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
