"""The runs that have begun and not ended, by their ids, with the event loops that they are in.

A program may close an event loop in the middle of a run and go on. Its tasks then never end, and
nothing is raised in them. A run with a journal would hold its place there until the process ends,
so ``end_left`` ends such runs: before a run with the same id begins, and before a journal is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agentouto._engine.event_loops import required_loop
from agentouto._engine.run import Run


class LiveRuns:
    """A table of runs. Each step is one operation on a dictionary, so that it needs no lock."""

    def __init__(self) -> None:
        self._runs: dict[str, tuple[Run, asyncio.AbstractEventLoop, Callable[[], object]]] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, run: Run, end: Callable[[], object]) -> None:
        """Add ``run``, which begins in the running loop; ``end`` ends it if that is closed."""
        self._runs[run.id] = run, required_loop(), end

    def remove(self, run_id: str) -> None:
        """Drop a run that has ended."""
        self._runs.pop(run_id, None)

    def runs(self) -> list[Run]:
        """Return the runs."""
        return [run for run, _, _ in self._runs.copy().values()]

    def end_left(self, run_id: str | None = None) -> None:
        """End the runs whose loop was closed: all of them, or only the one called ``run_id``.

        Those with a journal can be gone on with, as after the end of their process.
        """
        runs = self._runs.copy()
        for id_ in runs if run_id is None else runs.keys() & {run_id}:
            _, loop, end = runs[id_]
            if loop.is_closed():
                end()
