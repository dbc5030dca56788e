"""Writes a run as one HTML page that needs nothing else: no script, no server, no other file.

The page has a policy that forbids every request, so texts of models cannot make it call anyone.
It is an element of the page, because a file has no headers, and stands before all that has texts:
such a policy holds only for what follows it (Content Security Policy Level 3, 3.3).

Programs may rely on ``data-seq``, ``data-t``, ``data-from`` and ``data-to`` of a message, and on
``data-call``, ``data-start`` and ``data-end`` of a call. They are those of the event lines, so that
a report can be compared with other exports of the same run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from agentouto._core.critical_path import find_critical
from agentouto._core.pictures.picture_text import plural_of, seconds_text, short_line, xml_text
from agentouto._core.pictures.sequence import draw_sequence
from agentouto._core.pictures.time_lanes import draw_time
from agentouto._core.recorded_run import RecordedRun, RunMessage
from agentouto._core.run_figures import count_figures
from agentouto.exports._report_calls import anchor_of, calls_markup, text_markup
from agentouto.exports._report_style import REPORT_STYLE
from agentouto.exports._sources import RunSource, load_run

REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Content Security Policy Level 3: nothing is loaded or sent; styles are in the page."""


_DOING: Mapping[str, str] = MappingProxyType(
    {
        "model": "waiting for its model",
        "writing": "its model writing",
        "tool": "using tools",
        "person": "answering",
        "rate limit": "waiting for a rate limit or a retry",
        "queue": "waiting for a place in the queue",
        "mail": "waiting for messages",
        "engine": "between two steps",
    }
)
"""What a participant does in a piece of the critical path, in words for readers. Every ``Doing``
has its words: a missing one would be an error in the middle of a report."""


def to_html(run: RunSource, *, content: bool = True) -> str:
    """Return ``run`` as a report: one HTML page without scripts, to be opened from a file.

    It has the answer, where the time went, the messages, some figures, and all calls with what each
    was asked, did and returned.

    Args:
        run: The run.
        content: Whether to show texts, arguments and results.

    Raises:
        ConfigurationError: It is no run, or lines of several runs.
    """
    recorded = load_run(run, content=content)
    return "\n".join([*_head_markup(recorded), *_main_markup(recorded, content=content)]) + "\n"


def _head_markup(run: RecordedRun) -> Iterator[str]:
    title = xml_text(short_line(run.text, 120)) or "A run of agentouto"
    looks = {"completed": "good", "not ended": "dim"}.get(run.status, "bad")
    read, written = run.tokens()
    cost = run.cost()
    facts = [
        seconds_text(run.history.now),
        plural_of(len(run.history.calls), "call"),
        plural_of(len(run.messages), "message"),
        f"{read:,} tokens in, {written:,} out",
        *([f"${cost:.4f}"] if cost is not None else []),
    ]
    yield "<!DOCTYPE html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{xml_text(REPORT_POLICY)}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title><style>{REPORT_STYLE}</style></head><body>"
    yield f'<header><h1>{title}</h1><p><span class="state {looks}">{xml_text(run.status)}</span> '
    yield f'<span class="dim">{" · ".join(facts)}</span></p>'
    yield f'<p class="dim">Run {xml_text(run.id)}, agentouto {_made_by(run)}</p></header><main>'


def _made_by(run: RecordedRun) -> str:
    return xml_text(str(run.start.get("version", "")))


def _main_markup(run: RecordedRun, *, content: bool) -> Iterator[str]:
    for note in _notes(run, content=content):
        yield f'<p class="note">{xml_text(note)}</p>'
    if len(run.text) > 120:
        yield f"<h2>Message</h2>{text_markup(run.text)}"
    if run.output:
        yield f'<h2>Answer</h2><div class="answer">{text_markup(run.output)}</div>'
    yield f"<h2>Where the time went</h2>{_path(run)}{_picture(draw_time(run), 'time')}"
    yield f"<h2>Messages</h2>{_picture(draw_sequence(run), 'sequence')}"
    yield f"<details><summary>All {plural_of(len(run.messages), 'message')} as a table</summary>"
    yield from _table(
        ("Time", "Kind", "From", "To", "Text"), map(_message_row, run.messages), "Messages"
    )
    yield "</details><h2>Figures</h2>"
    yield from _table(("Figure", "Value"), _figure_rows(run), "Figures")
    yield "<h2>Participants</h2>"
    header = ("Name", "Model", "Calls", "Tokens in", "Tokens out")
    yield from _table(header, _participant_rows(run), "Participants")
    yield "<h2>Calls</h2>"
    yield from calls_markup(run)
    yield "</main></body></html>"


def _notes(run: RecordedRun, *, content: bool) -> Iterator[str]:
    if run.unfinished:
        yield run.unfinished
    if not run.start:
        yield "The beginning of this run is missing."
    error = run.end.get("error") if run.end is not None else None
    if isinstance(error, dict) and error.get("what"):  # pyright: ignore[reportUnknownMemberType]
        yield f"Why it has not completed: {error['what']}"
    if not content:
        yield "This report was made without texts, arguments and results."


def _picture(svg: str, name: str) -> str:
    """Return a picture that can be scrolled, with the keyboard as well."""
    return (
        f'<div class="picture" tabindex="0" role="group" aria-label="Picture: {name}">{svg}</div>'
    )


def _path(run: RecordedRun) -> str:
    """Return the largest parts of the critical path as a list."""
    pieces = find_critical(run.history)
    total = sum(piece.seconds for piece in pieces)
    spent: dict[tuple[str, str], float] = defaultdict(float)
    for piece in pieces:
        spent[piece.agent, piece.doing.value] += piece.seconds
    # Six say where to look; the picture below has all of them.
    largest = sorted(spent.items(), key=lambda item: -item[1])[:6]
    if not total:
        return ""
    rows = [
        f"{seconds / total:.0%} {xml_text(short_line(agent, 60))}: {_DOING[doing]}, "
        f"{seconds_text(seconds)}"
        for (agent, doing), seconds in largest
    ]
    return f"<ul><li>{'</li><li>'.join(rows)}</li></ul>"


def _message_row(message: RunMessage) -> tuple[str, ...]:
    fate = {"read": " (read)", "returned": f" (went back: {message.reason})"}.get(message.fate, "")
    unread = " (not read)" if message.kind == "message" and not message.fate else ""
    text = short_line(message.text, 120)
    link = f'<a href="#{anchor_of(message.call)}">{xml_text(text) or "this call"}</a>'
    data = (
        f'data-seq="{message.seq}" data-t="{message.at:.3f}" '
        f'data-from="{xml_text(message.sender)}" data-to="{xml_text(message.receiver)}"'
    )
    return (
        f"<tr {data}>",
        f"{message.at:.2f} s",
        xml_text(message.kind + (" in the background" if message.background else "")),
        xml_text(short_line(message.sender, 40)),
        xml_text(short_line(message.receiver, 40)),
        (link if message.call else xml_text(text)) + xml_text(short_line(fate + unread, 200)),
    )


def _figure_rows(run: RecordedRun) -> Iterator[tuple[str, ...]]:
    figures = count_figures(run.history)
    most = f"{figures.speed_up:.2f} of at most {figures.bound:.2f}"
    rows = {
        "Time to the answer": seconds_text(figures.seconds),
        "Work of all calls together": seconds_text(figures.work),
        "Speed-up by working at the same time": most,
        "Messages for each reply of a model": f"{figures.density:.2f}",
        "Work that was asked for more than once": f"{len(figures.repeated):,}",
        "Calls that took twice as long as those beside them": f"{len(figures.stragglers):,}",
        "Questions to people": f"{len(figures.people):,}",
    }
    for name, value in rows.items():
        yield "<tr>", name, value


def _participant_rows(run: RecordedRun) -> Iterator[tuple[str, ...]]:
    models = _models(run)
    read, written = defaultdict[str, int](int), defaultdict[str, int](int)
    # ``spent`` is what summaries and peers have used: no turn of a model, but paid as well.
    for line in run.lines:
        if line["type"] in {"model.end", "spent"}:
            agent, used, made = str(line.get("agent")), line["input"], line["output"]
            read[agent] += used if isinstance(used, int) else 0
            written[agent] += made if isinstance(made, int) else 0
    for name in run.participants:
        calls = sum(call.agent == name for call in run.history.calls.values())
        yield (
            "<tr>",
            xml_text(short_line(name, 60)),
            xml_text(short_line(models.get(name, ""), 60)),
            f"{calls:,}",
            f"{read[name]:,}",
            f"{written[name]:,}",
        )


def _models(run: RecordedRun) -> dict[str, str]:
    asked = [line for line in run.lines if line["type"] == "model.start"]
    return {str(line["agent"]): str(line["model"]) for line in asked}


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]], label: str) -> Iterator[str]:
    """Yield a table; the first item of each row is its opening tag."""
    yield f'<div class="scroll" tabindex="0" role="group" aria-label="{label}"><table><thead><tr>'
    yield "".join(f'<th scope="col">{name}</th>' for name in header) + "</tr></thead><tbody>"
    for tag, *cells in rows:
        yield tag + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    yield "</tbody></table></div>"
