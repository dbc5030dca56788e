"""MCP servers of the command line: in ``agentouto.toml``, and in files named with ``--mcp``.

None is started here: a server starts when a run reads its tools.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from agentouto import ApiKeyAuth, ConfigurationError, Peer, Team
from agentouto.acp import ProgramAnswer
from agentouto.cli._exit_codes import ExitCode, ExitError
from agentouto.mcp import MCPServer


class McpTable(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An MCP server, as in ``MCPServer``. Its program runs in the folder of this file.

    ``env`` names the variables of the environment, or of .env, that the program gets;
    ``token_from`` the one with the token that is sent to ``url``.
    """

    command: list[str] | UnsetType = UNSET
    url: str | UnsetType = UNSET
    env: list[str] = []
    cwd: str = "."
    token_from: str | UnsetType = UNSET
    only: list[str] | UnsetType = UNSET
    without: list[str] | UnsetType = UNSET
    needs_approval: bool | list[str] | UnsetType = UNSET
    timeout: float | UnsetType = UNSET
    prefix: bool | UnsetType = UNSET
    required: bool | UnsetType = UNSET
    search: bool | UnsetType = UNSET
    protocol: Literal["auto", "2025-11-25", "2026-07-28"] | UnsetType = UNSET
    sampling: str | UnsetType = UNSET


def server_of_table(name: str, table: McpTable, folder: Path) -> MCPServer:
    """Return the server that ``table`` describes; paths in it are relative to ``folder``.

    Raises:
        ConfigurationError: A setting is wrong, or a variable that it names is not set.
    """
    own = ("env", "cwd", "token_from")
    settings: dict[str, Any] = {
        field: value
        for field in table.__struct_fields__
        if field not in own and (value := getattr(table, field)) is not UNSET
    }
    if table.command is not UNSET:
        settings["cwd"] = folder / table.cwd
        settings["env"] = {variable: _required_variable(name, variable) for variable in table.env}
    if table.token_from is not UNSET:
        settings["auth"] = ApiKeyAuth(_required_variable(name, table.token_from))
    return MCPServer(name, **settings)


def _required_variable(server: str, name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise ConfigurationError(f"{server} needs {name}, which is not set, and not in .env either")
    return value


def with_servers(team: Team, files: Sequence[str]) -> Team:
    """Return ``team`` with the servers in ``files`` as well.

    Raises:
        ExitError: A file cannot be read, or has no servers.
    """
    if not files:
        return team
    try:
        servers = [server for file in files for server in MCPServer.from_config(file)]
    except ConfigurationError as error:
        raise ExitError(f"--mcp: {error}", ExitCode.TEAM) from error
    return Team(
        team.agents,
        [*team.tools, *servers],
        team.providers,
        starting_agents=team.starting_agents,
        **team.options,
    )


def start_notices(team: Team) -> list[str]:
    """Return a sentence for each program that a run may start, or address that it connects to."""
    servers = [
        f"{each.name} {'connects to' if '://' in each.address else 'starts'}: {each.address}"
        for each in team.sources
        if isinstance(each, MCPServer)
    ]
    programs = [
        f"{each.name} starts: {shlex.join(each.answer.command)}"
        for each in team.agents
        if isinstance(each, Peer) and isinstance(each.answer, ProgramAnswer)
    ]
    return servers + programs
