"""``Team.submit``: hands a run to workers, through a journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import msgspec

from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.functions import check_worker_kind
from agentouto._domain.journal_errors import RunTaken
from agentouto._domain.limits import Limits
from agentouto._domain.message import Attachment, Message
from agentouto._domain.participants import Provider
from agentouto._domain.peer import Participant
from agentouto._engine.host import DEFAULT_HOST
from agentouto._engine.plan import Plan
from agentouto._engine.run import Run
from agentouto._engine.save_and_exit import check_save_and_exit
from agentouto._engine.tool import AnyTool
from agentouto._engine.tool_sources import ToolSource
from agentouto._journal.journal import Journal, JournalPlace, kept_in
from agentouto._options import Options, RunOptions, make_plan
from agentouto._workers.submitted_run import SubmittedRun

DEFAULT_WORKER = "default"
"""The kind of worker that takes runs, where nothing else is said."""


class SubmitsRuns:
    """What a team needs to hand its runs to workers."""

    agents: list[Participant]
    tools: list[AnyTool | ToolSource | Callable[..., object]]
    providers: list[Provider]
    starting_agents: list[Participant]
    options: Options

    def submit(
        self,
        message: str,
        starting_agents: Sequence[Participant] | None = None,
        *,
        journal: JournalPlace | None = None,
        run_id: str | None = None,
        attachments: Sequence[Attachment] | None = None,
        history: Iterable[Message | Mapping[str, object]] | None = None,
        limits: Limits | None = None,
        worker: str = DEFAULT_WORKER,
    ) -> SubmittedRun:
        """Hand a run to the workers of a journal, and return at once.

        ``agentouto worker`` carries it out. The same line again finds the same run.

        Args:
            message: What the team is asked.
            starting_agents: Who gets it; left out, the starting agents of the team.
            journal: The journal that the workers share; left out, that of the team.
            run_id: The id of the run; left out, one is drawn.
            attachments: Files that travel with the message.
            history: Messages of earlier runs that the starting agents read first.
            limits: How much the run may do; left out, the limits of the team.
            worker: The kind of worker that takes the run.

        Raises:
            ConfigurationError: An argument cannot work.
            JournalError: The journal cannot be used.
        """
        check_worker_kind("submit(worker=)", worker)
        given = {
            "journal": journal,
            "run_id": run_id,
            "attachments": attachments,
            "history": history,
            "limits": limits,
        }
        set_ = {name: value for name, value in given.items() if value is not None}
        options = cast("RunOptions", {"run_agents": self.agents, **self.options, **set_})
        kept = kept_in(options.get("journal"), options.get("run_id"), options.get("changed"))
        if kept is None:
            raise ConfigurationError(
                "submit hands a run to workers through a journal: give journal="
            )
        place, id_, _ = kept
        starting = self.starting_agents if starting_agents is None else starting_agents
        arguments = message, starting, self.tools, self.providers
        plan = make_plan("submit", arguments, options, DEFAULT_HOST.memory)
        check_save_and_exit(plan, has_journal=True)
        id_ = id_ or SYSTEM_CLOCK.new_id()
        _begin(place, id_, msgspec.structs.replace(plan, worker=worker))
        return SubmittedRun(place, id_, worker)


def _begin(journal: Journal, run_id: str, plan: Plan) -> None:
    """Make a run with its first events, unless it is there already."""
    try:
        durable = journal.open_run(run_id, plan, accept_changes=True)
    except RunTaken:  # it is at work
        return
    if durable is None:
        raise ConfigurationError("submit needs a journal that keeps the run: leave out on_lost=")
    try:
        if not durable.earlier:
            Run(plan, run_id, SYSTEM_CLOCK, durable=durable).close()
    finally:
        durable.close()
