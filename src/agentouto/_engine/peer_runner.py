"""Runs a peer's function for one call, and turns what it returns into the return."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any, cast

from agentouto._core.signature import is_async
from agentouto._core.tool_arguments import json_or_text
from agentouto._core.tool_results import as_result
from agentouto._domain.message import Message, ToolResult
from agentouto._domain.peer import Peer
from agentouto._engine.budget import clock_stopped
from agentouto._engine.builtins import checked_result
from agentouto._engine.call import Call
from agentouto._engine.here import Here
from agentouto._engine.services import RunServices
from agentouto._engine.threads import ToolEscaped
from agentouto._engine.toolbox import Forwards

log = logging.getLogger("agentouto")


async def answer_as_peer(
    call: Call, peer: Peer, services: RunServices, forwards: Forwards
) -> ToolResult:
    """Have ``peer`` answer ``call``, as hooks let its return through.

    Raises:
        Refuse: A hook has refused the return.
        ToolEscaped: The function raised something that is no ordinary exception.
        Exception: Whatever else the function raised.
    """
    here: Here[Any] = Here(call, services, forwards)
    entered = here.enter()
    try:
        with clock_stopped(services.budget if peer.person else None):
            result = await _answer(call, peer, services, here)
    finally:
        here.leave(entered)
    return await pass_return(call, result, services)


async def pass_return(call: Call, result: ToolResult, services: RunServices) -> ToolResult:
    """Return ``result`` as the hooks let it through.

    Raises:
        Refuse: A hook has refused it.
    """
    hooks = services.hooks
    if not hooks.sees_returns:
        return result
    files = result.attachments
    message = Message("return", call.name, call.forward.sender, result.content, call.id, files)
    seen = await hooks.returned(message)
    return result if seen is message else ToolResult(seen.content, seen.attachments)


async def _answer(call: Call, peer: Peer, services: RunServices, here: Here[Any]) -> ToolResult:
    answer = cast("Callable[..., object]", peer.answer)
    arguments: tuple[object, ...] = (call.forward, here) if peer.takes_here else (call.forward,)

    def use() -> object:
        return answer(*arguments)

    def use_in_thread() -> object:
        value = use()
        return _say_all(value, here) if inspect.isgenerator(value) else value

    try:
        if is_async(peer.answer) or inspect.isasyncgenfunction(peer.answer):
            value = use()
        elif peer.person:
            value = await services.user.one_at_a_time(use_in_thread)
        else:
            value = await services.threads.call(use_in_thread)
        if isinstance(value, AsyncIterable):
            value = await _say_all_async(cast("AsyncIterable[object]", value), here)
        elif inspect.isawaitable(value):
            value = await value
    except (Exception, asyncio.CancelledError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # SystemExit too: it would end the event loop, and all in it
        raise ToolEscaped(error) from error
    if value is None:
        value = here.streamed_text
        if value is None and peer.person:
            log.warning(
                "the function of %r returned None, so the answer is empty: return the answer",
                peer.name,
            )
    return result_of(value, call, services)


def result_of(value: object, call: Call, services: RunServices) -> ToolResult:
    """Return what the peer that answers ``call`` has answered, as data of a type if one is asked.

    Raises:
        ToolError: It is no text, and cannot be made one.
        BadArguments: It is not of the type.
    """
    form = services.setup.result_model if call.is_starting else None
    if form is None:
        return as_result(value, call.name)
    if isinstance(value, ToolResult):
        value = value.content
    return checked_result(
        form, {"result": json_or_text(value) if isinstance(value, str) else value}
    )


async def _say_all_async(pieces: AsyncIterable[object], here: Here[Any]) -> ToolResult:
    """Say each piece as it comes, and return all of them with their files."""
    return _joined([_say(piece, here) async for piece in pieces], here)


def _say_all(pieces: Iterable[object], here: Here[Any]) -> ToolResult:
    return _joined([_say(piece, here) for piece in pieces], here)


def _say(piece: object, here: Here[Any]) -> ToolResult:
    result = as_result(piece, here.name)
    if result.content:
        here.say(result.content)
    return result


def _joined(results: Iterable[ToolResult], here: Here[Any]) -> ToolResult:
    files = [file for result in results for file in result.attachments or ()]
    return ToolResult(here.streamed_text or "", files)
