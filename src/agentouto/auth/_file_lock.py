"""A lock on a file, held by one task among all tasks, threads and processes.

Waiting polls, so the event loop is never blocked. The operating system releases the lock when its
holder ends, however it ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from errno import ETIMEDOUT
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK_POLL_SECONDS = 0.02
"""Pause between two attempts: short beside the round trip of a token request."""

LOCK_SECONDS = 60.0
"""Longest wait for the lock: twice the time limit of the one request made while it is held."""


_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
"""Windows has no such flag; creating a symbolic link takes an administrator there."""


@contextmanager
def try_lock(path: Path) -> Generator[bool, None, None]:
    """Hold the lock ``path`` if it is free; yield whether it is held.

    A symbolic link is an error: it would create a file wherever it leads.
    """
    # The file is never removed: one task could lock the file that was removed, and another one the
    # new file of the same name.
    file = os.open(path, os.O_RDWR | os.O_CREAT | _NO_FOLLOW, 0o600)
    held = False
    try:
        held = _lock(file)
        yield held
    finally:
        if held:
            _unlock(file)
        os.close(file)


async def acquire_lock(path: Path, seconds: float = LOCK_SECONDS) -> ExitStack:
    """Wait for the lock ``path`` and return it; closing the result releases it.

    Raises:
        OSError: The file cannot be locked, or stays locked longer than ``seconds``.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        with ExitStack() as stack:
            if stack.enter_context(try_lock(path)):
                return stack.pop_all()
        if loop.time() > deadline:
            raise TimeoutError(ETIMEDOUT, "another program does not let go of them", str(path))
        await asyncio.sleep(LOCK_POLL_SECONDS)


if sys.platform == "win32":

    def _lock(file: int) -> bool:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: int) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:

    def _lock(file: int) -> bool:
        # flock(2) belongs to the open file, so it keeps out other tasks of this process as well.
        # Locks of fcntl(2) belong to the process: closing any descriptor of the file frees them.
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
