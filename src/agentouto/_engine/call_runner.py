"""Runs calls: from a forward to its return, failure or cancellation, which it records.

How an agent answers a call is in ``loop.py``; calls are opened and found in ``calls.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from agentouto._core.builtin_tools import CALL_AGENT, SPAWN
from agentouto._core.ids import call_id, task_id
from agentouto._domain.errors import (
    AgentError,
    AgentoutoError,
    AuthError,
    BrokenScript,
    Cancelled,
    LimitReached,
    ProviderError,
    Refuse,
    Refused,
    ToolError,
)
from agentouto._domain.event import (
    CallCancelled,
    CallFailed,
    CallReturned,
    CallStarted,
    FailureKind,
    Repeated,
)
from agentouto._domain.kept_event import SavedError
from agentouto._domain.message import Attachment, Message, ToolResult
from agentouto._domain.peer import Participant, Peer
from agentouto._engine.call import Call, Status
from agentouto._engine.effects import LiveEffects
from agentouto._engine.finalizers import OnExit, end_block
from agentouto._engine.loop import NoUsableReply, answer
from agentouto._engine.nesting import leave
from agentouto._engine.peer_runner import answer_as_peer
from agentouto._engine.services import Durable, RunServices
from agentouto._engine.side_tasks import SideTask
from agentouto._engine.tool_runner import error_text

logger = logging.getLogger("agentouto")

_NOT_SAVED = SavedError()


class CallRunner:
    """Runs the calls of one run."""

    def __init__(self, services: RunServices, *, background_allowed: bool) -> None:
        self._services = services
        self._background_allowed = background_allowed

    async def call(
        self,
        name: str,
        content: str,
        *,
        caller: Call,
        place: str,
        history: tuple[Message, ...],
        attachments: Sequence[Attachment] = (),
        options: tuple[str, ...] = (),
        asker: str = "",
    ) -> Message:
        """Forward to a participant and wait for its return.

        Raises:
            AgentError: It failed, or was cancelled alone.
        """
        id_, durable = call_id(caller.id, place), self._services.durable
        call = None if durable is None else durable.claim(id_, name, content)
        if call is None:
            call = self._services.opener.open(
                name,
                content,
                id_,
                caller=caller,
                place=place,
                history=history,
                attachments=attachments,
                options=options,
                asker=asker,
            )
        try:
            return await self.run(call)
        except (ProviderError, AuthError) as error:
            logger.warning("call %s: the model of peer %r failed: %s", call.id, name, error)
            raise AgentError(name, describe_failure(error), call_id=call.id) from error

    def spawn(
        self, name: str, content: str, *, caller: Call, place: str, history: tuple[Message, ...]
    ) -> Call:
        """Forward without waiting. The run does not end before the new call has."""
        if not self._background_allowed:
            why = f"Background agents are switched off in this run. Use {CALL_AGENT}, which waits."
            raise ToolError(SPAWN, why)
        id_, services = task_id(caller.id, place), self._services
        durable = services.durable
        if durable is not None and (earlier := durable.claim(id_, name, content)) is not None:
            return earlier
        call = services.opener.open(
            name, content, id_, caller=caller, place=place, history=history, background=True
        )
        self.run_in_background(call)
        return call

    def run_in_background(self, call: Call) -> None:
        """Start to have ``call`` answered."""
        work = self._services.side_tasks.start
        work(SideTask.CALL, lambda: self._run_in_background(call), name=call.id)

    async def run(self, call: Call) -> Message:
        """Have ``call`` answered, and record how it ended; or return what it came to before.

        Raises:
            AgentoutoError: The participant failed, or the call alone was cancelled.
            asyncio.CancelledError: The task was cancelled together with its caller or its run.
        """
        services = self._services
        if services.durable is not None and services.durable.has_ended(call):
            return _earlier_end(call, services.durable)
        with _AtWork(call, services) as work:
            try:
                if services.durable is None or not services.durable.has_started(call):
                    if services.hooks.sees_forwards:
                        await self._announce(call)
                    else:
                        _record_start(call)
                result = await self._answer(call)
            except asyncio.CancelledError:
                call.status = Status.CANCELLED
                work.reason = "its reader was cancelled"
                call.log.record(CallCancelled, call.cancel_reason or "")
                # An error for the caller, which goes on. Otherwise the caller is cancelled as well.
                if not _was_cancelled_alone(call):
                    raise
                raise _cancelled_error(call) from None
            except Exception as error:
                failure = _failure(call, error)
                if isinstance(error, BrokenScript):
                    services.early_end.end_with(error)
                call.status, call.error = Status.FAILED, str(failure)
                call.error_for_agents = f"[{call.name}] {describe_failure(failure)}"
                work.reason = "its reader has failed"
                self._record_failure(call, error, failure)
                if failure is error:
                    raise
                raise failure from error
        return _complete(call, result)

    def _record_failure(self, call: Call, error: Exception, failure: AgentoutoError) -> None:
        durable = self._services.durable
        saved = _NOT_SAVED if durable is None else durable.saved(failure)
        for_agents = call.error_for_agents or ""
        kind = _kind_of_failure(error)
        call.log.record(CallFailed, str(failure), kind, failure.code, for_agents, saved)

    async def _run_in_background(self, call: Call) -> None:
        with suppress(Exception):  # it is in the log; no caller waits for it
            await self.run(call)

    def _answer(self, call: Call) -> Coroutine[object, object, ToolResult]:
        """Have ``call`` answered."""
        if call.cancel_reason is not None:  # Call.cancel came before there was a task to cancel
            raise asyncio.CancelledError
        seconds = call.participant.timeout
        if seconds is None:
            return self._answer_of(call.participant, call)
        return self._answer_in_time(call, seconds)

    async def _answer_in_time(self, call: Call, seconds: float) -> ToolResult:
        durable = self._services.durable
        left = seconds if durable is None else durable.seconds_left(call, seconds)
        limit = asyncio.timeout(left)
        try:
            async with limit:
                return await self._answer_of(call.participant, call)
        except TimeoutError as error:
            if not limit.expired():  # a TimeoutError of a hook or a backend
                raise
            why = f"did not return within {seconds:g} s"
            raise AgentError(call.name, why, call_id=call.id) from error

    def _answer_of(
        self, participant: Participant, call: Call
    ) -> Coroutine[object, object, ToolResult]:
        if self._services.durable is not None:
            return self._services.durable.answer(call, participant, self)
        if isinstance(participant, Peer):
            return answer_as_peer(call, participant, self._services, self)
        return answer(LiveEffects(call, participant, self._services, self))

    async def _announce(self, call: Call) -> None:
        """Pass the forward through the user's hook, and record that the call has started.

        Raises:
            AgentError: The hook refuses it.
        """
        withheld = True
        refusal: Refuse | None = None
        # The first event of a call, also if the hook refuses it or is cancelled.
        with OnExit(lambda: _record_start(call, withheld=withheld)):
            if call.cancel_reason is None:
                try:
                    forward = await self._services.hooks.forward(call.forward)
                except Refuse as error:
                    call.replace_message(call.forward, None)
                    refusal = error
                else:
                    call.replace_message(call.forward, forward)
                    call.forward = forward
                    withheld = False
        if refusal is not None and call.cancel_reason is None:
            why = f"was not asked: {refusal.reason}"
            raise AgentError(call.name, why, call_id=call.id) from refusal


class _AtWork:
    """A call while its participant works on it.

    A class, and not a function in ``OnExit``, because thousands of calls may wait in it.

    Attributes:
        reason: Why mail that is still unread at the end goes back to its senders.
    """

    __slots__ = ("_before", "_call", "_loop", "_services", "_site", "reason")

    def __init__(self, call: Call, services: RunServices) -> None:
        self._call = call
        self._services = services
        self._loop = asyncio.get_running_loop()
        self.reason = "its reader has returned"

    def __enter__(self) -> Self:
        call, services = self._call, self._services
        call.task = asyncio.current_task()
        call.status = Status.RUNNING
        services.calls.running[call.id] = call
        self._site, self._before = services.nest.working_on(call)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        leave(self._site, self._before)
        end_block(self._end, self._loop, kind)

    def _end(self) -> None:
        call, services = self._call, self._services
        call.task = None
        services.mail.end_call(call, self.reason)
        # The window of a model is looked up for running calls, and the run waits for its tasks.
        if not services.calls.running:
            services.side_tasks.cancel(SideTask.SEARCH)


def _record_start(call: Call, *, withheld: bool = False) -> None:
    who = call.participant
    asks_person = isinstance(who, Peer) and who.person
    call.log.record(
        CallStarted, call.forward, call.background, withheld, call.tool_call, asks_person
    )
    if call.times > 1:
        call.log.record(Repeated, call.forward, call.times)


def _earlier_end(call: Call, durable: Durable) -> Message:
    """Return what ``call`` returned in an earlier process, or raise its error."""
    if call.result is not None:
        return call.result
    raise _cancelled_error(call) if call.status is Status.CANCELLED else durable.error_of(call)


def _cancelled_error(call: Call) -> Exception:
    """Return the error for the caller of a call that alone was cancelled."""
    reason = f": {call.cancel_reason}" if call.cancel_reason else ""
    if call.parent is None:
        return Cancelled(f"the call of {call.name} was cancelled{reason}")
    return AgentError(call.name, f"was cancelled{reason}", call_id=call.id)


def _complete(call: Call, result: ToolResult) -> Message:
    """Record the return of ``call``."""
    caller, files = call.forward.sender, result.attachments
    message = Message("return", call.name, caller, result.content, call.id, files)
    call.data = result.data
    call.messages.append(message)
    call.status, call.result = Status.COMPLETED, message
    call.log.record(CallReturned, message, call.background)
    return message


def _was_cancelled_alone(call: Call) -> bool:
    """Whether ``call`` alone was cancelled, and neither its caller nor its run.

    Takes back one cancellation request of the current task: that of ``Call.cancel``. Requests that
    are left came from outside.
    """
    task = asyncio.current_task()
    return call.cancel_reason is not None and task is not None and task.uncancel() == 0


def describe_failure(error: Exception) -> str:
    """Return why a call failed, for other agents: without the text of a provider's error.

    That text is for the user. It may quote the request, and no other agent can act on it.
    """
    if not isinstance(error, ProviderError | AuthError):
        return error.message if isinstance(error, AgentError) else str(error)
    status = getattr(error, "status", None)
    kind = type(error).__name__ + (f", status {status}" if status else "")
    return f"could not return: its model failed ({kind})"


def _kind_of_failure(error: Exception) -> FailureKind:
    """Return why a call failed: an agent's error has the reason as its cause."""
    for reason in (error, error.__cause__):
        if isinstance(reason, LimitReached):
            return "limit"
        if isinstance(reason, Refuse | Refused):
            return "refused"
    return "failed"


def _failure(call: Call, error: Exception) -> AgentoutoError:
    """Return ``error`` as an error of the library that names the agent."""
    match error:
        case ProviderError() | AuthError() | AgentError():
            return error
        case NoUsableReply():
            counted = Counter(error.kinds).items()
            kinds = ", ".join(f"{times} {kind}" for kind, times in counted)
            why = f"returned nothing of use, {len(error.kinds)} times: {kinds}"
            return AgentError(call.name, why, call_id=call.id).coded("useless-replies")
        case _:
            logger.warning("call %s of %r failed", call.id, call.name, exc_info=error)
            why = error_text(error)
    return AgentError(call.name, why, call_id=call.id)
