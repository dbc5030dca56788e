"""``Team``: agents, tools, providers and options that several runs share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import CoroutineType
from typing import Any, Generic, Literal, TypeVar, Unpack, cast, overload

from agentouto._core.result import RunResult
from agentouto._core.roster import find_providers
from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.hooks import Hooks, OnSummarize
from agentouto._domain.journal_errors import RunTaken
from agentouto._domain.limits import Limits
from agentouto._domain.message import Attachment, Message
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.peer import Participant
from agentouto._domain.result_type import Data_co
from agentouto._engine.host import Handle
from agentouto._engine.run_stream import RunStream
from agentouto._engine.tool import AnyTool
from agentouto._engine.tool_sources import ToolSource, is_source
from agentouto._engine.user import Approve, AskUser, OnMessage
from agentouto._journal.journal import Journal, JournalPlace, guard_journal, journal_at
from agentouto._options import Options, OtherOptions, check_options, declared
from agentouto._run_background import run_background
from agentouto._workers.submits import SubmitsRuns
from agentouto.api import AnyTools, async_run, async_run_stream, run
from agentouto.providers import missing_key

T = TypeVar("T")
Other = TypeVar("Other")
"""The type of one run, where it is not that of the team."""


class Team(SubmitsRuns, Generic[Data_co]):
    """Agents, their tools and providers, and the options of their runs.

    Args:
        agents: All agents.
        tools: Tools for all agents.
        providers: The providers that agents name.
        starting_agents: The agents that get the user's message; left out, all of them.
        **options: The options of ``agentouto.run``. Each method takes them too, for one run.

    Its runs have the type of data that ``output_type`` says: ``Team(..., output_type=Report)`` is a
    ``Team[Report]``.
    """

    @overload
    def __init__(
        self: Team[Other],
        agents: Sequence[Participant],
        tools: AnyTools | None = None,
        providers: Sequence[Provider] | None = None,
        *,
        starting_agents: Sequence[Participant] | None = None,
        output_type: type[Other],
        **options: Unpack[OtherOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: Team[Any],
        agents: Sequence[Participant],
        tools: AnyTools | None = None,
        providers: Sequence[Provider] | None = None,
        *,
        starting_agents: Sequence[Participant] | None = None,
        output_type: object = None,
        attachments: Sequence[Attachment] | None = None,
        history: Iterable[Message | Mapping[str, object]] | None = None,
        debug: bool = False,
        extra_instructions: str | None = None,
        extra_instructions_scope: Literal["entry", "all"] = "entry",
        run_agents: Sequence[Participant] | None = None,
        disabled_tools: Iterable[str] | None = None,
        enabled_tools: Iterable[str] | None = None,
        on_message: OnMessage | None = None,
        context: object = None,
        ask_user: AskUser | None = None,
        approve: Approve | None = None,
        on_summarize: OnSummarize | None = None,
        allow_background_agents: bool = True,
        background: Literal["wait", "cancel"] = "wait",
        limits: Limits | None = None,
        hooks: Hooks | None = None,
        journal: JournalPlace | None = None,
        run_id: str | None = None,
        changed: Literal["refuse", "accept"] = "refuse",
        name: str | None = None,
    ) -> None: ...
    @declared
    def __init__(
        self,
        agents: Sequence[Participant],
        tools: AnyTools | None = None,
        providers: Sequence[Provider] | None = None,
        *,
        starting_agents: Sequence[Participant] | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_options("Team()", options)
        self.agents: list[Participant] = _listed("agents", agents)
        self.tools: list[AnyTool | ToolSource | Callable[..., object]] = _listed("tools", tools)
        self.providers: list[Provider] = _listed("providers", providers)
        self.starting_agents: list[Participant] = list(
            self.agents if starting_agents is None else starting_agents
        )
        guard_journal(cast("dict[str, object]", options))
        self.options = options

    @overload
    def run(
        self,
        message: str,
        starting_agents: Sequence[Participant] | None = None,
        *,
        output_type: type[Other],
        **options: Unpack[OtherOptions],
    ) -> RunResult[Other]: ...
    @overload
    def run(
        self,
        message: str,
        starting_agents: Sequence[Participant] | None = None,
        **options: Unpack[OtherOptions],
    ) -> RunResult[Data_co]: ...
    @overload
    def run(
        self,
        message: str,
        starting_agents: Sequence[Participant] | None = None,
        *,
        output_type: object = None,
        attachments: Sequence[Attachment] | None = None,
        history: Iterable[Message | Mapping[str, object]] | None = None,
        debug: bool = False,
        extra_instructions: str | None = None,
        extra_instructions_scope: Literal["entry", "all"] = "entry",
        run_agents: Sequence[Participant] | None = None,
        disabled_tools: Iterable[str] | None = None,
        enabled_tools: Iterable[str] | None = None,
        on_message: OnMessage | None = None,
        context: object = None,
        ask_user: AskUser | None = None,
        approve: Approve | None = None,
        on_summarize: OnSummarize | None = None,
        allow_background_agents: bool = True,
        background: Literal["wait", "cancel"] = "wait",
        limits: Limits | None = None,
        hooks: Hooks | None = None,
        journal: JournalPlace | None = None,
        run_id: str | None = None,
        changed: Literal["refuse", "accept"] = "refuse",
        name: str | None = None,
    ) -> RunResult: ...
    @declared
    def run(
        self,
        message: str,
        starting_agents: Sequence[Participant] | None = None,
        **options: Unpack[Options],
    ) -> RunResult:
        """Run the team from plain code; see ``agentouto.run``."""
        starting = self.starting_agents if starting_agents is None else starting_agents
        return run(message, starting, self.tools, self.providers, **self._with(options))

    @overload
    def async_run(
        self,
        message: str,
        starting_agents: Sequence[Participant] | None = None,
        *,
        output_type: type[Other],
        **options: Unpack[OtherOptions],
    ) -> CoroutineType[Any, Any, RunResult[Other]]: ...
    @overload
    def async_run(
        self,
        message: str,
        starting_agents: Sequence[Participant] | None = None,
        **options: Unpack[OtherOptions],
    ) -> CoroutineType[Any, Any, RunResult[Data_co]]: ...
    @overload
    def async_run(
        self,
        message: str,
        starting_agents: Sequence[Participant] | None = None,
        *,
        output_type: object = None,
        attachments: Sequence[Attachment] | None = None,
        history: Iterable[Message | Mapping[str, object]] | None = None,
        debug: bool = False,
        extra_instructions: str | None = None,
        extra_instructions_scope: Literal["entry", "all"] = "entry",
        run_agents: Sequence[Participant] | None = None,
        disabled_tools: Iterable[str] | None = None,
        enabled_tools: Iterable[str] | None = None,
        on_message: OnMessage | None = None,
        context: object = None,
        ask_user: AskUser | None = None,
        approve: Approve | None = None,
        on_summarize: OnSummarize | None = None,
        allow_background_agents: bool = True,
        background: Literal["wait", "cancel"] = "wait",
        limits: Limits | None = None,
        hooks: Hooks | None = None,
        journal: JournalPlace | None = None,
        run_id: str | None = None,
        changed: Literal["refuse", "accept"] = "refuse",
        name: str | None = None,
    ) -> CoroutineType[Any, Any, RunResult]: ...
    @declared
    async def async_run(
        self,
        message: str,
        starting_agents: Sequence[Participant] | None = None,
        **options: Unpack[Options],
    ) -> RunResult:
        """Run the team; see ``agentouto.async_run``."""
        starting = self.starting_agents if starting_agents is None else starting_agents
        return await async_run(message, starting, self.tools, self.providers, **self._with(options))

    @overload
    def start(
        self,
        message: str,
        starting_agents: Sequence[Participant] | None = None,
        *,
        output_type: type[Other],
        **options: Unpack[OtherOptions],
    ) -> RunStream[Other]: ...
    @overload
    def start(
        self,
        message: str,
        starting_agents: Sequence[Participant] | None = None,
        **options: Unpack[OtherOptions],
    ) -> RunStream[Data_co]: ...
    @overload
    def start(
        self,
        message: str,
        starting_agents: Sequence[Participant] | None = None,
        *,
        output_type: object = None,
        attachments: Sequence[Attachment] | None = None,
        history: Iterable[Message | Mapping[str, object]] | None = None,
        debug: bool = False,
        extra_instructions: str | None = None,
        extra_instructions_scope: Literal["entry", "all"] = "entry",
        run_agents: Sequence[Participant] | None = None,
        disabled_tools: Iterable[str] | None = None,
        enabled_tools: Iterable[str] | None = None,
        on_message: OnMessage | None = None,
        context: object = None,
        ask_user: AskUser | None = None,
        approve: Approve | None = None,
        on_summarize: OnSummarize | None = None,
        allow_background_agents: bool = True,
        background: Literal["wait", "cancel"] = "wait",
        limits: Limits | None = None,
        hooks: Hooks | None = None,
        journal: JournalPlace | None = None,
        run_id: str | None = None,
        changed: Literal["refuse", "accept"] = "refuse",
        name: str | None = None,
    ) -> RunStream: ...
    @declared
    def start(
        self,
        message: str,
        starting_agents: Sequence[Participant] | None = None,
        **options: Unpack[Options],
    ) -> RunStream:
        """Start the team and stream its events; see ``agentouto.async_run_stream``.

        ``async with team.start(...) as run: async for event in run: ...``; ``run.send`` sends a
        message, ``run.cancel`` stops the run, leaving the block ends it.
        """
        starting = self.starting_agents if starting_agents is None else starting_agents
        return async_run_stream(
            message, starting, self.tools, self.providers, **self._with(options)
        )

    @overload
    def run_background(
        self,
        message: str,
        starting_agents: Sequence[Participant] | None = None,
        *,
        output_type: type[Other],
        **options: Unpack[OtherOptions],
    ) -> Handle[Other]: ...
    @overload
    def run_background(
        self,
        message: str,
        starting_agents: Sequence[Participant] | None = None,
        **options: Unpack[OtherOptions],
    ) -> Handle[Data_co]: ...
    @overload
    def run_background(
        self,
        message: str,
        starting_agents: Sequence[Participant] | None = None,
        *,
        output_type: object = None,
        attachments: Sequence[Attachment] | None = None,
        history: Iterable[Message | Mapping[str, object]] | None = None,
        debug: bool = False,
        extra_instructions: str | None = None,
        extra_instructions_scope: Literal["entry", "all"] = "entry",
        run_agents: Sequence[Participant] | None = None,
        disabled_tools: Iterable[str] | None = None,
        enabled_tools: Iterable[str] | None = None,
        on_message: OnMessage | None = None,
        context: object = None,
        ask_user: AskUser | None = None,
        approve: Approve | None = None,
        on_summarize: OnSummarize | None = None,
        allow_background_agents: bool = True,
        background: Literal["wait", "cancel"] = "wait",
        limits: Limits | None = None,
        hooks: Hooks | None = None,
        journal: JournalPlace | None = None,
        run_id: str | None = None,
        changed: Literal["refuse", "accept"] = "refuse",
        name: str | None = None,
    ) -> Handle: ...
    @declared
    def run_background(
        self,
        message: str,
        starting_agents: Sequence[Participant] | None = None,
        **options: Unpack[Options],
    ) -> Handle:
        """Start the team and return at once; see ``agentouto.run_background``."""
        starting = self.starting_agents if starting_agents is None else starting_agents
        return run_background(message, starting, self.tools, self.providers, **self._with(options))

    def resume(self, run_id: str, /, **options: Unpack[Options]) -> RunStream[Data_co]:
        """Go on with the run ``run_id`` of the team's ``journal=``, where only its id is at hand.

        Raises:
            ConfigurationError: The team has no journal, or the journal no such run.
        """
        message = self._journal(options)[run_id].message
        return self.start(message, **_for_run(options, run_id))

    def resume_all(self, **options: Unpack[Options]) -> list[Handle[Data_co]]:
        """Go on in the background with all interrupted runs of the team's ``journal=``."""
        handles: list[Handle[Data_co]] = []
        for saved in self._journal(options).runs("interrupted"):
            with suppress(RunTaken):  # another process was faster
                handle = self.run_background(saved.message, **_for_run(options, saved.id))
                handles.append(handle)
        return handles

    def _journal(self, options: Options) -> Journal:
        journal = self._with(options).get("journal")
        if journal is None:
            raise ConfigurationError("Team.resume goes on with a run of a journal: give journal=")
        return journal_at(journal)

    @property
    def sources(self) -> list[ToolSource]:
        """The sources of tools among ``tools``."""
        return [each for each in self.tools if is_source(each)]

    def missing_keys(self) -> dict[str, str]:
        """Return the environment variable to set for each agent whose provider lacks its key.

        A server of your own needs no key, and neither does a provider with ``auth=``. The providers
        of ``fallback=`` are not checked.

        Raises:
            ConfigurationError: An agent names a provider that the team does not have.
        """
        agents = [each for each in self.agents if isinstance(each, Agent)]
        providers = find_providers(agents, self.providers)
        missing = ((each.name, missing_key(providers[each.provider_name])) for each in agents)
        return {name: variable for name, variable in missing if variable is not None}

    def _with(self, options: Options) -> Options:
        check_options("A run of a Team", options)
        return {"run_agents": self.agents, **self.options, **options}


def _for_run(options: Options, run_id: str) -> Options:
    return {**options, "run_id": run_id}


def _listed(name: str, given: Iterable[T] | None) -> list[T]:
    if given is not None and not isinstance(cast("object", given), Iterable):
        raise ConfigurationError(f"Team({name}=) takes a list, not {given!r:.60}")
    return list(given or ())
