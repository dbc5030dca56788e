"""A run with a journal: records what it does, and goes on from what it has done.

The log of a run is its journal. ``DurableRun`` gets every event of the log, in order, and hands it
to a ``Keeper``, which writes it down. A run that is begun with events of earlier processes is the
same run: ``restore.py`` makes its calls and mail, and each call that was at work goes through its
turns again, with recorded results in place of effects, until there are none left.

Theory of operation.

* An event is recorded before anything that depends on it leaves the process. Before a function of
  the user's begins, ``ToolBegun`` is kept, not only recorded. Nothing else waits for the keeper;
  before one that may be used again, the keeper is asked to hurry, so that it has the reply.
* Each call, message and wait of an earlier process is claimed once, by what makes it again. A
  second use of the same place, as by a hook that uses a tool twice, is a new one.
* What other processes send to the run is taken by ``inbox.py``.
* With ``SAVE_AND_EXIT``, a run ends in this process when it waits for people only. That is looked
  for after every event and every question, in a step of its own: by then, whatever an answer has
  woken up is not among those that wait. The file says that the run waits in a commit that finds the
  inbox empty; from then on nothing is kept, as when the process ends.
* Only ``cancel`` ends a run for good. Ctrl-C, a loop that ends and a stream that is left cancel the
  task of the run from outside. What follows from that is no event of the run, so nothing is kept
  from then on. ``Task.cancel`` counts its requests at once, before any part of the run is
  cancelled.
* A journal that cannot be written ends the run, since what is not kept must not be acted on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from agentouto._core.builtin_tools import CALL_AGENT
from agentouto._core.prompt import ASKED_OTHERWISE
from agentouto._core.saved_errors import restored_error, save_error
from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.errors import Cancelled, JournalError, ToolError, Waiting
from agentouto._domain.event import CallCancelled, CallFailed, CallReturned, Event, RunEnded
from agentouto._domain.kept_event import SavedError, ToolBegun
from agentouto._domain.message import ToolResult
from agentouto._domain.peer import Participant, Peer, kind_of_worker
from agentouto._engine.call import Call
from agentouto._engine.durable_effects import DurableEffects
from agentouto._engine.durable_peer import answer_as_durable_peer
from agentouto._engine.inbox import Inbox, InboxKeeper
from agentouto._engine.log import Log
from agentouto._engine.loop import answer
from agentouto._engine.open_work import OpenWork
from agentouto._engine.past import Past, PastCall
from agentouto._engine.plan import Plan
from agentouto._engine.restore import restore_run
from agentouto._engine.save_and_exit import approvals_are_kept, saves_and_exits
from agentouto._engine.services import CallsElsewhere, RunServices
from agentouto._engine.toolbox import Forwards

_CALL_ENDS: frozenset[type[Event]] = frozenset({CallReturned, CallFailed, CallCancelled})

WAITING_POLL_SECONDS = 0.01
"""Pause before the file is written again that a run waits: a few commits of other processes."""


class Keeper(InboxKeeper, Protocol):
    """Keeps the events of one run, and its inbox.

    ``take`` and ``flush`` are called from any thread.
    """

    def take(self, event: Event) -> None:
        """Take the next event, to be kept soon."""
        ...

    async def settle(self) -> None:
        """Return when all that was taken is kept.

        Raises:
            JournalError: It cannot be kept.
        """
        ...

    def hasten(self) -> None:
        """Keep all that was taken in this step of the loop, if that takes no waiting."""
        ...

    def flush(self) -> None:
        """Keep all that was taken, before this returns; in an event loop, without the disk.

        Raises:
            JournalError: It cannot be kept.
        """
        ...

    def begin(self, fail: Callable[[JournalError], object]) -> None:
        """Begin to keep events in the running loop; ``fail`` is called if that is impossible."""
        ...

    def cancel(self) -> None:
        """Note that the run is ended for good."""
        ...

    def wait_for_people(self) -> bool:
        """Note that the run waits for people, unless something new is in the inbox.

        Returns:
            Whether it was noted, after everything that was taken.

        Raises:
            JournalError: It cannot be kept.
        """
        ...

    def close(self) -> None:
        """Keep what is left, and let go of the place; in an event loop, without the disk."""
        ...

    async def end(self) -> None:
        """Keep what is left, wait for the disk, and let go of the place."""
        ...


PlaceCalls: TypeAlias = Callable[[RunServices, Plan, str, Sequence[Event]], CallsElsewhere]
"""Returns what has calls of a run answered in other processes; gets its parts, arguments, id and
earlier events."""


class DurableRun:
    """What a run with a journal has besides.

    Args:
        keeper: Keeps the events.
        run_id: The id of the run.
        earlier: The events of earlier processes.

    Attributes:
        place_calls: Set by a worker, before the run begins.
    """

    def __init__(self, keeper: Keeper, run_id: str, earlier: Sequence[Event] = ()) -> None:
        self._keeper = keeper
        self._run_id = run_id
        self._past = Past(earlier)
        self.earlier: Sequence[Event] = earlier
        self.ended: RunEnded | None = self._past.ended
        self._inbox = Inbox(keeper, self._end_for_good, self._check_waiting_soon)
        self._open_work: OpenWork | None = None
        self._keeps_approvals = False
        self._checks_waiting = False
        self._services: RunServices  # set by ``restore``, which every run calls first
        self._starters: list[Call] = []
        self._task: asyncio.Task[object] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cancelled_before = 0
        self._for_good = False
        self._frozen = False
        self._calls: dict[str, Call] = {}
        self._background: list[Call] = []
        self._posted = set(self._past.posted)
        self.place_calls: PlaceCalls | None = None
        self.elsewhere: CallsElsewhere | None = None

    # ── keeping ───────────────────────────────────────────────────────────────────────────────

    def keep(self, event: Event) -> None:
        """Take the next event, unless the run was stopped from outside."""
        if not self.is_frozen():
            self._keeper.take(event)
            if type(event) in _CALL_ENDS:
                returned = isinstance(event, CallReturned)
                self._inbox.ended(event.stamp.call_id, returned=returned)
            if self._open_work is not None:
                self._open_work.take(event)
                self._check_waiting_soon()

    async def settle(self) -> None:
        """Wait until all that was recorded is kept."""
        await self._keeper.settle()

    def flush(self) -> None:
        """Keep all that was recorded, before this returns."""
        if not self._frozen:
            self._keeper.flush()

    def cancel(self) -> None:
        """Note that the user ends the run for good."""
        if not self._frozen:
            self._for_good = True
            self._keeper.cancel()

    def is_frozen(self) -> bool:
        """Whether nothing more is kept, because the run was stopped from outside."""
        task = self._task
        if task is not None and not self._for_good and task.cancelling() > self._cancelled_before:
            self._frozen = True
        return self._frozen

    def freeze(self) -> None:
        """Keep nothing more, unless the user has ended the run."""
        self._frozen = not self._for_good

    def close(self) -> None:
        """Keep what is left, and let go of the journal."""
        self._task = None
        self._inbox.close()
        self._keeper.close()

    async def end(self) -> None:
        """Do what ``close`` does, and wait for the disk without blocking the loop."""
        self._task = None
        self._inbox.close()
        await self._keeper.end()

    # ── going on ──────────────────────────────────────────────────────────────────────────────

    def restore(
        self,
        services: RunServices,
        plan: Plan,
        log: Log,
        open_starter: Callable[[int, str], Call],
    ) -> list[Call]:
        """Make the calls and the mail of earlier processes; return those of starting agents."""
        self._services = services
        if self.place_calls is not None:
            self.elsewhere = self.place_calls(services, plan, self._run_id, self.earlier)
        if saves_and_exits(plan):
            self._open_work = OpenWork(self._past.events)
            self._keeps_approvals = approvals_are_kept(plan)
        restored = restore_run(self._past, self._run_id, services, plan, log, open_starter)
        self._calls = restored.claimable
        self._background = restored.background
        self._starters = restored.starters
        return restored.starters

    def begin(self, run_in_background: Callable[[Call], object]) -> None:
        """Begin in the running loop: calls in the background go on."""
        self._task = task = asyncio.current_task()
        # A task that has swallowed a cancellation may begin a run, which is not cancelled by that.
        self._cancelled_before = 0 if task is None else task.cancelling()
        self._loop = loop = asyncio.get_running_loop()
        end_with = self._services.early_end.end_with
        self._keeper.begin(lambda error: loop.call_soon_threadsafe(end_with, error))
        self._inbox.begin(self._services, self._starters)
        for call in self._background:
            run_in_background(call)

    def has_started(self, call: Call) -> bool:
        """Whether ``call`` had received its forward in an earlier process."""
        past = self._past.calls.get(call.id)
        return past is not None and past.started is not None and not past.started.withheld

    def has_ended(self, call: Call) -> bool:
        """Whether ``call`` had ended in an earlier process."""
        past = self._past.calls.get(call.id)
        return past is not None and past.end is not None

    def claim(self, id_: str, name: str, content: str) -> Call | None:
        """Return the call of an earlier process that is made again now; once for each of them.

        Raises:
            ToolError: What is asked now is not what was asked then.
        """
        call = self._calls.pop(id_, None)
        if call is None:
            return None
        opened = self.past_of(call).opened
        if opened is not None and (call.name, opened.message.content) != (name, content):
            raise ToolError(CALL_AGENT, ASKED_OTHERWISE.format(name=call.name))
        return call

    def error_of(self, call: Call) -> Exception:
        """Return the error with which ``call`` had failed."""
        end = self.past_of(call).end
        return restored_error(end.saved if isinstance(end, CallFailed) else SavedError())

    def saved(self, error: BaseException) -> SavedError:
        """Return what is kept of ``error``."""
        return save_error(error)

    def error_of_run(self) -> Exception:
        """Return the error with which the run had ended."""
        return restored_error(SavedError() if self.ended is None else self.ended.saved)

    def seconds_left(self, call: Call, seconds: float) -> float:
        """Return what is left of a time limit of ``call``."""
        started = self.past_of(call).started
        return seconds if started is None else seconds - self._past.seconds_since(started.at)

    async def answer(self, call: Call, participant: Participant, forwards: Forwards) -> ToolResult:
        """Have ``call`` answered, from where it had got to."""
        services, past, inbox = self._services, self.past_of(call), self._inbox
        if self.elsewhere is not None and self.elsewhere.takes(kind_of_worker(participant)):
            return await self.elsewhere.answer(call)
        if isinstance(participant, Peer):
            return await answer_as_durable_peer(call, participant, services, forwards, past, inbox)
        return await answer(DurableEffects(call, participant, services, forwards, past, inbox))

    async def begin_tool(self, call: Call, place: str, *, repeatable: bool = False) -> None:
        """Record that a function of the user's begins at ``place``, and wait until that is kept.

        One that is ``repeatable`` is used again anyway, so that is neither recorded nor waited for.
        """
        if repeatable:
            self._keeper.hasten()
        else:
            call.log.record(ToolBegun, place)
            if self.is_frozen():  # that is not kept, so it must not begin; all is being cancelled
                raise asyncio.CancelledError
            await self._keeper.settle()

    def past_of(self, call: Call) -> PastCall:
        """Return what was done in ``call``; of a new one, that nothing was."""
        return self._past.calls.get(call.id) or PastCall()

    # ── mail and approvals ────────────────────────────────────────────────────────────────────

    def has_posted(self, id_: str) -> bool:
        """Whether the message ``id_`` was sent before; once for each of them."""
        found = id_ in self._posted
        self._posted.discard(id_)
        return found

    def seconds_to_wait(self, call: Call, sender: str, seconds: float) -> float | None:
        """Return what is left of a wait that ``call`` had begun; ``None`` if it had not; once."""
        awaited = self.past_of(call).waits.pop(sender, None)
        return None if awaited is None else max(0.0, awaited.at + seconds - SYSTEM_CLOCK.now())

    def decision(self, id_: str) -> tuple[bool, str | None]:
        """Whether the request ``id_`` was made before, and its answer, if there is one."""
        return id_ in self._past.approvals, self._past.approvals.get(id_)

    def requested(self, id_: str) -> None:
        """Note that the request ``id_`` waits for a decision."""
        self._inbox.requested(id_)

    def _end_for_good(self, reason: str) -> None:
        """End the run as the user has said from another process."""
        self.cancel()
        why = f": {reason}" if reason else ""
        self._services.early_end.end_with(Cancelled(f"the run was cancelled{why}"))

    # ── waiting for people ────────────────────────────────────────────────────────────────────

    def _check_waiting_soon(self) -> None:
        """Look, once this step of the loop is over, whether the run waits for people only."""
        if self._open_work is None or self._loop is None or self._checks_waiting:
            return
        self._checks_waiting = True
        self._loop.call_soon_threadsafe(self._exit_if_waiting)

    def _exit_if_waiting(self) -> None:
        """End the run in this process if it waits for people only, and they are not there."""
        self._checks_waiting = False
        work, services, loop = self._open_work, self._services, self._loop
        if work is None or loop is None or not self._waits(work, services):
            return
        try:
            self._inbox.look()
            if not self._waits(work, services):
                return
            if not self._keeper.wait_for_people():  # the file is busy, or something has come
                loop.call_later(WAITING_POLL_SECONDS, self._exit_if_waiting)
                return
        except JournalError as error:
            services.early_end.end_with(error)
            return
        asked = work.asked(self._people(services))
        self._frozen = True
        services.early_end.end_with(Waiting(self._run_id, asked))

    def _waits(self, work: OpenWork, services: RunServices) -> bool:
        if self._frozen or services.early_end.error is not None:
            return False
        people = self._people(services)
        cancelled = (call.cancel_reason for call in services.calls.running.values())
        return (
            bool(people)
            and work.waits_for(people)
            and not any(reason is not None for reason in cancelled)
        )

    def _people(self, services: RunServices) -> set[str]:
        """Return the ids of the questions and approvals that wait for people who are away."""
        approvals = services.approvals.pending if self._keeps_approvals else frozenset[str]()
        return self._inbox.kept_questions() | approvals
