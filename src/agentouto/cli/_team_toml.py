"""Reads a team from ``agentouto.toml``: agents, providers, tools and limits, without Python.

The file is made to be committed, so a key in it is refused. Its tables are the structs below, from
which ``agentouto schema`` makes a JSON schema for editors.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, TypeVar, cast

import msgspec
from msgspec import UNSET, Struct, UnsetType

from agentouto import Agent, ConfigurationError, Limits, Provider, Team, ToolSource
from agentouto.cli._exit_codes import ExitError
from agentouto.cli._mcp_servers import McpTable, server_of_table
from agentouto.cli._terminal_text import KEY_LIKE, one_line

T = TypeVar("T")
TableT = TypeVar("TableT", bound=Struct)

LoadTool: TypeAlias = Callable[[str, Path], Callable[..., object]]
"""Loads ``file.py:name`` or ``package.module:name``; the path is the folder of the team file."""

KEY_NAME = re.compile(r"(?:^|[_-])(?:api_?key|key|secret|token|password)$", re.IGNORECASE)
"""Names of settings that hold a secret in the files of other programs."""

PASSWORD_IN_ADDRESS = re.compile(r"://[^/@\s]+@")
"""A user, and perhaps a password, before the host (RFC 3986, section 3.2.1)."""

REPEATED_SETTING = re.compile(r"Cannot overwrite a value \(at line (\d+)")
"""The message of ``tomllib`` for a setting that stands twice in a table."""

WRONG_TYPE = re.compile(
    r"Expected `(?P<wanted>\w+)(?: \| null)?`, got `(?P<given>\w+)`"
    r"(?: - at `\$\.?(?P<name>[^`]*)`)?"
)
"""The message of msgspec for a value of another type."""

TOML_TYPES = MappingProxyType(
    {
        "array": "a list",
        "bool": "true or false",
        "float": "a number",
        "int": "a whole number",
        "object": "a table",
        "str": "a text",
    }
)
"""What TOML calls the types of msgspec."""

REPEATED_TABLE = re.compile(r"Cannot declare \(([^)]{0,200})\) twice \(at line (\d+)")
"""The message of ``tomllib`` for a table that stands twice."""


class ProviderTable(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A provider of models. Its key comes from the environment or from .env."""

    kind: str | UnsetType = UNSET
    base_url: str | UnsetType = UNSET
    idle: float | UnsetType = UNSET


class AgentTable(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An agent. The settings are those of ``Agent``."""

    model: str
    provider: str
    instructions: str = ""
    role: str | UnsetType = UNSET
    max_output_tokens: int | UnsetType = UNSET
    reasoning: bool | UnsetType = UNSET
    reasoning_effort: (
        Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | UnsetType
    ) = UNSET
    reasoning_budget: int | UnsetType = UNSET
    temperature: float | UnsetType = UNSET
    context_window: int | UnsetType = UNSET
    timeout: float | UnsetType = UNSET


class ToolsTable(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Tools of all agents, as ``file.py:name`` or ``package.module:name``."""

    use: list[str]


class LimitsTable(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The limits of a run, as in ``Limits``."""

    turns: int | UnsetType = UNSET
    calls: int | UnsetType = UNSET
    depth: int | UnsetType = UNSET
    requests: int | UnsetType = UNSET
    tokens: int | UnsetType = UNSET
    cost: float | UnsetType = UNSET
    seconds: float | UnsetType = UNSET
    repeats: int | UnsetType = UNSET
    parallel: int | UnsetType = UNSET
    tool_calls: int | UnsetType = UNSET
    mail: int | UnsetType = UNSET


class TeamTable(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A team of agents for the agentouto command."""

    agents: dict[str, AgentTable]
    providers: dict[str, ProviderTable] = {}
    tools: ToolsTable | UnsetType = UNSET
    mcp: dict[str, McpTable] = {}
    limits: LimitsTable | UnsetType = UNSET
    starting_agents: list[str] | UnsetType = UNSET


def team_schema() -> dict[str, Any]:
    """Return the JSON schema of ``agentouto.toml``."""
    schema = msgspec.json.schema(TeamTable)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def read_team(path: Path, load_tool: LoadTool) -> Team:
    """Return the team in the file ``path``.

    Raises:
        ExitError: The file cannot be read, holds a key, or describes no team. The message names the
            file and the setting.
    """
    tables = _read_toml(path)
    _refuse_keys(path, tables, "")
    rest = _convert(path, "", {**tables, "agents": {}, "providers": {}, "mcp": {}}, TeamTable)
    agent_tables = {
        name: _convert(path, f"agents.{name}", table, AgentTable)
        for name, table in _tables_of(path, tables, "agents").items()
    }
    if not agent_tables:
        raise ExitError(f"{path.name} has no agents. Add one: [agents.NAME]")
    provider_tables = {
        name: _convert(path, f"providers.{name}", table, ProviderTable)
        for name, table in _tables_of(path, tables, "providers").items()
    }
    agents = {
        name: _made(path, f"agents.{name}", partial(Agent, name, **_set_fields(table)))
        for name, table in agent_tables.items()
    }
    providers = [
        _made(path, f"providers.{name}", partial(Provider, name, **_set_fields(table)))
        for name, table in provider_tables.items()
    ]
    uses = [] if rest.tools is UNSET else rest.tools.use
    servers = [
        _made(path, place, partial(server_of_table, name, table, path.parent))
        for name, rows in _tables_of(path, tables, "mcp").items()
        for place in [f"mcp.{name}"]
        for table in [_convert(path, place, rows, McpTable)]
    ]
    tools: list[Callable[..., object] | ToolSource] = [
        load_tool(each, path.parent) for each in uses
    ]
    tools += servers
    starts = [*agents] if rest.starting_agents is UNSET else rest.starting_agents
    starting = [_agent_called(path, name, agents) for name in starts]
    if rest.limits is UNSET:
        return Team([*agents.values()], tools, providers, starting_agents=starting)
    run_limits = _made(path, "limits", partial(Limits, **_set_fields(rest.limits)))
    return Team([*agents.values()], tools, providers, starting_agents=starting, limits=run_limits)


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise ExitError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ExitError(f"{path.name} is not UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        text = str(error)
        if repeated := REPEATED_TABLE.search(text):
            table = ".".join(re.findall(r"'([^']*)'", repeated[1]))
            text = f"line {repeated[2]}: there are two tables [{table}]"
        elif twice := REPEATED_SETTING.search(text):
            text = f"line {twice[1]}: this setting stands twice"
        raise ExitError(f"{path.name}: {one_line(text)}.") from error


def _refuse_keys(path: Path, value: object, place: str) -> None:
    """Raise ``ExitError`` if a setting below ``place`` is a key or looks like one."""
    if isinstance(value, Mapping):
        for name, each in cast("Mapping[str, object]", value).items():
            _refuse_keys(path, each, f"{place}.{name}" if place else name)
        return
    if isinstance(value, list):
        for each in cast("list[object]", value):
            _refuse_keys(path, each, place)
        return
    name = place.rpartition(".")[2]
    text = value if isinstance(value, str) else ""
    if KEY_NAME.search(name) or KEY_LIKE.search(text) or PASSWORD_IN_ADDRESS.search(text):
        raise ExitError(
            f"{path.name}, {place}: this file takes no keys, because it is committed. Put the key "
            "into .env beside it, or into the environment, and take it out of every copy."
        )


def _tables_of(path: Path, tables: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = tables.get(name, {})
    if not isinstance(found, Mapping):
        raise ExitError(f"{path.name}, {name}: write a table for each: [{name}.NAME]")
    return cast("Mapping[str, object]", found)


def _convert(path: Path, place: str, table: object, kind: type[TableT]) -> TableT:
    where = f"{path.name}, {place}" if place else path.name
    if isinstance(table, Mapping):
        names = kind.__struct_fields__
        for name in cast("Mapping[str, object]", table):
            if name not in names:
                close = difflib.get_close_matches(name, names, 1)
                hint = f" Did you mean {close[0]}?" if close else ""
                raise ExitError(
                    f"{where}: there is no {name!r}. There are: {', '.join(names)}.{hint}"
                )
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise ExitError(f"{where}: {_plain_words(str(error))}.") from error


def _plain_words(text: str) -> str:
    """Return a message of msgspec in the words of TOML."""
    if wrong := WRONG_TYPE.fullmatch(text):
        name, wanted, given = wrong["name"], wrong["wanted"], wrong["given"]
        takes = f"takes {TOML_TYPES.get(wanted, wanted)}, not {TOML_TYPES.get(given, given)}"
        return f"{name} {takes}" if name else f"it {takes}"
    return text.replace("Object missing required field", "there is no").replace("`", "'")


def _set_fields(table: Struct) -> dict[str, Any]:
    fields = ((name, getattr(table, name)) for name in table.__struct_fields__)
    return {name: value for name, value in fields if value is not UNSET}


def _made(path: Path, place: str, make: Callable[[], T]) -> T:
    try:
        return make()
    except ConfigurationError as error:
        raise ExitError(f"{path.name}, {place}: {one_line(str(error))}") from error


def _agent_called(path: Path, name: str, agents: Mapping[str, Agent]) -> Agent:
    if name in agents:
        return agents[name]
    close = difflib.get_close_matches(name, agents, 1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise ExitError(
        f"{path.name}, starting_agents: there is no agent {name!r}. "
        f"There are: {', '.join(agents)}.{hint}"
    )
