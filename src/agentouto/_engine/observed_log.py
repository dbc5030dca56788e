"""A log that passes every event line to a hook, as it happens.

It is a class of its own, so that the runs without such a hook pay nothing for it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from agentouto._core.line_writer import LineWriter
from agentouto._core.rendering import with_reply_text
from agentouto._domain.event import Event
from agentouto._domain.hooks import Hooks, OnLine
from agentouto._engine.log import Log, Reader

logger = logging.getLogger("agentouto")


class ObservedLog(Log):
    """A log with a hook.

    Each reply is passed as a whole. So the hook is no reader of its pieces, and a reply that breaks
    off is asked for again, as without it.

    Args:
        now: The clock that events are stamped with.
        on_line: The hook. If it raises, that is logged once, and the run goes on.
        keep: Called with every event, in their order, of a run with a journal.
        earlier: The events that the run has from earlier processes, of which the hook is not told.
    """

    def __init__(
        self,
        now: Callable[[], float],
        on_line: OnLine,
        keep: Callable[[Event], None] | None = None,
        earlier: Sequence[Event] = (),
    ) -> None:
        super().__init__(now, keep, earlier)
        self._on_line = on_line
        self._writer = LineWriter()
        for event in earlier:
            for each in with_reply_text(event):
                self._writer.lines(each)
        self._order = threading.RLock()  # reentrant: the hook may write to the run
        self._has_failed = False

    def append(self, event: Event, streamed_to: tuple[Reader, ...] = ()) -> None:
        """Record ``event``, push it to all readers, and pass its lines to the hook."""
        with self._order:
            super().append(event, streamed_to)
            for each in with_reply_text(event):
                for line in self._writer.lines(each):
                    self._call(line)

    def _call(self, line: dict[str, object]) -> None:
        try:
            self._on_line(line)
        except Exception as error:
            if not self._has_failed:
                logger.warning("the hook on_line raised", exc_info=error)
            self._has_failed = True


def log_for(
    hooks: Hooks,
    now: Callable[[], float],
    keep: Callable[[Event], None] | None = None,
    earlier: Sequence[Event] = (),
) -> Log:
    """Return the log of a run with these hooks."""
    if hooks.on_line is None:
        return Log(now, keep, earlier)
    return ObservedLog(now, hooks.on_line, keep, earlier)
