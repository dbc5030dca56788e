"""Settles what becomes of a tool or a peer that was at work when an earlier process ended.

Whether it had done its work is unknown. What to do about that is its ``on_restart=``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

from agentouto._core.prompt import INTERRUPTED
from agentouto._core.signature import is_async
from agentouto._core.tool_results import as_result
from agentouto._domain.errors import Refuse, ToolError
from agentouto._domain.event import CallCancelled
from agentouto._domain.functions import OnRestart, policy_name
from agentouto._domain.kept_event import ToolInterrupted
from agentouto._domain.message import ToolResult
from agentouto._engine.call import Call, Status
from agentouto._engine.here import Here
from agentouto._engine.services import RunServices


async def settle_interrupted(
    call: Call,
    services: RunServices,
    on_restart: OnRestart,
    use: tuple[str, str],
    arguments: tuple[Mapping[str, object], Mapping[str, object]],
    here: Here[object],
) -> ToolResult | None:
    """Return what an interrupted use has come to, or ``None`` if it is to be done again.

    Args:
        call: The call in which it was used.
        services: The parts of the run.
        on_restart: What becomes of it.
        use: The name of the tool or peer, and the place of the tool call.
        arguments: Its arguments, as they are shown to a person and as its function takes them.
        here: What a function that looks whether it has happened can do in the run.

    Raises:
        ToolError: It is not done again; the text is for the agent.
    """
    name, place = use
    shown, values = arguments
    call.log.record(ToolInterrupted, place, name, policy_name(on_restart))
    if callable(on_restart):
        entered = here.enter()
        try:
            found = await _look(on_restart, values, services)
        finally:
            here.leave(entered)
        return None if found is None else as_result(found, name)
    if on_restart == "run":
        return None
    if on_restart == "ask" and services.user.approves:
        try:
            await services.approvals.request(call, name, shown, f"{place}.restart")
        except Refuse as refusal:
            end_open_calls(call, services, place)
            why = f"{INTERRUPTED.format(name=name)} It was not used again: {refusal.reason}"
            raise ToolError(name, why) from refusal
        return None
    end_open_calls(call, services, place)
    raise ToolError(name, INTERRUPTED.format(name=name))


async def _look(
    look: Callable[..., object], values: Mapping[str, object], services: RunServices
) -> object:
    def use() -> object:
        return look(**values)

    found = use() if is_async(look) else await services.threads.call(use)
    return await found if inspect.isawaitable(found) else found


def end_open_calls(call: Call, services: RunServices, place: str) -> None:
    """End the calls that an interrupted function has made, and that no code waits for any more."""
    start = f"{place}.here" if place else "here"
    for one in tuple(services.calls.by_id.values()):
        if one.parent is call and one.tool_call.startswith(start) and not one.background:
            _end_with_callees(one, services)


def _end_with_callees(call: Call, services: RunServices) -> None:
    if call.status is not Status.PENDING or call.task is not None:
        return
    for one in tuple(services.calls.by_id.values()):
        if one.parent is call and not one.background:
            _end_with_callees(one, services)
    call.status = Status.CANCELLED
    call.log.record(CallCancelled, "its caller was interrupted")
    services.mail.end_call(call, "its reader was cancelled")
