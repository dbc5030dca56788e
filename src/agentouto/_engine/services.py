"""Lists the parts of one run that its calls use, and what a run with a journal has besides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from agentouto._domain.event import Event, RunEnded
from agentouto._domain.kept_event import SavedError
from agentouto._domain.message import ToolResult
from agentouto._domain.peer import Participant
from agentouto._engine.approvals import Approvals
from agentouto._engine.budget import Budget
from agentouto._engine.call import Call
from agentouto._engine.calls import CallOpener, Calls
from agentouto._engine.earlier import EarlierApprovals, EarlierMail
from agentouto._engine.early_end import EarlyEnd
from agentouto._engine.hook_runner import HookRunner
from agentouto._engine.log import Log
from agentouto._engine.mail import Mail
from agentouto._engine.nesting import Nesting
from agentouto._engine.plan import Plan
from agentouto._engine.run_setup import RunSetup
from agentouto._engine.side_tasks import SideTasks
from agentouto._engine.threads import Threads
from agentouto._engine.tool import AnyTool
from agentouto._engine.toolbox import Forwards
from agentouto._engine.user import User


class RunServices(msgspec.Struct, frozen=True):
    """The parts of one run.

    Attributes:
        setup: The tools, prompts and backends.
        calls: All calls, running or ended.
        opener: Opens calls.
        mail: Delivers messages to running participants.
        hooks: The user's hooks.
        user: The user.
        approvals: Asks the user to approve the use of tools.
        threads: Runs plain functions.
        nest: This run, as the parent of runs that the user's code begins inside it.
        side_tasks: Tasks beside the starting agents.
        budget: What is left of the limits of the whole run, if there are any.
        early_end: Ends the whole run with an error.
        durable: What a run with a journal has besides.
    """

    setup: RunSetup
    calls: Calls
    opener: CallOpener
    mail: Mail
    hooks: HookRunner
    user: User
    approvals: Approvals
    threads: Threads
    nest: Nesting
    side_tasks: SideTasks
    budget: Budget | None
    early_end: EarlyEnd
    durable: Durable | None = None


class CallsElsewhere(Protocol):
    """The calls of a run that are answered in other processes; see ``elsewhere.py``."""

    def takes(self, worker: str | None) -> bool:
        """Whether calls for workers of this kind are answered elsewhere."""
        ...

    async def answer(self, call: Call) -> ToolResult:
        """Have ``call`` answered."""
        ...

    async def use(
        self, call: Call, tool: AnyTool, arguments: Mapping[str, object], place: str
    ) -> ToolResult:
        """Use a tool, at ``place`` in ``call``."""
        ...


class Durable(EarlierMail, EarlierApprovals, Protocol):
    """A run with a journal: what it has done in earlier processes, and how it records what it does.

    It is implemented in ``durable_run.py``, which only a run with a journal imports.

    Attributes:
        earlier: The events of earlier processes.
        ended: The last event of a run that has ended.
        elsewhere: The calls that other processes answer, if a worker carries out the run.
    """

    earlier: Sequence[Event]
    ended: RunEnded | None
    elsewhere: CallsElsewhere | None

    def keep(self, event: Event) -> None:
        """Take the next event. The log calls it, in any thread."""
        ...

    def restore(
        self,
        services: RunServices,
        plan: Plan,
        log: Log,
        open_starter: Callable[[int, str], Call],
    ) -> list[Call]:
        """Make the calls and the mail of earlier processes; return those of starting agents.

        ``open_starter`` opens that of a starting agent, whose number and id it gets.
        """
        ...

    def begin(self, run_in_background: Callable[[Call], object]) -> None:
        """Begin in the running loop: calls in the background go on."""
        ...

    def has_started(self, call: Call) -> bool:
        """Whether ``call`` had received its forward in an earlier process."""
        ...

    def has_ended(self, call: Call) -> bool:
        """Whether ``call`` had ended in an earlier process."""
        ...

    def claim(self, id_: str, name: str, content: str) -> Call | None:
        """Return the call of an earlier process that is made again now; once for each of them.

        Raises:
            ToolError: What is asked now is not what was asked then.
        """
        ...

    def error_of(self, call: Call) -> Exception:
        """Return the error with which ``call`` had failed."""
        ...

    def saved(self, error: BaseException) -> SavedError:
        """Return what is kept of ``error``."""
        ...

    def error_of_run(self) -> Exception:
        """Return the error with which the run had ended."""
        ...

    def seconds_left(self, call: Call, seconds: float) -> float:
        """Return what is left of a time limit of ``call``."""
        ...

    async def answer(self, call: Call, participant: Participant, forwards: Forwards) -> ToolResult:
        """Have ``call`` answered, from where it had got to."""
        ...

    async def begin_tool(self, call: Call, place: str, *, repeatable: bool = False) -> None:
        """Record that a function of the user's begins at ``place``, and wait until that is kept.

        One that is ``repeatable`` is used again anyway, so that is neither recorded nor waited for.
        """
        ...

    async def settle(self) -> None:
        """Wait until all that was recorded is kept."""
        ...

    def cancel(self) -> None:
        """Note that the user ends the run for good."""
        ...

    def is_frozen(self) -> bool:
        """Whether nothing more is kept: the run goes on in another process, or later."""
        ...

    def freeze(self) -> None:
        """Keep nothing more: the process ends, or stops reading. The run can be resumed."""
        ...

    def close(self) -> None:
        """Keep what is left, and let go of the journal."""
        ...

    async def end(self) -> None:
        """Do what ``close`` does, and wait for the disk without blocking the loop."""
        ...
