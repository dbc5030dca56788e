"""A team: what ``run`` and its siblings take, said once. A bag of equals, without a root."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar, Unpack, cast

from agentouto._core.result import RunResult
from agentouto._domain.misuse import ConfigurationError
from agentouto._domain.participants import Agent, Provider
from agentouto._engine.host import Handle
from agentouto._engine.live import RunStream
from agentouto._engine.offices import AnyTool
from agentouto._options import Options, check_options
from agentouto.api import (
    AnyTools,
    async_run,
    async_run_stream,
    run,
    run_background,
)

T = TypeVar("T")


class Team:
    """Agents, their tools and providers, and how they are run.

    Args:
        agents: Everyone who takes part.
        tools: Tools for everyone.
        providers: How models are reached, where agents do not bring it.
        starting_agents: Who gets the user's message; left out, everyone does.
        **options: See ``Options``. Each method takes them too, for one run.
    """

    def __init__(
        self,
        agents: Sequence[Agent],
        tools: AnyTools | None = None,
        providers: Sequence[Provider] | None = None,
        *,
        starting_agents: Sequence[Agent] | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_options("Team()", options)
        self.agents: list[Agent] = _listed("agents", agents)
        self.tools: list[AnyTool | Callable[..., object]] = _listed("tools", tools)
        self.providers: list[Provider] = _listed("providers", providers)
        self.starting_agents: list[Agent] = list(
            self.agents if starting_agents is None else starting_agents
        )
        self.options = options

    def run(
        self,
        message: str,
        starting_agents: Sequence[Agent] | None = None,
        **options: Unpack[Options],
    ) -> RunResult:
        """Run the team from plain code; see ``agentouto.run``."""
        starting = self.starting_agents if starting_agents is None else starting_agents
        return run(message, starting, self.tools, self.providers, **self._with(options))

    async def async_run(
        self,
        message: str,
        starting_agents: Sequence[Agent] | None = None,
        **options: Unpack[Options],
    ) -> RunResult:
        """Run the team; see ``agentouto.async_run``."""
        starting = self.starting_agents if starting_agents is None else starting_agents
        return await async_run(message, starting, self.tools, self.providers, **self._with(options))

    def start(
        self,
        message: str,
        starting_agents: Sequence[Agent] | None = None,
        **options: Unpack[Options],
    ) -> RunStream:
        """Start the team and read along.

        ``async with team.start(...) as run: async for event in run: ...``; ``run.send`` writes to
        it, ``run.cancel`` stops it, leaving the block ends it.
        """
        starting = self.starting_agents if starting_agents is None else starting_agents
        return async_run_stream(
            message, starting, self.tools, self.providers, **self._with(options)
        )

    def run_background(
        self,
        message: str,
        starting_agents: Sequence[Agent] | None = None,
        **options: Unpack[Options],
    ) -> Handle:
        """Start the team and go on at once; see ``agentouto.run_background``."""
        starting = self.starting_agents if starting_agents is None else starting_agents
        return run_background(message, starting, self.tools, self.providers, **self._with(options))

    def _with(self, options: Options) -> Options:
        check_options("A run of a Team", options)
        return {"run_agents": self.agents, **self.options, **options}


def _listed(name: str, given: Iterable[T] | None) -> list[T]:
    if given is not None and not isinstance(cast("object", given), Iterable):
        raise ConfigurationError(f"Team({name}=) takes a list, not {given!r:.60}")
    return list(given or ())
