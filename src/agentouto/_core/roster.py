"""Checks the participants, tool names and providers of a run before it starts.

Every function either returns what a run needs or raises ``ConfigurationError`` with a text that
says what is wrong and what there is instead.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from typing import cast

import msgspec

from agentouto._core.builtin_tools import DISABLED_BY_NAME, FINISH, RESERVED_NAMES
from agentouto._core.prompt import USER_ROLE
from agentouto._domain.configuration_error import AgentoutoWarning, ConfigurationError, did_you_mean
from agentouto._domain.foreign_words import KIND_WORDS, hint_for
from agentouto._domain.kinds import KINDS, Kind, KindSpec, check_unique_names
from agentouto._domain.message import USER
from agentouto._domain.participants import Agent, Provider, check_output_type
from agentouto._domain.peer import AnswerFunction, Participant, Peer


class Roster(msgspec.Struct, frozen=True):
    """The participants of a run.

    Attributes:
        starting: Those that get the user's message, in order; one may be in it twice.
        participants: All agents and peers of the run, by name, and the user last.
        left_out: Names of starting agents that are not in ``run_agents``, so that do not run.
        agents: The participants that have a model.
    """

    starting: tuple[Participant, ...]
    participants: Mapping[str, Participant]
    left_out: tuple[str, ...]
    agents: tuple[Agent, ...]


def gather_participants(
    starting: object, everyone: object, ask_user: AnswerFunction | None
) -> Roster:
    """Return who starts and who takes part; without ``everyone``, they are the same.

    ``ask_user`` answers as the peer called ``user``.
    """
    starters = _participants_in("starting_agents", starting)
    if not starters:
        raise ConfigurationError("starting_agents must be provided: no agent would get the message")
    named = starters if everyone is None else _participants_in("run_agents", everyone)
    participants: dict[str, Participant] = {}
    for one in named:
        _check_reserved(one)
        _check_same(participants.setdefault(one.name, one), one)
    for one in starters:
        _check_same(participants.get(one.name, one), one)
    taking_part = tuple(one for one in starters if one.name in participants)
    left_out = tuple(one.name for one in starters if one.name not in participants)
    if not taking_part:
        raise ConfigurationError(
            f"no starting agent takes part: {', '.join(left_out)} not in run_agents"
        ).coded("not-participant", where=f"agent {left_out[0]!r}")
    user = participants.pop(USER, None)
    if ask_user is not None:
        if user is not None:
            raise ConfigurationError(
                "there is one user: give either ask_user= or a Peer called 'user', not both"
            )
        user = Peer(USER, USER_ROLE, ask_user, person=True)
    if user is not None:
        participants[USER] = user
    agents = tuple(one for one in participants.values() if isinstance(one, Agent))
    return Roster(taking_part, participants, left_out, agents)


def warn_of_left_out(roster: Roster) -> None:
    """Warn of each starting agent that takes no part, at the line of the user's call."""
    for name in roster.left_out:
        warnings.warn(
            AgentoutoWarning(
                f"{name!r} is in starting_agents but not in run_agents, so it takes no part: "
                "add it to run_agents, or do not start it",
                "not-participant",
            ),
            stacklevel=_frames_inside_package(),
        )


def _frames_inside_package() -> int:
    """Return the number of frames up to the first caller outside this package."""
    depth, frame = 0, inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("agentouto"):
        depth, frame = depth + 1, frame.f_back
    return depth


def _check_same(known: Participant, one: Participant) -> None:
    if known is not one and known != one:  # to compare agents takes a while
        raise ConfigurationError(f"two different agents are called {one.name!r}")


def _check_reserved(one: Participant) -> None:
    if one.name == USER and isinstance(one, Agent):
        raise ConfigurationError("an agent cannot be called 'user': that is the user's name")
    if one.name in RESERVED_NAMES:
        what = "an agent" if isinstance(one, Agent) else "a peer"
        raise ConfigurationError(
            f"{what} cannot be called {one.name!r}: that is the name of a built-in tool"
        )


def check_tool_names(names: Sequence[str], participants: Container[str]) -> None:
    """Raise if two tools, or a tool and a participant, have one name: models use both by name."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigurationError(f"two tools are called {name!r}")
        if name in participants:
            raise ConfigurationError(f"{name!r} is the name of a tool and of an agent")
        seen.add(name)


def agent_names(names: object) -> tuple[str, ...] | None:
    """Return the value of ``for_agents=`` as a tuple, or raise if it is no list of names."""
    if names is None:
        return None
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise ConfigurationError(f"Tool: for_agents={names!r:.60} is no list of names")
    found = tuple(cast("Iterable[object]", names))
    if not found or not all(isinstance(name, str) for name in found):
        raise ConfigurationError(
            f"Tool: for_agents={names!r:.60} takes the names of one agent or more"
        )
    return cast("tuple[str, ...]", found)


def check_for_agents(tool_name: str, names: Iterable[str], agents: Collection[str]) -> None:
    """Raise if a tool is for an agent that does not take part."""
    for name in names:
        if name not in agents:
            raise ConfigurationError(
                f"Tool {tool_name!r}: for_agents= names {name!r}, but there is no such agent in "
                f"this run; there are: {', '.join(agents)}{did_you_mean(name, agents)}"
            )


def check_disabled(disabled: Iterable[str], tools: Iterable[str]) -> frozenset[str]:
    """Return the names of built-in tools that are turned off, once they are checked."""
    if isinstance(disabled, str):
        raise ConfigurationError(f"disabled_tools takes a set of names: {{{disabled!r}}}")
    off, own = frozenset(disabled), frozenset(tools)
    known = DISABLED_BY_NAME
    for name in sorted(off - known):
        why = (
            "is a tool of yours: leave it out of tools="
            if name in own
            else f"is no built-in tool; there are {', '.join(sorted(known))}"
            f"{did_you_mean(name, known)}"
        )
        raise ConfigurationError(f"disabled_tools: {name!r} {why}")
    if FINISH in off and FINISH not in own:
        raise ConfigurationError(
            "finish cannot be disabled: no agent could return. Give a tool called finish instead."
        )
    return off


def check_output_types(agents: Iterable[Agent], output_type: object, tools: Iterable[str]) -> None:
    """Raise if ``output_type`` is no type, or meets a tool called ``finish``: both decide."""
    check_output_type("run", output_type)
    wanted = output_type is not None or any(agent.output_type is not None for agent in agents)
    if wanted and FINISH in tools:
        raise ConfigurationError(
            "output_type= and a tool called finish both say what is returned: give one of the two"
        )


def find_providers(agents: Iterable[Agent], providers: object) -> dict[str, Provider]:
    """Return the provider of every agent and of its fallbacks, by name.

    An agent may hold its provider itself. The name of a kind (``"openai"``) that no provider has
    stands for ``Provider(name)``.
    """
    available: dict[str, Provider] = {}
    if isinstance(providers, Provider | str) or not isinstance(providers or (), Iterable):
        raise ConfigurationError(f"providers= takes a list of Providers, not {providers!r:.60}")
    for provider in cast("Iterable[object]", providers or ()):
        if not isinstance(provider, Provider):
            raise ConfigurationError(f"providers= takes Providers, not {provider!r}")
        _add_provider(available, provider)
    found: dict[str, Provider] = {}
    for asked in agents:
        for agent in asked.with_fallbacks():
            if isinstance(agent.provider, Provider):
                _add_provider(available, agent.provider)
            name = agent.provider_name
            if name not in available:
                if name not in KINDS:
                    raise _unknown_provider(agent, available)
                available[name] = Provider(name)
            found[name] = available[name]
    check_unique_names(kind for provider in available.values() for kind in _kinds(provider))
    return found


def _unknown_provider(agent: Agent, available: Mapping[str, Provider]) -> ConfigurationError:
    name, model = agent.provider_name, agent.model
    known = [*available, *(kind for kind in KINDS if kind not in {*available, "script", "record"})]
    text = f"Agent {agent.name!r} names provider {name!r}. Known here: {', '.join(known)}"
    if model in known:
        text += f". Model and provider are swapped: model={name!r}, provider={model!r}"
    else:
        text += hint_for(name, known, KIND_WORDS)
    return ConfigurationError(text).coded("provider-unknown", where=f"agent {agent.name!r}")


def _kinds(provider: Provider) -> Iterator[Kind | KindSpec]:
    """Yield the kind of ``provider``, and of the provider that it records."""
    yield provider.kind
    if provider.source is not None:
        yield from _kinds(provider.source)


def _add_provider(available: dict[str, Provider], provider: Provider) -> None:
    known = available.setdefault(provider.name, provider)
    if known is not provider and known != provider:  # to compare providers takes a while
        raise ConfigurationError(
            f"two different providers are called {provider.name!r}: give them different names"
        )


def _participants_in(argument: str, value: object) -> tuple[Participant, ...]:
    if value is None:
        return ()
    if isinstance(value, Agent | Peer):
        what = "agent" if isinstance(value, Agent) else "peer"
        raise ConfigurationError(
            f"{argument} takes a list of agents, not the {what} {value.name!r} alone: write "
            f"[{what}]"
        )
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigurationError(f"{argument} takes a list of agents, not {value!r:.60}")
    participants = tuple(cast("Iterable[object]", value))
    for one in participants:
        if not isinstance(one, Agent | Peer):
            raise ConfigurationError(f"{argument} takes agents and peers, not {one!r:.60}")
    return cast("tuple[Participant, ...]", participants)
