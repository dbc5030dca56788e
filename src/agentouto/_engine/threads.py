"""Threads for plain functions, so that they block nobody.

Every function that is called has a thread at once: an idle one, or a new one. The threads are
daemons. A call that is cancelled is abandoned: its function runs on, its result is thrown away, and
neither a run nor the end of the interpreter waits for it. This module does not know what the
functions do.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeVar, cast

T = TypeVar("T")


class Escaped(Exception):
    """Something that is no ordinary error came out of a function; it is the cause.

    Raised in its place, because ``SystemExit`` and its like would end the event loop of a caller
    who has nothing to do with it.
    """

    def __init__(self, what: BaseException) -> None:
        super().__init__(f"raised {type(what).__name__}: {what}".removesuffix(": "))
        self.__cause__ = what


class _Job:
    """A function to be called, and the future that waits for what comes of it."""

    __slots__ = ("_context", "_function", "_future", "_loop")

    def __init__(self, function: Callable[[], object], future: asyncio.Future[object]) -> None:
        self._function = function
        self._future = future
        self._loop = future.get_loop()
        self._context = contextvars.copy_context()

    def work(self) -> Callable[[], None]:
        """Call the function; return what tells the waiting coroutine."""
        result: object = None
        failure: Exception | None = None
        if not self._future.cancelled():
            try:
                result = self._context.run(self._function)
            except StopIteration as error:
                failure = Escaped(error)
            except Exception as error:  # noqa: BLE001 - it is the caller's
                failure = error
            except BaseException as error:  # noqa: BLE001 - it would end this thread in silence
                failure = Escaped(error)

        def tell() -> None:
            with suppress(RuntimeError):  # the loop is closed, so nobody waits
                self._loop.call_soon_threadsafe(self._settle, result, failure)

        return tell

    def _settle(self, result: object, failure: Exception | None) -> None:
        if self._future.done():
            return
        if failure is None:
            self._future.set_result(result)
        else:
            self._future.set_exception(failure)


_Inbox = SimpleQueue[_Job | None]


class Threads:
    """The threads of one owner, who closes them in the end."""

    __slots__ = ("_alive", "_closed", "_idle", "_lock", "_started", "_waiting")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Inbox] | None = None  # many runs have no plain function to call
        self._waiting: list[_Job] | None = None
        self._alive = 0
        self._started = 0
        self._closed = False

    async def call(self, function: Callable[[], T]) -> T:
        """Call ``function`` in a thread, with a copy of the caller's context variables.

        Raises:
            Escaped: It raised what is no ordinary exception.
            RuntimeError: No thread can be started and there is none, or ``close`` has been called.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._hand_over(_Job(function, cast("asyncio.Future[object]", future)))
        return await future

    def close(self) -> None:
        """Let idle threads end now, and busy ones when their function returns."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, None
        for inbox in idle or ():
            inbox.put(None)

    def _hand_over(self, job: _Job) -> None:
        with self._lock:
            if self._closed:
                raise RuntimeError("these threads are closed")
            if self._idle:
                self._idle.pop().put(job)
                return
            self._alive += 1
            self._started += 1
            name = f"agentouto-tool-{self._started}"
        inbox: _Inbox = SimpleQueue()
        inbox.put(job)
        thread = threading.Thread(target=self._serve, args=(inbox,), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads
            if not self._queue(job):
                raise

    def _queue(self, job: _Job) -> bool:
        """Leave ``job`` to a thread that there is; return whether there is one."""
        with self._lock:
            self._alive -= 1
            if not self._alive:
                return False
            if self._idle:
                self._idle.pop().put(job)
            else:
                self._waiting = [*(self._waiting or ()), job]
            return True

    def _serve(self, inbox: _Inbox) -> None:
        while (job := inbox.get()) is not None:
            tell = job.work()
            del job
            self._rest(inbox)
            tell()
            del tell

    def _rest(self, inbox: _Inbox) -> None:
        """Put the next job, or the word to stop, or nothing yet into ``inbox``."""
        with self._lock:
            if self._waiting:
                inbox.put(self._waiting.pop(0))
            elif self._closed:
                self._alive -= 1
                inbox.put(None)
            else:
                if self._idle is None:
                    self._idle = []
                self._idle.append(inbox)
