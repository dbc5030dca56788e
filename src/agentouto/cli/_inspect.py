"""``agentouto show`` and ``agentouto check``: describe a team, and find out whether it can run.

Both load the team file, which executes its Python, and execute nothing else of it. ``check`` with
``--online`` sends one short request to each model: only the server knows whether the key is right.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from typing import cast

from agentouto import (
    BUILTIN_TOOL_NAMES,
    Agent,
    AgentoutoError,
    Limits,
    Peer,
    Provider,
    Retry,
    Team,
    async_run,
)
from agentouto.cli._exit_codes import ExitCode
from agentouto.cli._keys import key_source
from agentouto.cli._load_team import load_team, model_agents, own_tools, source_names
from agentouto.cli._team_toml import team_schema
from agentouto.cli._terminal_text import (
    clean,
    fit_terminal,
    one_line,
    plural,
    redact,
    shorten_at_word,
)
from agentouto.cli._trusted_teams import find_team_file
from agentouto.tool import Tool

ONLINE_SECONDS = 30.0
"""Seconds for the answer of a model: a local server may have to load it first."""

MAX_DESCRIPTION_LENGTH = 100
"""Characters of a description: with its indent it is one line of a wide terminal."""


def print_schema() -> ExitCode:
    """Print the JSON schema of ``agentouto.toml``."""
    _print_json(team_schema())
    return ExitCode.RETURNED


def show_team(spec: str, *, as_json: bool) -> ExitCode:
    """Print the agents of a team, their models, and its tools with their parameters."""
    spec = spec or find_team_file("show")
    with redirect_stdout(sys.stderr):
        team = load_team(spec)
        tools = own_tools(team)
    if as_json:
        _print_json(_description(team, tools))
        return ExitCode.RETURNED
    starting = {agent.name for agent in team.starting_agents}
    _print(_headline(spec, team))
    for agent in team.agents:
        starts = ", starts" if agent.name in starting else ""
        if isinstance(agent, Peer):
            _print(f"peer  {agent.name}{starts}", 6)
            _print_detail(agent.role)
        else:
            _print(f"agent {agent.name}  {agent.model} at {agent.provider_name}{starts}", 6)
            _print_detail(agent.role or agent.instructions)
    for tool in tools:
        approval = "  (needs approval)" if tool.needs_approval else ""
        _print(f"tool  {tool.name}({_describe_parameters(tool.parameters)}){approval}", 6)
        _print_detail(tool.description)
    for name, source in zip(source_names(team), team.sources, strict=True):
        where = one_line(str(getattr(source, "address", "")), MAX_DESCRIPTION_LENGTH)
        _print(f"source {name}  {where and f'{where}  '}(its tools are read when a run starts)", 6)
    return ExitCode.RETURNED


def check_team(spec: str, *, online: bool) -> ExitCode:
    """Print whether each provider of a team has what it needs, and return 0, 3 or 4."""
    spec = spec or find_team_file("check")
    with redirect_stdout(sys.stderr):
        team = load_team(spec)
        for tool in own_tools(team):
            _ = tool.spec  # raises ConfigurationError for a bad signature
    missing = team.missing_keys()
    _print(_headline(spec, team))
    ready: list[Agent] = []
    for name, agents in _agents_by_provider(team).items():
        users = ", ".join(agent.name for agent in agents)
        if variable := missing.get(agents[0].name):
            _print(f"wrong  {name}  {variable} is not set, used by: {users}")
            _print(f"       Set it, or put {variable}=... into .env beside the team file.")
            continue
        provider = _provider_of(team, agents[0])
        _print(f"ok     {name}  {key_source(provider)}, used by: {users}")
        if provider.script is None:
            ready += agents
    if missing:
        return ExitCode.TEAM
    _check_start(team)
    if online and not asyncio.run(_models_answer(team, ready)):
        return ExitCode.PROVIDER
    return ExitCode.RETURNED


def _check_start(team: Team) -> None:
    """Raise what keeps ``team`` from starting. A run that nothing reads does not begin."""
    asyncio.run(team.start("Check.", journal=None).aclose())


async def _models_answer(team: Team, agents: list[Agent]) -> bool:
    """Send one request to each model of ``agents`` and print whether it answers."""
    by_model = {(agent.provider_name, agent.model): agent for agent in agents}
    every_ok = True
    for (provider, model), agent in by_model.items():
        ok, text = await _ask_model(team, agent)
        every_ok = every_ok and ok
        _print(f"{'ok' if ok else 'wrong':<6} {provider}  {model} {text}")
    return every_ok


async def _ask_model(team: Team, agent: Agent) -> tuple[bool, str]:
    asked = replace(
        agent,
        instructions="Answer with one word.",
        output_type=None,
        fallback=(),
        timeout=ONLINE_SECONDS,
        provider=replace(_provider_of(team, agent), retry=Retry(tries=1)),  # say what happened now
    )
    now = asyncio.get_running_loop().time
    began = now()
    try:
        await async_run(
            "Say hello.",
            [asked],
            [],
            disabled_tools=BUILTIN_TOOL_NAMES - {"finish"},
            limits=Limits(requests=1),
        )
    except AgentoutoError as error:
        return False, redact(one_line(str(error)))
    return True, f"answers after {now() - began:.1f} s"


def _agents_by_provider(team: Team) -> Mapping[str, list[Agent]]:
    agents: dict[str, list[Agent]] = {}
    for agent in model_agents(team):
        agents.setdefault(agent.provider_name, []).append(agent)
    return agents


def _provider_of(team: Team, agent: Agent) -> Provider:
    if isinstance(agent.provider, Provider):
        return agent.provider
    named = {provider.name: provider for provider in team.providers}
    return named.get(agent.provider) or Provider(agent.provider)


def _headline(spec: str, team: Team) -> str:
    agents = len(model_agents(team))
    peers = len(team.agents) - agents
    amounts = [
        plural(agents, "agent"),
        *([plural(peers, "peer")] if peers else []),
        plural(len(team.tools), "tool"),
        plural(len(_agents_by_provider(team)), "provider"),
    ]
    return f"{spec}   {', '.join(amounts)}"


def _describe_parameters(schema: Mapping[str, object]) -> str:
    """Return the parameters of a JSON Schema as ``query: string, limit?: integer``."""
    properties = cast("Mapping[str, Mapping[str, object]]", schema.get("properties", {}))
    required = cast("list[str]", schema.get("required", []))
    return ", ".join(
        f"{name}{'' if name in required else '?'}: {_describe_type(each)}"
        for name, each in properties.items()
    )


def _describe_type(schema: Mapping[str, object]) -> str:
    if isinstance(choices := schema.get("enum"), list):
        return "|".join(str(choice) for choice in cast("list[object]", choices))
    if isinstance(options := schema.get("anyOf"), list):
        return "|".join(
            _describe_type(each) for each in cast("list[Mapping[str, object]]", options)
        )
    if isinstance(reference := schema.get("$ref"), str):
        return reference.rpartition("/")[2]
    if schema.get("type") == "array":
        return f"{_describe_type(cast('Mapping[str, object]', schema.get('items', {})))}[]"
    return str(schema.get("type", "any"))


def _description(team: Team, tools: list[Tool[..., object]]) -> dict[str, object]:
    return {
        "agents": [
            {
                "name": agent.name,
                "model": agent.model,
                "provider": agent.provider_name,
                "instructions": agent.instructions,
                "role": agent.role,
            }
            for agent in model_agents(team)
        ],
        "peers": [
            {"name": peer.name, "role": peer.role} for peer in team.agents if isinstance(peer, Peer)
        ],
        "sources": source_names(team),
        "starting_agents": [agent.name for agent in team.starting_agents],
        "tools": [
            {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "needs_approval": tool.needs_approval,
            }
            for tool in tools
        ],
    }


def _print_detail(text: str) -> None:
    if detail := shorten_at_word(text, MAX_DESCRIPTION_LENGTH):
        _print(f"      {detail}", 6)


def _print_json(value: Mapping[str, object]) -> None:
    sys.stdout.write(f"{clean(json.dumps(value, ensure_ascii=False, indent=2))}\n")


def _print(text: str, column: int = 7) -> None:
    """Print a row; where it is broken, its parts begin at ``column``."""
    sys.stdout.write(f"{fit_terminal(clean(text), sys.stdout, ' ' * column)}\n")
