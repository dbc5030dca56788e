"""Has calls answered by workers that share a journal: a ``Placement`` for one run.

The run of such a call is made in the journal by its caller, and a worker of the right kind goes on
with it: workers look for such runs themselves.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Collection, Sequence

import msgspec

from agentouto._domain.configuration_error import AgentoutoError
from agentouto._domain.errors import AgentError, RoutingError
from agentouto._domain.event import Event, RunStarted
from agentouto._domain.journal_errors import RunTaken
from agentouto._domain.kept_event import CallOpened
from agentouto._engine.durable_run import DurableRun
from agentouto._engine.elsewhere import CallElsewhere, Elsewhere, EndOfCall, Post
from agentouto._engine.plan import Plan
from agentouto._engine.services import Durable
from agentouto._journal.journal import Journal, WatchedRuns
from agentouto._workers.run_ends import RunEnds


class WorkerJournal(Journal):
    """The journal of a worker: calls of its runs may be answered by other workers.

    Args:
        original: The journal.
        watch: Looks at it.
        kinds: The kinds of calls that the worker answers itself.
        ends: Waits for the ends of runs.
    """

    def __init__(
        self,
        original: Journal,
        watch: WatchedRuns,
        kinds: Collection[str],
        ends: RunEnds,
    ) -> None:
        vars(self).update(vars(original))
        self._original = original
        self._watch = watch
        self._kinds = kinds
        self._ends = ends

    def open_run(self, run_id: str, plan: Plan, *, accept_changes: bool) -> Durable | None:
        """Return the run ``run_id``, whose calls may be answered elsewhere."""
        durable = self._original.open_run(run_id, plan, accept_changes=accept_changes)
        if isinstance(durable, DurableRun):
            started = next((e for e in durable.earlier if isinstance(e, RunStarted)), None)
            calls = JournalCalls(self._original, self._watch, self._kinds, self._ends, started)
            durable.place_calls = functools.partial(Elsewhere, calls)
        return durable


class JournalCalls:
    """Has the calls of one run answered by other workers of its journal.

    Args:
        journal: The journal.
        watch: Looks at it.
        kinds: The kinds of calls that are answered here.
        ends: Waits for the ends of runs.
        started: The first event of the run.
    """

    def __init__(
        self,
        journal: Journal,
        watch: WatchedRuns,
        kinds: Collection[str],
        ends: RunEnds,
        started: RunStarted | None,
    ) -> None:
        self._journal = journal
        self._watch = watch
        self._kinds = kinds
        self._ends = ends
        self._caller_run = "" if started is None else started.caller_run

    def takes(self, worker: str) -> bool:
        """Whether calls for workers of this kind are answered by another worker."""
        return worker not in self._kinds

    async def answer(self, call: CallElsewhere, on_begun: Callable[[], object]) -> Sequence[Event]:
        """Have a call answered; return the events of its run."""
        await asyncio.to_thread(begin_run, self._journal, call.id, call.plan, call.events)
        on_begun()
        try:
            await self._ends.wait_for(call.id, call.worker)
        except AgentoutoError as error:
            self._ends.forget(call.id)
            if error.code != "worker-missing":
                raise
            await asyncio.to_thread(self._journal[call.id].cancel, "no worker has taken it")
            name = call.plan.starting[0].name
            what = f"was not answered: {error}"
            raise AgentError(name, what, call_id=call.id).coded("worker-missing") from error
        return await asyncio.to_thread(self._watch.events, call.id) or ()

    async def post(self, address: str, post: Post) -> str:
        """Send something to the call at ``address``; return the name of its participant."""
        return await asyncio.to_thread(self._post, address, post)

    def _post(self, address: str, post: Post) -> str:
        if isinstance(post, EndOfCall):
            if address in self._journal:
                self._journal[address].cancel(post.reason)
            return ""
        run_id = self._run_of(address)
        if run_id is None:
            raise RoutingError("unknown", f"No background agent found with task_id: {address}")
        letter = msgspec.json.encode(post).decode()
        return self._watch.pass_on(run_id, address, post.id, letter)

    def _run_of(self, address: str) -> str | None:
        """Return the run that has the call at ``address``: its own, or one that has called."""
        if address in self._journal:
            return address
        run_id = self._caller_run
        while run_id:
            events = self._watch.events(run_id) or ()
            if any(isinstance(e, CallOpened) and e.stamp.call_id == address for e in events):
                return run_id
            started = events[0] if events else None
            run_id = started.caller_run if isinstance(started, RunStarted) else ""
        return None


def begin_run(journal: Journal, run_id: str, plan: Plan, events: Sequence[Event]) -> None:
    """Make a run with its first events, unless it is there already."""
    try:
        durable = journal.open_run(run_id, plan, accept_changes=True)
    except RunTaken:
        return
    if durable is None:
        return
    try:
        if not durable.earlier:
            for event in events:
                durable.keep(event)
    finally:
        durable.close()
