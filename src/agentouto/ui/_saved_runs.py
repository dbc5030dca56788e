"""The runs in a journal: those of earlier times, and those that other processes work on now.

A run of another process is read again five times a second while it is at work. Its lines come when
they have been written: each reply whole. What the person does is put into its journal, from where
its process takes it.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Iterable, Mapping
from types import MappingProxyType
from typing import cast

import msgspec
from starlette.concurrency import run_in_threadpool

from agentouto import ConfigurationError, Journal, JournalError, SavedRun
from agentouto.ui._live_run import STOPPED, Address, Lines

READ_SECONDS = 0.2
"""A run at work is read so often: a reader sees no delay. Long runs are read less often."""

READ_SHARE = 4
"""After each reading it pauses at least so many times as long as that took."""

MAX_SAVED_RUNS = 200
"""Runs in one answer; older ones are asked for."""

IDLE_SECONDS = 0.5
"""A run that no process works on is read so often: it may be answered, or go on, elsewhere."""

WORDS = MappingProxyType({"returned": "completed", "interrupted": "lost"})
"""What the page calls the states of saved runs; it has the same names for the others."""


class Idle(msgspec.Struct, frozen=True):
    """A run that has not ended, and that no process works on.

    Attributes:
        status: ``waiting`` for people; ``lost`` if it can go on, since its process has died or
            something has been answered.
        asked: The ids of the questions and approvals that are open.
        command: What shows, in a terminal, how each of them is answered.
    """

    status: str
    asked: list[str]
    command: str


class SavedRuns:
    """The runs of a journal. Every reading is done in a thread, because it waits for the disk.

    Args:
        journal: The journal; ``None`` if there is none.
        most: How many runs are listed at once.
    """

    def __init__(self, journal: Journal | None, most: int = MAX_SAVED_RUNS) -> None:
        self._journal = journal
        self._most = most

    async def find(self, run_id: str) -> SavedRun | None:
        """Return a run, or ``None``."""
        journal = self._journal
        return None if journal is None else await run_in_threadpool(_run_in, journal, run_id)

    async def summaries(
        self, without: Iterable[str] = (), before: str = ""
    ) -> list[dict[str, object]]:
        """Return what the list shows of the runs that are not in ``without``, newest first.

        ``before`` is the id of a run: those that are older than it are listed.
        """
        journal = self._journal
        if journal is None:
            return []
        known = set(without)
        found = await run_in_threadpool(_runs_in, journal)
        ids = [run.id for run in found]
        start = ids.index(before) + 1 if before in ids else 0
        shown = [run for run in found[start:] if run.id not in known]
        return [_saved_summary(run) for run in shown[: self._most]]

    async def lines(self, run: SavedRun) -> Lines:
        """Return the lines of a run, as far as they are written."""
        return await run_in_threadpool(_saved_lines, run, 0)

    async def asked(self, run: SavedRun) -> list[str]:
        """Return the ids of the questions and approvals of a run that are open."""
        return await run_in_threadpool(_open_ids, run)

    async def stream(
        self, run: SavedRun, after: Address | None
    ) -> AsyncIterator[Lines | Idle | None]:
        """Yield the lines after an address with each reading, until the run has ended.

        Before that comes an ``Idle`` whenever no process works on it any more, or what it asks has
        changed, and ``None`` once a process works on it again.
        """
        clock = asyncio.get_running_loop().time
        seq, part = (-1, 0) if after is None else after
        idle: Idle | None = None
        while True:
            began = clock()
            new = (await run_in_threadpool(_saved_lines, run, max(seq, 0))).from_address(
                (seq, part)
            )
            if new.texts:
                seq, part = new.last_address()
            yield new
            if run.ended is not None:
                return
            told, idle = idle, await run_in_threadpool(self._idle, run)
            if idle != told:
                yield idle
            pause = READ_SECONDS if idle is None else IDLE_SECONDS
            await asyncio.sleep(max(pause, READ_SHARE * (clock() - began)))
            now = await self.find(run.id)
            if now is None:  # it was removed
                return
            run = now

    def _idle(self, run: SavedRun) -> Idle | None:
        if run.status == "running" or self._journal is None:
            return None
        words = ["agentouto", "runs", "show", run.id, "--journal", self._journal.place]
        return Idle(WORDS.get(run.status, run.status), _open_ids(run), shlex.join(words))


class OtherRun:
    """What the person does in a run of another process. Each method waits for the disk.

    Args:
        saved: The run.
    """

    def __init__(self, saved: SavedRun) -> None:
        self._saved = saved

    def send(self, call: str, text: str) -> dict[str, object]:
        """Send a message to the participant of ``call``; see ``LiveRun.send``."""
        return {"id": self._saved.send(text, call), "status": "accepted"}

    def answer(self, call: str, text: str) -> dict[str, object]:
        """Answer a question; see ``LiveRun.answer``."""
        self._saved.answer(call, text)
        return {"answered": call}

    def approve(self, request: str, reason: str, *, yes: bool) -> dict[str, object]:
        """Allow or refuse one use of a tool; see ``LiveRun.approve``."""
        self._saved.approve(request, yes, reason)
        return {"approved": yes}

    def stop(self, call: str = "") -> dict[str, object]:
        """Stop one call, or the run; see ``LiveRun.stop``."""
        return {"stopped": self._saved.cancel(STOPPED, call or None)}


def _run_in(journal: Journal, run_id: str) -> SavedRun | None:
    try:
        return journal[run_id] if journal.exists() else None
    except (ConfigurationError, JournalError):
        return None


def _runs_in(journal: Journal) -> list[SavedRun]:
    try:
        return journal.runs() if journal.exists() else []
    except JournalError:
        return []


def _saved_lines(run: SavedRun, start: int) -> Lines:
    lines = Lines(whole=True)
    for line in run.lines(start):
        lines.add(cast("Mapping[str, object]", line))
    return lines


def _open_ids(run: SavedRun) -> list[str]:
    return [one.call_id for one in run.questions()] + [one.id for one in run.approvals()]


def _saved_summary(run: SavedRun) -> dict[str, object]:
    return {
        "id": run.id,
        "text": run.message,
        "status": WORDS.get(run.status, run.status),
        "at": run.started,
        "seconds": 0.0 if run.ended is None else run.ended - run.started,
        "own": False,
    }
