"""The tasks of a run beside those of its starting agents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from enum import Enum

from agentouto._domain.errors import RoutingError


class SideTask(Enum):
    """The purpose of a task, by which tasks are cancelled."""

    CALL = "a call in the background"
    DELIVERY = "the delivery of messages to the user"
    APPROVAL = "a question to the user about a tool"
    SEARCH = "the lookup of a context window"


class SideTasks:
    """The tasks of one run beside those of its starting agents."""

    __slots__ = ("_group", "_kinds")

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None
        self._kinds: dict[asyncio.Task[None], SideTask] = {}

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Start tasks in ``group`` from now on."""
        self._group = group

    def end(self) -> None:
        """Start no more tasks."""
        self._group = None

    def start(
        self,
        kind: SideTask,
        work: Callable[[], Coroutine[object, object, None]],
        name: str | None = None,
    ) -> asyncio.Task[None]:
        """Start a task that does ``work``, and return it.

        Raises:
            RoutingError: The run has ended, or is being ended.
        """
        if self._group is None:
            raise RoutingError("unknown", "the run has ended")
        coroutine = work()
        try:
            task = self._group.create_task(coroutine, name=name)
        except RuntimeError:  # the group has just ended, or is being cancelled
            coroutine.close()  # else Python warns that it was never awaited
            raise RoutingError("unknown", "the run is being ended") from None
        self.adopt(kind, task)
        return task

    def adopt(self, kind: SideTask, task: asyncio.Task[None]) -> None:
        """Add a task that was started elsewhere."""
        self._kinds[task] = kind
        task.add_done_callback(self._kinds.pop)

    def cancel(self, *kinds: SideTask) -> None:
        """Cancel the tasks of these ``kinds``."""
        for task, kind in self._kinds.items():
            if kind in kinds:
                task.cancel()
