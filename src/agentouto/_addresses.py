"""The functions that reach a run, or one call of it, by its id."""

from __future__ import annotations

from collections.abc import AsyncIterator

from agentouto._domain.errors import RoutingError
from agentouto._domain.stream_event import AnyStreamEvent
from agentouto._engine.delivery import Receipt
from agentouto._engine.host import DEFAULT_HOST
from agentouto._engine.run_events import RunEvents


def send_message(task_id: str, message: str) -> Receipt:
    """Send a message to the participant at work at ``task_id``: a run, a call, or the user.

    Works from plain code, async code and any thread.

    Returns:
        A confirmation, which also tells later whether the message was read.

    Raises:
        RoutingError: There is no such run or call, or it has already returned.
    """
    return DEFAULT_HOST.find_run(task_id).mail.send(task_id, message)


def cancel(task_id: str, reason: str = "") -> bool:
    """Stop a background run, or one call, whose caller gets an error. Works from any thread.

    Args:
        task_id: A background run, or any call.
        reason: The reason, for those who wait for the result.

    Returns:
        Whether the run or call was still at work.

    Raises:
        RoutingError: There is no such run or call.
    """
    handle = DEFAULT_HOST.handle(task_id)
    if handle is not None:
        return handle.cancel(reason)
    return DEFAULT_HOST.find_run(task_id).calls.find(task_id).cancel(reason)


def get_messages(task_id: str, clear: bool = False) -> str:  # noqa: FBT001, FBT002 - as documented
    """Return the status, result, error and messages of a call, as text.

    Args:
        task_id: A background run, or any call.
        clear: Remove the listed messages afterwards.

    Raises:
        RoutingError: There is no such call.
    """
    return DEFAULT_HOST.find_run(task_id).calls.report(task_id, clear=clear)


def get_agent_status(task_id: str) -> str:
    """Return the status, result, error and messages of a call, as text.

    Raises:
        RoutingError: There is no such call.
    """
    return get_messages(task_id)


def get_stream_events(task_id: str) -> AsyncIterator[AnyStreamEvent]:
    """Return the events of a background run, or of one call and the calls below it.

    They begin with the first event, however late this is called, and end with the run or call.

    Raises:
        RoutingError: There is no such run or call.
    """
    handle = DEFAULT_HOST.handle(task_id)
    if handle is not None:
        return handle.events()
    try:
        run = DEFAULT_HOST.find_run(task_id)
    except RoutingError:
        raise RoutingError("unknown", f"No agent found with task_id: {task_id}") from None
    return RunEvents(run.log, task_id)
