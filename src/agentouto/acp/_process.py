"""Starts a program with pipes, keeps the end of its error output, and ends all that it started.

The program leads a process group of its own (setsid(2)), so that one signal reaches its children
too: Gemini CLI, for example, is a launcher with a second process. Its error output is read all the
time, because a full pipe would block it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from agentouto._domain.redaction import hidden_in

logger = logging.getLogger("agentouto")

PATIENCE = 3.0
"""Seconds that a program has to end after its input is closed, and again after ``SIGTERM``."""

EXIT_POLL_SECONDS = 0.05
"""Seconds between two looks whether a program has ended."""

_KILL = signal.SIGTERM if os.name == "nt" else signal.SIGKILL

KEPT_ERROR_CHARACTERS = 2_000
"""How much of the end of the error output an error quotes: a traceback, or some lines of a log."""


class RunningProgram:
    """A program that has been started.

    Attributes:
        process: The process.
        reader: What the program writes to its standard output.
        writer: What it reads.
        errors: The end of its error output.
    """

    def __init__(self, name: str, process: Process, secrets: Collection[str]) -> None:
        assert process.stdin is not None  # noqa: S101 - for checkers; it was started with pipes
        assert process.stdout is not None  # noqa: S101
        self.process = process
        self.writer = process.stdin
        self.reader = process.stdout
        self.errors = ""
        self._name = name
        self._secrets = secrets

    async def read_errors(self) -> None:
        """Read the error output to its end."""
        stream = self.process.stderr
        while stream is not None and (piece := await stream.read(65_536)):
            text = piece.decode(errors="replace")
            logger.debug("%s: %s", self._name, hidden_in(text.rstrip(), self._secrets))
            self.errors = (self.errors + text)[-KEPT_ERROR_CHARACTERS:]

    async def exited(self) -> None:
        """Wait until the program itself has ended, also if its children still hold its pipes.

        ``Process.wait()`` waits for the pipes as well in some versions of Python: gh-119710.
        """
        while self.process.returncode is None:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(EXIT_POLL_SECONDS)

    async def end_children(self) -> None:
        """End what the program has started, as soon as it has ended itself.

        A child keeps the pipes open, so without this the end of the program is not noticed.
        """
        await self.exited()
        self.kill()

    async def how_it_ended(self) -> str:
        """Return exit code and last words of a program that has closed its output."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self.exited()
        code = self.process.returncode
        ended = "closed its output" if code is None else f"ended with exit code {code}"
        return f"{ended}: {self.errors.strip()}" if self.errors.strip() else ended

    async def end(self) -> None:
        """End the program and its children."""
        self.writer.close()
        for number in (signal.SIGTERM, _KILL):
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self.exited()
                break
            self._signal(number)
        await self.exited()

    def kill(self) -> None:
        """Kill what is left of the program's process group."""
        self._signal(_KILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if os.name == "nt":
                self.process.terminate()
            else:
                os.killpg(self.process.pid, number)


@asynccontextmanager
async def running(
    name: str,
    command: Sequence[str],
    cwd: str,
    env: Mapping[str, str],
    secrets: Collection[str],
) -> AsyncGenerator[RunningProgram]:
    """Run a program for the length of the block. Its lines in the log are without ``secrets``.

    Raises:
        OSError: It cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=cwd, env=env, start_new_session=True
    )
    program = RunningProgram(name, process, secrets)
    tasks = [asyncio.create_task(each()) for each in (program.read_errors, program.end_children)]
    try:
        yield program
    finally:
        try:
            await program.end()
            with suppress(TimeoutError):  # a child that has left the group keeps the pipes open
                async with asyncio.timeout(PATIENCE):
                    await asyncio.wait(tasks)
                    while await program.reader.read(65_536):
                        pass
        finally:
            program.kill()  # for a second cancellation in the meantime
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
