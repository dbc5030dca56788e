"""``SubmittedRun``: a run that workers carry out, as it is held anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from agentouto._core.ids import call_id, id_of_use
from agentouto._core.line_writer import all_lines
from agentouto._core.result import PartialRecord, RunResult, cost_of
from agentouto._core.saved_errors import restored_error
from agentouto._core.stream_writer import all_stream_events
from agentouto._domain.approval import Approval
from agentouto._domain.clock import monotonic, pause
from agentouto._domain.configuration_error import AgentoutoError
from agentouto._domain.errors import AgentError, AuthError, Cancelled, ProviderError, Waiting
from agentouto._domain.event import CallReturned, CallStarted, Event, RunEnded, ToolStarted
from agentouto._domain.journal_errors import no_worker
from agentouto._domain.kept_event import CallOpened, RunResumed
from agentouto._domain.message import Message
from agentouto._domain.stream_event import AnyStreamEvent
from agentouto._engine.event_loops import current_loop
from agentouto._journal.journal import Journal
from agentouto._journal.saved_run import ENDED, SavedRun

RESULT_POLL_SECONDS = 0.1
"""Pause between two looks of who waits for a result: the answer of a model takes longer."""

UNSERVED_SECONDS = 60.0
"""For how long a run may be without a worker: longer than a worker takes to be restarted."""


class SubmittedRun:
    """A run that workers carry out. It is a view of the journal, so any process may hold one.

    ::

        order = team.submit("Write.", journal="postgresql://db/agents", run_id="order-4711")
        print(order.result().output)

    Args:
        journal: The journal that the workers share.
        run_id: The id of the run.
        worker: The kind of worker that takes it.

    Attributes:
        id: The id of the run.
    """

    def __init__(self, journal: Journal, run_id: str, worker: str = "default") -> None:
        self._journal = journal
        self._worker = worker
        self.id: str = run_id

    def __repr__(self) -> str:
        return f"SubmittedRun({self.id!r})"

    @property
    def saved(self) -> SavedRun:
        """The run as it is written now."""
        return self._journal[self.id]

    def status(self) -> str:
        """Return ``queued``, or a state of ``SavedRun``: ``running``, ``waiting``, ..."""
        saved = self.saved
        if saved.status != "interrupted":
            return saved.status
        begun = any(isinstance(fact, RunResumed) for fact in saved.result().facts)
        return saved.status if begun else "queued"

    def result(
        self, timeout: float | None = None, *, unserved: float = UNSERVED_SECONDS
    ) -> RunResult:
        """Wait for the end of the run and return its result, or raise what it raised.

        Args:
            timeout: How many seconds to wait at most; the run goes on after that.
            unserved: For how many seconds the run may be without a worker.

        Raises:
            TimeoutError: The run has not ended yet.
            Waiting: It waits for people.
            AgentoutoError: No worker has taken it; ``code`` is ``worker-missing``.
            RuntimeError: Called in an event loop, which would stand still: ``await run.wait()``.
        """
        if current_loop() is not None:
            raise RuntimeError("result() would stop the event loop; use: await run.wait()")
        return self._result(timeout, unserved)

    async def wait(
        self, seconds: float | None = None, *, unserved: float = UNSERVED_SECONDS
    ) -> RunResult:
        """Do what ``result`` does, in async code."""
        return await asyncio.to_thread(self._result, seconds, unserved)

    def events(self) -> Iterator[AnyStreamEvent]:
        """Yield the events of the run as they happen, from its beginning to its end."""
        told = 0
        for facts in self._follow():
            every = all_stream_events(facts)
            yield from every[told:]
            told = len(every)

    def lines(self, start: int = 0) -> Iterator[dict[str, object]]:
        """Yield the event lines of the run as they happen: see ``docs/events.md``.

        Args:
            start: Leave out lines with a smaller ``seq``.
        """
        for facts in self._follow():
            yield from all_lines(facts, start)
            start = max(start, len(facts))

    def send(self, message: str, to: str | None = None, *, id: str | None = None) -> str:  # noqa: A002
        """Send a message, as ``SavedRun.send`` does; with an ``id`` of yours it arrives once."""
        return self.saved.send(message, to, id=id)

    def questions(self) -> list[Message]:
        """Return the questions to people that wait, those of calls on other workers too."""
        return [one for run in self._family() for one in run.questions()]

    def approvals(self) -> list[Approval]:
        """Return the uses of tools that wait for approval, on other workers too."""
        return [one for run in self._family() for one in run.approvals()]

    def answer(self, call_id: str, text: str) -> None:
        """Answer a question, as ``SavedRun.answer`` does.

        Raises:
            RoutingError: It is not open.
        """
        self._holder(call_id).answer(call_id, text)

    def approve(self, approval_id: str, yes: bool, reason: str = "") -> None:  # noqa: FBT001
        """Decide on the use of a tool, as ``SavedRun.approve`` does.

        Raises:
            RoutingError: It is not waiting.
        """
        self._holder(approval_id).approve(approval_id, yes, reason)

    def cancel(self, reason: str = "") -> bool:
        """End the run for good; say whether it had not ended."""
        return self.saved.cancel(reason)

    # ── looking ───────────────────────────────────────────────────────────────────────────────

    def _result(self, timeout: float | None, unserved: float) -> RunResult:
        deadline = None if timeout is None else monotonic() + timeout
        idle_since: float | None = None
        while True:
            saved = self.saved
            if saved.status in ENDED:
                return self._outcome(saved)
            if saved.status == "waiting":
                raise self._waiting()
            now = monotonic()
            idle_since = (idle_since or now) if saved.status == "interrupted" else None
            if idle_since is not None and now - idle_since > unserved:
                raise no_worker(self.id, self._worker, unserved)
            if deadline is not None and now > deadline:
                raise TimeoutError(f"the run {self.id} has not ended within {timeout:g} s")
            pause(RESULT_POLL_SECONDS)

    def _waiting(self) -> Waiting:
        facts = self.saved.result().facts
        answered = {one.stamp.call_id for one in facts if isinstance(one, CallReturned)}
        asked = [
            one.message
            for one in facts
            if isinstance(one, CallStarted)
            and (one.person or one.message.approval is not None)
            and one.stamp.call_id not in answered
        ]
        return Waiting(self.id, asked)

    def _outcome(self, saved: SavedRun) -> RunResult:
        result = saved.result()
        if saved.status == "returned":
            return result
        ended = next((one for one in reversed(result.facts) if isinstance(one, RunEnded)), None)
        error: AgentoutoError = Cancelled(f"the run {self.id!r} was cancelled")
        if saved.status == "failed":
            kept = None if ended is None else ended.saved
            error = AgentoutoError(saved.error) if kept is None else restored_error(kept)
        if isinstance(error, AgentError | ProviderError | AuthError | Cancelled):
            facts = result.facts
            cost = cost_of(facts)
            error.partial = PartialRecord(
                result.outputs, result.messages, result.usage, "", cost, facts=facts
            )
        raise error

    def _follow(self) -> Iterator[Sequence[Event]]:
        """Yield the events of the run whenever there are more of them, until it has ended."""
        watch = self._journal.saved_runs().watch()
        told = -1
        try:
            while True:
                state = watch.statuses([self.id]).get(self.id)
                facts = watch.events(self.id) or ()
                if len(facts) > told:
                    told = len(facts)
                    yield facts
                if state is None or state in ENDED:
                    return
                pause(RESULT_POLL_SECONDS)
        finally:
            watch.close()

    def _family(self) -> list[SavedRun]:
        """Return the run, and those of its calls on other workers that have not ended."""
        watch = self._journal.saved_runs().watch()
        try:
            ids, new = [self.id], [self.id]
            while new:
                found = {id_ for run_id in new for id_ in _calls_of(watch.events(run_id) or ())}
                new = list(watch.statuses(found - {*ids}))
                ids += new
        finally:
            watch.close()
        runs = [self._journal[id_] for id_ in ids]
        return [run for run in runs if run.status not in ENDED]

    def _holder(self, id_: str) -> SavedRun:
        """Return the run in which the question or the approval ``id_`` is."""
        for run in self._family():
            questions = {one.call_id for one in run.questions()}
            if id_ in questions | {one.id for one in run.approvals()}:
                return run
        return self.saved  # which says what is wrong with the id


def _calls_of(facts: Sequence[Event]) -> Iterator[str]:
    """Yield the ids that calls, and uses of tools, have if they are runs of their own."""
    for fact in facts:
        if isinstance(fact, CallOpened):
            yield fact.stamp.call_id
            yield call_id(fact.stamp.call_id, "elsewhere")  # of a starting agent
        elif isinstance(fact, ToolStarted) and not fact.builtin:
            yield id_of_use(fact.stamp.call_id, str(fact.tool_call.place))
