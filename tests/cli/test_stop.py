"""``agentouto run`` that ends before its end: Ctrl+C, readers who leave, files that are closed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from children import PIPE, child
from cli.crews import TEAM
from cli.terminal import COMMAND, begun, read_until, surroundings

SLOW = """
import asyncio
from agentouto import Agent, Provider, Team, Tool
from agentouto.testing import Script, say, tool

@Tool
async def wait() -> str:
    try:
        await asyncio.sleep(60)
    finally:
        print("the tool has stopped")

@Tool
async def cling() -> str:
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            print("the tool clings")

def crew(name):
    script = {"quick": [say("quick is done")], "slow": [tool(name)]}
    provider = Provider("scripted", kind="script", script=Script(script))
    return Team([Agent(n, "", "m", provider) for n in script], [wait, cling])

team = crew("wait")
clinging = crew("cling")
"""


RESUME = ("runs", "resume", "order", "slow.py")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "team.py").write_text(TEAM, "utf-8")
    return tmp_path


def test_ctrl_c_stops_the_run_and_hands_over_what_was_finished(here: Path) -> None:
    (here / "slow.py").write_text(SLOW)
    with begun(here, "slow.py", "Go") as process:
        read_until(process, "return   quick")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "quick is done\n")
    assert "the tool has stopped" in err
    stopped, kept = err.splitlines()[-2:]
    assert stopped == "Stopped by Ctrl+C. 1 call of 2 had returned."
    assert re.fullmatch(r"It is kept: agentouto runs resume [0-9a-f]{8} goes on with it\.", kept)


def test_a_resumed_run_that_is_stopped_says_how_it_goes_on(here: Path) -> None:
    again = SLOW.replace("@Tool\nasync def wait", '@Tool(on_restart="run")\nasync def wait')
    (here / "slow.py").write_text(again)
    kept = ("--journal", str(here / "runs.db"))
    for command in (("run", "slow.py", "Go", "--run-id", "order"), RESUME):
        with begun(here, *kept, command=command) as process:
            read_until(process, "return   quick")
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
        assert process.returncode == 130
    told = " ".join((*RESUME, *kept))
    assert err.splitlines()[-1] == f"It is kept: agentouto {told} goes on with it."


def test_ctrl_c_still_ends_the_events_with_run_end(here: Path) -> None:
    (here / "slow.py").write_text(SLOW)
    with begun(here, "slow.py", "Go", "--jsonl", "--progress", "lines") as process:
        read_until(process, "return   quick")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    (stopped,) = [line for line in out.splitlines() if '"type":"error"' in line]
    assert '"error":"cancelled","kind":"stopped"' in stopped
    assert '"type":"run.end","status":"cancelled"' in out.splitlines()[-1]


def test_a_second_ctrl_c_ends_at_once(here: Path) -> None:
    (here / "slow.py").write_text(SLOW)
    with begun(here, "slow.py:clinging", "Go") as process:
        read_until(process, "return   quick")
        process.send_signal(signal.SIGINT)
        read_until(process, "the tool clings")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130


@pytest.mark.parametrize("module", ["agentouto._core", "agentouto.cli", "typer"])
def test_ctrl_c_while_the_command_loads_is_no_traceback(here: Path, module: str) -> None:
    python = (sys.executable, "-X", "importtime", "-m", "_agentouto_command")
    command = [*python, "run", "team.py:parrots", "Go"]
    with child(command, cwd=here, env=surroundings(), stdout=PIPE, stderr=PIPE) as process:
        read_until(process, module)  # Python has written that it has imported this
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "Interrupt" not in err


def test_a_reader_who_leaves_early_causes_no_traceback(here: Path) -> None:
    with begun(here, "team.py", "Go", "--jsonl") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(20) == 1
    assert "Traceback" not in err
    assert "Exception ignored" not in err


def without(here: Path, closed: str) -> subprocess.CompletedProcess[str]:
    """Run the command with one of its three files closed from the start."""
    arguments = ("run", "team.py:parrots", "Go")
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" </dev/null {closed}', "sh", *COMMAND, *arguments],
        cwd=here,
        env=surroundings(),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=20,
    )


def test_an_answer_with_nowhere_to_go_is_one_clear_line(here: Path) -> None:
    done = without(here, ">&-")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith("Standard output is closed")


def test_a_closed_input_or_error_file_keeps_nothing_from_working(here: Path) -> None:
    done = without(here, "<&- 2>&-")
    assert (done.returncode, done.stdout) == (0, "Go\n")


INTERRUPTED_AS_IT_BEGINS = """
from agentouto.cli._arguments import exit_with
from agentouto.cli._views import CommandOptions

async def serve():
    raise AssertionError("it was begun")

def command():
    serving = serve()
    raise KeyboardInterrupt

exit_with(CommandOptions(), command)
"""


def test_ctrl_c_before_a_server_begins_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AS_IT_BEGINS],
        cwd=tmp_path,
        env=surroundings(),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=20,
    )
    assert "Stopped by Ctrl+C." in done.stderr
    assert "never awaited" not in done.stderr
