"""Runs the calls of one ``run()``: owns their tasks, and returns the result.

Calls are opened and found in ``calls.py`` and run in ``call_runner.py``; what is constant for a run
is in ``run_setup.py``.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, TypeAlias

from agentouto._core.ids import starter_id
from agentouto._core.result import (
    PartialRecord,
    RunResult,
    cost_of,
    join_outputs,
    messages_of,
    usage_of,
)
from agentouto._domain.clock import Clock
from agentouto._domain.errors import (
    AgentError,
    AuthError,
    BrokenScript,
    Cancelled,
    JournalError,
    LimitReached,
    Partial,
    ProviderError,
    RoutingError,
    Waiting,
)
from agentouto._domain.event import LimitNeared, RunEnded, SourceMissing
from agentouto._domain.event_pieces import Stamp
from agentouto._domain.kept_event import SavedError
from agentouto._domain.message import USER
from agentouto._domain.output import Output
from agentouto._domain.participants import Agent
from agentouto._engine.approvals import Approvals
from agentouto._engine.budget import Budget
from agentouto._engine.call import Call, Status
from agentouto._engine.call_runner import CallRunner
from agentouto._engine.calls import CallOpener, Calls
from agentouto._engine.early_end import EarlyEnd, error_fields
from agentouto._engine.hook_runner import HookRunner
from agentouto._engine.log import Log
from agentouto._engine.mail import Mail
from agentouto._engine.nesting import TOP_LEVEL, Enclosing, Nesting
from agentouto._engine.observed_log import log_for
from agentouto._engine.plan import Plan, first_event
from agentouto._engine.run_setup import RunSetup
from agentouto._engine.services import Durable, RunServices
from agentouto._engine.side_tasks import SideTask, SideTasks
from agentouto._engine.threads import Threads
from agentouto._engine.tool_sources import read_sources
from agentouto._engine.user import User

_CarriesPartial: TypeAlias = (
    AgentError | ProviderError | AuthError | Cancelled | JournalError | Waiting
)
"""Errors that end a run, and carry what it has done until then."""


class Run:
    """One run. It begins with ``execute``; its starting calls can be written to before that."""

    _closed = False
    has_ended: bool = False  # whether its end is on record

    def __init__(
        self,
        plan: Plan,
        run_id: str,
        clock: Clock,
        *,
        background: bool = False,
        reachable: bool = False,
        enclosing: Enclosing = TOP_LEVEL,
        durable: Durable | None = None,
    ) -> None:
        self.id: str = run_id
        self.plan: Plan = plan
        self.durable: Durable | None = durable
        self.log: Log = (
            log_for(plan.hooks, clock.now)
            if durable is None
            else log_for(plan.hooks, clock.now, durable.keep, durable.earlier)
        )
        self._stamp = Stamp(USER, run_id, None)
        if not self.log.events:
            self.log.append(first_event(plan, self._stamp, self.log.now()))
        self._budget = enclosing.new_budget(plan.limits, plan.prices, clock.now)
        self._nest = Nesting(enclosing, self._budget)
        self._threads = Threads()
        self._user = User(plan.on_message, plan.approve, self._threads)
        self._side_tasks = SideTasks()
        self._early_end = EarlyEnd()
        self._setup = RunSetup(plan, enclosing.tightened(plan.limits))
        self.calls: Calls = Calls()
        services = self._services(reachable=reachable)
        self._runner = CallRunner(services, background_allowed=plan.background_allowed)
        self._failure: Exception | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.starters: list[Call] = (
            [
                self._open_starter(index, starter_id(run_id, index, background=background))
                for index in range(len(plan.starting))
            ]
            if durable is None
            else durable.restore(services, plan, self.log, self._open_starter)
        )

    def _services(self, *, reachable: bool) -> RunServices:
        """Make the parts of the run that its calls use, and connect them."""
        plan, durable, user = self.plan, self.durable, self._user
        setup, budget, side_tasks = self._setup, self._budget, self._side_tasks
        self.approvals: Approvals = Approvals(user, self.log, side_tasks, budget, durable)
        hooks = HookRunner(plan.hooks, plan.on_summarize, self._threads)
        self._opener = CallOpener(
            self.calls,
            plan,
            self.log,
            self._nest,
            budget,
            setup.explain_missing_participant,
            records=durable is not None,
        )
        self.mail: Mail = Mail(
            self.id, self.calls, self.log, user, hooks, user_writes=reachable, past=durable
        )
        return RunServices(
            setup,
            self.calls,
            self._opener,
            self.mail,
            hooks,
            user,
            self.approvals,
            self._threads,
            self._nest,
            side_tasks,
            budget,
            self._early_end,
            durable,
        )

    async def execute(self, why_cancelled: Callable[[], str] = str) -> RunResult:
        """Forward the message to every starting agent at once and return what they return.

        It is recorded how the run has ended, whether this returns, raises or is cancelled.

        Raises:
            AgentoutoError: A starting agent failed: the first failure, raised when the others have
                ended. ``partial`` is all that was done.
        """
        try:
            if self.durable is None or self.durable.ended is None:
                with self._nest.attached(self.close):
                    if self.plan.sources:
                        await self._read_sources()
                    async with asyncio.TaskGroup() as group:
                        self._start(group)
                        # Otherwise the group waits for the background calls as well.
                        if self.plan.cancel_background:
                            await asyncio.wait(self._tasks)
                            self._side_tasks.cancel(SideTask.CALL)
                    if self._user.reads:  # only now is it certain that no agent writes any more
                        await self._deliver_rest()
            result = self._outcome()
        except asyncio.CancelledError:
            await self._end_in_loop(self.cancelled(why_cancelled()))
            raise
        except Exception as error:
            await self._end_in_loop(error)
            raise
        await self._end_in_loop(result)
        return result

    def _start(self, group: asyncio.TaskGroup) -> None:
        """Start a task for every starting agent, and what ends them early."""
        self._side_tasks.begin(group)
        if self._user.reads:
            self.mail.begin(self._waker())
        if self.durable is not None:
            self.durable.begin(self._runner.run_in_background)
        self._tasks = [
            group.create_task(self._begin(call), name=call.name) for call in self.starters
        ]
        self._early_end.begin(self._cancel_all)
        if self._budget is not None:
            self._budget.start_clock(self._cancel_all)

    async def _deliver_rest(self) -> None:
        if self._early_end.error or (self._budget is not None and self._budget.reached):
            return
        async with asyncio.TaskGroup() as group:
            rest = group.create_task(self.mail.close_to_user())
            self._side_tasks.adopt(SideTask.DELIVERY, rest)

    def _outcome(self) -> RunResult:
        """Return the result of the run whose tasks have ended, or raise why there is none."""
        if self.durable is not None and self.durable.ended is not None:
            return self._earlier_result(self.durable, self.durable.ended)
        # A limit of the run cancels the agents, so their failures follow from it.
        reached = None if self._budget is None else self._budget.reached
        failure = self._early_end.error or reached or self._failure
        if failure is not None:
            if isinstance(failure, BrokenScript) and isinstance(failure.__cause__, AssertionError):
                raise failure.__cause__
            if isinstance(failure, _CarriesPartial):
                failure.partial = self.partial(failure.partial.text)
            raise failure
        if any(call.status is Status.CANCELLED for call in self.starters):
            raise self.cancelled("a starting agent cancelled itself")
        return self.result()

    def _earlier_result(self, durable: Durable, ended: RunEnded) -> RunResult:
        """Return what a run that has ended returned, or raise its error again."""
        if ended.status == "completed":
            return self.result()
        if ended.status == "cancelled":
            raise self.cancelled("that was in an earlier process")
        failure = durable.error_of_run()
        if isinstance(failure, _CarriesPartial):
            failure.partial = self.partial()
        raise failure

    def stop(self, *, for_good: bool) -> None:
        """Note that the run is about to be cancelled: by the user, or because it is not read."""
        if self.durable is not None:
            if for_good:
                self.durable.cancel()
            else:
                self.durable.freeze()

    def _open_starter(self, index: int, id_: str) -> Call:
        return self._opener.open_starter(self.plan.starting[index], id_, index)

    async def _read_sources(self) -> None:
        plan = self.plan
        agents = [name for name, one in plan.participants.items() if isinstance(one, Agent)]
        found = await read_sources(plan.sources, plan.tools, plan.participants, agents)
        self._setup.add_tools(found.tools, found.hidden)
        log = self.log.for_call(Stamp(USER, self.id, None))
        for name, reason in found.missing.items():
            log.record(SourceMissing, name, reason)

    def result(self) -> RunResult:
        """Return the result of the run, which has ended."""
        events = self.log.events
        outputs = self._outputs()
        return RunResult(
            join_outputs(outputs, self._setup.participant_names),
            messages_of(events),
            outputs,
            usage_of(events),
            facts=events,
            debug=self.plan.debug,
        )

    def partial(self, text: str = "") -> Partial:
        """Return what has been done so far."""
        events = self.log.events
        return PartialRecord(
            self._outputs(),
            messages_of(events),
            usage_of(events),
            text,
            cost_of(events),
            facts=events,
            debug=self.plan.debug,
        )

    def cancelled(self, reason: str) -> Cancelled:
        """Return the error that waiting for the result of this cancelled run raises."""
        error = Cancelled(f"the run was cancelled{f': {reason}' if reason else ''}")
        error.partial = self.partial()
        return error

    async def _end_in_loop(self, outcome: RunResult | Exception) -> None:
        if not self.has_ended:  # else its loop was closed, and its coroutine is collected
            self._record_end(outcome)
        if self.durable is not None:
            try:
                await self.durable.end()
            except JournalError as error:
                error.partial = self.partial()
                raise

    def end(self, outcome: RunResult | BaseException) -> None:
        """Accept and start nothing more, and record how the run has ended, if that is not done.

        Raises:
            JournalError: The run has a journal, and its end cannot be written there.
        """
        if self.has_ended:
            return
        self._record_end(outcome)
        if self.durable is not None:
            self.durable.close()

    def _record_end(self, outcome: RunResult | BaseException) -> None:
        self.close()
        self.has_ended = True
        if self.durable is not None and self.durable.ended is not None:
            return
        spent = {} if self._budget is None else self._budget.used_by_limit()
        outputs = tuple(self._outputs())
        at = self.log.now()
        if isinstance(outcome, RunResult):
            text = outcome.output
            ended = RunEnded(self._stamp, at, "completed", outputs, output=text, spent=spent)
        else:
            cancelled = isinstance(outcome, Cancelled)
            status: Literal["cancelled", "failed"] = "cancelled" if cancelled else "failed"
            broken = self._early_end.error  # execute raises its cause, if that is an assertion
            raised_cause = broken is not None and broken.__cause__ is outcome
            error = error_fields(broken if broken is not None and raised_cause else outcome)
            saved = SavedError() if self.durable is None else self.durable.saved(outcome)
            ended = RunEnded(
                self._stamp, at, status, outputs, error=error, spent=spent, saved=saved
            )
        self.log.append(ended)

    def _outputs(self) -> list[Output]:
        return [
            Output(
                call.name,
                call.id,
                call.result.content,
                list(call.result.attachments or ()),
                call.data,
            )
            for call in self.starters
            if call.result is not None
        ]

    def close(self) -> None:
        """Accept no more messages and start no more tasks."""
        if self._closed:
            return
        self._closed = True
        self._tasks = []
        self._side_tasks.end()
        self._early_end.close()
        self._nest.close()
        self._threads.close()
        if self._budget is not None:
            self._budget.stop_clock()
        self.mail.end("the run has ended")

    async def _begin(self, call: Call) -> None:
        try:
            if self.durable is None or not self.durable.has_started(call):
                self._opener.reserve(call)
            await self._runner.run(call)
        except Exception as error:  # noqa: BLE001 - execute raises it when the others have ended
            self._failure = self._failure or error

    def _waker(self) -> Callable[[], object]:
        """Return a function that any thread may call when there is mail for the user."""
        loop = asyncio.get_running_loop()
        # A sender's thread has its own context variables. Callbacks get those of the run.
        context = contextvars.copy_context()
        return lambda: loop.call_soon_threadsafe(self._deliver, context=context)

    def _deliver(self) -> None:
        with suppress(RoutingError):  # the run is ending: close_to_user delivers the rest
            self._side_tasks.start(SideTask.DELIVERY, self.mail.deliver)

    def _record_limit(self, budget: Budget, reached: LimitReached) -> None:
        """Record, once, which limit of the run is reached."""
        limits = (event for event in self.log.events if isinstance(event, LimitNeared))
        if any(event.reached and event.limit == reached.limit for event in limits):
            return
        call = self.calls.by_id.get(reached.call_id or "")
        self.log.append(
            LimitNeared(
                self._stamp if call is None else call.stamp,
                self.log.now(),
                reached.limit,
                budget.used_by_limit().get(reached.limit, reached.allowed),
                reached.allowed,
                reached=True,
                by=reached.agent_name,
            )
        )

    def _cancel_all(self) -> None:
        """Cancel everything that still runs, because a limit is reached."""
        if self._budget is not None and self._budget.reached is not None:
            self._record_limit(self._budget, self._budget.reached)
        for task in self._tasks:
            task.cancel()
        self._side_tasks.cancel(*SideTask)
