"""Who holds a run up now, and which chain of work decided when its answer came.

``held`` walks the graph of waits forwards in time: from each call that acts to all that wait for
it. ``critical`` walks the history backwards: from the last return to whatever ended last before it
in the same call, into the calls that it waited for, and to the senders of awaited messages. Both
are functions of a ``RunHistory``.

The backward walk visits every moment from the answer to the start of the run once, so its pieces
add up to that time. A call that was cut off counts as if it ended with the last line.
"""

from __future__ import annotations

from bisect import bisect_right

import msgspec

from agentouto._core.figures import Doing
from agentouto._core.run_history import Activity, CallHistory, RunHistory


class Held(msgspec.Struct, frozen=True):
    """A participant that acts now, and the calls that wait for it.

    Attributes:
        call: The id of its call.
        agent: Its name; ``user`` where a person is asked.
        doing: What it does.
        detail: The tool, the model, the reason of the wait, or the question.
        since: When it began to, in seconds since the start of the run.
        holds: The ids of the calls that cannot go on before it has: its callers, their callers and
            so on, and those that wait for its message.
    """

    call: str
    agent: str
    doing: Doing
    detail: str
    since: float
    holds: tuple[str, ...] = ()


class Work(msgspec.Struct, frozen=True):
    """A piece of the critical path.

    Attributes:
        call: The id of the call.
        agent: Its participant.
        doing: What the time went into.
        detail: The tool, the model, or the reason of the wait.
        start: When it began, in seconds since the start of the run.
        end: When it ended.
    """

    call: str
    agent: str
    doing: Doing
    detail: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.start


def find_held(run: RunHistory) -> list[Held]:
    """Return who acts now: persons first, then by how many calls each holds up."""
    open_calls = [call for call in run.calls.values() if call.end is None]
    waiters: dict[str, list[str]] = {call.id: [] for call in open_calls}
    acting: list[CallHistory] = []
    for call in open_calls:
        waited_for = [child.id for child in call.open_children()]
        waited_for += [wait.detail for wait in call.waits if wait.detail in waiters]
        for other in waited_for:
            waiters[other].append(call.id)
        if not waited_for or any(one.doing is not Doing.MAIL for one in call.open_activities()):
            acting.append(call)
    found = {call.id: _reachable(waiters, call.id) for call in acting}
    reached = {*found, *(id_ for holds in found.values() for id_ in holds)}
    for call in open_calls:  # calls that wait for each other
        if call.id not in reached:
            found[call.id] = _reachable(waiters, call.id)
            reached |= {call.id, *found[call.id]}
    entries = [_held(run.calls[id_], holds) for id_, holds in found.items()]
    return sorted(
        entries, key=lambda one: (one.doing is not Doing.PERSON, -len(one.holds), one.since)
    )


def find_critical(run: RunHistory) -> list[Work]:
    """Return the critical path, in the order of time; empty before the first call."""
    roots = run.roots
    if not roots:
        return []
    call = max(roots, key=lambda root: run.now if root.end is None else root.end)
    walk = _Walk(run, call)
    while walk.step():
        pass
    return walk.pieces[::-1]


def _held(call: CallHistory, holds: tuple[str, ...]) -> Held:
    activities = call.open_activities()
    if not activities:
        return Held(call.id, call.agent, Doing.ENGINE, "", call.since, holds)
    first = activities[0]
    details = [one.detail for one in activities if one.doing is first.doing]
    return Held(call.id, call.agent, first.doing, ", ".join(details), first.start, holds)


def _reachable(waiters: dict[str, list[str]], start: str) -> tuple[str, ...]:
    """Return every call that waits for ``start``, directly or not, nearest first."""
    found: dict[str, None] = {start: None}
    todo = [start]
    for one in todo:
        for waiter in waiters[one]:
            if waiter not in found:
                found[waiter] = None
                todo.append(waiter)
    return tuple(found)[1:]


class _Walk:
    """The way back from the answer to the start: a call and a time in it."""

    def __init__(self, run: RunHistory, call: CallHistory) -> None:
        self._run = run
        self._call = call
        self._time = run.now if call.end is None else call.end
        self._sorted: dict[str, tuple[list[float], list[Activity | CallHistory]]] = {}
        self._crossed: set[tuple[str, float]] = set()
        self.pieces: list[Work] = []

    def step(self) -> bool:
        """Go one piece back; say whether there may be more."""
        last = self._last_before()
        if last is None:
            self._add(Doing.ENGINE, "", max(self._call.start, 0.0))
            return self._to_caller()
        self._add(Doing.ENGINE, "", self._end(last))
        if isinstance(last, CallHistory):
            self._call = last
        elif not self._crosses(last):
            self._add(last.doing, last.detail, last.start)
        return True

    def _to_caller(self) -> bool:
        caller = self._call.parent
        if caller is None:
            self._add(Doing.ENGINE, "", 0.0)
            return False
        self._call = caller
        return True

    def _crosses(self, wait: Activity) -> bool:
        """Go to the sender of the message that ended ``wait``, if it was sent meanwhile."""
        if wait.cause is None:
            return False
        sender, sent = self._run.calls.get(wait.cause[0]), wait.cause[1]
        here = self._call.id, sent
        if sender is None or sent > self._time or here in self._crossed:
            return False
        self._crossed.add(here)
        self._add(wait.doing, wait.detail, sent)
        self._call = sender
        return True

    def _last_before(self) -> Activity | CallHistory | None:
        """Return what ended last in the call, up to the present time, and began before that."""
        call = self._call
        if call.id not in self._sorted:
            waited_for = (child for child in call.children if not child.background)
            parts: list[Activity | CallHistory] = [*call.activities, *waited_for]
            parts.sort(key=self._end)
            self._sorted[call.id] = [self._end(part) for part in parts], parts
        ends, done = self._sorted[call.id]
        for place in range(bisect_right(ends, self._time) - 1, -1, -1):
            if done[place].start < self._time:
                return done[place]
        return None

    def _end(self, part: Activity | CallHistory) -> float:
        return self._run.now if part.end is None else part.end

    def _add(self, doing: Doing, detail: str, start: float) -> None:
        if start < self._time:
            call = self._call
            self.pieces.append(Work(call.id, call.agent, doing, detail, start, self._time))
            self._time = start
