"""Declares the commands for saved runs: ``agentouto runs list`` and so on, ``agentouto lint``.

The modules ``_runs_*.py`` and ``_export.py`` do the work.
"""
# ruff: noqa: PLC0415, FBT002 - late imports keep --help fast; typer reads flags from booleans

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from agentouto.cli._arguments import (
    Command,
    McpOption,
    VerboseOption,
    exit_with,
    parse_progress,
    with_run_options,
)
from agentouto.cli._journal_choice import warn_of_password
from agentouto.cli._views import CommandOptions, Progress

runs = typer.Typer(
    help="List, show, replay, resume, answer, fork or export saved runs.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A file of event lines, as `agentouto run --jsonl` prints them; - is standard input; "
        "or the id of a saved run.",
    ),
]
SavedRunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="The id of a saved run, or its beginning; the newest if left out."
    ),
]
NamedRunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="The id of a saved run, or its beginning.")
]
NamedRunsArgument = Annotated[
    list[str], typer.Argument(metavar="RUN...", help="Ids of saved runs, or their beginnings.")
]
RunJournalOption = Annotated[
    str,
    typer.Option(
        "--journal",
        metavar="FILE",
        callback=warn_of_password,
        help="The file or postgresql:// address with the run, if it is not in "
        "~/.agentouto/runs.db.",
    ),
]
NoColorOption = Annotated[
    bool, typer.Option("--no-color", help="No colours; NO_COLOR does the same.")
]
EveryOption = Annotated[bool, typer.Option("--all", help="Leave nothing out.")]


@runs.command("list", cls=Command)
def runs_list(
    status: Annotated[
        str,
        typer.Option(
            metavar="STATUS",
            help="Only runs that are running, waiting, interrupted, returned, failed or cancelled.",
        ),
    ] = "",
    every: EveryOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    no_color: NoColorOption = False,
    journal: RunJournalOption = "",
    verbose: VerboseOption = False,
) -> None:
    """List saved runs, the newest first.

    In a pipe, a line is a run: id, status, start, seconds and message, with tabs between.
    """
    from agentouto.cli._runs_list import ListOptions, list_runs

    how = ListOptions(status, every, as_json, not no_color)
    exit_with(CommandOptions(verbose=verbose), lambda: list_runs(journal, how))


@runs.command("show", cls=Command)
def runs_show(
    run: SavedRunArgument = "",
    every: EveryOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    no_color: NoColorOption = False,
    journal: RunJournalOption = "",
    verbose: VerboseOption = False,
) -> None:
    """Show a saved run: its calls, where its time went, and its answer."""
    from agentouto.cli._runs_show import ShowOptions, show_run

    how = ShowOptions(every, as_json, not no_color)
    exit_with(CommandOptions(verbose=verbose), lambda: show_run(run, journal, how))


@runs.command("replay", cls=Command)
def runs_replay(
    run: SavedRunArgument = "",
    speed: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            help="How many times as fast as it happened. Without it: 1 at a terminal, and without "
            "pauses elsewhere.",
        ),
    ] = None,
    progress: Annotated[
        str,
        typer.Option(
            metavar="|".join(Progress),
            help="How the run is shown on stderr; auto: a tree if that is a terminal.",
        ),
    ] = Progress.AUTO.value,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Print the events as JSON lines instead of the answer.")
    ] = False,
    no_color: NoColorOption = False,
    journal: RunJournalOption = "",
    verbose: VerboseOption = False,
) -> None:
    """Play a saved run again, without a team and without a model."""
    from agentouto.cli._runs_replay import replay_run

    options = CommandOptions(
        progress=parse_progress(progress), jsonl=jsonl, color=not no_color, verbose=verbose
    )
    exit_with(options, lambda: replay_run(run, journal, speed, options))


@runs.command("resume", cls=Command)
@with_run_options
def runs_resume(
    run_id: NamedRunArgument,
    team: Annotated[
        str,
        typer.Argument(
            metavar="TEAM",
            help="As for `agentouto run`; if left out, the team that the run was begun with. "
            "Loading it runs its Python.",
        ),
    ] = "",
    accept_changes: Annotated[
        bool,
        typer.Option(
            "--accept-changes",
            help="Go on although instructions, models or parameters have changed.",
        ),
    ] = False,
    mcp: McpOption = None,
    *,
    options: CommandOptions,
) -> None:
    """Go on with a run that was interrupted, and print its answer.

    What it has done is not done again. The answer of a run that has returned is printed.

    Exit codes: those of `agentouto run`.
    """
    from agentouto.cli._runs_resume import resume_run

    goes_on = replace(options, accepts_changes=accept_changes)
    exit_with(options, lambda: resume_run(run_id, team, goes_on, mcp or ()))


@runs.command("fork", cls=Command)
def runs_fork(
    run: NamedRunArgument,
    before: Annotated[
        str,
        typer.Option(
            metavar="CALL:TURN",
            help="The turn that is done again: an agent, or the id of a call, and the number of "
            "its turn, from 0 on. Without it: from before the failure of the run.",
        ),
    ] = "",
    run_id: Annotated[
        str, typer.Option(metavar="ID", help="The id of the new run; if left out, one is drawn.")
    ] = "",
    journal: RunJournalOption = "",
    verbose: VerboseOption = False,
) -> None:
    """Make a new run from an earlier point of a saved one.

    It prints the id of the new run; `agentouto runs resume` goes on with it. The saved run stays as
    it is.
    """
    from agentouto.cli._runs_resume import fork_run

    exit_with(CommandOptions(verbose=verbose), lambda: fork_run(run, journal, before, run_id))


@runs.command("answer", cls=Command)
def runs_answer(
    run: NamedRunArgument,
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT", help="The answer; if left out, the open questions are printed."
        ),
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Which question: the agent that asked, or the id of the question."
        ),
    ] = "",
    journal: RunJournalOption = "",
    verbose: VerboseOption = False,
) -> None:
    """Answer a question of a saved run, or print those that are open.

    A line is a question: id, agent and text, with tabs between. A run at work takes the answer;
    another goes on with `agentouto runs resume`.
    """
    from agentouto.cli._runs_answer import answer_question

    exit_with(CommandOptions(verbose=verbose), lambda: answer_question(run, text, to, journal))


@runs.command("approve", cls=Command)
def runs_approve(
    run: NamedRunArgument,
    approval: Annotated[
        str,
        typer.Argument(metavar="ID", help="The id of what waits for approval, or its beginning."),
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Let the tool run.")] = False,
    no: Annotated[bool, typer.Option("--no", help="Refuse.")] = False,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why it is refused; the agent is told.")
    ] = "",
    journal: RunJournalOption = "",
    verbose: VerboseOption = False,
) -> None:
    """Approve or refuse the use of a tool in a saved run.

    Without --yes and --no, it prints what waits, one a line: id, agent, tool and arguments, with
    tabs between.
    """
    from agentouto.cli._runs_answer import decide_approval

    if yes and no:
        raise typer.BadParameter("--yes and --no exclude each other")
    if (approval or reason) and not (yes or no):
        raise typer.BadParameter("Decide with --yes or --no")
    decision = yes if yes or no else None
    exit_with(
        CommandOptions(verbose=verbose),
        lambda: decide_approval(run, approval, yes=decision, reason=reason, journal_file=journal),
    )


@runs.command("keep", cls=Command)
def runs_keep(
    names: NamedRunsArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Take the mark away.")] = False,
    journal: RunJournalOption = "",
    verbose: VerboseOption = False,
) -> None:
    """Mark runs that must not be removed for their age.

    Of the others, those in ~/.agentouto/runs.db are removed that have ended, the oldest first, when
    there are more than 500 runs or they take more than 1 GB.
    """
    from agentouto.cli._runs_list import keep_runs

    exit_with(CommandOptions(verbose=verbose), lambda: keep_runs(names, journal, keep=not undo))


@runs.command("rm", cls=Command)
def runs_rm(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN...]", help="Ids of saved runs, or their beginnings."),
    ] = None,
    older_than: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Remove all that ended so long ago and are not kept: 12h, 30d, 4w.",
        ),
    ] = "",
    journal: RunJournalOption = "",
    verbose: VerboseOption = False,
) -> None:
    """Remove saved runs."""
    from agentouto.cli._runs_list import remove_runs

    exit_with(
        CommandOptions(verbose=verbose), lambda: remove_runs(names or (), journal, older_than)
    )


@runs.command(cls=Command)
def export(
    run: RunArgument,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="html|svg|mermaid|jsonl|otlp",
            help="The form; without it, what FILE ends with.",
        ),
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="The file; without it, standard output."
        ),
    ] = None,
    picture: Annotated[
        str,
        typer.Option(
            metavar="PICTURE",
            help="For svg: sequence, time, or auto, a sequence for up to 13 participants.",
        ),
    ] = "auto",
    no_content: Annotated[
        bool,
        typer.Option("--no-content", help="Leave out texts, arguments and results."),
    ] = False,
    journal: RunJournalOption = "",
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    verbose: VerboseOption = False,
) -> None:
    """Write a run as a report, a picture, a diagram, lines or spans.

    html is a report on one page without scripts, svg a picture, mermaid a diagram, jsonl all event
    lines. otlp sends the run as OpenTelemetry spans to OTEL_EXPORTER_OTLP_ENDPOINT; texts are in
    them only if OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT is true.

    A run that has not ended gives what there is, and says so.
    """
    from agentouto.cli._export import ExportOptions, export_run

    how = ExportOptions(to, output, picture, content=not no_content, force=force)
    exit_with(CommandOptions(verbose=verbose), lambda: export_run(run, journal, how))


def lint(
    run: RunArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    journal: RunJournalOption = "",
    verbose: VerboseOption = False,
) -> None:
    """Say what went wrong between the agents of a run.

    It says what the events of the run show, in the terms of the MAST taxonomy (arXiv 2503.13657).

    Exit codes: 0 nothing was found, 1 something was, 2 wrong usage, 3 RUN cannot be read.
    """
    from agentouto.cli._export import lint_run

    exit_with(CommandOptions(verbose=verbose), lambda: lint_run(run, journal, as_json=as_json))
