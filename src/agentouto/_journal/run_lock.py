"""A lock for one run: at any time, one process works on it.

The lock is a file that its holder locks, and that only its holder removes. A process that gets the
lock looks
whether the file still has its name: it may have locked one that its last holder was removing.
The operating system releases a lock when its holder ends, however that ends.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_TRIES = 100
"""How often a file that was removed in the meantime is opened again: each time, a run has ended."""


def lock_path(journal: Path, run_id: str) -> Path:
    """Return the file that stands for the run ``run_id`` of ``journal``.

    It is named by a hash, since an id may be longer than names of files, or differ in case only.
    """
    name = blake2b(run_id.encode(), digest_size=16).hexdigest()
    return journal.with_name(f"{journal.name}.locks") / name


class RunLock:
    """The lock of one run, held from its creation until ``release``."""

    def __init__(self, path: Path, file: int) -> None:
        self._path = path
        self._file: int | None = file

    def release(self) -> None:
        """Remove the file, then let go of it: in the other order, it could be that of another."""
        file, self._file = self._file, None
        if file is None:
            return
        if sys.platform != "win32":  # there, a file that is open cannot be removed
            self._path.unlink(missing_ok=True)
        os.close(file)


def lock_run(path: Path) -> RunLock | None:
    """Return the lock at ``path``, or ``None`` if another run or process holds it.

    Raises:
        OSError: The file cannot be made or locked.
    """
    path.parent.mkdir(mode=0o700, exist_ok=True)
    for _ in range(_TRIES):
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        if not _lock(file):
            os.close(file)
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), path.stat()):
                return RunLock(path, file)
        os.close(file)
    return None


def is_at_work(journal: Path, run_id: str) -> bool:
    """Whether a process works on the run ``run_id`` of ``journal``: then it holds the lock."""
    path = lock_path(journal, run_id)
    if not path.exists():
        return False
    lock = lock_run(path)
    if lock is not None:
        lock.release()
    return lock is None


if sys.platform == "win32":

    def _lock(file: int) -> bool:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:

    def _lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
