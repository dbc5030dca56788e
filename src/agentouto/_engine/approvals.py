"""Asks the user to approve single uses of tools, and waits for the decisions.

What makes a decision safe, and what depends on which order:

1. The arguments are checked first, then shown, then run. A call that cannot be carried out asks no
   person. The tool gets the values that were checked, which nothing else holds: a hook or a
   callback that changes its own dictionary afterwards changes nothing that runs.
2. An approval comes after the hooks. Before them, a hook could change arguments that a person has
   seen and approved. A hook that uses the tool twice asks twice.
3. Only ``True`` allows. Text, numbers and objects that count as true are mistakes of a program,
   such as an ``ask_user`` function that was passed as ``approve``. An error refuses as well.
4. Each request is decided once, by the code that removes it from ``_pending``: the function of
   ``approve=``, ``decide``, or the end of the call. ``dict.pop`` is atomic in CPython, so two
   threads cannot both decide. Whatever comes later finds no request and is refused.
5. An answer to a question goes another way (``User.answer``) and cannot reach a request.

A request is no call: it counts for no limit, and the clock of ``Limits(seconds=)`` stands still
while a person thinks. In the log it is a forward to the user with its return, marked by
``Message.approval``, so that every reader can show it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import cast

import msgspec

from agentouto._core.ids import approval_id
from agentouto._domain.approval import Approval, as_json, from_json
from agentouto._domain.errors import ConfigurationError, Refuse, RoutingError
from agentouto._domain.event import CallCancelled, CallReturned, CallStarted
from agentouto._domain.event_pieces import Stamp
from agentouto._domain.message import USER, Message
from agentouto._engine.budget import Budget, clock_stopped
from agentouto._engine.call import Call
from agentouto._engine.earlier import EarlierApprovals
from agentouto._engine.finalizers import OnExit
from agentouto._engine.log import CallLog, Log
from agentouto._engine.side_tasks import SideTask, SideTasks
from agentouto._engine.user import User

_APPROVED = "Approved."
_REFUSED = "Refused: "
"""What the return to a request says; the second is followed by the reason."""


class _Request(msgspec.Struct, frozen=True):
    """A request that waits: its future gets the reason of a refusal, or ``None`` if allowed."""

    loop: asyncio.AbstractEventLoop
    refusal: asyncio.Future[str | None]


class Approvals:
    """The requests for approval of one run."""

    __slots__ = ("_budget", "_log", "_past", "_pending", "_side_tasks", "_user")

    def __init__(
        self,
        user: User,
        log: Log,
        side_tasks: SideTasks,
        budget: Budget | None,
        past: EarlierApprovals | None = None,
    ) -> None:
        self._user = user
        self._log = log
        self._side_tasks = side_tasks
        self._budget = budget
        self._past = past
        self._pending: dict[str, _Request] = {}

    @property
    def pending(self) -> AbstractSet[str]:
        """The ids of the requests that wait for a decision."""
        return self._pending.keys()

    async def request(
        self, call: Call, tool_name: str, arguments: Mapping[str, object], place: str
    ) -> None:
        """Ask the user to approve one use of a tool, and return if it is approved.

        Args:
            call: The call in which the tool is used.
            tool_name: The name of the tool.
            arguments: The arguments it runs with.
            place: Which use of a tool in ``call`` this is: the place of the tool call,
                ``.approval`` and, after the first use, a number.

        Raises:
            Refuse: It is not approved; the reason is for the agent.
        """
        if not self._user.approves:
            raise Refuse("it needs the user's approval, and this run has no approve= to ask with")
        written = as_json(dict(arguments))
        approval = Approval(
            approval_id(call.id, place, written),
            tool_name,
            from_json(written),
            call.name,
            call.id,
        )
        was_asked, given = (False, None) if self._past is None else self._past.decision(approval.id)
        if given is not None:
            if given != _APPROVED:
                raise Refuse(given.removeprefix(_REFUSED))
            return
        log = CallLog(self._log, Stamp(USER, approval.id, call.id))
        tool_call, _, _ = place.partition(".approval")
        if not was_asked:
            log.record(CallStarted, _message(approval, approval.text), tool_call=tool_call)
        try:
            refusal = await self._decision(approval)
        except asyncio.CancelledError:
            log.record(CallCancelled)
            raise
        answer = _APPROVED if refusal is None else f"{_REFUSED}{refusal}"
        log.record(CallReturned, _message(approval, answer, answers=True))
        if refusal is not None:
            raise Refuse(refusal)

    def decide(self, id_: str, *, yes: bool, reason: str) -> None:
        """Decide on the request ``id_`` from any thread; see ``Handle.approve``."""
        if yes is not True and yes is not False:
            raise ConfigurationError(f"approve(yes=) takes True or False, not {yes!r:.60}")
        request = self._pending.pop(id_, None) if isinstance(cast("object", id_), str) else None
        refusal = None if yes else _refusal(reason)
        if request is not None:
            with suppress(RuntimeError):  # its loop is closed, so its call has ended
                request.loop.call_soon_threadsafe(_resolve, request.refusal, refusal)
                return
        raise RoutingError(
            "unknown",
            f"No approval {id_!r:.80} is waiting: it has been decided, its call has ended, or "
            "there never was one",
        )

    async def _decision(self, approval: Approval) -> str | None:
        """Return why the user refuses; ``None`` if the user approves."""
        loop = asyncio.get_running_loop()
        request = _Request(loop, loop.create_future())
        self._pending[approval.id] = request
        asking: asyncio.Task[None] | None = None

        def end() -> None:
            self._pending.pop(approval.id, None)
            if asking is not None and not loop.is_closed():
                asking.cancel()

        with OnExit(end), clock_stopped(self._budget):
            if self._past is not None:
                self._past.requested(approval.id)
            if approval.id in self._pending:
                asking = self._side_tasks.start(
                    SideTask.APPROVAL, lambda: self._call_function(approval, request)
                )
            return await request.refusal

    async def _call_function(self, approval: Approval, request: _Request) -> None:
        """Call the function of ``approve=``, and decide as it does, unless that has happened."""
        refusal: str | None = "approve was cancelled"
        try:
            answer = await self._user.approve(approval)
            refusal = None if answer is True else _not_true(answer)
        except Exception as error:  # noqa: BLE001 - every error refuses, and none ends the run
            refusal = f"approve failed: {type(error).__name__}: {error}"
        finally:
            if self._pending.pop(approval.id, None) is not None:
                _resolve(request.refusal, refusal)


def _message(approval: Approval, content: str, *, answers: bool = False) -> Message:
    """Return the forward of a request to the user, or its return."""
    if answers:
        return Message("return", USER, approval.agent, content, approval.id, approval=approval)
    return Message("forward", approval.agent, USER, content, approval.id, approval=approval)


def _resolve(future: asyncio.Future[str | None], refusal: str | None) -> None:
    if not future.done():  # its task may have been cancelled
        future.set_result(refusal)


def _refusal(reason: str) -> str:
    return f"the user did not approve it: {reason}" if reason else "the user did not approve it"


def _not_true(answer: object) -> str:
    """Return why an answer other than ``True`` refuses."""
    if answer is False:
        return _refusal("")
    return f"the user did not approve it: approve returned {answer!r:.80}, and only True approves"
