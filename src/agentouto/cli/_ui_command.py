"""Declares ``agentouto ui`` and its options; ``_ui.py`` does the work."""
# ruff: noqa: PLC0415, FBT002 - late imports keep --help fast; typer reads flags from booleans

from __future__ import annotations

from typing import Annotated

import typer

from agentouto.cli._arguments import (
    LimitsOption,
    NoLimitsOption,
    TeamArgument,
    VerboseOption,
    exit_with,
    parse_run_limits,
    require_page,
)
from agentouto.cli._journal_choice import warn_of_password
from agentouto.cli._serve_command import AllowHostOption, PortOption
from agentouto.cli._views import CommandOptions

TokenOption = Annotated[
    str,
    typer.Option(
        "--token", metavar="TOKEN", help="A token of your own; safer in AGENTOUTO_UI_TOKEN."
    ),
]


def ui(
    team: TeamArgument = "",
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="The address to listen at. Any but this computer's own needs a token of yours.",
        ),
    ] = "127.0.0.1",
    port: PortOption = 0,
    allow_host: AllowHostOption = None,
    token: TokenOption = "",
    show_prompts: Annotated[
        bool, typer.Option("--show-prompts", help="Show the instructions of the agents, too.")
    ] = False,
    journal: Annotated[
        str,
        typer.Option(
            "--journal",
            metavar="FILE",
            callback=warn_of_password,
            help="Keep runs in this journal, a file or a postgresql:// address, and show those "
            "that other processes keep in it; AGENTOUTO_JOURNAL does the same. Without it: "
            "~/.agentouto/runs.db.",
        ),
    ] = "",
    no_save: Annotated[
        bool, typer.Option("--no-save", help="Keep no runs, and show none of earlier times.")
    ] = False,
    limits: LimitsOption = "",
    no_limits: NoLimitsOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show a team at work in a browser: watch, answer, talk, stop.

    It prints the address to open, and ends with Ctrl+C. Its runs are saved as those of
    `agentouto run` are, and these are shown too. It needs starlette and uvicorn, the extra
    agentouto[serve].
    """
    if no_save and journal:
        raise typer.BadParameter("--no-save excludes --journal")

    def start() -> int:
        require_page()
        from agentouto.cli._ui import PageOptions, serve_team_page

        hosts = tuple(allow_host or ())
        page = PageOptions(host, port, hosts, token, show_prompts, journal, saves=not no_save)
        return serve_team_page(team, page, options)

    options = CommandOptions(limits=parse_run_limits(limits, no_limits), verbose=verbose)
    exit_with(options, start)
