"""Says who in a team can be talked to from outside, and by which name."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from agentouto import BUILTIN_TOOL_NAMES, Agent, ConfigurationError, Peer, Team, Tool

USER_NAME = "user"
"""The name of the participant that the engine asks for the user."""

StartingParticipants: TypeAlias = Sequence[Agent | Peer]
"""Those that get the user's message."""


def has_user(team: Team) -> bool:
    """Return whether ``team`` brings an answer to questions to the user itself."""
    named = any(each.name == USER_NAME for each in team.agents)
    return named or team.options.get("ask_user") is not None


def is_agent(participant: Agent | Peer) -> bool:
    """Return whether ``participant`` has a model, which can use tools."""
    return isinstance(participant, Agent)


def with_tools(team: Team, tools: Sequence[Tool[..., object]]) -> Team:
    """Return ``team`` with more tools."""
    return Team(
        team.agents,
        [*team.tools, *tools],
        team.providers,
        starting_agents=team.starting_agents,
        **team.options,
    )


def taken_names(team: Team) -> frozenset[str]:
    """Return the names that a tool of a caller cannot have: participants, tools, built-in tools.

    Tools of sources are not known before a run begins.
    """
    # Tools may be plain functions, which have a ``__name__`` only.
    listed = [getattr(each, "name", getattr(each, "__name__", "")) for each in team.tools]
    people = [each.name for each in team.agents]
    return frozenset({*people, *map(str, listed), *BUILTIN_TOOL_NAMES, USER_NAME})


def choices(
    team: Team, name: str, only: Collection[str] | None = None
) -> Mapping[str, StartingParticipants | None]:
    """Return who is talked to under which name: the team, and each participant.

    Args:
        team: The team.
        name: The name of the team. Its starting agents get the message: ``None`` in the result.
        only: The names that are offered; ``None`` for all.

    Raises:
        ConfigurationError: A participant has the name of the team, or ``only`` names none.
    """
    found: dict[str, StartingParticipants | None] = {name: None}
    for each in team.agents:
        if each.name == USER_NAME:
            continue
        # Under one name there would be two: with the team, and with this participant alone.
        if each.name == name:
            raise ConfigurationError(
                f"the team and one of its participants are both called {name!r}: give the team "
                "another name"
            )
        found[each.name] = [each]
    if only is None:
        return MappingProxyType(found)
    for wanted in only:
        if wanted not in found:
            close = difflib.get_close_matches(wanted, found, 1)
            hint = f". Did you mean {close[0]!r}?" if close else ""
            raise ConfigurationError(
                f"only {wanted!r}: there is none of that name. There are: {', '.join(found)}{hint}"
            )
    if not only:
        raise ConfigurationError("only= takes the names that are offered, at least one")
    return MappingProxyType({key: value for key, value in found.items() if key in only})
