"""The shell: asked first, ended whole, bounded, without keys and without a terminal."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agentouto import (
    Agent,
    Approval,
    ConfigurationError,
    Provider,
    Tool,
    ToolError,
    run,
    run_background,
)
from agentouto.testing import Script, finish, tool
from agentouto.tools import _processes, shell
from agentouto.tools._shell import INHERITED_VARIABLES

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there is no /bin/sh")
ON_LINUX = Path("/proc/self/environ").exists()


def shell_in(root: Path, **more: Any) -> Tool[..., Any]:
    [only] = shell(root, **more)
    return only


async def out(root: Path, command: str, **more: Any) -> str:
    said: str = await shell_in(root, **more)(command)
    return said


async def why(root: Path, command: str, **more: Any) -> str:
    with pytest.raises(ToolError) as caught:
        await out(root, command, **more)
    return caught.value.message


def running(words: str) -> list[int]:
    """Return the processes whose command line has ``words``."""
    listed = subprocess.run(
        ["/bin/ps", "-eo", "pid=,stat=,args="], capture_output=True, text=True, check=True
    )
    rows = (line.split(None, 2) for line in listed.stdout.splitlines())
    return [int(pid) for pid, state, *args in rows if words in "".join(args) and state[0] != "Z"]


async def gone(words: str) -> bool:
    """Whether no process with ``words`` is left, or soon is."""
    for _ in range(50):
        if not running(words):
            return True
        await asyncio.sleep(0.02)
    return False


def opened() -> int:
    """Return how many descriptors are open."""
    return len(list(Path("/dev/fd").iterdir()))


# Asked first --------------------------------------------------------------------------------------


def agent_that_runs(command: str) -> Agent:
    script = Script(
        {
            "a": [
                tool("run_command", command=command),
                lambda seen: finish(seen.outcomes[0].content),
            ]
        }
    )
    return Agent("a", "", "m", Provider("p", kind="script", script=script))


def test_nothing_runs_without_approval(tmp_path: Path) -> None:
    output = run("Go.", [agent_that_runs("touch made")], shell(tmp_path)).output
    assert "approv" in output
    assert not list(tmp_path.iterdir())


def test_what_is_approved_runs(tmp_path: Path) -> None:
    def approve(approval: Approval) -> bool:
        return approval.arguments == {"command": "touch made"}

    output = run("Go.", [agent_that_runs("touch made")], shell(tmp_path), approve=approve).output
    assert output == "exit code 0\n"
    assert (tmp_path / "made").exists()


def test_approval_can_be_given_for_all(tmp_path: Path) -> None:
    assert shell_in(tmp_path).needs_approval
    free = shell(tmp_path, approval=False)
    assert run("Go.", [agent_that_runs("echo 1")], free).output == "exit code 0\n1\n"


# What it says -------------------------------------------------------------------------------------


async def test_exit_code_and_output_are_told(tmp_path: Path) -> None:
    assert await out(tmp_path, "echo out; echo err >&2; exit 3") == "exit code 3\nout\nerr\n"
    assert await out(tmp_path, "kill -SEGV $$") == "ended by SIGSEGV\n"
    assert await out(tmp_path, "printf 'a\\377b'") == "exit code 0\na\ufffdb"
    assert (await out(tmp_path, "no-such-program")).startswith("exit code 127\n")
    assert (await out(tmp_path, "pwd -P")).endswith(f"/{tmp_path.name}\n")


async def test_a_command_that_cannot_be_is_refused(tmp_path: Path) -> None:
    for command in ("", " \n", "a\0b", "x" * 100_001):
        assert "a command has 1 to 100,000 characters" in await why(tmp_path, command)
    assert "could not be started" in await why(tmp_path, "echo \ud800")
    root = tmp_path / "gone"
    root.mkdir()
    used = shell_in(root)
    root.rmdir()
    with pytest.raises(ToolError, match="could not be started"):
        await used("true")


def test_what_cannot_work_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no folder"):
        shell(tmp_path / "nowhere")
    for seconds in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ConfigurationError, match="more than 0"):
            shell(tmp_path, seconds=seconds)
    for name in ("", "A=B", "A\0"):
        with pytest.raises(ConfigurationError, match="which no variable can be"):
            shell(tmp_path, environment={name: "x"})


# Without keys, without a terminal -----------------------------------------------------------------


async def test_no_key_of_the_environment_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "DATABASE_URL", "X"):
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.setenv("LC_TIME", "C")
    said = await out(tmp_path, "env; cat /proc/$$/environ 2>/dev/null", environment={"MINE": "yes"})
    assert "s3cret" not in said
    names = {line.partition("=")[0] for line in said.splitlines()[1:] if "=" in line}
    assert {"PATH", "LC_TIME", "MINE"} <= names
    allowed = {*INHERITED_VARIABLES, "MINE", _processes.MARK_VARIABLE, "PWD", "TERM", "OLDPWD", "_"}
    assert {name.split("\0")[-1] for name in names} <= allowed | {"SHLVL"}


async def test_there_is_no_terminal_and_no_input(tmp_path: Path) -> None:
    begin = time.monotonic()
    command = (
        "read x; echo got=$x; test -t 0 || echo none; (: </dev/tty) 2>/dev/null || echo no tty"
    )
    assert await out(tmp_path, command) == "exit code 0\ngot=\nnone\nno tty\n"
    assert time.monotonic() - begin < 5


async def test_what_is_typed_to_the_program_is_not_read(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"typed\n")
    own = os.dup(0)
    os.dup2(reading, 0)
    try:
        assert await out(tmp_path, "cat") == "exit code 0\n"
    finally:
        os.dup2(own, 0)
        for descriptor in (own, reading, writing):
            os.close(descriptor)


async def test_a_command_leads_a_group_and_a_session_of_its_own(tmp_path: Path) -> None:
    said = await out(tmp_path, "echo $$; /bin/ps -o pgid=,sid= -p $$")
    own, group, session = said.removeprefix("exit code 0\n").split()
    assert own == group == session
    assert int(session) != os.getsid(0)


async def test_no_open_file_of_the_program_is_handed_on(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        said = await out(tmp_path, f"echo x >&{file.fileno()}")
    assert said.startswith("exit code 2")
    assert (tmp_path / "open").read_text() == ""


# Ended whole --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        "sleep 4711.1",
        "sleep 4711.1 & wait",
        "(trap '' TERM; sleep 4711.1 & wait)",
        "sh -c \"trap '' TERM; : 4711.1; while :; do sleep 0.01; done\" & wait",
        "nohup sleep 4711.1 >/dev/null 2>&1 & wait",
        pytest.param(
            "setsid sleep 4711.1 & wait",
            marks=pytest.mark.skipif(not ON_LINUX, reason="needs /proc"),
        ),
        pytest.param(
            "setsid sh -c \"trap '' TERM; setsid sh -c 'sleep 4711.1 & wait' & wait\" & sleep 60",
            marks=pytest.mark.skipif(not ON_LINUX, reason="needs /proc"),
        ),
    ],
)
async def test_everything_is_ended_when_time_runs_out(tmp_path: Path, command: str) -> None:
    begin = time.monotonic()
    said = await why(tmp_path, f"echo begun; {command}", seconds=0.3)
    assert said == "it did not finish within 0.3 s and was ended. It printed:\nbegun\n"
    assert time.monotonic() - begin < 6
    assert await gone("4711.1")


@pytest.mark.parametrize(
    "command", ["sleep 4711.2 & wait", "trap '' TERM; sleep 4711.2 & wait; wait"]
)
async def test_everything_is_ended_when_it_is_cancelled(tmp_path: Path, command: str) -> None:
    task = asyncio.create_task(out(tmp_path, command))
    while not running("4711.2"):
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone("4711.2")


async def test_who_is_cancelled_twice_does_not_wait_and_leaves_nothing(tmp_path: Path) -> None:
    command = "trap '' TERM; : 4711.3; while :; do sleep 0.01; done"
    task = asyncio.create_task(out(tmp_path, command))
    while not running("4711.3"):
        await asyncio.sleep(0.02)
    begin = time.monotonic()
    task.cancel()
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - begin < 1
    assert await gone("4711.3")


async def test_a_command_may_tidy_up_before_it_is_ended(tmp_path: Path) -> None:
    command = "trap 'echo bye > left; exit' TERM; echo begun; while :; do sleep 0.01; done"
    await why(tmp_path, command, seconds=0.3)
    assert (tmp_path / "left").read_text() == "bye\n"


async def test_what_is_left_in_the_background_ends_with_the_command(tmp_path: Path) -> None:
    begin = time.monotonic()
    assert await out(tmp_path, "sleep 4711.4 & echo done") == "exit code 0\ndone\n"
    assert time.monotonic() - begin < 3
    assert await gone("4711.4")


async def test_a_run_that_is_cancelled_ends_its_commands(tmp_path: Path) -> None:
    task = run_background(
        "Go.", [agent_that_runs("sleep 4711.5 & wait")], shell(tmp_path, approval=False)
    )
    while not running("4711.5"):
        await asyncio.sleep(0.02)
    task.cancel("enough")
    assert await gone("4711.5")


async def test_a_process_of_another_program_is_not_ended(tmp_path: Path) -> None:
    other = await asyncio.create_subprocess_exec("sleep", "4711.6", start_new_session=True)
    try:
        await why(tmp_path, "sleep 60", seconds=0.1)
        assert other.returncode is None
        assert running("4711.6")
    finally:
        other.kill()
        await other.wait()


async def test_commands_side_by_side_end_only_themselves(tmp_path: Path) -> None:
    long = asyncio.create_task(out(tmp_path, "sleep 1; echo whole"))
    await why(tmp_path, "setsid sleep 60 & sleep 60", seconds=0.2)
    assert await long == "exit code 0\nwhole\n"


async def test_nothing_is_left_open(tmp_path: Path) -> None:
    await out(tmp_path, "true")
    before = opened()
    for _ in range(10):
        await out(tmp_path, "echo x")
        await why(tmp_path, "sleep 60", seconds=0.01)
    assert opened() <= before


def test_it_works_in_every_kind_of_loop(tmp_path: Path) -> None:
    """In the main thread and another one, with uvloop if it is there: `run` takes what there is."""
    agent, free = agent_that_runs("echo 1"), shell(tmp_path, approval=False)

    async def inside() -> str:
        return run("Go.", [agent_that_runs("echo 1")], free).output

    assert run("Go.", [agent], free).output == "exit code 0\n1\n"
    assert asyncio.run(inside()) == "exit code 0\n1\n"
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(out(tmp_path, "echo 1")) == "exit code 0\n1\n"
        assert "did not finish" in runner.run(why(tmp_path, "sleep 60", seconds=0.1))


# Bounded ------------------------------------------------------------------------------------------


async def test_of_much_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    said = await out(tmp_path, "echo first; yes | head -c 3000000; echo last")
    assert said.startswith("exit code 0\nfirst\ny\n")
    assert said.endswith("y\nlast\n")
    assert len(said) < 263_000
    kept = said.removeprefix("exit code 0\n")
    begin, note, end = kept.partition("\n[… ")
    number = int(end.partition(" bytes are left out here …]\n")[0].replace(",", ""))
    rest = end.partition(" …]\n")[2]
    assert note
    assert len(begin) + len(rest) + number == 6 + 3_000_000 + 5


async def test_ten_gigabytes_take_no_memory(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = await why(tmp_path, "head -c 10000000000 /dev/zero | tr '\\0' x", seconds=1.5)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert len(said) < 263_000
    assert grown * (1 if sys.platform == "darwin" else 1_024) < 30_000_000


async def test_others_go_on_while_a_command_prints_much(tmp_path: Path) -> None:
    task = asyncio.create_task(why(tmp_path, "yes", seconds=0.6))
    turns = 0
    while not task.done():
        await asyncio.sleep(0.005)
        turns += 1
    await task
    assert turns > 20


def test_what_is_kept_is_what_was_written_first_and_last() -> None:
    for sizes in ([1] * 30, [7, 7, 7], [100], [5], [10], [10, 10], [10, 11], [3, 40, 2], []):
        kept, text = _processes.HeadAndTail(10), b""
        for number, size in enumerate(sizes):
            piece = bytes([97 + number % 26]) * size
            kept.write(piece)
            text += piece
        if len(text) <= 20:
            assert kept.text() == text.decode()
        else:
            note = f"\n[… {len(text) - 20} bytes are left out here …]\n"
            assert kept.text() == f"{text[:10].decode()}{note}{text[-10:].decode()}"


@pytest.mark.skipif(not ON_LINUX, reason="needs /proc")
async def test_what_leaves_the_group_and_hides_is_not_caught_as_the_page_says(
    tmp_path: Path,
) -> None:
    await out(tmp_path, "env -i /usr/bin/setsid /bin/sleep 4711.7 >/dev/null 2>&1 & sleep 0.3")
    left = running("4711.7")
    for process in left:
        os.kill(process, signal.SIGKILL)
    assert left
