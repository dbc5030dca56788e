"""Figures of a run: where the time went, how much was done at once, and what was done twice."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from statistics import median

from agentouto._core.critical_path import Work, find_critical
from agentouto._core.figures import Doing, Figures, PersonWait, Repetition, Straggler
from agentouto._core.run_history import Activity, CallHistory, RunHistory

STRAGGLES_FROM = 2.0
"""A call straggles from this multiple of its siblings' median time on, as in MapReduce's studies of
outliers (Ananthanarayanan et al., OSDI 2010, take 1.5); twice as long is plain to see."""

_WAITS = frozenset({Doing.RATE_LIMIT, Doing.QUEUE, Doing.MAIL})
"""Time in which a call does nothing: more places, or a faster sender, would save it."""


def count_figures(run: RunHistory) -> Figures:
    """Return the figures of a run."""
    pieces = find_critical(run)
    path: dict[Doing, float] = defaultdict(float)
    for piece in pieces:
        path[piece.doing] += piece.seconds
    seconds = pieces[-1].end if pieces else 0.0
    work = sum(
        _length(run, activity)
        for call in run.calls.values()
        for activity in call.activities
        if activity.doing not in _WAITS
    )
    busy = sum(length for doing, length in path.items() if doing not in _WAITS)
    return Figures(
        seconds,
        dict(sorted(path.items(), key=lambda item: -item[1])),
        work,
        work / seconds if seconds else 0.0,
        work / busy if busy else 0.0,
        run.messages,
        run.messages / run.turns if run.turns else 0.0,
        tuple(sorted(_repetitions(run), key=lambda one: -one.seconds)),
        tuple(sorted(_stragglers(run), key=lambda one: -one.alone)),
        tuple(_people(run, pieces)),
    )


def _length(run: RunHistory, part: Activity | CallHistory) -> float:
    return _end(run, part) - part.start


_arguments_text = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode
"""``json.dumps`` makes an encoder for every call."""


def _repetitions(run: RunHistory) -> Iterator[Repetition]:
    lengths: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for call in run.calls.values():
        if not call.is_of_person:
            lengths["forward", call.agent, call.text].append(_length(run, call))
        for parts in _tool_uses(call):
            arguments = _arguments_text(parts[0].arguments)
            seconds = sum(_length(run, part) for part in parts)
            lengths["tool", parts[0].detail, arguments].append(seconds)
    for (kind, name, text), each in lengths.items():
        if len(each) > 1:
            yield Repetition(kind, name, text, len(each), sum(each[1:]))


def _tool_uses(call: CallHistory) -> Iterable[list[Activity]]:
    """Return the activities of each use of a tool: several, if it has waited for calls."""
    uses: dict[str, list[Activity]] = defaultdict(list)
    for activity in call.activities:
        if activity.doing is Doing.TOOL:
            uses[activity.tool_call].append(activity)
    return uses.values()


def _stragglers(run: RunHistory) -> Iterator[Straggler]:
    for caller in run.calls.values():
        for batch in _batches(run, caller):
            last, before = batch[-1], batch[-2]
            usual = median(_length(run, call) for call in batch[:-1])
            took = _length(run, last)
            if took > 0 and took >= usual * STRAGGLES_FROM:
                alone = _end(run, last) - _end(run, before)
                yield Straggler(last.id, last.agent, took, usual, alone)


def _batches(run: RunHistory, caller: CallHistory) -> Iterator[list[CallHistory]]:
    """Yield groups of three and more calls that a caller waited for at once, by their ends.

    Of two, neither is the usual one.
    """
    batch: list[CallHistory] = []
    for call in caller.children:
        if call.background or call.is_of_person:
            continue
        if batch and call.start >= max(_end(run, one) for one in batch):
            yield from _by_end(run, batch)
            batch = []
        batch.append(call)
    yield from _by_end(run, batch)


def _by_end(run: RunHistory, batch: list[CallHistory]) -> Iterator[list[CallHistory]]:
    if len(batch) >= 3:
        yield sorted(batch, key=lambda call: _end(run, call))


def _end(run: RunHistory, part: Activity | CallHistory) -> float:
    return run.now if part.end is None else part.end


def _people(run: RunHistory, pieces: list[Work]) -> Iterator[PersonWait]:
    for call in run.calls.values():
        if call.is_of_person:
            decided = sum(piece.seconds for piece in pieces if piece.call == call.id)
            asked_by = call.parent.agent if call.parent is not None else ""
            yield PersonWait(call.id, asked_by, _length(run, call), decided)
