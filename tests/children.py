"""Processes that a test starts and that are gone when it ends, however it ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

PIPE = subprocess.PIPE


@contextmanager
def child(command: Sequence[str], **how: Any) -> Iterator[subprocess.Popen[str]]:
    """Start ``command`` with text pipes; kill it at the end of the block."""
    with subprocess.Popen(command, encoding="utf-8", **how) as process:
        try:
            yield process
        finally:
            process.kill()


@asynccontextmanager
async def async_child(*command: str, **how: Any) -> AsyncIterator[Process]:
    """Start ``command`` with byte pipes; kill it at the end of the block."""
    process = await asyncio.create_subprocess_exec(*command, **how)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def unmeasured(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``program`` in a Python that coverage leaves alone: it would import modules of its own."""
    environment = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
