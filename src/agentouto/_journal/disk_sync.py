"""Has the disk write what a run has committed, in a thread: ``Journal(power_loss=True)``.

A commit of SQLite appends to its write-ahead log (``-wal``), in order and with checksums. With
``synchronous = full`` it also waits for the disk, some milliseconds, in which the event loop would
do nothing. So the loop commits as it does without ``power_loss``, and this thread waits for the
disk. One wait is for all that was committed before it began. What has to be on disk waits for it.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path


class DiskSync:
    """Waits for the disk, for one run.

    Args:
        journal: The file of the journal.
    """

    def __init__(self, journal: Path) -> None:
        self._log = journal.with_name(f"{journal.name}-wal")
        self._thread = ThreadPoolExecutor(1, "agentouto-journal")
        self._lock = threading.RLock()  # work may be done where it is started
        self._next: Future[None] | None = None
        self._committed = 0
        self._synced = 0

    def note_commit(self) -> Future[None]:
        """Note that something was committed; return the future of the disk having it.

        The file of the log is opened and closed each time: SQLite has no locks on it, and another
        connection may have begun a new one.
        """
        with self._lock:
            self._committed += 1
            if self._next is None:
                self._next = self._start(self._sync)
            return self._next

    async def settle(self) -> None:
        """Wait until the disk has all that was committed.

        Raises:
            OSError: It has failed.
        """
        while (waited := self._waited()) is not None:
            await wait_in_loop(waited)

    def flush(self) -> None:
        """Wait until the disk has all that was committed, in any thread.

        Raises:
            OSError: It has failed.
        """
        while (waited := self._waited()) is not None:
            waited.result()

    def close(self, last: Callable[[], None]) -> Future[None]:
        """Do ``last`` when the disk has all that was committed, then end the thread.

        Returns:
            The future of ``last``, which is done even if the disk has failed.
        """
        done = self._start(last)
        self._thread.shutdown(wait=False)
        return done

    def _waited(self) -> Future[None] | None:
        with self._lock:
            if self._synced == self._committed:
                return None
            if self._next is None:  # one is under way, which may have begun too early
                self._next = self._start(self._sync)
            return self._next

    def _start(self, work: Callable[[], None]) -> Future[None]:
        try:
            return self._thread.submit(work)
        except RuntimeError:  # the interpreter is ending: it gives no more work to threads
            done: Future[None] = Future()
            try:
                work()
            except OSError as error:
                done.set_exception(error)
            else:
                done.set_result(None)
            return done

    def _sync(self) -> None:
        with self._lock:
            self._next, committed = None, self._committed
        with suppress(FileNotFoundError):  # all of it is in the file itself, and synchronized
            log = os.open(self._log, os.O_RDONLY)
            try:
                os.fsync(log)
            finally:
                os.close(log)
        with self._lock:
            self._synced = max(self._synced, committed)


async def wait_in_loop(waited: Future[None]) -> None:
    """Wait for ``waited`` in the running loop; raise what it has raised.

    It is not cancelled with the task: others wait for it, or count on it. The loop may be closed
    when it is done.
    """
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def wake(_: Future[None]) -> None:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)

    waited.add_done_callback(wake)
    await done.wait()
    waited.result()
