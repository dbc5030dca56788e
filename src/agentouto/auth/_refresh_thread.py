"""Runs the use of a refresh token to its end, in a thread with an event loop of its own.

The loop of the caller may end at any moment: ``asyncio.run`` cancels what is left in it when its
main task has returned, was interrupted, or has run into a time limit. A request that was sent by
then would still spend the refresh token, and the answer with the next one would be dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def start_refresh(work: Callable[[], Coroutine[object, object, T]]) -> Future[T]:
    """Run ``work`` in a thread and return its outcome. Cancelling that does not end the work.

    The thread is no daemon: a program that ends waits for it, for at most the time limits in
    ``work``.

    Raises:
        RuntimeError: The system has no thread left.
    """
    outcome = Future[T]()
    outcome.set_running_or_notify_cancel()  # without it, a cancelled caller would cancel it, too

    def run() -> None:
        try:
            outcome.set_result(asyncio.run(work()))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            outcome.set_exception(error)

    Thread(target=copy_context().run, args=(run,), name="agentouto-refresh").start()
    return outcome
