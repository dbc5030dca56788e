"""One at a time: across tasks, threads and processes, by a lock on a file.

Whoever waits looks again from time to time, so that no event loop stands still. The operating
system lets go of the lock when its holder ends, however it ends. What is done under it is not known
here.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine, Generator
from contextlib import ExitStack, contextmanager
from errno import ETIMEDOUT
from pathlib import Path
from typing import TypeVar

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

T = TypeVar("T")

AGAIN_SECONDS = 0.02
LONGEST_SECONDS = 60.0
"""How long is waited for a lock; whoever holds it has less time to be done."""

_AT_WORK: set[asyncio.Task[object]] = set()


@contextmanager
def tried(path: Path) -> Generator[bool, None, None]:
    """Hold the lock ``path`` if nobody else does; say whether it is held."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    held = False
    try:
        held = _lock(file)
        yield held
    finally:
        if held:
            _unlock(file)
        os.close(file)


async def acquired(path: Path) -> ExitStack:
    """Return the lock ``path``, held until it is closed, when nobody else holds it any more.

    Raises:
        OSError: It cannot be held, or somebody holds it for too long.
    """
    loop = asyncio.get_running_loop()
    latest = loop.time() + LONGEST_SECONDS
    while True:
        with ExitStack() as stack:
            if stack.enter_context(tried(path)):
                return stack.pop_all()
        if loop.time() > latest:
            raise TimeoutError(ETIMEDOUT, "another program does not let go of them", str(path))
        await asyncio.sleep(AGAIN_SECONDS)


async def to_the_end(work: Coroutine[object, object, T]) -> T:
    """Do ``work`` to its end, even if whoever wants its result is cancelled meanwhile."""
    task = asyncio.get_running_loop().create_task(work)
    _AT_WORK.add(task)
    task.add_done_callback(_AT_WORK.discard)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


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
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
