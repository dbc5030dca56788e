"""``agentouto ui``: serves the page of a team until Ctrl+C."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass

from agentouto import AgentoutoError, Journal, Team
from agentouto.cli._exit_codes import ExitCode, ExitError
from agentouto.cli._journal_choice import named_journal, own_journal
from agentouto.cli._limits import limits_notice
from agentouto.cli._load_team import load_team
from agentouto.cli._terminal_text import clean, print_notice
from agentouto.cli._trusted_teams import find_team_file
from agentouto.cli._views import CommandOptions
from agentouto.ui import PageServer, PageSetup

TOKEN_VARIABLE = "AGENTOUTO_UI_TOKEN"  # noqa: S105 - the name of a variable

LEAST_TOKEN = 20
"""Characters of a token of one's own: 120 bits, if each is one of 64."""

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class PageOptions:
    """Where the page is served.

    Attributes:
        host: The address to listen at.
        port: The port; 0 for any that is free.
        allowed_hosts: More names under which it is reached.
        token: The token of the address, if it was given on the command line.
        show_prompts: Whether it shows the instructions of agents.
        journal: The file that runs are kept in, if one was named.
        saves: Whether they are kept in the command line's own journal, if no other is named.
    """

    host: str = "127.0.0.1"
    port: int = 0
    allowed_hosts: tuple[str, ...] = ()
    token: str = ""
    show_prompts: bool = False
    journal: str = ""
    saves: bool = False


def serve_team_page(spec: str, page: PageOptions, options: CommandOptions) -> ExitCode:
    """Serve the page of the team that ``spec`` names; of none, if there is none."""
    source, team, problem = _load_or_problem(spec)
    if team is not None:
        print_notice(limits_notice(team, options.limits))
    setup = PageSetup(
        team,
        problem=problem,
        source=source,
        limits=options.limits,
        show_prompts=page.show_prompts,
        journal=_page_journal(page, team, source),
    )
    return serve_page(setup, page)


def serve_page(setup: PageSetup, page: PageOptions) -> ExitCode:
    """Serve a page until Ctrl+C, and print its address."""
    server = PageServer(
        setup,
        host=page.host,
        port=page.port,
        hosts=page.allowed_hosts,
        token=_page_token(page),
    )
    print_notice("Open this address in a browser; Ctrl+C stops.")
    sys.stdout.write(f"{server.address}\n")
    sys.stdout.flush()
    asyncio.run(server.serve())
    return ExitCode.RETURNED


def _load_or_problem(spec: str) -> tuple[str, Team | None, str]:
    """Return the file, the team in it, and why it cannot be loaded."""
    try:
        source = spec or find_team_file("ui")
    except ExitError as error:
        if error.code is not ExitCode.USAGE:  # there is a file, and it may not be loaded
            raise
        return "", None, ""
    try:
        return source, load_team(source), ""
    except (ExitError, AgentoutoError) as error:
        print_notice(clean(str(error)))
        return source, None, clean(str(error))


def _page_journal(page: PageOptions, team: Team | None, source: str) -> Journal | None:
    """Return the journal of the page's runs; one that was named and is unreadable is an error."""
    place = named_journal(page.journal) if page.journal or page.saves else ""
    if not place:
        if not page.saves or (team is not None and team.options.get("journal") is not None):
            return None
        return own_journal(source, print_notice, may_be_lost=True, what="Runs are")
    journal = Journal(place, team=source)
    if journal.exists():
        journal.runs("interrupted")
    elif journal.path is not None and not journal.path.parent.is_dir():
        raise ExitError(f"--journal {place}: there is no folder {journal.path.parent}")
    print_notice(f"Runs are kept in {journal.place}, and those in it are shown.")
    return journal


def _page_token(page: PageOptions) -> str:
    """Return the person's own token; empty for a random one."""
    token = page.token or os.environ.get(TOKEN_VARIABLE, "").strip()
    if page.token:
        print_notice(f"--token can be read in the list of processes. Safer: {TOKEN_VARIABLE}")
    if token and len(token) < LEAST_TOKEN:
        raise ExitError(f"The token has {len(token)} characters, and needs {LEAST_TOKEN}.")
    if page.host not in LOOPBACK_HOSTS:
        if not token:
            raise ExitError(
                f"--host {page.host} can be reached from other machines, and needs a token of your "
                f"own: set {TOKEN_VARIABLE}.",
                ExitCode.USAGE,
            )
        print_notice(
            f"{page.host} can be reached from other machines, without encryption: put a proxy with "
            "TLS in front of it."
        )
    return token
