"""``agentouto runs list``, ``keep`` and ``rm``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from agentouto import Journal, SavedRun
from agentouto.cli._exit_codes import ExitCode, ExitError
from agentouto.cli._journal_choice import (
    find_run,
    home_journal,
    journal_exists,
    named_journal,
    saved_journal,
)
from agentouto.cli._runs_words import (
    STATUS_STYLES,
    local_time,
    parse_duration,
    run_fields,
    short_id,
    took,
    utc_time,
)
from agentouto.cli._terminal_text import one_line, plural, print_notice
from agentouto.cli._views import write_json

SHOWN_RUNS = 20
"""Runs that a terminal shows without ``--all``: they fit on it, and the newest come first."""


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What ``agentouto runs list`` shows.

    Attributes:
        status: Only runs in this state; empty for all.
        every: Whether a terminal shows more than the newest.
        as_json: Whether JSON lines are printed.
        color: Whether colours are allowed.
    """

    status: str
    every: bool
    as_json: bool
    color: bool


def list_runs(journal_file: str, options: ListOptions) -> ExitCode:
    """Print the saved runs, newest first, one a line."""
    if not named_journal(journal_file) and not journal_exists(home_journal()):
        print_notice(f"No runs are saved yet. `agentouto run` saves them in {home_journal()}.")
        return ExitCode.RETURNED
    journal = saved_journal(journal_file)
    runs = journal.runs(options.status or None)
    if options.as_json:
        for run in runs:
            write_json(run_fields(run), sys.stdout)
    elif sys.stdout.isatty():
        _print_table(journal, runs, options)
    else:
        sys.stdout.writelines(_plain_row(run) for run in runs)
    return ExitCode.RETURNED


def _plain_row(run: SavedRun) -> str:
    """Return a run as fields with tabs between: id, state, start, seconds, message."""
    seconds = "" if run.ended is None else f"{run.ended - run.started:.1f}"
    fields = (run.id, run.status, utc_time(run.started), seconds, one_line(run.message))
    return "\t".join(fields) + "\n"


def _print_table(journal: Journal, runs: Sequence[SavedRun], options: ListOptions) -> None:
    from rich.console import Console  # noqa: PLC0415 - slow to import, and a pipe needs none
    from rich.text import Text  # noqa: PLC0415

    if not runs:
        of = f" that are {options.status}" if options.status else ""
        print_notice(f"{journal.place} has no runs{of}.")
        return
    shown = runs if options.every else runs[:SHOWN_RUNS]
    rows = [
        (short_id(run.id), _state(run), local_time(run.started), took(run), one_line(run.message))
        for run in shown
    ]
    head = ("ID", "STATUS", "STARTED", "TOOK", "MESSAGE")
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(4)]
    color = options.color and "NO_COLOR" not in os.environ
    console = Console(color_system="auto" if color else None, highlight=False)
    lines = [(head, "dim"), *((row, "") for row in rows)]
    for (id_, state, started, seconds, message), style in lines:
        line = Text(f"{id_:<{widths[0]}}  ", style)
        line.append(f"{state:<{widths[1]}}  ", STATUS_STYLES.get(state.partition(",")[0], style))
        line.append(f"{started:<{widths[2]}}  {seconds:>{widths[3]}}  {message}")
        line.no_wrap = True
        line.truncate(max(1, console.width - 1), overflow="ellipsis")
        console.print(line)
    if len(shown) < len(runs):
        print_notice(f"{plural(len(runs) - len(shown), 'older run')}: --all")


def _state(run: SavedRun) -> str:
    return f"{run.status}, kept" if run.kept else run.status


def keep_runs(names: Sequence[str], journal_file: str, *, keep: bool) -> ExitCode:
    """Mark runs as ones that are never removed for their age, or take the mark away."""
    journal = saved_journal(journal_file)
    for run in [find_run(journal, name) for name in names]:
        run.keep(keep=keep)
        print_notice(f"{run.id} is {'kept' if keep else 'kept no longer'}")
    return ExitCode.RETURNED


def remove_runs(names: Sequence[str], journal_file: str, older_than: str) -> ExitCode:
    """Remove the named runs, or those that have ended before some time and are not kept."""
    if bool(names) == bool(older_than):
        raise ExitError("runs rm takes the ids of runs, or --older-than TIME", ExitCode.USAGE)
    journal = saved_journal(journal_file)
    if older_than:
        count = journal.delete(older_than=parse_duration(older_than))
    else:
        runs = {run.id: run for run in [find_run(journal, name) for name in names]}
        for run in runs.values():
            run.delete()
        count = len(runs)
    print_notice(f"Removed: {plural(count, 'run')}")
    return ExitCode.RETURNED
