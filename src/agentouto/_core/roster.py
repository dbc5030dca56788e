"""Who takes part in a run, and with what: checked before anything starts.

Every function here either returns what a run needs or raises ``ConfigurationError`` with a text
that says what is wrong and what there is instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import msgspec

from agentouto._core.prompt import BUILTIN_TOOL_NAMES, FINISH, READ_RESULT
from agentouto._domain.message import USER
from agentouto._domain.misuse import ConfigurationError, nearest
from agentouto._domain.participants import KINDS, Agent, Provider


class Roster(msgspec.Struct, frozen=True):
    """The participants of a run.

    Attributes:
        starting: Who gets the user's forward, in the order given; the same agent may come twice.
        agents: Everyone who takes part, by name.
        left_out: Names of starting agents that take no part.
    """

    starting: tuple[Agent, ...]
    agents: Mapping[str, Agent]
    left_out: tuple[str, ...]


def gather_agents(starting: object, participants: object) -> Roster:
    """Return who starts and who takes part; without ``participants``, those who start."""
    starters = _agents("starting_agents", starting)
    if not starters:
        raise ConfigurationError("starting_agents must be provided: nobody would get the message")
    everyone = starters if participants is None else _agents("run_agents", participants)
    agents: dict[str, Agent] = {}
    for agent in everyone:
        if agent.name == USER or agent.name in BUILTIN_TOOL_NAMES:
            whose = "the user's name" if agent.name == USER else "the name of a built-in tool"
            raise ConfigurationError(f"an agent cannot be called {agent.name!r}: that is {whose}")
        if agents.setdefault(agent.name, agent) != agent:
            raise ConfigurationError(f"two different agents are called {agent.name!r}")
    for agent in starters:
        if agents.get(agent.name, agent) != agent:
            raise ConfigurationError(f"two different agents are called {agent.name!r}")
    taking_part = tuple(agent for agent in starters if agent.name in agents)
    left_out = tuple(agent.name for agent in starters if agent.name not in agents)
    if not taking_part:
        raise ConfigurationError(
            f"no starting agent takes part: {', '.join(left_out)} not in run_agents"
        )
    return Roster(taking_part, agents, left_out)


def check_tool_names(names: Sequence[str], agents: Mapping[str, Agent]) -> None:
    """Raise unless every tool can be told from other tools and from agents."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigurationError(f"two tools are called {name!r}")
        if name in agents:
            raise ConfigurationError(f"{name!r} is the name of a tool and of an agent")
        seen.add(name)


def check_disabled(disabled: Iterable[str], tools: Iterable[str]) -> frozenset[str]:
    """Return the names of built-in tools that are switched off."""
    if isinstance(disabled, str):
        raise ConfigurationError(f"disabled_tools takes a set of names: {{{disabled!r}}}")
    off, own = frozenset(disabled), frozenset(tools)
    known = BUILTIN_TOOL_NAMES | {READ_RESULT}
    for name in sorted(off - known):
        why = (
            "is a tool of yours: leave it out of tools="
            if name in own
            else f"is no built-in tool; there are {', '.join(sorted(known))}{nearest(name, known)}"
        )
        raise ConfigurationError(f"disabled_tools: {name!r} {why}")
    if FINISH in off and FINISH not in own:
        raise ConfigurationError(
            "finish cannot be disabled: no agent could return. Give a tool called finish instead."
        )
    return off


def check_forms(agents: Iterable[Agent], output_type: object, tools: Iterable[str]) -> None:
    """Raise if data of a type is wanted where a ``finish`` of the user's decides what returns."""
    wanted = output_type is not None or any(agent.output_type is not None for agent in agents)
    if wanted and FINISH in tools:
        raise ConfigurationError(
            "output_type= and a tool called finish both say what is returned: give one of the two"
        )


def find_providers(agents: Iterable[Agent], providers: Iterable[object]) -> dict[str, Provider]:
    """Return the provider of every agent, by name.

    An agent may bring its provider along, and a kind's name stands for a plain provider of that
    kind.
    """
    given: dict[str, Provider] = {}
    for provider in providers:
        if not isinstance(provider, Provider):
            raise ConfigurationError(f"providers= takes Providers, not {provider!r}")
        _add(given, provider)
    found: dict[str, Provider] = {}
    for agent in (one for asked in agents for one in asked.stand_ins()):
        if isinstance(agent.provider, Provider):
            _add(given, agent.provider)
        name = agent.provider_name
        if name not in given:
            if name not in KINDS:
                raise ConfigurationError(
                    f"Agent {agent.name!r} names provider {name!r}. "
                    f"Known here: {', '.join(given) or 'none'}{nearest(name, [*given, *KINDS])}"
                )
            given[name] = Provider(name)
        found[name] = given[name]
    return found


def _add(given: dict[str, Provider], provider: Provider) -> None:
    if given.setdefault(provider.name, provider) != provider:
        raise ConfigurationError(
            f"two different providers are called {provider.name!r}: give them different names"
        )


def _agents(argument: str, value: object) -> tuple[Agent, ...]:
    if value is None:
        return ()
    if isinstance(value, Agent | str) or not isinstance(value, Iterable):
        raise ConfigurationError(f"{argument} takes a list of agents, not {value!r}")
    agents = tuple(cast("Iterable[object]", value))
    for agent in agents:
        if not isinstance(agent, Agent):
            raise ConfigurationError(f"{argument} takes agents, not {agent!r}")
    return cast("tuple[Agent, ...]", agents)
