"""Runs async code from plain code, also inside a running event loop.

Where no loop runs, the code gets a loop of its own in this thread. A running loop cannot wait for
another one, so there a second loop runs in a new thread. Ctrl-C then reaches the outer loop only,
where it cancels the main task (``asyncio.Runner``). It is passed on to the inner loop here.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from agentouto._engine.event_loops import run_in_own_loop

T = TypeVar("T")

INTERRUPT_LATENCY = 0.05
"""Seconds between two looks for Ctrl-C while a caller is blocked: short enough to feel immediate,
and twenty wake-ups a second cost nothing."""


def run_blocking(main: Callable[[], Coroutine[object, object, T]]) -> T:
    """Run ``main`` to its end and return its result.

    Inside a running event loop (a notebook, a web handler) a second loop runs in a new thread, with
    the caller's context variables. The caller's loop is blocked meanwhile.
    """
    loop = _running_loop()
    return run_in_own_loop(main) if loop is None else _run_in_thread(loop, main)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the running loop; apart, so that no error of a run has another one as its context."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _run_in_thread(
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
            result.set_result(run_in_own_loop(tracked))
        except BaseException as error:  # noqa: BLE001 - raised again below
            result.set_exception(error)

    already = _cancelling_tasks(outer)
    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(work,), name="agentouto-run", daemon=True
    )
    thread.start()
    try:
        while not result.done():
            with suppress(TimeoutError):
                result.exception(timeout=INTERRUPT_LATENCY)
            # The outer loop is blocked, so a task of it can be cancelled by a signal only.
            if not result.done() and _cancelling_tasks(outer) - already:
                raise asyncio.CancelledError
        return result.result()
    finally:
        if not result.done():
            loop, task = begun.result()
            loop.call_soon_threadsafe(task.cancel)
        thread.join()


def _cancelling_tasks(loop: asyncio.AbstractEventLoop) -> set[asyncio.Task[object]]:
    return {task for task in asyncio.all_tasks(loop) if task.cancelling()}
