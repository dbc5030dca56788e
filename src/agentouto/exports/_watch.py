"""Shows a background run in a notebook while it goes on."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any, TypeVar, cast

from agentouto._core.line_writer import LineWriter
from agentouto._core.pictures.notebook import run_bundle
from agentouto._core.recorded_run import RecordedRun
from agentouto._core.rendering import with_reply_text
from agentouto._core.result import RunResult
from agentouto._core.run_history import Line
from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.configuration_error import ConfigurationError
from agentouto._engine.host import Handle

T = TypeVar("T")

INTERVAL = 0.25
"""Seconds between two pictures: four a second are seen as movement, and cost little to draw."""


class RunView:
    """A background run as a notebook shows it now. It reads only what is new each time."""

    def __init__(self, handle: Handle[object]) -> None:
        self._handle = handle
        self._writer = LineWriter()
        self._read = 0
        self._lines: list[Line] = []

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        # Facts only grow, and a writer has to get all of them in order, so a place is enough.
        facts = self._handle.facts
        new = facts[self._read : len(facts)]
        self._read += len(new)
        for fact in new:
            for event in with_reply_text(fact):
                self._lines += self._writer.lines(event)
        return run_bundle(RecordedRun(self._lines, self._now()))

    def _now(self) -> float:
        began = self._lines[0].get("at") if self._lines else None
        return SYSTEM_CLOCK.now() - began if isinstance(began, float) else 0.0


async def watch(handle: Handle[T]) -> RunResult[T]:
    """Show a background run in the cell of a notebook until it ends, and return its result.

    The picture is drawn again four times a second. Interrupting the cell ends the showing, and the
    run goes on.

    Args:
        handle: What ``run_background`` has returned.

    Raises:
        ConfigurationError: There is no IPython, so this is no notebook.
        AgentoutoError: What the run has raised.
    """
    try:
        display: Any = import_module("IPython.display").display  # only a notebook has it
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "watch() shows a run in a notebook, and there is no IPython here. In a terminal, use "
            "agentouto run, or: async for event in handle.events()"
        ) from error
    view = RunView(cast("Handle[object]", handle))
    shown = display(view, display_id=True)
    while not handle.done():
        await asyncio.sleep(INTERVAL)
        shown.update(view)
    shown.update(view)  # the run may have ended while the last picture was shown
    return await handle.wait()
