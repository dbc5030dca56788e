"""Runs a command, collects its output, and ends every process that it has started.

1. The command leads a session and a process group of its own (setsid(2)), so one signal reaches its
   children, and it has no terminal.
2. Its environment has a unique marker. On Linux, ``/proc/PID/environ`` shows which processes carry
   it; so children that have left the group (``setsid``, a daemon) are found.
3. When the command has returned, exceeded its time or was cancelled, all processes found get
   ``SIGTERM``, and after ``KILL_DELAY`` ``SIGKILL``, which cannot be ignored.
4. Killing is repeated until no process is found: one that forks while the others are killed would
   escape a single pass.

Not ended are: a process that has left the group *and* cleared its environment; one that another
user or service runs on its behalf (``sudo``, ``at``, a container); without ``/proc``, one that has
left the group; all of them, if this process itself is killed.

Output is read as it is printed, so a full pipe cannot block the command. Of long output, the
beginning and the end are kept.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

MARK_VARIABLE = "AGENTOUTO_COMMAND"
"""The environment variable that marks the processes of a command."""

KILL_DELAY = 2.0
"""Seconds between ``SIGTERM`` and ``SIGKILL``: enough to remove a lock file."""

PIPE_DRAIN_SECONDS = 0.2
"""Seconds to read what is left in the pipe. A pipe of Linux holds 64 KB (pipe(7))."""

POLL_INTERVAL = 0.02
"""Seconds between two checks whether all processes have ended."""

MOST_KILL_ROUNDS = 10
"""Passes of ``SIGKILL``. Each pass finds the processes that were forked during the one before."""

_command_numbers = itertools.count(1)


class HeadAndTail:
    """Keeps the beginning and the end of what is written to it, and counts the bytes between.

    Args:
        most: Bytes to keep of each.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._begin = bytearray()
        self._end = bytearray()
        self.left_out = 0

    def write(self, piece: bytes) -> None:
        """Add a piece."""
        room = self._most - len(self._begin)
        self._begin += piece[:room]
        self._end += piece[room:]
        if len(self._end) > 2 * self._most:  # not at every piece: trimming copies the rest
            self._trim()

    def text(self) -> str:
        """Return what was kept, with a note in the middle if bytes are missing."""
        self._trim()
        if not self.left_out:
            return bytes(self._begin + self._end).decode(errors="replace")
        begin, end = (bytes(part).decode(errors="replace") for part in (self._begin, self._end))
        return f"{begin}\n[… {self.left_out:,} bytes are left out here …]\n{end}"

    def _trim(self) -> None:
        too_many = len(self._end) - self._most
        if too_many > 0:
            del self._end[:too_many]
            self.left_out += too_many


class CommandProcess:
    """A command, from its start until all of its processes have ended.

    Args:
        arguments: The program and its arguments.
        folder: Its working directory.
        environment: Its whole environment, except the marker.
        most: Bytes of its output to keep, at the beginning and at the end.
    """

    def __init__(
        self, arguments: Sequence[str], folder: str, environment: Mapping[str, str], most: int
    ) -> None:
        self._arguments = arguments
        self._folder = folder
        self._environment = environment
        self._mark = ""
        self.output = HeadAndTail(most)

    async def run(self, seconds: float) -> int | None:
        """Run it; return its exit code, negative for a signal, or ``None`` if the time ran out.

        All its processes have ended when this returns or raises, also when it is cancelled.
        """
        loop = asyncio.get_running_loop()
        reading, writing = os.pipe()
        silent = asyncio.Event()
        try:
            os.set_blocking(reading, False)
            loop.add_reader(reading, self._read, loop, reading, silent)
            try:
                code = await self._run(writing, seconds)
                with suppress(TimeoutError):
                    async with asyncio.timeout(PIPE_DRAIN_SECONDS):
                        await silent.wait()
                return code
            finally:
                loop.remove_reader(reading)
        finally:
            os.close(reading)

    async def _run(self, writing: int, seconds: float) -> int | None:
        process: asyncio.subprocess.Process | None = None
        try:
            try:
                process = await self._start(writing)
            finally:
                os.close(
                    writing
                )  # the pipe ends when the last process that can write to it has ended
            limit = asyncio.timeout(seconds)
            try:
                async with limit:
                    return await process.wait()
            except TimeoutError:
                return None
        finally:
            await self._end(process)

    async def _start(self, writing: int) -> asyncio.subprocess.Process:
        clock = (
            asyncio.get_running_loop().time()
        )  # makes the marker unique if a process id is used again
        self._mark = f"{MARK_VARIABLE}={os.getpid()}.{next(_command_numbers)}.{clock:.6f}"
        name, _, value = self._mark.partition("=")
        return await asyncio.create_subprocess_exec(
            *self._arguments,
            cwd=self._folder,
            env={**self._environment, name: value},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            start_new_session=True,
        )

    def _read(self, loop: asyncio.AbstractEventLoop, reading: int, silent: asyncio.Event) -> None:
        try:
            piece = os.read(reading, 65_536)
        except BlockingIOError:
            return
        if piece:
            self.output.write(piece)
        else:
            loop.remove_reader(reading)
            silent.set()

    async def _end(self, process: asyncio.subprocess.Process | None) -> None:
        """End all processes that are left; a second cancellation only skips ``KILL_DELAY``."""
        group = 0 if process is None else process.pid
        loop = asyncio.get_running_loop()
        try:
            left = self._left(group)
            if left:
                _signal_all(signal.SIGTERM, group, left)
                patience = loop.time() + KILL_DELAY
                while left and loop.time() < patience:
                    await asyncio.sleep(POLL_INTERVAL)
                    left = self._left(group)
        finally:
            for _ in range(MOST_KILL_ROUNDS):
                left = self._left(group)
                if not left:
                    break
                _signal_all(signal.SIGKILL, group, left)
        if process is not None:
            with suppress(TimeoutError):  # a process that waits for a dead disk cannot be killed
                async with asyncio.timeout(KILL_DELAY):
                    await process.wait()

    def _left(self, group: int) -> list[int]:
        """Return the processes of this command that are still running."""
        if not Path("/proc/self/environ").exists():
            return _running_group(group)
        mark = self._mark.encode()
        names = os.listdir("/proc")  # noqa: PTH208 - names only
        return [
            int(name)
            for name in names
            if name.isdecimal() and _belongs_to_command(name, group, mark)
        ]


def _belongs_to_command(process: str, group: int, mark: bytes) -> bool:
    """Whether a process runs, and belongs to the group or carries the marker."""
    folder = Path("/proc", process)
    try:
        # proc_pid_stat(5): the name in brackets may itself have brackets and spaces
        state, _, its_group = folder.joinpath("stat").read_bytes().rpartition(b") ")[2].split()[:3]
        if state in {b"Z", b"X"}:
            return False
        if group and int(its_group) == group:
            return True
        return bool(mark) and mark in folder.joinpath("environ").read_bytes().split(b"\0")
    except (OSError, ValueError):  # it has ended, or belongs to another user
        return False


def _running_group(group: int) -> list[int]:
    try:
        os.killpg(group, 0)
    except OSError:
        return []
    return [group]


def _signal_all(number: signal.Signals, group: int, processes: Sequence[int]) -> None:
    """Signal the whole group at once, which a fork cannot escape, and then each process."""
    with suppress(ProcessLookupError, PermissionError):
        # Only while the group exists: after its end, another group may get the same number.
        if group and any(os.getpgid(process) == group for process in processes):
            os.killpg(group, number)
    for process in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)
