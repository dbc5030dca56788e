"""Runs plain functions in threads, so that they do not block the event loop.

A function gets a thread at once: an idle one, or a new one. Only tools wait for their turn, and
only for tools at the same nesting depth of the same run. One queue for all could not serve plain
tools that begin calls or runs with plain tools: all threads could be taken by functions that wait
for a function in the queue. The threads are daemons. A call that is cancelled
is abandoned: its function goes on, its result is dropped, and neither a run nor the end of the
interpreter waits for it. Only runs that it has begun are ended.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Protocol, TypeVar, cast

from agentouto._engine.nesting import Scope, enter_function
from agentouto._engine.semaphore import SharedSemaphore

T = TypeVar("T")


class ToolEscaped(Exception):
    """A function raised something that is no ordinary error; that is the cause.

    It is raised in its place, because ``SystemExit`` and the like would end the event loop, and
    everything else in it.
    """

    def __init__(self, what: BaseException) -> None:
        super().__init__(f"raised {type(what).__name__}: {what}".removesuffix(": "))
        self.__cause__ = what


class _Job:
    """A function to call, and the future that gets its result."""

    __slots__ = ("_context", "_function", "_future", "_loop", "scope")

    def __init__(self, function: Callable[[], object], future: asyncio.Future[object]) -> None:
        self._function = function
        self._future = future
        self._loop = future.get_loop()
        self._context = contextvars.copy_context()
        self.scope = Scope()
        self._context.run(enter_function, self.scope)

    def run(self) -> Callable[[], None]:
        """Call the function; return the function that delivers its result."""
        result: object = None
        failure: Exception | None = None
        if not self._future.cancelled():
            try:
                result = self._context.run(self._function)
            except StopIteration as error:
                failure = ToolEscaped(error)
            except Exception as error:  # noqa: BLE001 - it is the caller's
                failure = error
            except BaseException as error:  # noqa: BLE001 - it would end this thread in silence
                failure = ToolEscaped(error)

        def deliver() -> None:
            with suppress(RuntimeError):  # the loop is closed: nothing waits for the result
                self._loop.call_soon_threadsafe(self._settle, result, failure)

        return deliver

    def _settle(self, result: object, failure: Exception | None) -> None:
        if self._future.done():
            return
        if failure is None:
            self._future.set_result(result)
        else:
            self._future.set_exception(failure)


_Inbox = SimpleQueue[_Job | None]

MAX_TOOLS_AT_ONCE = 256
"""Plain tools that run at the same time at one nesting depth of a run; more wait for their turn. A
reply may hold thousands of calls, and a process has some tens of thousands of threads at most."""


class FunctionCaller(Protocol):
    """Calls plain functions in threads."""

    async def call(self, function: Callable[[], T]) -> T:
        """Call ``function`` in a thread, with a copy of the caller's context variables."""
        ...


class Threads:
    """The threads of one run, which closes them when it ends."""

    __slots__ = ("_alive", "_closed", "_idle", "_lock", "_slots", "_started", "_waiting")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Inbox] | None = None  # many runs have no plain function to call
        self._waiting: list[_Job] | None = None
        self._alive = 0
        self._started = 0
        self._closed = False
        self._slots: dict[int, SharedSemaphore] = {}

    def for_tools(self, depth: int) -> FunctionCaller:
        """Return what calls the plain tools of calls at nesting ``depth``.

        Their number is limited for each depth by itself. A tool that waits for a call it has begun
        holds its place, and the tools of that call, which is one deeper, must not wait for it.
        Hooks and callbacks of the user are not limited.
        """
        return _Limited(self, depth)

    def slots(self, depth: int) -> SharedSemaphore:
        """Return the places of plain tools at ``depth``: a run without such tools has none."""
        slots = self._slots.get(depth)
        if slots is None:
            slots = self._slots[depth] = SharedSemaphore(MAX_TOOLS_AT_ONCE)
        return slots

    async def call(self, function: Callable[[], T]) -> T:
        """Call ``function`` in a thread, with a copy of the caller's context variables.

        Raises:
            ToolEscaped: The function raised something that is no ordinary exception.
            RuntimeError: ``close`` has been called; or no thread can be started and none is there.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        job = _Job(function, cast("asyncio.Future[object]", future))
        self._submit(job)
        try:
            return await future
        except asyncio.CancelledError:
            job.scope.close()
            raise

    def close(self) -> None:
        """Let idle threads end now, and busy ones when their function returns."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, None
        for inbox in idle or ():
            inbox.put(None)

    def _submit(self, job: _Job) -> None:
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
        """Leave ``job`` to a thread that is already there; return whether there is one."""
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
            deliver = job.run()
            del job  # a thread that waits would keep the function and its result alive
            # The thread is idle before the result is delivered: the code that gets the result may
            # call the next function at once, and would start another thread for it.
            self._finish_job(inbox)
            deliver()
            del deliver

    def _finish_job(self, inbox: _Inbox) -> None:
        """Put the next job into ``inbox``, or ``None`` to stop; otherwise become idle."""
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


class _Limited:
    """Calls functions in the threads of a run, a limited number at the same time.

    A function that is abandoned gives its slot back although its thread is still busy: functions
    that never return must not keep others from being called.
    """

    __slots__ = ("_depth", "_threads")

    def __init__(self, threads: Threads, depth: int) -> None:
        self._threads = threads
        self._depth = depth

    async def call(self, function: Callable[[], T]) -> T:
        """Call ``function`` when there is a slot."""
        slots = self._threads.slots(self._depth)
        await slots.acquire()
        try:
            return await self._threads.call(function)
        finally:
            slots.release()
