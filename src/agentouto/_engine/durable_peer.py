"""Has a peer answer a call in a run with a journal."""

from __future__ import annotations

import asyncio
from typing import Any

from agentouto._domain.errors import AgentError, ToolError
from agentouto._domain.functions import OnRestart
from agentouto._domain.message import ToolResult
from agentouto._domain.peer import Peer
from agentouto._engine.call import Call
from agentouto._engine.here import Here
from agentouto._engine.inbox import Inbox
from agentouto._engine.interrupted import end_open_calls, settle_interrupted
from agentouto._engine.past import PastCall
from agentouto._engine.peer_runner import answer_as_peer, pass_return, result_of
from agentouto._engine.services import RunServices
from agentouto._engine.toolbox import Forwards


async def answer_as_durable_peer(
    call: Call,
    peer: Peer,
    services: RunServices,
    forwards: Forwards,
    past: PastCall,
    inbox: Inbox,
) -> ToolResult:
    """Have ``peer`` answer ``call``; see ``answer_as_peer``.

    Raises:
        AgentError: It was at work when an earlier process ended, and is not asked again.
    """
    usual: OnRestart = "run" if peer.person else "report"
    on_restart = usual if peer.on_restart is None else peer.on_restart
    if past.started is not None and ("" in past.begun or on_restart == "run"):
        message = call.forward
        shown = {"message": message.content}, {"message": message}
        here = Here[Any](call, services, forwards)
        try:
            found = await settle_interrupted(
                call, services, on_restart, (peer.name, ""), shown, here
            )
        except ToolError as error:
            raise AgentError(peer.name, error.message, call_id=call.id) from error
        if found is not None:
            end_open_calls(call, services, "")
            return found
    if services.durable is not None:
        await services.durable.begin_tool(call, "", repeatable=on_restart == "run")
    try:
        if peer.person:
            return await _answer_as_person(call, peer, services, forwards, inbox)
        return await answer_as_peer(call, peer, services, forwards)
    finally:
        if past.started is not None:
            end_open_calls(call, services, "")


async def _answer_as_person(
    call: Call, person: Peer, services: RunServices, forwards: Forwards, inbox: Inbox
) -> ToolResult:
    """Return what the function of ``person`` answers, or what comes from another process first."""
    loop, limit = asyncio.get_running_loop(), asyncio.timeout(None)
    question = inbox.ask(call, lambda: limit.reschedule(loop.time()))
    try:
        if question.answer is None:
            async with limit:
                result = await answer_as_peer(call, person, services, forwards)
            if question.answer is None:
                return result
    except TimeoutError:
        if question.answer is None:  # the function itself has raised it
            raise
    finally:
        inbox.stop_asking(call)
    return await pass_return(call, result_of(question.answer, call, services), services)
