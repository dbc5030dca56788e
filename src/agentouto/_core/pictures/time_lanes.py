"""Draws where the time of a run went: one row for each participant, time from left to right.

A participant that answers up to four calls at once has a line for each of them. With more, it has
an area that says how many of its calls did what. The critical path is drawn over both: the chain of
work that decided when the answer came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import MappingProxyType

import msgspec

from agentouto._core.critical_path import Work, find_critical
from agentouto._core.figures import Doing
from agentouto._core.pictures.picture_text import (
    picture_label,
    plural_of,
    seconds_text,
    short_line,
    xml_text,
)
from agentouto._core.pictures.svg_parts import svg_document, svg_rect, svg_text
from agentouto._core.recorded_run import RecordedRun
from agentouto._core.run_history import CallHistory
from agentouto._domain.message import USER

_WIDTH = 960.0
_NAMES = 130.0
"""The width of the column of names."""

_RIGHT = 16.0
_MOST_LINES = 4
"""How many calls of one participant at once get a line each."""

_STEP = 2
"""The width of a column of an area, in pixels."""

_NARROW = 0.7
"""What is narrower than this many pixels is drawn as a part of what is before it."""

_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)

_LEGEND = MappingProxyType(
    {
        "model": "waits for its model",
        "writing": "writes",
        "tool": "uses a tool",
        "person": "a person is asked",
        "rate-limit": "rate limit",
        "queue": "queue",
        "mail": "waits for mail",
        "peer": "waits for peers",
    }
)


class _Row(msgspec.Struct):
    """The row of one participant, and the lines in it.

    ``lines`` are its calls, by line; ``crowd`` are all of them where they are drawn as an area.
    """

    name: str
    lines: list[list[CallHistory]]
    crowd: list[CallHistory]
    top: float = 0.0
    height: float = 0.0


class _Scale(msgspec.Struct, frozen=True):
    """How times become positions; calls that are open end ``now``."""

    now: float
    line: float

    def x(self, time: float) -> float:
        return _NAMES + (_WIDTH - _NAMES - _RIGHT) * time / (self.now or 1.0)

    def end(self, part: CallHistory) -> float:
        return self.now if part.end is None else part.end


def draw_time(run: RecordedRun) -> str:
    """Return where the time of ``run`` went as an SVG picture, with the critical path."""
    pieces = _by_call(find_critical(run.history))
    decisive = {piece.call for piece in pieces}
    rows = [_row_of(run, name, decisive) for name in _names(run)]
    scale = _Scale(run.history.now, 11.0 if len(rows) > 16 else 15.0)
    y = 26.0
    for row in rows:
        row.top = y
        row.height = scale.line * (len(row.lines) + (2 if row.crowd else 0))
        y += row.height + (4 if len(rows) > 16 else 7)
    parts = [*_ticks(scale, y)]
    for row in rows:
        parts += _draw_row(row, scale)
    parts += _draw_path(rows, pieces, scale)
    parts += _legend(y + 18)
    height = y + 30
    if run.unfinished:
        parts.append(svg_text(8, y + 40, run.unfinished, "dim"))
        height += 22
    return svg_document(_WIDTH, height, picture_label(run, "Where the time went"), parts)


def _names(run: RecordedRun) -> list[str]:
    with_calls = dict.fromkeys(call.agent for call in run.history.calls.values())
    return sorted(with_calls, key=lambda name: name != USER)


def _row_of(run: RecordedRun, name: str, decisive: set[str]) -> _Row:
    calls = [call for call in run.history.calls.values() if call.agent == name]
    lines = _in_lines(run, calls)
    if len(lines) <= _MOST_LINES:
        return _Row(name, lines, [])
    hot = [call for call in calls if call.id in decisive]
    return _Row(name, _in_lines(run, hot)[:_MOST_LINES], calls)


def _in_lines(run: RecordedRun, calls: Sequence[CallHistory]) -> list[list[CallHistory]]:
    """Return ``calls`` in as few lines as possible, without two at once in the same line."""
    lines: list[list[CallHistory]] = []
    ends: list[float] = []
    for call in calls:
        end = run.history.now if call.end is None else call.end
        place = next((n for n, free in enumerate(ends) if free <= call.start), len(lines))
        if place == len(lines):
            lines.append([])
            ends.append(0.0)
        lines[place].append(call)
        ends[place] = end
    return lines


def _ticks(scale: _Scale, bottom: float) -> Iterator[str]:
    step = next((one for one in _TICKS if scale.now / one <= 9), _TICKS[-1] * 4)
    for place in range(int(scale.now / step) + 1):
        x = scale.x(place * step)
        yield f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="18" y2="{bottom:g}"/>'
        yield svg_text(x, 13, f"{place * step:g} s", "dim", "middle" if place else "start")


def _draw_row(row: _Row, scale: _Scale) -> Iterator[str]:
    shown = short_line(row.name, 18)
    yield svg_text(_NAMES - 8, row.top + scale.line - 4, shown, "", "end")
    y = row.top
    if row.crowd:
        yield from _draw_area(row, scale)
        y += 2 * scale.line
    for line in row.lines:
        for call in line:
            yield from _draw_call(call, y, scale, counted=not row.crowd)
        y += scale.line


def _draw_call(call: CallHistory, y: float, scale: _Scale, *, counted: bool) -> Iterator[str]:
    """Yield one call; ``counted`` is whether it is drawn nowhere else."""
    begin, end = scale.x(call.start), scale.x(scale.end(call))
    caller = call.parent.agent if call.parent is not None else USER
    took = seconds_text(scale.end(call) - call.start)
    title = f"{call.agent}, asked by {caller}: {call.outcome or 'open'}, {took}. "
    title += short_line(call.text, 120)
    if counted:
        yield (
            f'<g data-call="{xml_text(call.id)}" data-start="{call.start:.3f}" '
            f'data-end="{scale.end(call):.3f}">'
        )
    yield svg_rect(
        begin, y, max(2.0, end - begin), scale.line - 2, "box", f"<title>{xml_text(title)}</title>"
    )
    if call.children:
        yield svg_rect(begin, y + scale.line / 2 - 2, max(1.0, end - begin), 2, "peer")
    for looks, start, stop in _segments(call, scale):
        yield svg_rect(start, y + 0.5, max(0.8, stop - start), scale.line - 3, looks)
    if counted:
        yield "</g>"


def _segments(call: CallHistory, scale: _Scale) -> Iterator[tuple[str, float, float]]:
    """Yield what a call did, as class and positions; what is too narrow joins its neighbour."""
    last: tuple[str, float, float] | None = None
    for activity in call.activities:
        stop = scale.end(call) if activity.end is None else activity.end
        start, stop = scale.x(activity.start), scale.x(stop)
        looks = _looks(activity.doing)
        joins = last is not None and (looks == last[0] or stop - start < _NARROW)
        if last is not None and joins and start - last[2] < _NARROW:
            last = (last[0], last[1], max(stop, last[2]))
            continue
        if last is not None:
            yield last
        last = (looks, start, stop)
    if last is not None:
        yield last


def _looks(doing: Doing) -> str:
    return doing.value.replace(" ", "-")


def _draw_area(row: _Row, scale: _Scale) -> Iterator[str]:
    """Yield how many calls did what, as one stacked area for each kind of work."""
    columns = int((_WIDTH - _NAMES - _RIGHT) / _STEP) + 1
    counts = {looks: [0] * (columns + 1) for looks in ("peer", *map(_looks, Doing))}

    def count(looks: str, start: float, stop: float) -> None:
        first = round((scale.x(start) - _NAMES) / _STEP)
        counts[looks][first] += 1
        counts[looks][min(columns, max(first + 1, round((scale.x(stop) - _NAMES) / _STEP)))] -= 1

    for call in row.crowd:
        for looks, start, stop in _spans(call, scale):
            count(looks, start, stop)
    for each in counts.values():
        for place in range(1, columns + 1):
            each[place] += each[place - 1]
    height = 2 * scale.line - 2
    most = max(1, *(sum(each[place] for each in counts.values()) for place in range(columns)))
    base = [0] * columns
    yield svg_rect(_NAMES, row.top, _WIDTH - _NAMES - _RIGHT, height, "engine")
    for looks, each in counts.items():
        path = "".join(_steps(each, base, row.top + height, height / most))
        if path:
            yield f'<path class="{looks}" d="{path}"/>'
        base = [below + here for below, here in zip(base, each, strict=False)]
    calls = plural_of(len(row.crowd), "call")
    ids = " ".join(f"{one.id}@{one.start:.3f}-{scale.end(one):.3f}" for one in row.crowd)
    yield (
        f'<g data-calls="{xml_text(ids)}">'
        f"{svg_text(_WIDTH - _RIGHT - 4, row.top + scale.line - 3, calls, 'halo', 'end')}</g>"
    )


def _spans(call: CallHistory, scale: _Scale) -> Iterator[tuple[str, float, float]]:
    """Yield what a call did, with waits for peers where it did nothing itself."""
    now = call.start
    for activity in sorted(call.activities, key=lambda one: one.start):
        if activity.start > now:
            yield "peer", now, activity.start
        stop = scale.end(call) if activity.end is None else activity.end
        if stop > now:
            yield _looks(activity.doing), max(now, activity.start), stop
            now = stop
    if scale.end(call) > now:
        yield "peer", now, scale.end(call)


def _steps(counts: Sequence[int], base: Sequence[int], floor: float, unit: float) -> Iterator[str]:
    place = 0
    while place < len(base):
        here, below = counts[place], base[place]
        stop = place + 1
        while stop < len(base) and (counts[stop], base[stop]) == (here, below):
            stop += 1
        if here:
            x, end = _NAMES + place * _STEP, _NAMES + stop * _STEP
            y, top = floor - below * unit, floor - (below + here) * unit
            yield f"M{x:g},{y:.1f}H{end:g}V{top:.1f}H{x:g}z"
        place = stop


def _by_call(pieces: Sequence[Work]) -> list[Work]:
    """Return the critical path with neighbouring pieces of one call as one."""
    joined: list[Work] = []
    for piece in pieces:
        if joined and joined[-1].call == piece.call:
            last = joined.pop()
            piece = Work(last.call, last.agent, last.doing, last.detail, last.start, piece.end)
        joined.append(piece)
    return joined


def _draw_path(rows: Sequence[_Row], pieces: Sequence[Work], scale: _Scale) -> Iterator[str]:
    lines = {
        call.id: row.top + scale.line * (place + (2 if row.crowd else 0))
        for row in rows
        for place, line in enumerate(row.lines)
        for call in line
    }
    tops = {row.name: row.top for row in rows}
    before: float | None = None
    for piece in pieces:
        y = lines.get(piece.call, tops[piece.agent])
        x, end = scale.x(piece.start), scale.x(piece.end)
        if before is not None and before != y:
            middle = scale.line / 2
            yield f'<path class="hot" d="M{x:.1f},{before + middle:.1f}V{y + middle:.1f}"/>'
        title = f"<title>{xml_text(f'critical path: {piece.agent}, {piece.seconds:.2f} s')}</title>"
        yield svg_rect(x, y - 1.5, max(1.0, end - x), scale.line + 1, "hot", title)
        before = y


def _legend(y: float) -> Iterator[str]:
    x = 8.0
    for looks, meaning in _LEGEND.items():
        height = 2 if looks == "peer" else 10
        yield svg_rect(x, y - 5 - height / 2, 14, height, looks)
        yield svg_text(x + 19, y, meaning, "dim")
        x += 36 + 5.6 * len(meaning)
    yield f'<rect class="hot" x="{x:g}" y="{y - 10:g}" width="14" height="10" rx="2"/>'
    yield svg_text(x + 19, y, "critical path", "dim")
