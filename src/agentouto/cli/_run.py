"""``agentouto run``: a team from a file, asked once. How it is carried out is not known here."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

from agentouto import Agent, ConfigurationError, Provider, ProviderError, Team
from agentouto.cli._carry import carry_out, check_answers, hand_over
from agentouto.cli._exit import Code, Trouble
from agentouto.cli._load import load_team
from agentouto.cli._view import Manner
from agentouto.providers import missing_key


def run_team(spec: str, message: str, to: Sequence[str], manner: Manner) -> Code:
    """Run the team that ``spec`` names and print its answer."""
    with redirect_stdout(sys.stderr):
        team = load_team(spec)
    starting = [_agent(team, name) for name in to] or None
    check_answers(team, manner.answers)
    check_keys(team)
    try:
        return hand_over(carry_out(team, message, starting, manner), manner)
    except ProviderError as error:
        if _is_of_a_broken_script(error, team):
            raise Trouble(str(error), Code.FAILED) from error
        raise


def _is_of_a_broken_script(error: ProviderError, team: Team) -> bool:
    """Tell whether a script has nothing to say, or fails, where no failure is played."""
    providers = (_provider(team, agent) for agent in team.agents)
    scripts = {each.name for each in providers if each is not None and each.kind == "script"}
    return type(error) is ProviderError and error.status is None and error.provider_name in scripts


def check_keys(team: Team) -> None:
    """Raise ``Trouble`` if a provider of ``team`` has no key, and needs one."""
    without: dict[tuple[str, str], list[str]] = {}
    for agent in team.agents:
        provider = _provider(team, agent)
        if provider is not None and (variable := missing_key(provider)):
            without.setdefault((provider.name, variable), []).append(f"`{agent.name}`")
    for (provider_name, variable), agents in without.items():
        raise Trouble(
            f"{', '.join(agents)} cannot start: provider `{provider_name}` has no key. "
            f'Set {variable}. No key at hand? `agentouto demo`, or Provider(kind="script").'
        )


def _provider(team: Team, agent: Agent) -> Provider | None:
    if isinstance(agent.provider, Provider):
        return agent.provider
    for provider in team.providers:
        if provider.name == agent.provider:
            return provider
    try:
        return Provider(agent.provider)
    except ConfigurationError:
        return None  # the run says better what is wrong


def _agent(team: Team, name: str) -> Agent:
    for agent in team.agents:
        if agent.name == name:
            return agent
    names = [agent.name for agent in team.agents]
    nearest = difflib.get_close_matches(name, names, 1)
    hint = f" Did you mean {nearest[0]}?" if nearest else ""
    raise Trouble(f"--to {name}: no such agent. There are: {', '.join(names)}.{hint}", Code.USAGE)
