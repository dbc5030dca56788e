"""``agentouto worker``: loads a team, and carries out the runs of a journal with it."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import NamedTuple

from agentouto import Journal
from agentouto.cli._exit_codes import ExitCode, ExitError
from agentouto.cli._journal_choice import named_journal
from agentouto.cli._load_team import load_team
from agentouto.cli._run import check_keys
from agentouto.cli._terminal_text import print_notice
from agentouto.cli._trusted_teams import find_team_file
from agentouto.workers import Worker


class WorkOptions(NamedTuple):
    """The options of ``agentouto worker``; see ``Worker``."""

    kinds: tuple[str, ...]
    journal: str
    grace: float
    unserved: float
    runs: int


def work_for_team(spec: str, how: WorkOptions) -> ExitCode:
    """Carry out runs until the process is stopped."""
    team = load_team(spec or find_team_file("worker"))
    check_keys(team)
    named = named_journal(how.journal)
    journal = Journal(named) if named else team.options.get("journal")
    if journal is None:
        raise ExitError(
            "A worker takes runs from a journal. Name it: --journal PLACE, AGENTOUTO_JOURNAL, or "
            "Team(journal=)",
            ExitCode.USAGE,
        )
    place = journal if isinstance(journal, Journal) else Journal(journal)
    worker = Worker(
        team,
        journal=place,
        kinds=how.kinds,
        grace=how.grace,
        unserved=how.unserved,
        runs=how.runs,
    )
    kinds = ", ".join(how.kinds)
    print_notice(f"Worker {os.getpid()} takes runs of {place!r} for: {kinds}. Ctrl+C stops it.")
    asyncio.run(_work(worker))
    return ExitCode.RETURNED


async def _work(worker: Worker) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # on Windows
            loop.add_signal_handler(number, worker.stop)
    await worker.work()
