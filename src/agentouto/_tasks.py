"""Running async code from plain code."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from agentouto._engine.own import run_in_own_loop

T = TypeVar("T")

INTERRUPT_LATENCY = 0.05
"""Seconds until a blocked caller notices Ctrl-C."""


def run_blocking(main: Callable[[], Coroutine[object, object, T]]) -> T:
    """Run ``main`` to its end and return its result.

    Inside a running event loop (a notebook, a web handler) a second loop runs in a thread of its
    own, with the caller's context variables, and the caller's loop stands still meanwhile.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return run_in_own_loop(main())
    return _run_beside(loop, main)


def _run_beside(
    outer: asyncio.AbstractEventLoop, main: Callable[[], Coroutine[object, object, T]]
) -> T:
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = Future()
    result: Future[T] = Future()

    async def tracked() -> T:
        task = asyncio.ensure_future(main())
        begun.set_result((asyncio.get_running_loop(), task))
        return await task

    def work() -> None:
        try:
            result.set_result(run_in_own_loop(tracked()))
        except BaseException as error:  # noqa: BLE001 - raised again below
            result.set_exception(error)

    already = _being_cancelled(outer)
    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(work,), name="agentouto-run", daemon=True
    )
    thread.start()
    try:
        while not result.done():
            with suppress(TimeoutError):
                result.exception(timeout=INTERRUPT_LATENCY)
            # The outer loop stands still: what cancels one of its tasks now is most likely Ctrl-C.
            if not result.done() and _being_cancelled(outer) - already:
                raise asyncio.CancelledError
        return result.result()
    finally:
        if not result.done():
            loop, task = begun.result()
            loop.call_soon_threadsafe(task.cancel)
        thread.join()


def _being_cancelled(loop: asyncio.AbstractEventLoop) -> set[asyncio.Task[object]]:
    return {task for task in asyncio.all_tasks(loop) if task.cancelling()}
