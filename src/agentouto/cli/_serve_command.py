"""Declares ``agentouto serve`` and its options; ``_serve.py`` does the work."""
# ruff: noqa: PLC0415, FBT002 - late imports keep --help fast; typer reads flags from booleans

from __future__ import annotations

from typing import Annotated

import typer

from agentouto import Journal
from agentouto.cli._arguments import (
    JournalOption,
    LimitsOption,
    NoLimitsOption,
    VerboseOption,
    exit_with,
    parse_run_limits,
)
from agentouto.cli._views import CommandOptions

TeamToServe = Annotated[
    str,
    typer.Argument(metavar="TEAM", help="As for `agentouto check`. Loading it runs its Python."),
]
HostOption = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS", help="The address to listen at. Any but this computer's own needs a key."
    ),
]
PortOption = Annotated[
    int, typer.Option(metavar="PORT", min=0, max=65535, help="The port; 0 for a free one.")
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--only", metavar="NAME", help="Offer only the team or agent NAME; may be repeated."
    ),
]
AllowHostOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        metavar="NAME[:PORT]",
        help="Another name of this server: for ssh, Docker, a proxy. May be repeated.",
    ),
]
AllowOriginOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-origin",
        metavar="ORIGIN",
        help="A web page that may ask, such as https://chat.example.org. May be repeated.",
    ),
]
ApproveOption = Annotated[
    list[str] | None,
    typer.Option(
        "--approve",
        metavar="TOOL",
        help="Approve every use of TOOL. Other tools that need approval are refused.",
    ),
]
OpenaiServeOption = Annotated[
    bool, typer.Option("--openai", help="OpenAI's API at /v1, for chat programs.")
]
AguiServeOption = Annotated[
    bool, typer.Option("--agui", help="AG-UI at /agui, for user interfaces.")
]
McpServeOption = Annotated[
    bool,
    typer.Option("--mcp", help="An MCP server on standard input and output, and nothing else."),
]
McpHttpServeOption = Annotated[
    bool, typer.Option("--mcp-http", help="An MCP server at /mcp, over streamable HTTP.")
]
A2aServeOption = Annotated[
    bool, typer.Option("--a2a", help="A2A, for agents elsewhere; needs agentouto[a2a].")
]
NameServeOption = Annotated[
    str, typer.Option(metavar="NAME", help="The name of the team among the models.")
]


def serve(
    team: TeamToServe = "",
    openai: OpenaiServeOption = False,
    agui: AguiServeOption = False,
    mcp: McpServeOption = False,
    mcp_http: McpHttpServeOption = False,
    a2a: A2aServeOption = False,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8421,
    name: NameServeOption = "team",
    only: OnlyOption = None,
    allow_host: AllowHostOption = None,
    allow_origin: AllowOriginOption = None,
    approve: ApproveOption = None,
    journal: JournalOption = "",
    limits: LimitsOption = "",
    no_limits: NoLimitsOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Let chat programs and other clients talk to a team.

    Every client that speaks OpenAI's API can: its base URL is http://127.0.0.1:8421/v1, its model
    is `team` or the name of an agent. Without a choice, --openai and --agui are served. With
    AGENTOUTO_SERVE_KEY set, clients must send that key.

    It needs uvicorn, the extra agentouto[serve].
    """
    from agentouto.cli._serve import ServeOptions, serve_team

    options = CommandOptions(
        approved_tools=tuple(approve or ()),
        limits=parse_run_limits(limits, no_limits),
        verbose=verbose,
        journal=Journal(journal) if journal else None,
    )
    how = ServeOptions(
        openai=openai,
        agui=agui,
        mcp=mcp,
        mcp_http=mcp_http,
        a2a=a2a,
        host=host,
        port=port,
        name=name,
        only=tuple(only) if only else None,
        allowed_hosts=tuple(allow_host or ()),
        origins=tuple(allow_origin or ()),
    )
    exit_with(options, lambda: serve_team(team, how, options))
