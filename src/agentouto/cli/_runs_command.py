"""Declares the commands for runs that are over: ``agentouto runs export``, ``agentouto lint``.

``_export.py`` does the work.
"""
# ruff: noqa: PLC0415, FBT002 - late imports keep --help fast; typer reads flags from booleans

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agentouto.cli._arguments import Command, VerboseOption, exit_with
from agentouto.cli._views import CommandOptions

runs = typer.Typer(
    help="Export a run as a report, a picture, a diagram or spans.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A file of event lines, as `agentouto run --jsonl` prints them; - is standard input. "
        "With --journal, the id of a run.",
    ),
]
RunJournalOption = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        metavar="FILE",
        help="The journal that RUN is in: what journal= of the run was.",
    ),
]


@runs.command(cls=Command)
def export(
    run: RunArgument,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORM",
            help="html, svg, mermaid, jsonl or otlp; without it, what FILE ends with.",
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
    journal: RunJournalOption = None,
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
    journal: RunJournalOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Say what went wrong between the agents of a run.

    It says what the events of the run show, in the terms of the MAST taxonomy (arXiv 2503.13657).

    Exit codes: 0 nothing was found, 1 something was, 2 wrong usage, 3 RUN cannot be read.
    """
    from agentouto.cli._export import lint_run

    exit_with(CommandOptions(verbose=verbose), lambda: lint_run(run, journal, as_json=as_json))
