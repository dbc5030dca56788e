"""``Worker``: takes runs from a journal and carries them out, until it is stopped.

Theory of operation. A run that waits for a worker is one that has not ended and that no process
works on, whether it was submitted just now or its worker has died: one look finds both. Two workers
that find the same run both try to open it, and one of them is refused. A worker that was stopped
for a while, and whose run another one has taken, cannot write to it any more.

* A worker takes the runs of its kinds only: what ``worker=`` of ``submit``, of agents and of tools
  says. Calls are taken without a bound: if there were one, runs could wait for calls that wait for
  their turn. Only runs that were submitted are bounded.
* When it is stopped, it takes nothing more, waits a while for what is at work, and cancels the
  rest, from outside: so nothing of that is kept, and another worker goes on.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

from agentouto._domain.clock import monotonic
from agentouto._domain.configuration_error import AgentoutoError, ConfigurationError
from agentouto._domain.errors import JournalError, Waiting
from agentouto._domain.event import RunStarted
from agentouto._domain.functions import check_worker_kind
from agentouto._domain.journal_errors import RunTaken
from agentouto._domain.peer import Participant
from agentouto._engine.elsewhere import tool_as_peer
from agentouto._engine.tool import AnyTool, Tool
from agentouto._engine.tool_sources import ToolSource, is_source
from agentouto._journal.journal import Journal, journal_at
from agentouto._options import Options
from agentouto._workers.journal_calls import WorkerJournal
from agentouto._workers.run_ends import RunEnds
from agentouto._workers.submits import DEFAULT_WORKER
from agentouto._workers.submitted_run import UNSERVED_SECONDS
from agentouto.team import Team

log = logging.getLogger("agentouto")

LOOK_FOR_RUNS_SECONDS = 0.1
"""Pause between two looks for runs that wait: a person does not notice it."""

LEFT_SECONDS = 2.0
"""How long a run is left alone that could not be kept, such as while a database restarts."""

STOP_SECONDS = 30.0
"""How long a worker that is stopped waits for what is at work: what systemd and Docker allow is
longer, or is set beside it."""

MOST_RUNS = 100
"""How many submitted runs one worker has at a time by default: enough for a few requests a second,
and other workers get some as well."""


class Worker:
    """Carries out the runs of a team that are in a journal.

    ::

        asyncio.run(Worker(team, journal="runs.db").work())

    Args:
        team: The team.
        journal: The journal; left out, that of the team.
        kinds: The kinds of runs and calls that it takes: what ``worker=`` says elsewhere.
        grace: How many seconds it waits for what is at work when it is stopped.
        unserved: After how many seconds without a worker a call for another kind has failed.
        runs: How many submitted runs it has at most at a time; calls are not bounded.

    Raises:
        ConfigurationError: An argument cannot work.
    """

    def __init__(
        self,
        team: Team,
        *,
        journal: str | Journal | None = None,
        kinds: Sequence[str] = (DEFAULT_WORKER,),
        grace: float = STOP_SECONDS,
        unserved: float = UNSERVED_SECONDS,
        runs: int = MOST_RUNS,
    ) -> None:
        place = journal or team.options.get("journal")
        if place is None:
            raise ConfigurationError("a worker takes runs from a journal: give journal=")
        if isinstance(kinds, str) or not kinds:
            raise ConfigurationError(f"Worker(kinds=) takes a list of kinds, not {kinds!r:.60}")
        for name, value in (("grace", grace), ("unserved", unserved), ("runs", runs)):
            if isinstance(value, bool) or not value >= (name == "runs"):
                raise ConfigurationError(f"Worker({name}={value!r:.40}) is too small")
        self._team = team
        self._journal = journal_at(place)
        self._kinds = frozenset(check_worker_kind("Worker(kinds=): ", kind) for kind in kinds)
        self._grace = grace
        self._runs = runs
        self._watch = self._journal.saved_runs().watch()
        self._ends = RunEnds(self._watch, unserved)
        self._own = WorkerJournal(self._journal, self._watch, self._kinds, self._ends)
        self._started: dict[str, RunStarted | None] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._refused: set[str] = set()
        self._stopping = asyncio.Event()
        self._hurried = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """Take nothing more, and return from ``work`` when what is at work has ended.

        It may be called from any thread. A second call ends the wait: other workers go on.
        """
        if self._loop is None:
            self._stop()
        else:
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._stopping.is_set():
            self._hurried.set()
        self._stopping.set()

    async def work(self) -> None:
        """Take runs and carry them out until ``stop`` is called.

        Raises:
            JournalError: The journal cannot be used.
        """
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._watch.make)
        try:
            while not self._stopping.is_set():
                with suppress(JournalError):  # it is away for a moment, or the next look says more
                    await self._take_runs()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_FOR_RUNS_SECONDS):
                        await self._stopping.wait()
            await self._hand_over()
        finally:
            self._ends.close()
            self._watch.close()

    async def _take_runs(self) -> None:
        mine = {*self._tasks, *self._refused}
        for run_id in await asyncio.to_thread(self._watch.waiting_runs, mine):
            started = await self._first_event(run_id)
            if started is None or started.worker not in self._kinds or self._stopping.is_set():
                continue
            if started.caller_run or self._submitted < self._runs:
                task = asyncio.create_task(self._carry_out(run_id, started), name=f"run {run_id}")
                self._tasks[run_id] = task
                task.add_done_callback(functools.partial(self._forget, run_id))

    def _forget(self, run_id: str, _: asyncio.Task[None]) -> None:
        self._tasks.pop(run_id, None)

    @property
    def _submitted(self) -> int:
        started = (self._started.get(run_id) for run_id in self._tasks)
        return sum(one is not None and not one.caller_run for one in started)

    async def _first_event(self, run_id: str) -> RunStarted | None:
        if run_id not in self._started:
            events = await asyncio.to_thread(self._watch.events, run_id)
            if not events:  # it is just being made
                return None
            first = events[0]
            self._started[run_id] = first if isinstance(first, RunStarted) else None
        return self._started[run_id]

    async def _carry_out(self, run_id: str, started: RunStarted) -> None:
        """Go on with a run until it has ended, waits for people, or is taken away."""
        try:
            team, starting = self._team_for(started)
            stream = team.start(
                started.message,
                starting,
                journal=self._own,
                run_id=run_id,
                limits=started.limits,
                changed="accept",
            )
            await stream.result()
        except (RunTaken, Waiting) as error:
            log.debug("the run %s: %s", run_id, error)
        except ConfigurationError as error:
            self._refused.add(run_id)
            log.warning("the run %s cannot be carried out by this worker: %s", run_id, error)
        except JournalError as error:
            log.warning("the run %s was left to other workers: %s", run_id, error)
            await asyncio.sleep(LEFT_SECONDS)
        except AgentoutoError as error:
            log.info("the run %s has failed: %s", run_id, error)
        finally:
            self._started.pop(run_id, None)

    def _team_for(self, started: RunStarted) -> tuple[Team, list[Participant]]:
        """Return the team that carries out a run, and its starting agents.

        Raises:
            ConfigurationError: The team does not have them.
        """
        team = self._team
        everyone = team.options.get("run_agents") or team.agents
        by_name = {one.name: one for one in (*everyone, *team.starting_agents)}
        missing = [name for name in started.starting if name not in by_name]
        if not missing:
            return team, [by_name[name] for name in started.starting]
        tools = {one.name: one for one in _own_tools(team)}
        if not started.caller_run or missing != list(started.starting) or missing[0] not in tools:
            raise ConfigurationError(
                f"it needs {', '.join(missing)}, and the team has no such agent or tool; there "
                f"are: {', '.join((*by_name, *tools))}"
            )
        peer = tool_as_peer(tools.pop(missing[0]))
        options: Options = {**team.options, "run_agents": [*everyone, peer]}
        rest: list[AnyTool | ToolSource] = [*tools.values(), *team.sources]
        own = Team([*everyone, peer], rest, team.providers, starting_agents=[peer])
        own.options = options
        return own, [peer]

    async def _hand_over(self) -> None:
        """Wait for what is at work, and leave the rest to other workers."""
        if self._tasks:
            log.info("the worker waits at most %g s for %d runs", self._grace, len(self._tasks))
            hurried = asyncio.create_task(self._hurried.wait())
            deadline = monotonic() + self._grace
            while self._tasks and not hurried.done() and (left := deadline - monotonic()) > 0:
                every = (hurried, *self._tasks.values())
                await asyncio.wait(every, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            hurried.cancel()
        rest = tuple(self._tasks.values())
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest)


def _own_tools(team: Team) -> list[AnyTool]:
    """Return the tools of a team, without those of its sources."""
    own: list[AnyTool] = []
    for each in team.tools:
        if isinstance(each, Tool):
            own.append(cast("AnyTool", each))
        elif not is_source(each):
            own.append(Tool(cast("Callable[..., object]", each)))
    return own
