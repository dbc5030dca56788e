"""Waits until runs in a journal have ended: one look for all of them, several times a second."""

from __future__ import annotations

import asyncio

from agentouto._domain.clock import monotonic
from agentouto._domain.errors import JournalError
from agentouto._domain.journal_errors import no_worker
from agentouto._journal.journal import WatchedRuns
from agentouto._journal.saved_run import ENDED

ENDS_LOOK_SECONDS = 0.05
"""Pause between two looks: less than a quick model takes, and a look takes a millisecond or two."""

IDLE_LOOKS = 10
"""Every so many looks it is checked whether runs that have not ended are at work."""

FAILED_LOOKS_SECONDS = 30.0
"""How long a journal may be away, such as a database that restarts, before those who wait are
told."""


class _Awaited:
    def __init__(self, worker: str) -> None:
        self.worker = worker
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.idle_since: float | None = None


class RunEnds:
    """Those who wait for the ends of runs, in one event loop.

    Args:
        watch: The journal.
        unserved: For how many seconds a run may be without a worker.
        away: For how many seconds the journal may be away.
    """

    def __init__(
        self, watch: WatchedRuns, unserved: float, *, away: float = FAILED_LOOKS_SECONDS
    ) -> None:
        self._watch = watch
        self._unserved = unserved
        self._away = away
        self._awaited: dict[str, _Awaited] = {}
        self._task: asyncio.Task[None] | None = None

    async def wait_for(self, run_id: str, worker: str) -> str:
        """Wait until a run has ended, or waits for people; return its state.

        Raises:
            AgentoutoError: No worker has taken it.
        """
        awaited = self._awaited.get(run_id)
        if awaited is None:
            awaited = self._awaited[run_id] = _Awaited(worker)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_until_all_ended(), name="ends of runs")
        return await asyncio.shield(awaited.ended)

    def forget(self, run_id: str) -> None:
        """Wait for a run no more."""
        self._awaited.pop(run_id, None)

    def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def _look_until_all_ended(self) -> None:
        looks, failing_since = 0, None
        while self._awaited:
            try:
                await self._look(at_idle=looks % IDLE_LOOKS == 0)
                failing_since = None
            except JournalError as error:
                failing_since = failing_since or monotonic()
                if monotonic() - failing_since >= self._away:
                    for run_id in tuple(self._awaited):
                        self._fail(run_id, error)
            looks += 1
            await asyncio.sleep(ENDS_LOOK_SECONDS)

    async def _look(self, *, at_idle: bool) -> None:
        asked_for = tuple(self._awaited.items())  # others may be added while this looks
        states = await asyncio.to_thread(self._watch.statuses, [id_ for id_, _ in asked_for])
        for run_id, awaited in asked_for:
            state = states.get(run_id, "removed")
            if state in ENDED or state == "removed":
                self._awaited.pop(run_id, None)
                if not awaited.ended.done():
                    awaited.ended.set_result(state)
            elif state == "running" and at_idle:
                await self._look_whether_idle(run_id, awaited)

    async def _look_whether_idle(self, run_id: str, awaited: _Awaited) -> None:
        if await asyncio.to_thread(self._watch.is_at_work, run_id):
            awaited.idle_since = None
            return
        awaited.idle_since = awaited.idle_since or monotonic()
        if monotonic() - awaited.idle_since > self._unserved:
            self._fail(run_id, no_worker(run_id, awaited.worker, self._unserved))

    def _fail(self, run_id: str, error: Exception) -> None:
        awaited = self._awaited.pop(run_id, None)
        if awaited is not None and not awaited.ended.done():
            awaited.ended.set_exception(error)
