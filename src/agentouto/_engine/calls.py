"""Opens the calls of one run, and finds them by their ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agentouto._core.builtin_tools import CALL_AGENT
from agentouto._domain.errors import RoutingError, ToolError
from agentouto._domain.kept_event import CallOpened
from agentouto._domain.message import USER, Attachment, Message
from agentouto._domain.peer import Participant
from agentouto._engine.budget import Budget
from agentouto._engine.call import Call
from agentouto._engine.log import Log
from agentouto._engine.nesting import Nesting
from agentouto._engine.plan import Plan

USER_ADDRESS = "user_"
"""What the address of the user begins with; the id of a starting agent's call follows."""


def unknown_call(address: str, runs: Sequence[str] = ()) -> RoutingError:
    """Return the error for an address that no call has ever had, or calls of several ``runs``.

    A run and its fork have calls of the same ids.
    """
    if runs:
        why = f"the runs {' and '.join(runs)} have a call {address}: use a handle of the one"
        return RoutingError("unknown", why)
    return RoutingError("unknown", f"No background agent found with task_id: {address}")


class Calls:
    """Every call of one run. It refers to none of the run's tools, so it can be kept after the run.

    Attributes:
        by_id: All calls, running or ended.
        running: The calls that are being answered now.
    """

    def __init__(self) -> None:
        self.by_id: dict[str, Call] = {}
        self.running: dict[str, Call] = {}

    def find(self, address: str) -> Call:
        """Return the call at ``address``.

        Raises:
            RoutingError: There is no such call.
        """
        call = self.by_id.get(address)
        if call is None:
            raise unknown_call(address)
        return call

    def report(self, address: str, *, clear: bool, to_agent: bool = False) -> str:
        """Return ``Call.report`` of the call at ``address``."""
        return self.find(address).report(clear=clear, to_agent=to_agent)


class CallOpener:
    """Opens the calls of one run.

    Args:
        calls: Where opened calls are registered.
        plan: The checked arguments of the run.
        log: The log of the run.
        nest: Counts repeated requests, in the outer runs too.
        budget: What is left of the limits of the whole run, if there are any.
        explain_missing: Returns what to tell an agent that called a participant who is not there.
        records: Whether calls are recorded when they are opened, as in a run with a journal.
    """

    def __init__(
        self,
        calls: Calls,
        plan: Plan,
        log: Log,
        nest: Nesting,
        budget: Budget | None,
        explain_missing: Callable[[str], str],
        *,
        records: bool = False,
    ) -> None:
        self._calls = calls
        self._plan = plan
        self._explain_missing = explain_missing
        self._log = log
        self._nest = nest
        self._budget = budget
        self._records = records

    def open_starter(self, participant: Participant, id_: str, index: int) -> Call:
        """Open the call of a starting agent. It is reserved when the run begins."""
        plan, name = self._plan, participant.name
        forward = Message("forward", USER, name, plan.message, id_, list(plan.attachments))
        call = self._calls.by_id[id_] = Call(
            participant,
            forward,
            self._log,
            path=f"{index}:{name}",
            caller_address=f"{USER_ADDRESS}{id_}" if plan.on_message else None,
            history=plan.history,
            mail_capacity=plan.limits.mail,
        )
        if self._records:
            call.log.record(CallOpened, forward, "", plan.history)
        return call

    def open(
        self,
        name: str,
        content: str,
        id_: str,
        *,
        caller: Call,
        place: str,
        history: tuple[Message, ...],
        attachments: Sequence[Attachment] = (),
        options: tuple[str, ...] = (),
        asker: str = "",
        background: bool = False,
    ) -> Call:
        """Open a call of the participant ``name``, which ``caller`` makes at ``place``.

        With ``asker``, the caller passes on what another one asks.

        Raises:
            ToolError: There is no such participant.
            LimitReached: The run may make no more calls.
        """
        participant = self._plan.participants.get(name)
        if participant is None:
            code = "user-unavailable" if name == USER else "agent-unknown"
            raise ToolError(CALL_AGENT, self._explain_missing(name)).coded(code)
        files = list(attachments) or None
        sender = f"{caller.name}.{asker}" if asker else caller.name
        call = Call(
            participant,
            Message("forward", sender, name, content, id_, files, options=options),
            self._log,
            path=f"{caller.path}/{place}:{name}",
            parent=caller,
            caller_address=caller.id,
            history=history,
            background=background,
            tool_call=place,
            mail_capacity=self._plan.limits.mail,
        )
        self.reserve(call)  # first: a call that the limits refuse is never found by its id
        if self._records:
            call.log.record(CallOpened, call.forward, place, history, background)
        self._calls.by_id[id_] = call
        return call

    def reserve(self, call: Call) -> None:
        """Count ``call`` against the limits, and note how often it repeats a request of a caller.

        Raises:
            LimitReached: The run may make no more calls.
        """
        times = self._nest.count_repeats(call)
        call.times = times if call.parent is not None else 1
        if self._budget is not None:
            depth = call.depth - (call.name == USER)  # a question to the user opens no level
            self._budget.reserve_call(call.stamp, depth, times)
