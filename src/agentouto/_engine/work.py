"""One call, from its forward to its return, or to whatever came instead.

How an agent works on it is the loop's business, and whom it concerns the run's.
"""

from __future__ import annotations

import asyncio

from agentouto._domain.content import Returned
from agentouto._domain.errors import AgentError, AuthError, Cancelled, ProviderError, Refuse
from agentouto._domain.event import CallCancelled, CallFailed, CallReturned, CallStarted
from agentouto._domain.message import USER, Message
from agentouto._engine.call import Call, Status
from agentouto._engine.desk import LiveDesk, explained
from agentouto._engine.loop import MOST_NUDGES, Silence, answer
from agentouto._engine.offices import Offices


async def work(call: Call, offices: Offices) -> Message:
    """Have ``call`` answered, and write down what came of it.

    Raises:
        AgentoutoError: It could not be.
        asyncio.CancelledError: It is a part of something that was cancelled.
    """
    now = offices.world.now
    call.task = asyncio.current_task()
    call.status = Status.RUNNING
    offices.mail.at_work[call.id] = call
    why = "its reader has returned"
    try:
        said = await _answer(call, offices)
    except asyncio.CancelledError:
        call.status = Status.CANCELLED
        why = "its reader was cancelled"
        offices.log.append(CallCancelled(call.stamp, now(), call.stopped or ""))
        if not _is_only_this(call):
            raise
        raise _stopped(call) from None
    except Exception as error:
        fault = _fault(call, error)
        call.status, call.error = Status.FAILED, str(fault)
        call.excuse = f"[{call.name}] {excuse(fault)}"
        why = "its reader has failed"
        offices.log.append(CallFailed(call.stamp, now(), call.error))
        if fault is error:
            raise
        raise fault from error
    finally:
        call.task = None
        offices.mail.leave(call, why)
    return _returned(call, offices, said)


async def _answer(call: Call, offices: Offices) -> Returned:
    """Have ``call`` answered, as hooks let the forward and the return through."""
    refusal: Refuse | None = None
    try:
        if call.stopped is None:
            refusal = await _announce(call, offices)
    finally:  # whatever comes of it, it is the first that is told of the call
        begun = CallStarted(call.stamp, offices.world.now(), call.forward, call.background)
        offices.log.append(begun)
    if call.stopped is not None:  # before there was a task to be cancelled
        raise asyncio.CancelledError
    if refusal is not None:
        why = f"was not asked: {refusal.reason}"
        raise AgentError(call.name, why, call_id=call.id) from refusal
    agent = call.agent
    if agent is None:
        return await _answer_of_user(call, offices)
    if agent.timeout is None:
        return await answer(LiveDesk(call, agent, offices))
    limit = asyncio.timeout(agent.timeout)
    try:
        async with limit:
            return await answer(LiveDesk(call, agent, offices))
    except TimeoutError as error:
        if not limit.expired():
            raise
        late = f"did not return within {agent.timeout:g} s"
        raise AgentError(call.name, late, call_id=call.id) from error


async def _announce(call: Call, offices: Offices) -> Refuse | None:
    """Show the forward to the user's hook; return why it may not be delivered, if so."""
    if offices.watch.sees_forwards:
        try:
            seen = await offices.watch.forward(call.forward)
        except Refuse as refusal:
            return refusal
        for place, message in enumerate(call.messages):  # it may be forgotten by now
            if message is call.forward:
                call.messages[place] = seen
        call.forward = seen
    return None


async def _answer_of_user(call: Call, offices: Offices) -> Returned:
    said = await offices.person.answer(call.forward)
    if not offices.watch.sees_returns:
        return said
    files = list(said.attachments)
    message = Message("return", USER, call.forward.sender, said.content, call.id, files)
    seen = await offices.watch.returned(message)
    return Returned(seen.content, tuple(seen.attachments or ()))


def _stopped(call: Call) -> Exception:
    """Return the error for whoever waits for a call that was cancelled by itself."""
    reason = f": {call.stopped}" if call.stopped else ""
    if call.parent is None:
        return Cancelled(f"the call of {call.name} was cancelled{reason}")
    return AgentError(call.name, f"was cancelled{reason}", call_id=call.id)


def _returned(call: Call, offices: Offices, said: Returned) -> Message:
    files = list(said.attachments)
    message = Message("return", call.name, call.forward.sender, said.content, call.id, files)
    call.data = said.data
    call.messages.append(message)
    call.status, call.result = Status.COMPLETED, message
    offices.log.append(CallReturned(call.stamp, offices.world.now(), message, call.background))
    return message


def _is_only_this(call: Call) -> bool:
    """Whether ``call`` alone was cancelled, and not what it is a part of as well."""
    task = asyncio.current_task()
    return call.stopped is not None and task is not None and task.uncancel() == 0


def excuse(error: Exception) -> str:
    """Return why a call failed in words for other agents, without what a provider said."""
    if not isinstance(error, ProviderError | AuthError):
        return str(error).removeprefix(f"[{getattr(error, 'agent_name', '')}] ")
    status = getattr(error, "status", None)
    kind = type(error).__name__ + (f", status {status}" if status else "")
    return f"could not return: its model failed ({kind})"


def _fault(call: Call, error: Exception) -> Exception:
    match error:
        case ProviderError() | AuthError() | AgentError():
            return error
        case Silence():
            why = f"returned nothing of use, {MOST_NUDGES + 1} times: empty, wrong or refused"
        case _:
            why = explained(error)
    return AgentError(call.name, why, call_id=call.id)
