"""What a notebook shows of a run.

Front ends sanitize the HTML of notebooks that are not trusted. JupyterLab 4.6 removes ``<svg>``
and keeps its words, and shows nothing for ``image/svg+xml``; it keeps ``<img>`` with a data URI.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable

from agentouto._core.critical_path import find_held
from agentouto._core.pictures.mermaid import draw_mermaid
from agentouto._core.pictures.picture_text import (
    picture_label,
    plural_of,
    seconds_text,
    short_line,
    xml_text,
)
from agentouto._core.pictures.sequence import draw_sequence
from agentouto._core.pictures.time_lanes import draw_time
from agentouto._core.recorded_run import RecordedRun
from agentouto._core.run_history import Line

MOST_IN_SEQUENCE = 13
"""With more participants, the columns of a sequence are too narrow for texts."""

_MOST_HELD = 4
_MOST_ANSWER = 20_000
"""A longer answer is cut: a cell of a notebook keeps what it shows."""


def draw_picture(run: RecordedRun, picture: str = "auto") -> str:
    """Return the picture that fits ``run`` as SVG, or the one that is asked for."""
    if picture == "auto":
        picture = "sequence" if len(run.participants) <= MOST_IN_SEQUENCE else "time"
    return draw_sequence(run) if picture == "sequence" else draw_time(run)


def result_bundle(lines: Iterable[Line], output: str) -> dict[str, str]:
    """Return what a notebook shows of a result: its text, and HTML with a picture."""
    run = RecordedRun(lines)
    if not run.lines:  # it was made by hand
        return {"text/plain": f"RunResult({short_line(output, 200)!r})"}
    answer = output if len(output) <= _MOST_ANSWER else f"{output[:_MOST_ANSWER]}…"
    more = _participants_markup(run)
    html = f"<p><b>{xml_text(run.status)}</b>, {xml_text(_facts(run))}</p>"
    html += f"<pre>{xml_text(answer)}</pre>{_image_markup(run)}"
    html += f"<details><summary>Participants</summary>{more}</details>"
    return {
        "text/plain": f"RunResult({short_line(output, 200)!r}, {_facts(run)})",
        "text/html": html,
    }


def run_bundle(run: RecordedRun) -> dict[str, str]:
    """Return what a notebook shows of a run that goes on: who acts now, and a picture."""
    acting = [
        f"{short_line(one.agent, 40)}: {one.doing.value} {short_line(one.detail, 60)}".strip()
        for one in find_held(run.history)
    ]
    more = f" and {len(acting) - _MOST_HELD} more" if len(acting) > _MOST_HELD else ""
    now = "; ".join(acting[:_MOST_HELD]) + more
    html = f"<p><b>{xml_text(run.status)}</b>, {xml_text(_facts(run))}</p>"
    html += f"<p>{xml_text(now) or '&nbsp;'}</p>{_image_markup(run)}"
    return {"text/plain": f"{run.status}, {_facts(run)}. {now}", "text/html": html}


def mermaid_of(lines: Iterable[Line]) -> str:
    """Return the messages of a run as a Mermaid diagram; empty if there are none."""
    run = RecordedRun(lines)
    return draw_mermaid(run) if run.messages else ""


def _facts(run: RecordedRun) -> str:
    read, written = run.tokens()
    cost = run.cost()
    facts = [
        plural_of(len(run.history.calls), "call"),
        plural_of(len(run.messages), "message"),
        seconds_text(run.history.now),
        *([f"{read:,} tokens in, {written:,} out"] if read or written else []),
        *([f"${cost:.4f}"] if cost is not None else []),
    ]
    return ", ".join(facts)


def _image_markup(run: RecordedRun) -> str:
    data = b64encode(draw_picture(run).encode()).decode()
    label = xml_text(picture_label(run, "Picture of the run"))
    return f'<img alt="{label}" src="data:image/svg+xml;base64,{data}">'


def _participants_markup(run: RecordedRun) -> str:
    rows: list[str] = []
    for name in run.participants:
        calls = [call for call in run.history.calls.values() if call.agent == name]
        busy = sum((run.history.now if one.end is None else one.end) - one.start for one in calls)
        cells = (xml_text(short_line(name, 60)), f"{len(calls):,}", seconds_text(busy))
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    header = "<tr><th>Name</th><th>Calls</th><th>Time in calls</th></tr>"
    return f"<table><thead>{header}</thead><tbody>{''.join(rows)}</tbody></table>"
