"""The functions that users call. They check arguments, join the layers and name a run's owner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeAlias, Unpack

from agentouto._core.forms import StreamEvent
from agentouto._core.result import RunResult
from agentouto._domain.errors import RoutingError
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.world import REAL
from agentouto._engine.host import HOST, Handle
from agentouto._engine.letter import Receipt
from agentouto._engine.live import RunStream
from agentouto._engine.offices import AnyTool
from agentouto._engine.run import Run
from agentouto._engine.stream import RunEvents
from agentouto._options import RunOptions, plan_of
from agentouto._tasks import run_blocking

AnyTools: TypeAlias = Sequence[AnyTool | Callable[..., object]]


async def async_run(
    message: str,
    starting_agents: Sequence[Agent] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *older: object,
    **options: Unpack[RunOptions],
) -> RunResult:
    """Forward ``message`` to the starting agents and return what they return.

    Args:
        message: What the user asks for.
        starting_agents: Who is asked. All start at once.
        tools: Tools for everyone; plain functions are taken too.
        providers: How models are reached. An agent's provider may also be given with the agent, and
            ``"openai"`` and the like need not be given at all.
        older: Only for the older order: entry agent, message, agents, tools, providers.
        **options: See ``Options``; ``entry`` and ``agents`` are older words.

    Raises:
        ConfigurationError: The arguments cannot work; nothing has been started.
        ProviderError: A starting agent's model failed.
        AuthError: A starting agent's model refused the credentials, or there were none.
        AgentError: A starting agent could not return.
    """
    given = message, starting_agents, tools, providers, *older
    return await _executed(_new_run("async_run", given, options))


def run(
    message: str,
    starting_agents: Sequence[Agent] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *older: object,
    **options: Unpack[RunOptions],
) -> RunResult:
    """Do what ``async_run`` does, from plain code.

    Inside a running event loop the run gets a loop and a thread of its own, and the caller's loop
    stands still until it is over: ``await async_run(...)`` is better there.
    """
    begun = _new_run("run", (message, starting_agents, tools, providers, *older), options)
    return run_blocking(lambda: _executed(begun))


def async_run_stream(
    message: str,
    starting_agents: Sequence[Agent] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *older: object,
    **options: Unpack[RunOptions],
) -> RunStream:
    """Do what ``async_run`` does, and tell everything as it happens.

    Iterate over what is returned for the events; ``await stream.result()`` gives the result.
    Leaving the iteration early ends the run.
    """
    given = message, starting_agents, tools, providers, *older
    return RunStream(_new_run("async_run_stream", given, options, reachable=True))


def run_background(
    message: str,
    starting_agents: Sequence[Agent] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *older: object,
    **options: Unpack[RunOptions],
) -> Handle:
    """Start a run and go on at once.

    In a running event loop the run lives there and ends with it; from plain code it lives in a
    background thread and ends with the interpreter.

    Returns:
        The task id, which is also a handle on the run. Of several starting agents the first is
        reached by the id itself, the others by the id and ``_1``, ``_2`` and so on.
    """
    given = message, starting_agents, tools, providers, *older
    return HOST.start(_new_run("run_background", given, options, background=True), portal=False)


def run_background_sync(
    message: str,
    starting_agents: Sequence[Agent] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *older: object,
    **options: Unpack[RunOptions],
) -> Handle:
    """Do what ``run_background`` does, always in the background thread."""
    given = message, starting_agents, tools, providers, *older
    return HOST.start(_new_run("run_background_sync", given, options, background=True), portal=True)


def send_message(task_id: str, message: str) -> Receipt:
    """Write to whoever is at work at ``task_id``: a background run, any call, or the user.

    Works from plain code, async code and any thread.

    Returns:
        A confirmation, which also tells later whether the message was read.

    Raises:
        RoutingError: Nobody was ever there, or has already returned.
    """
    return HOST.run_with(task_id).mail.send(task_id, message)


def cancel(task_id: str, reason: str = "") -> bool:
    """Stop a background run, or one call: its caller is told, and goes on. Works from any thread.

    Args:
        task_id: A background run, or any call.
        reason: Why, for those who wait for it.

    Returns:
        Whether there was anything to stop.

    Raises:
        RoutingError: There is no such run or call.
    """
    handle = HOST.handle(task_id)
    if handle is not None:
        return handle.cancel(reason)
    return HOST.run_with(task_id).mail.find(task_id).cancel(reason)


def get_messages(task_id: str, clear: bool = False) -> str:  # noqa: FBT001, FBT002 - as documented
    """Return how a call is doing: status, result, error and its messages, as text.

    Args:
        task_id: A background run, or any call.
        clear: Forget the listed messages afterwards.

    Raises:
        RoutingError: There is no such call.
    """
    return HOST.run_with(task_id).mail.report(task_id, clear=clear)


def get_agent_status(task_id: str) -> str:
    """Return how a call is doing: status, result, error and its messages, as text.

    Raises:
        RoutingError: There is no such call.
    """
    return get_messages(task_id)


def get_stream_events(task_id: str) -> AsyncIterator[StreamEvent]:
    """Return everything that happens in a background run, or in one call and those below it.

    It begins with the first event, however late it is asked for, and ends with the run or call.

    Raises:
        RoutingError: There is no such run or call.
    """
    handle = HOST.handle(task_id)
    if handle is not None:
        return handle.events()
    try:
        run = HOST.run_with(task_id)
    except RoutingError:
        raise RoutingError("unknown", f"No agent found with task_id: {task_id}") from None
    return RunEvents(run.log, task_id)


def _new_run(
    function: str,
    given: tuple[object, ...],
    options: RunOptions,
    *,
    background: bool = False,
    reachable: bool = False,
) -> Run:
    """Return a run; ``reachable`` ones have a handle by which the user may write to them."""
    plan = plan_of(function, given, options)
    drawn = REAL.draw()
    id_ = f"bg_{drawn[:12]}" if background else drawn
    reachable = background or reachable or plan.on_message is not None
    return Run(plan, id_, REAL, background=background, reachable=reachable)


async def _executed(run: Run) -> RunResult:
    HOST.admit(run)
    try:
        return await run.execute()
    finally:
        HOST.dismiss(run)
        run.log.close()
