"""Who owns a run that goes on by itself, and where such runs are found again.

A run started in async code belongs to the loop it was started in and ends with it. A run started
from plain code belongs to one background thread, which begins with the first such run and ends with
the interpreter. What is kept here is the only state that runs share.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import suppress
from typing import Self, TypeVar, cast

import msgspec

from agentouto._core.result import RunResult
from agentouto._domain.misuse import ConfigurationError
from agentouto._engine.call import Call
from agentouto._engine.letter import Receipt
from agentouto._engine.log import Log
from agentouto._engine.mail import USER_ADDRESS, Mail, nobody_at
from agentouto._engine.own import run_in_own_loop
from agentouto._engine.run import Run
from agentouto._engine.stream import RunEvents

T = TypeVar("T")

MOST_KEPT = 1000
"""How many finished background runs can still be asked about."""


class Known(msgspec.Struct, frozen=True):
    """What can be asked of a run, even when it has ended and all else of it is gone."""

    id: str
    starters: list[Call]
    mail: Mail
    log: Log


class Owner:
    """A run, and the task that carries it out. Everything but ``start`` may be called anywhere."""

    def __init__(self, run: Run) -> None:
        self.known: Known = Known(run.id, run.starters, run.mail, run.log)
        self._run: Run | None = run
        self.reason = ""
        self.stopped = False
        self.task: asyncio.Task[RunResult] | None = None
        self.done: Future[RunResult] = Future()
        self.done.set_running_or_notify_cancel()  # nobody who waits can cancel it for the others

    def start(self) -> None:
        """Begin, in the running loop."""
        run = self._run
        if run is None:  # it was cancelled before it could begin
            return
        HOST.admit(run)
        self.task = asyncio.create_task(run.execute(), name=f"run {run.id}")
        self.task.add_done_callback(self._end)

    def cancel(self, reason: str = "") -> bool:
        """Stop the run, and say whether it had not ended. One that has not begun never will."""
        if self.done.done():
            return False
        self.reason: str = self.reason or reason
        self.stopped: bool = True
        task = self.task
        if task is None:
            self._settle(None)
            return True
        try:
            task.get_loop().call_soon_threadsafe(task.cancel)
        except RuntimeError:  # its loop was closed over it: it will never end by itself
            self._settle(None)
        return True

    async def ended(self) -> RunResult:
        """Wait until the run has ended, and return what it came to."""
        return await asyncio.wrap_future(self.done)

    def _end(self, task: asyncio.Task[RunResult]) -> None:
        self._settle(None if task.cancelled() else task.exception() or task.result())

    def _settle(self, outcome: RunResult | BaseException | None) -> None:
        """Make ``outcome`` known, ``None`` for a run that was cancelled, and let go of the run."""
        run, self._run = self._run, None
        self.task: asyncio.Task[RunResult] | None = None
        if run is None:
            return
        HOST.dismiss(run)
        if isinstance(outcome, RunResult):
            self.done.set_result(outcome)
        else:
            self.done.set_exception(outcome or run.cancelled(self.reason))
        run.close()
        run.log.close()  # after the result is there: a reader that sees the end asks for it


class Handle(str):  # noqa: SLOT000 - it has one attribute, which slots of a str cannot hold
    """The id of a background run, and a handle on it.

    As a string it is the task id. ``await`` gives the same again, so both ways of calling
    ``run_background`` work.
    """

    _owner: Owner

    def __new__(cls, owner: Owner) -> Self:
        """Make the handle of a run."""
        handle = super().__new__(cls, owner.known.id)
        handle._owner = owner
        return handle

    def __await__(self) -> Generator[object, None, Handle]:
        """Return the handle itself."""
        return self
        yield

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Let data that holds a handle be copied and saved: what is left is the task id."""
        return str, (str(self),)

    def status(self) -> str:
        """Return how the first starting agent is doing: one word, as in its report."""
        return self._owner.known.starters[0].status.value

    def report(self) -> str:
        """Return status, result and messages of the first starting agent as text."""
        return self._owner.known.starters[0].report()

    def send(self, message: str) -> Receipt:
        """Write to the first starting agent; it reads the message before its next step.

        Raises:
            RoutingError: It has already returned.
        """
        return self._owner.known.mail.send(str(self), message)

    def cancel(self, reason: str = "") -> bool:
        """Stop the whole run; say whether it had not ended."""
        return self._owner.cancel(reason)

    def forget(self) -> None:
        """Let the run be forgotten once it has ended, with all it still holds in memory."""
        HOST.forget(str(self))

    def events(self) -> RunEvents:
        """Return everything that happens in the run, from the beginning, as it happens."""
        return RunEvents(self._owner.known.log)

    async def wait(self) -> RunResult:
        """Wait for the run to end and return its result, or raise what it raised."""
        return await self._owner.ended()

    def result(self, timeout: float | None = None) -> RunResult:
        """Return the result from plain code, waiting at most ``timeout`` seconds for it.

        Raises:
            RuntimeError: Called in the run's own loop, which would wait for itself.
            TimeoutError: The run has not ended yet.
            Cancelled: The run was cancelled.
        """
        task = self._owner.task
        if not self._owner.done.done() and task is not None and _running_loop() is task.get_loop():
            raise RuntimeError(
                "result() would stop the event loop that the run needs; use: await handle.wait()"
            )
        return self._owner.done.result(timeout)


class Portal:
    """One event loop in one thread, for runs started from plain code."""

    def __init__(self) -> None:
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._stop: asyncio.Event | None = None
        self.thread = threading.Thread(
            target=lambda: run_in_own_loop(self._serve()), name="agentouto-portal", daemon=True
        )
        self.thread.start()
        atexit.register(self.close)

    def call(self, function: Callable[[], T]) -> T:
        """Call ``function`` in the portal's loop and return what it returns."""
        if threading.current_thread() is self.thread:
            return function()
        result: Future[T] = Future()

        def work() -> None:
            try:
                result.set_result(function())
            except Exception as error:  # noqa: BLE001 - raised again where it was asked for
                result.set_exception(error)

        self._loop.result().call_soon_threadsafe(work)
        return result.result()

    def close(self) -> None:
        """Cancel what is still running and end the thread."""
        if self.thread.is_alive() and self._stop is not None:
            with suppress(RuntimeError):
                self._loop.result().call_soon_threadsafe(self._stop.set)
            self.thread.join(timeout=5)

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._loop.set_result(asyncio.get_running_loop())
        await self._stop.wait()


class Host:
    """Finds runs by the ids of their calls, and keeps hold of those in the background."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._portal: Portal | None = None
        self._live: set[Run] = set()
        self._background: dict[str, Owner] = {}
        self._ended: deque[str] = deque()

    def start(self, run: Run, *, portal: bool) -> Handle:
        """Begin ``run`` in the running loop, or in the portal if there is none or it is wanted."""
        owner = Owner(run)
        with self._lock:
            self._background[run.id] = owner
        if portal or _running_loop() is None:
            self._open_portal().call(owner.start)
        else:
            owner.start()
        return Handle(owner)

    def admit(self, run: Run) -> None:
        """Let the calls of ``run`` be found."""
        with self._lock:
            self._live.add(run)

    def dismiss(self, run: Run) -> None:
        """Forget a run that has ended, unless it is one of the last background runs."""
        with self._lock:
            self._live.discard(run)
            if run.id in self._background:
                self._ended.append(run.id)
            while len(self._ended) > MOST_KEPT:
                self._background.pop(self._ended.popleft(), None)

    def forget(self, run_id: str) -> None:
        """Keep nothing of a background run that has ended."""
        with self._lock:
            owner = self._background.get(run_id)
            if owner is not None and owner.done.done():
                del self._background[run_id]

    def handle(self, task_id: str) -> Handle | None:
        """Return the background run called ``task_id``, ended or not."""
        owner = self._background.get(task_id)
        return None if owner is None else Handle(owner)

    def run_with(self, address: str) -> Run | Known:
        """Return the run in which somebody is, or was, at work at ``address``.

        Raises:
            RoutingError: There is none.
        """
        if not isinstance(cast("object", address), str):
            raise ConfigurationError(f"a task id is text, not {address!r:.40}")
        call_id = address.removeprefix(USER_ADDRESS)
        with self._lock:
            likely = self._background.get(call_id)
            if likely is not None:
                return likely.known
            runs = [*self._live, *(owner.known for owner in self._background.values())]
        for run in runs:
            if call_id in run.mail.calls:
                return run
        raise nobody_at(address)

    def _open_portal(self) -> Portal:
        with self._lock:
            if self._portal is None or not self._portal.thread.is_alive():
                self._portal = Portal()
            return self._portal


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


HOST = Host()
