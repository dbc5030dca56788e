"""Has a peer answer a call in a run with a journal."""

from __future__ import annotations

from typing import Any

from agentouto._domain.errors import AgentError, ToolError
from agentouto._domain.functions import OnRestart
from agentouto._domain.message import ToolResult
from agentouto._domain.peer import Peer
from agentouto._engine.call import Call
from agentouto._engine.here import Here
from agentouto._engine.interrupted import end_open_calls, settle_interrupted
from agentouto._engine.past import PastCall
from agentouto._engine.peer_runner import answer_as_peer
from agentouto._engine.services import RunServices
from agentouto._engine.toolbox import Forwards


async def answer_as_durable_peer(
    call: Call, peer: Peer, services: RunServices, forwards: Forwards, past: PastCall
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
    if services.durable is not None and on_restart != "run":
        await services.durable.begin_tool(call, "")
    try:
        return await answer_as_peer(call, peer, services, forwards)
    finally:
        if past.started is not None:
            end_open_calls(call, services, "")
