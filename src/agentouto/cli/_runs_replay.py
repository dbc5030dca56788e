"""``agentouto runs replay``: plays the lines of a saved run as if it happened now.

No team is loaded and no model is asked. At a terminal the lines come as fast as they came then;
where no one watches, they come at once.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import cast

from agentouto.cli._execute import print_answer
from agentouto.cli._exit_codes import ExitCode, ExitError
from agentouto.cli._journal_choice import find_run, saved_journal
from agentouto.cli._terminal_text import clean, print_notice
from agentouto.cli._views import CommandOptions, View, write_json

LONGEST_PAUSE = 3.0
"""Seconds that a replay waits for one line at most: a run may have waited hours for a person."""

ENDS = MappingProxyType({"failed": "has failed", "cancelled": "was stopped for good"})


def replay_run(
    name: str, journal_file: str, speed: float | None, options: CommandOptions
) -> ExitCode:
    """Play a saved run, and print its answer.

    ``speed`` is how many times as fast as it happened; ``None`` is as fast at a terminal, and at
    once elsewhere.
    """
    if speed is not None and speed <= 0:
        raise ExitError(f"--speed takes a number above 0, not {speed:g}", ExitCode.USAGE)
    run = find_run(saved_journal(journal_file), name)
    watched = (sys.stdout if options.jsonl else sys.stderr).isatty()
    lines = run.lines()
    asyncio.run(_play(lines, speed or (1.0 if watched else 0.0), options))
    if run.status == "returned":
        return print_answer(run.result(), options)
    why = f": {clean(run.error)}" if run.error else ""
    print_notice(f"This run {ENDS.get(run.status, 'has not ended')}{why}")
    return ExitCode.RETURNED


async def _play(
    lines: Sequence[Mapping[str, object]], speed: float, options: CommandOptions
) -> None:
    clock = ReplayClock(asyncio.get_running_loop().time, speed)
    view: View = options.make_view(clock)
    try:
        for line in lines:
            if speed:
                await asyncio.sleep(clock.start_pause(cast("float", line["t"])))
                clock.end_pause()
            view.feed(line)
            if options.jsonl:
                write_json(line, sys.stdout)
    finally:
        view.stop()


class ReplayClock:
    """The seconds of a run that is played. Pauses that are too long pass faster at their end.

    Args:
        now: Returns real seconds.
        speed: How many seconds of the run pass in a real one.
    """

    def __init__(self, now: Callable[[], float], speed: float) -> None:
        self._real_now = now
        self._speed = speed
        self._at = 0.0
        self._next = 0.0
        self._since = now()

    def __call__(self) -> float:
        """Return the second of the run that is shown; any thread may ask."""
        passed = (self._real_now() - self._since) * self._speed
        return min(self._next, self._at + passed)

    def start_pause(self, until: float) -> float:
        """Begin to wait for the line at a second of the run; return the real seconds to wait."""
        self._next = max(self._at, until)
        self._since = self._real_now()
        return min(LONGEST_PAUSE, (self._next - self._at) / self._speed)

    def end_pause(self) -> None:
        """Be at the line."""
        self._at, self._since = self._next, self._real_now()
