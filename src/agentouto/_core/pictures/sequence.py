"""Draws the messages of a run as a sequence: participants side by side, time from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from agentouto._core.pictures.folding import SequenceRow, fold
from agentouto._core.pictures.picture_text import (
    label_of,
    picture_label,
    seconds_text,
    short_line,
    xml_text,
)
from agentouto._core.pictures.svg_parts import svg_document, svg_text
from agentouto._core.recorded_run import RecordedRun

_ROW = 30.0
"""The height of a message: its text above its arrow."""

_TOP = 46.0
_TIMES = 64.0
"""The width of the column of times."""

_LETTER = 6.3
"""The mean width of a letter at 12 pixels, so that a text is cut before it leaves its arrow."""

_MOST_LANES = 4
"""Calls of one participant at once that are told apart; more are drawn over each other."""


class _Plan(msgspec.Struct, frozen=True):
    """Where everything is drawn: rows from top to bottom, participants from left to right."""

    run: RecordedRun
    rows: list[SequenceRow]
    columns: dict[str, float]
    gap: float

    def y(self, row: int) -> float:
        return _TOP + 24 + row * _ROW

    @property
    def bottom(self) -> float:
        return self.y(len(self.rows)) - 8


def draw_sequence(run: RecordedRun) -> str:
    """Return the messages of ``run`` as an SVG picture; of many, those of the longest calls."""
    rows = fold(run)
    shown = {name for row in rows for name in (row.message.sender, row.message.receiver)}
    names = [name for name in run.participants if name in shown]
    gap = min(220.0, max(92.0, 860 / max(1, len(names))))
    columns = {name: _TIMES + 60 + place * gap for place, name in enumerate(names)}
    plan = _Plan(run, rows, columns, gap)
    width = _TIMES + 120 + gap * max(1, len(names) - 1) + 60
    notes = [run.unfinished] if run.unfinished else []
    left_out = len(run.messages) - len(rows)
    if left_out:
        notes.append(f"{left_out:,} messages of shorter calls are left out; (+n) says where.")
    height = plan.bottom + 14 + 18 * len(notes)
    parts = [*_lifelines(plan), *_bars(plan), *_arrows(plan)]
    parts += [
        svg_text(8, plan.bottom + 16 + 18 * place, note, "dim") for place, note in enumerate(notes)
    ]
    return svg_document(width, height, picture_label(run, "Sequence of messages"), parts)


def _lifelines(plan: _Plan) -> Iterator[str]:
    for name, x in plan.columns.items():
        yield f'<line class="life" x1="{x:g}" x2="{x:g}" y1="{_TOP - 8:g}" y2="{plan.bottom:g}"/>'
        text = xml_text(short_line(name, int(plan.gap / 7)))
        yield (
            f'<text class="b" x="{x:g}" y="{_TOP - 20:g}" text-anchor="middle">{text}'
            f"<title>{xml_text(short_line(name, 200))}</title></text>"
        )


def _bars(plan: _Plan) -> Iterator[str]:
    """Yield a bar for each call, from its forward to its return, at its participant."""
    begins, ends = dict[str, int](), dict[str, int]()
    for place, row in enumerate(plan.rows):
        if row.message.kind in {"forward", "ask"}:
            begins[row.message.call] = place
        elif row.message.kind != "message":
            ends[row.message.call] = place
    lanes: dict[str, list[int]] = {}
    for call_id, begin in begins.items():
        call = plan.run.history.calls[call_id]
        end = ends.get(call_id, len(plan.rows))
        taken = lanes.setdefault(call.agent, [])
        lane = next((n for n, free in enumerate(taken) if free <= begin), len(taken))
        taken[lane : lane + 1] = [end]
        x = plan.columns[call.agent] - 5 + min(lane, _MOST_LANES) * 4
        y, bottom = plan.y(begin), min(plan.y(end), plan.bottom)
        looks = "bar" if call_id in ends else "bar open"
        yield (
            f'<rect class="{looks}" x="{x:g}" y="{y:g}" width="10" '
            f'height="{max(4.0, bottom - y):g}" rx="2" data-call="{xml_text(call_id)}"/>'
        )


def _arrows(plan: _Plan) -> Iterator[str]:
    for place, row in enumerate(plan.rows):
        message = row.message
        begin, end = plan.columns[message.sender], plan.columns[message.receiver]
        y = plan.y(place)
        side = 1 if end > begin else -1
        if message.sender == message.receiver:
            path = f"M{begin + 6:g},{y - 8:g}h26v10h-20"
            tip = f"M{begin + 6:g},{y + 2:g}l8,-4v8z"
            x, room = begin + 38, plan.gap * 1.4
        else:
            path = f"M{begin + 6 * side:g},{y:g}H{end - 13 * side:g}"
            tip = f"M{end - 6 * side:g},{y:g}l{-8 * side},-4v8z"
            x, room = min(begin, end) + 12, abs(begin - end) - 20
        folded = f" (+{row.folded})" if row.folded else ""
        shown = short_line(label_of(message), max(4, int(room / _LETTER) - len(folded))) + folded
        looks = f"m {message.kind}{' background' if message.background else ''}"
        title = f"{seconds_text(message.at)}, {message.sender} to {message.receiver}: "
        title += short_line(label_of(message), 300)
        yield (
            f'<g class="{looks}" data-seq="{message.seq}" data-t="{message.at:.3f}" '
            f'data-call="{xml_text(message.call)}" data-from="{xml_text(message.sender)}" '
            f'data-to="{xml_text(message.receiver)}"><title>{xml_text(title)}</title>'
            f'<path d="{path}"/><path class="tip" d="{tip}"/>'
            f"{svg_text(x, y - 5, shown, 'halo')}"
            f"{svg_text(_TIMES - 8, y + 4, f'{message.at:.2f} s', 'dim', 'end')}</g>"
        )
