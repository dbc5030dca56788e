"""Declares ``agentouto worker`` and its options; ``_work.py`` does the work."""
# ruff: noqa: PLC0415, FBT002 - late imports keep --help fast; typer reads flags from booleans

from __future__ import annotations

from typing import Annotated

import typer

from agentouto.cli._arguments import VerboseOption, exit_with
from agentouto.cli._views import CommandOptions

TeamToWorkFor = Annotated[
    str,
    typer.Argument(metavar="TEAM", help="As for `agentouto check`. Loading it runs its Python."),
]
WorkerKindOption = Annotated[
    list[str] | None,
    typer.Option(
        "--worker",
        metavar="KIND",
        help="The kind of runs and calls to take, as worker= says; may be repeated. `default`.",
    ),
]
WorkerJournalOption = Annotated[
    str,
    typer.Option(
        metavar="PLACE",
        help="The journal that all workers share; else AGENTOUTO_JOURNAL, or that of the team.",
    ),
]
GraceOption = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=0,
        help="How long runs may go on after SIGTERM; the rest goes to other workers.",
    ),
]
UnservedOption = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=0,
        help="After how long a call that no worker takes has failed.",
    ),
]
RunsAtOnceOption = Annotated[
    int,
    typer.Option("--runs", metavar="N", min=1, help="How many submitted runs at a time."),
]


def worker(
    team: TeamToWorkFor = "",
    kinds: WorkerKindOption = None,
    journal: WorkerJournalOption = "",
    grace: GraceOption = 30.0,
    unserved: UnservedOption = 60.0,
    runs: RunsAtOnceOption = 100,
    verbose: VerboseOption = False,
) -> None:
    """Carry out the runs that are in a journal, until it is stopped.

    Any number of workers may share a journal: a run whose worker ends goes on in another one.
    SIGTERM and Ctrl+C stop it: what is at work has the time of --grace; a second one ends that.
    """
    from agentouto.cli._work import WorkOptions, work_for_team

    how = WorkOptions(tuple(kinds or ("default",)), journal, grace, unserved, runs)
    options = CommandOptions(verbose=verbose)
    exit_with(options, lambda: work_for_team(team, how))
