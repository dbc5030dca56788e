"""The host of runs: owns those in the background, and finds runs by the ids of their calls.

A background run that is started in async code belongs to the loop it was started in and ends with
it. One that is started from plain code belongs to the portal: one background thread, which begins
with the first such run and ends with the interpreter. Its memory is what all runs share.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from typing import Generic, Never, Self, TypeVar, cast

import msgspec

from agentouto._core.result import RunResult
from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.errors import JournalError, RoutingError
from agentouto._domain.event import Event
from agentouto._domain.memory import Memory
from agentouto._domain.result_type import Data_co
from agentouto._engine.approvals import Approvals
from agentouto._engine.call import Call
from agentouto._engine.calls import USER_ADDRESS, Calls, unknown_call
from agentouto._engine.delivery import Receipt
from agentouto._engine.event_loops import current_loop, required_loop
from agentouto._engine.finalizers import drop_left_over, run_left_over
from agentouto._engine.handle_events import HandleEvents
from agentouto._engine.kept_runs import MAX_KEPT_RUNS, KeptRuns
from agentouto._engine.live_runs import LiveRuns
from agentouto._engine.log import Log
from agentouto._engine.mail import Mail
from agentouto._engine.nesting import leave_call_site
from agentouto._engine.portal import Portal
from agentouto._engine.run import Run
from agentouto._engine.run_lines import RunLines

T = TypeVar("T")


class RunRecord(msgspec.Struct, frozen=True):
    """What stays readable of a run after its end, when its tasks and tools are dropped."""

    id: str
    starters: list[Call]
    calls: Calls
    mail: Mail
    log: Log
    approvals: Approvals


class Owner:
    """A run and the task that carries it out. All but ``start`` may be called from any thread."""

    def __init__(self, run: Run, host: Host) -> None:
        self._host = host
        self.record: RunRecord = RunRecord(
            run.id, run.starters, run.calls, run.mail, run.log, run.approvals
        )
        self._run: Run | None = run
        self.reason: str = ""
        self.stopped: bool = False
        self.is_lost: bool = False
        self.task: asyncio.Task[RunResult] | None = None
        self.loop: asyncio.AbstractEventLoop | None = current_loop()
        self.done: Future[RunResult] = Future()
        self.done.set_running_or_notify_cancel()  # so that one waiter cannot cancel it for others

    def start(self) -> None:
        """Begin the run in the running loop."""
        run = self._run
        if run is None:  # it was cancelled before it could begin
            return
        self.loop = required_loop()
        self._host.register(run, lambda: self.cancel("its event loop was closed", for_good=False))
        work = run.execute(lambda: self.reason)
        self.task = asyncio.create_task(work, name=f"run {run.id}")
        self.task.add_done_callback(self._end)

    def cancel(self, reason: str = "", *, for_good: bool = True) -> bool:
        """Stop the run; return whether it had not ended. One that has not begun never begins.

        ``for_good`` is whether the user ends the run; otherwise one with a journal can be resumed.
        """
        run = self._run
        if self.done.done() or (run is not None and run.has_ended):
            return False
        if run is not None:
            run.stop(for_good=for_good)
        self.reason = self.reason or reason
        self.stopped = True
        task = self.task
        if task is None:
            self._complete(None)
            return True
        try:
            task.get_loop().call_soon_threadsafe(task.cancel)
        except RuntimeError:  # its loop is closed, so the task can never end
            self._complete(None)
        return True

    @property
    def begun(self) -> bool:
        """Whether there is anything to end: a task, unread messages, or a journal that is open."""
        return self.task is not None or (
            self._run is not None and (self._run.mail.has_unread or self._run.durable is not None)
        )

    async def ended(self) -> RunResult:
        """Wait until the run has ended, and return its result or raise its error."""
        return await asyncio.wrap_future(self.done)

    def lose(self) -> None:
        """Say, in a process made by a fork, that the run goes on in the parent only."""
        if self._run is None:
            return
        self._run = self.task = None
        self.is_lost = True
        self.done = Future()  # the parent's may be locked by a thread that does not exist here
        self.done.set_exception(_in_parent(self.record.id))

    def forget(self) -> None:
        """Drop the run from the host's table, if it has ended."""
        self._host.forget(self.record.id)

    def _end(self, task: asyncio.Task[RunResult]) -> None:
        self._complete(None if task.cancelled() else task.exception() or task.result())

    def _complete(self, outcome: RunResult | BaseException | None) -> None:
        """Set the result, ``None`` for a run that was cancelled, and drop the run."""
        run, self._run, self.task = self._run, None, None
        if run is None:
            return
        self._host.unregister(run)
        ending = outcome or run.cancelled(self.reason)
        try:
            run.end(ending)
        except JournalError as error:
            ending = error
        if isinstance(ending, RunResult):
            self.done.set_result(ending)
        else:
            self.done.set_exception(ending)
        run.log.close()  # last: a reader that sees the end of the log asks for the result


class Handle(str, Generic[Data_co]):  # noqa: SLOT000 - it has one attribute, which slots of a str cannot hold
    """The id of a background run, and a handle on it.

    As a string it is the task id. ``await`` returns the handle itself, so ``run_background`` may be
    awaited or not.
    """

    _owner: Owner

    def __new__(cls, owner: Owner) -> Self:
        """Make the handle of a run."""
        handle = super().__new__(cls, owner.record.id)
        handle._owner = owner
        return handle

    def __await__(self) -> Generator[object, None, Self]:
        """Return the handle itself."""
        return self
        yield

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Pickle and copy a handle as its task id."""
        return str, (str(self),)

    @property
    def facts(self) -> Sequence[Event]:
        """The events of the run so far, as the engine keeps them: see ``RunResult.facts``."""
        return self._owner.record.log.events

    def done(self) -> bool:
        """Return whether the run has ended; of a run that a fork has left behind, ``True``."""
        return self._owner.done.done()

    def status(self) -> str:
        """Return the status of the first starting agent: one word, as in its report."""
        return self._owner.record.starters[0].status.value

    def report(self) -> str:
        """Return status, result and messages of the first starting agent as text."""
        return self._owner.record.starters[0].report()

    def send(self, message: str, to: str | None = None, *, id: str | None = None) -> Receipt:  # noqa: A002
        """Send a message to the starting agents that still run, or to the participant at ``to``.

        A message with an ``id`` of yours arrives once, however often it is sent.
        ``send_message(handle, ...)`` sends it to the first starting agent only: as an address, the
        task id is that of its call. The others have the task id with ``_1``, ``_2`` and so on.

        Raises:
            RoutingError: There is no such participant, or it has already returned; or the run is
                one of the process that this one was forked from.
        """
        run = self._owner.record
        if self._owner.is_lost:
            raise _in_parent(run.id)
        if to is not None:
            return run.mail.send(to, message, id)
        return run.mail.send_to_all(run.starters, message, id)

    def approve(self, approval_id: str, yes: bool, reason: str = "") -> None:  # noqa: FBT001
        """Decide on the use of a tool that waits for approval, from any thread.

        The run needs an ``approve=`` function; this decides in its place while it waits.

        Args:
            approval_id: ``Approval.id``.
            yes: ``True`` lets the tool run, ``False`` refuses.
            reason: Why it is refused; the agent is told.

        Raises:
            RoutingError: No approval with this id is waiting: it has been decided, its call has
                ended, or there never was one.
            ConfigurationError: ``yes`` is neither ``True`` nor ``False``.
        """
        self._owner.record.approvals.decide(approval_id, yes=yes, reason=reason)

    def cancel(self, reason: str = "") -> bool:
        """Stop the whole run; say whether it had not ended."""
        return self._owner.cancel(reason)

    def forget(self) -> None:
        """Free the memory of a run that has ended; afterwards its task id is unknown."""
        self._owner.forget()

    def events(self) -> HandleEvents:
        """Return the events of the run, from its beginning, as they happen.

        ``async for event in handle.events()`` in async code, ``for`` in plain code.
        """
        return HandleEvents(self._owner.record.log, lambda: self._owner.loop)

    def lines(self, start: int = 0) -> RunLines:
        """Return the event lines with a ``seq`` of at least ``start``: see ``docs/events.md``."""
        return RunLines(self._owner.record.log, start)

    async def wait(self) -> RunResult[Data_co]:
        """Wait for the run to end and return its result, or raise what it raised."""
        return await self._owner.ended()

    def result(self, timeout: float | None = None) -> RunResult[Data_co]:
        """Return the result from plain code, waiting at most ``timeout`` seconds for it.

        Raises:
            RuntimeError: Called in the run's own loop, which would wait for itself.
            TimeoutError: The run has not ended yet.
            Cancelled: The run was cancelled.
        """
        task = self._owner.task
        if not self._owner.done.done() and task is not None and current_loop() is task.get_loop():
            raise RuntimeError(
                "result() would stop the event loop that the run needs; use: await handle.wait()"
            )
        try:
            return self._owner.done.result(timeout)
        except TimeoutError:
            if self._owner.done.done():  # the run itself raised it
                raise
            raise TimeoutError(
                f"the run {self} has not ended within {timeout:g} s; it goes on"
            ) from None


def _missing_attribute(_: Handle, name: str) -> Never:
    """Raise ``AttributeError``; for an attribute of a result, say where the result is."""
    of_results = hasattr(RunResult, name) or name in RunResult.__dataclass_fields__
    hint = ": the result is handle.result(), or await handle.wait() in async code"
    raise AttributeError(f"'Handle' object has no attribute {name!r}{hint if of_results else ''}")


# In the class, type checkers would see it, and take any attribute for known.
setattr(Handle, "__getattr__", _missing_attribute)  # noqa: B010


class Host:
    """Finds runs by the ids of their calls, and owns those in the background.

    Any thread may use it, also during garbage collection. So there is no lock: each step is one
    operation on a dictionary or a deque, which is atomic in CPython.

    Args:
        max_kept: How many background runs stay readable after their end.
        memory: What runs leave for later ones.
    """

    def __init__(self, *, max_kept: int = MAX_KEPT_RUNS, memory: Memory | None = None) -> None:
        self.memory: Memory = memory or Memory()
        self._opening = threading.Lock()  # held only while the portal is started
        self._portal: Portal | None = None
        self.live: LiveRuns = LiveRuns()
        self._background: dict[str, Owner] = {}
        self._kept = KeptRuns(max_kept)

    def after_fork(self) -> None:
        """Let go, in a process made by a fork, of all that needs the threads of the parent.

        Only the thread that forked exists here. A lock that another one held is never released, and
        the portal's loop has no reader in the child. Background runs that have ended stay readable.
        """
        self._opening = threading.Lock()
        self._portal = None
        self.live = LiveRuns()
        for owner in self._background.values():
            owner.lose()
        self._background = {
            run_id: owner for run_id, owner in self._background.items() if not owner.is_lost
        }
        drop_left_over()
        leave_call_site()
        self.memory.after_fork()

    def start(self, run: Run, *, portal: bool) -> Handle:
        """Begin ``run`` in the running loop; in the portal if there is none, or with ``portal``."""
        run_left_over()
        owner = Owner(run, self)
        self._background[run.id] = owner
        if portal or current_loop() is None:
            self.portal().call(owner.start)
        else:
            owner.start()
        return Handle(owner)

    def begin_in_portal(self, owner: Owner) -> None:
        """Begin a run in the portal that is not kept after its end."""
        run_left_over()
        self.portal().call(owner.start)

    def register(self, run: Run, end: Callable[[], object]) -> None:
        """Make the calls of ``run`` reachable by their ids; see ``LiveRuns.add``."""
        run_left_over()
        self.live.add(run, end)

    def unregister(self, run: Run) -> None:
        """Drop a run that has ended, unless it is one of the last background runs."""
        self.live.remove(run.id)
        if run.id in self._background:
            self._kept.add(run.id, run.log.events)
            for surplus in self._kept.take_surplus(self._background):
                self._background.pop(surplus, None)

    def forget(self, run_id: str) -> None:
        """Drop a background run that has ended."""
        owner = self._background.get(run_id)
        if owner is not None and owner.done.done():
            self._background.pop(run_id, None)

    def handle(self, task_id: str) -> Handle | None:
        """Return the handle of the background run with the id ``task_id``, ended or not."""
        owner = self._background.get(task_id)
        return None if owner is None else Handle(owner)

    def find_run(self, address: str) -> Run | RunRecord:
        """Return the run that has, or had, a call with the id ``address``.

        Raises:
            RoutingError: There is none.
        """
        if not isinstance(cast("object", address), str):
            raise ConfigurationError(f"a task id is text, not {address!r:.40}")
        run_left_over()
        call_id = address.removeprefix(USER_ADDRESS)
        likely = self._background.get(call_id)
        if likely is not None:
            return likely.record
        runs: list[Run | RunRecord] = [
            *self.live.runs(),
            *(owner.record for owner in self._background.copy().values()),
        ]
        found = {run.id: run for run in runs if call_id in run.calls.by_id}
        if len(found) == 1:
            return next(iter(found.values()))
        raise unknown_call(address, tuple(found))

    def portal(self) -> Portal:
        """Return the portal, which begins with its first use."""
        with self._opening:
            if self._portal is None or not self._portal.thread.is_alive():
                self._portal = Portal()
            return self._portal


def _in_parent(run_id: str) -> RoutingError:
    return RoutingError(
        run_id, "this run belongs to the process that this one was forked from; ask it there"
    )


DEFAULT_HOST = Host()
"""The host of every run of this process, unless a test makes one of its own."""

if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=DEFAULT_HOST.after_fork)
