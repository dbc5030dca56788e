"""What the suite itself promises: it passes where it is started in the background, and tells of faults."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

IGNORED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[1:]])
"""
"""What a shell script does that says ``pytest &``."""

SERVER = """
import asyncio
import aiohttp
from aiohttp import web

async def asked(handler):
    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession() as session:
        response = await session.get(f"http://127.0.0.1:{runner.addresses[0][1]}/")
        await response.read()
    await runner.cleanup()

async def answers(request):
    return web.Response()

async def fails(request):
    return web.Response(text=request.headers["x-not-there"])

def test_good():
    asyncio.run(asked(answers))

def test_bad():
    asyncio.run(asked(fails))
"""


def suite(*arguments: str | Path, program: str = "") -> str:
    """Run pytest in a process of its own and return what it prints."""
    start = ["-c", program] if program else ["-m", "pytest"]
    done = subprocess.run(
        [sys.executable, *start, "-q", "-p", "no:cacheprovider", *map(str, arguments)],
        cwd=TESTS.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(TESTS)])},
        capture_output=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals are sent to processes")
def test_ctrl_c_reaches_what_a_test_starts_where_the_suite_itself_ignores_it() -> None:
    told = suite(
        TESTS / "cli/test_stop.py::test_a_second_ctrl_c_ends_at_once",
        f"{TESTS}/api/test_blocking.py::test_ctrl_c_ends_a_run_cleanly[plain-wait_long]",
        program=IGNORED,
    )
    assert "2 passed" in told, told


def test_a_server_of_a_test_that_raises_makes_the_test_fail(tmp_path: Path) -> None:
    made = tmp_path / "test_made.py"
    made.write_text(SERVER)
    told = suite("-p", "conftest", "--rootdir", tmp_path, "-c", os.devnull, made)
    assert "2 passed, 1 error" in told, told
    assert "ERROR" in told
    assert "x-not-there" in told
