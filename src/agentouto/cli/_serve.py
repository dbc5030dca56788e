"""``agentouto serve``: loads a team, and runs the fronts that were asked for."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Protocol

from agentouto import Approval, ConfigurationError, Options, Team
from agentouto.a2a import a2a_app
from agentouto.cli._execute import check_names
from agentouto.cli._exit_codes import ExitCode, ExitError
from agentouto.cli._load_team import load_team
from agentouto.cli._run import check_keys, print_limits
from agentouto.cli._terminal_text import print_notice
from agentouto.cli._trusted_teams import find_team_file
from agentouto.cli._views import CommandOptions
from agentouto.serve import Front, Server, agui_app, openai_app, read_key


class TeamAsServer(Protocol):
    """``McpServer`` of ``agentouto.serve.mcp``, which imports the MCP SDK."""

    tools: list[str]

    def run_stdio(self) -> None:
        """Serve over standard input and output."""
        ...

    def http_front(self, *, origins: Collection[str] = ()) -> Front:
        """Return the application for HTTP."""
        ...


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """The options of ``agentouto serve``.

    Attributes:
        openai: Whether OpenAI's API is served.
        agui: Whether AG-UI is served. If no front was asked for, these two are.
        mcp: Whether an MCP server speaks on standard input and output, and nothing else is served.
        mcp_http: Whether an MCP server is served at ``/mcp``.
        a2a: Whether A2A is served.
        host: The address to listen at.
        port: The port; 0 for any that is free.
        name: The name of the team among the models.
        only: The names that are offered; ``None`` for all.
        allowed_hosts: Further names of the server.
        origins: Origins of web pages that may ask.
    """

    openai: bool
    agui: bool
    mcp: bool
    mcp_http: bool
    a2a: bool
    host: str
    port: int
    name: str
    only: tuple[str, ...] | None
    allowed_hosts: tuple[str, ...]
    origins: tuple[str, ...]


def serve_team(spec: str, how: ServeOptions, options: CommandOptions) -> ExitCode:
    """Serve the team that ``spec`` names until Ctrl+C, or until its one client leaves."""
    if how.mcp and (how.openai or how.agui or how.mcp_http or how.a2a):
        raise ExitError(
            "--mcp speaks on standard input and output and goes with no other front. Over HTTP: "
            "--mcp-http",
            ExitCode.USAGE,
        )
    with redirect_stdout(sys.stderr):
        team = load_team(spec or find_team_file("serve"))
        check_names(team, options)
        check_keys(team)
        print_limits(team, options)
        team = _with_options(team, options)
        if not how.mcp:
            _serve_http(team, how)
            return ExitCode.RETURNED
        server = _mcp_server(team, how)
        print_notice(f"MCP on standard input and output. Tools: {', '.join(server.tools)}")
    server.run_stdio()  # it sees to it that nothing else is written to standard output
    return ExitCode.RETURNED


def _serve_http(team: Team, how: ServeOptions) -> None:
    key = read_key()
    fronts: dict[str, Front] = {}
    notices: list[str] = []
    no_choice = not (how.openai or how.agui or how.mcp_http or how.a2a)
    if how.openai or no_choice:
        openai = openai_app(team, name=how.name, only=how.only, origins=how.origins)
        fronts["/v1"] = openai
        notices.append(f"OpenAI's API: ADDRESS/v1  models: {', '.join(openai.models)}")
    if how.agui or no_choice:
        agui = agui_app(team, name=how.name, only=how.only, origins=how.origins)
        fronts["/agui"] = agui
        notices.append(f"AG-UI: ADDRESS/agui  agents: {', '.join(agui.agents)}")
    if how.mcp_http:
        mcp = _mcp_server(team, how)
        fronts["/mcp"] = mcp.http_front(origins=how.origins)
        notices.append(f"MCP: ADDRESS/mcp  tools: {', '.join(mcp.tools)}")
    if how.a2a:
        fronts |= _a2a_fronts(team, how, keyed=key is not None)
        notices.append("A2A: ADDRESS  card: /.well-known/agent-card.json")
    server = _server(how, fronts, key)
    for notice in notices:
        print_notice(notice.replace("ADDRESS", server.address, 1))
    print_notice(
        "Clients must send the key in AGENTOUTO_SERVE_KEY."
        if key
        else "No key: set AGENTOUTO_SERVE_KEY to ask clients for one."
    )
    print_notice("Ctrl+C stops.")
    server.run()


def _mcp_server(team: Team, how: ServeOptions) -> TeamAsServer:
    try:
        from agentouto.serve.mcp import mcp_server  # noqa: PLC0415 - imports the MCP SDK
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"mcp", "mcp_types"}:
            raise
        raise ExitError("--mcp needs the MCP SDK. Install the extra agentouto[mcp].") from error
    return mcp_server(team, name=how.name, only=how.only)


def _a2a_fronts(team: Team, how: ServeOptions, *, keyed: bool) -> dict[str, Front]:
    """Return the front for A2A at its paths."""
    if how.only is not None and how.name not in how.only:
        raise ExitError(
            f"--a2a serves the team, which --only leaves out: add --only {how.name}", ExitCode.USAGE
        )
    try:
        front = a2a_app(team, name=how.name, origins=how.origins, keyed=keyed)
    except ConfigurationError as error:
        if error.code != "extra-missing":
            raise
        raise ExitError("--a2a needs the A2A SDK. Install the extra agentouto[a2a].") from error
    return {"/a2a": front, "/.well-known": front}


def _server(how: ServeOptions, fronts: Mapping[str, Front], key: str | None) -> Server:
    try:
        return Server(
            fronts, host=how.host, port=how.port, key=key, allowed_hosts=how.allowed_hosts
        )
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "uvicorn":
            raise
        raise ExitError("serve needs uvicorn. Install the extra agentouto[serve].") from error


def _with_options(team: Team, options: CommandOptions) -> Team:
    """Return ``team`` with the limits and approvals of the command, where it has none.

    A journal that the command names comes before that of the team.
    """
    own: Options = {}
    if options.journal is not None:
        own["journal"] = options.journal
        if options.journal.exists():
            options.journal.runs("interrupted")  # a file that cannot be used is an error now
    if team.options.get("limits") is None and options.limits is not None:
        own["limits"] = options.limits
    if team.options.get("approve") is None and options.approved_tools:

        def approve(approval: Approval) -> bool:
            return approval.tool in options.approved_tools

        own["approve"] = approve
    every: Options = {**team.options, **own}
    return Team(
        team.agents, team.tools, team.providers, starting_agents=team.starting_agents, **every
    )
