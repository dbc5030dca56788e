"""The part of a report that has all calls: what each was asked, did, wrote and returned.

Every text of the run goes through ``xml_text`` before it becomes markup; names go through ``_who``,
which shortens them first. An escape that were shortened afterwards could be cut in its middle. The
page works without a script, so all that folds is ``<details>``, and links lead to the ids that
``anchor_of`` makes of calls, which are unique in a run.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import cast

from agentouto._core.pictures.picture_text import seconds_text, short_line, xml_text
from agentouto._core.recorded_run import RecordedRun
from agentouto._core.run_history import CallHistory, Line
from agentouto._domain.message import USER

MOST_UNFOLDED = 3000
"""Texts that are longer are folded, at about a screen."""

_PREVIEW = 160
"""Characters of a text that stands for the whole: about one line of the page."""

_OUTCOMES = MappingProxyType(
    {"returned": "good", "failed": "bad", "stopped": "bad", "refused": "bad", "limit": "bad"}
)
"""Classes of the style, by how a call has ended. A call that is open has none of them."""


def calls_markup(run: RecordedRun) -> Iterator[str]:
    """Yield each call of ``run`` as a part of a page that can be opened and closed."""
    entries: dict[str, list[Line]] = defaultdict(list)
    for line in run.lines:
        entries[str(line.get("call"))].append(line)
        # A call shows what it asked of others too, and which mail reached it: lines of theirs.
        if line["type"] in {"forward", "ask", "return", "error"} and line["parent"] is not None:
            entries[str(line["parent"])].append(line)
        if line["type"] == "message" and str(line["to"]) != str(line["call"]):
            entries[str(line["to"])].append(line)
    for place, call in enumerate(run.history.calls.values()):
        yield from _call_markup(run, call, entries[call.id], is_open=place == 0)


def anchor_of(call_id: str) -> str:
    """Return the id of the element with what a call did."""
    return f"call-{xml_text(call_id)}"


def text_markup(text: str) -> str:
    """Return a text as it is, folded if it is long."""
    shown = xml_text(text)
    if len(text) <= MOST_UNFOLDED:
        return f"<pre>{shown}</pre>" if text else ""
    begin = f"{xml_text(short_line(text, _PREVIEW))} ({len(text):,} characters)"
    return f"<details><summary>{begin}</summary><pre>{shown}</pre></details>"


def _call_markup(
    run: RecordedRun, call: CallHistory, lines: list[Line], *, is_open: bool
) -> Iterator[str]:
    end = run.history.now if call.end is None else call.end
    outcome = call.outcome or "open"
    caller = call.parent.agent if call.parent is not None else USER
    how = " in the background" if call.background else ""
    yield (
        f'<details class="call"{" open" if is_open else ""} data-call="{xml_text(call.id)}" '
        f'data-start="{call.start:.3f}" data-end="{end:.3f}"><summary><b>{_who(call.agent)}</b>, '
        f"asked by {_who(caller)}{how} at {seconds_text(call.start)}: "
        f'<span class="{_OUTCOMES.get(outcome, "dim")}">{xml_text(outcome)}</span> '
        f'<span class="dim">after {seconds_text(end - call.start)}{_tokens(lines, call)}</span>'
        f'</summary><div id="{anchor_of(call.id)}">'
    )
    results = {str(one["tool_call"]): one for one in lines if one["type"] == "tool.end"}
    for line in _joined_texts(lines, call):
        markup = _entry(call, line, results)
        if markup:
            yield f'<div class="entry">{markup}</div>'
    yield "</div></details>"


def _joined_texts(lines: list[Line], call: CallHistory) -> Iterator[Line]:
    """Yield the lines with the pieces of each reply as one."""
    pending: Line | None = None
    for line in lines:
        if line["type"] in {"token", "thinking"}:
            if pending is not None and pending["type"] == line["type"]:
                pending = {**pending, "text": f"{pending['text']}{line['text']}"}
                continue
            if pending is not None:
                yield pending
            pending = line
        else:
            # Lines of other calls come between the pieces of a reply and do not end it.
            if pending is not None and line.get("call") == call.id:
                yield pending
                pending = None
            yield line
    if pending is not None:
        yield pending


def _tokens(lines: list[Line], call: CallHistory) -> str:
    own = [one for one in lines if one["type"] in {"model.end", "spent"} and one["call"] == call.id]
    read = sum(one["input"] for one in own if isinstance(one["input"], int))
    written = sum(one["output"] for one in own if isinstance(one["output"], int))
    costs = [one["cost"] for one in own if isinstance(one["cost"], int | float)]
    cost = f", ${sum(costs):.4f}" if costs else ""
    return f" · {read:,} in, {written:,} out{cost}" if read or written else ""


def _entry(call: CallHistory, line: Line, results: Mapping[str, Line]) -> str:
    """Return a line in the view of ``call``; empty for lines that say nothing to a reader."""
    mine = line.get("call") == call.id
    text = str(line.get("text", ""))
    match str(line["type"]):
        case "forward" | "ask" if mine:
            return _head(line, f"{_who(line['sender'])} asks") + text_markup(text)
        case "return" if mine:
            return _head(line, f"returns to {_who(line['receiver'])}", "good") + text_markup(text)
        case "error" if mine:
            kind = xml_text(str(line["kind"]))
            return _head(line, f"ends without a return ({kind})", "bad") + text_markup(
                str(line["error"])
            )
        case "forward" | "ask":
            how = " in the background" if line.get("background") is True else ""
            return _head(line, f"asks {_who(line['receiver'])}{how}: {_link(line, text)}")
        case "return":
            return _head(line, f"{_who(line['sender'])} returned: {_link(line, text)}", "good")
        case "error":
            why = _link(line, str(line["error"]))
            return _head(line, f"{_who(line['agent'])} failed: {why}", "bad")
        case "message":
            whom = f"to {_who(line['receiver'])}" if mine else f"from {_who(line['sender'])}"
            return _head(line, f"message {whom}") + text_markup(text)
        case "message.read":
            return _head(line, f"reads the message of {_who(line['sender'])}")
        case "message.returned":
            why = xml_text(str(line["reason"]))
            return _head(line, f"a message of {_who(line['sender'])} goes back: {why}", "bad")
        case "token":
            return _head(line, "writes") + text_markup(text)
        case "thinking":
            return _head(line, "thinks") + text_markup(text)
        case "tool.start":
            return _tool_entry(line, results.get(str(line["tool_call"])))
        case _:
            return _aside(line)


def _aside(line: Line) -> str:
    """Return a line about the work itself."""
    match str(line["type"]):
        case "model.wait":
            seconds = line.get("seconds")
            long = f" {seconds:g} s" if isinstance(seconds, int | float) else ""
            why = f"the next request waits{long} ({line['why']}) {line['error']}"
        case "model.switch":
            why = f"{line['from']} is unavailable, {line['model']} is asked: {line['error']}"
        case "model.end" if line["stop"] != "complete":
            why = f"the reply ended: {line['stop']}"
        case "wait":
            why = "waits for messages"
        case "limit":
            near = "" if line.get("reached") is True else "nearly "
            used = f"{line.get('spent')} of {line.get('allowed')}"
            why = f"the limit {line.get('limit')} is {near}reached: {used}"
        case "note":
            why = f"is told: {line.get('text')}"
        case "summarized":
            return _head(line, "its transcript was summarized") + text_markup(str(line.get("text")))
        case "summary.failed":
            why = f"its transcript could not be summarized: {line.get('error')}"
        case "repeated":
            why = (
                f"was asked the same for the {line.get('times')}. time, by a descendant of its call"
            )
        case "source.missing":
            why = f"the tools of {line.get('source')} are missing: {line.get('error')}"
        case _:
            return ""
    return _head(line, xml_text(why), "dim")


def _tool_entry(line: Line, result: Line | None) -> str:
    asked = cast("Mapping[str, object]", line["arguments"])
    # ``raw_arguments``: what the model wrote was no JSON, so it is shown as it was written.
    arguments = str(
        line.get("raw_arguments") or "\n".join(_argument(*each) for each in asked.items())
    )
    head = _head(line, f"uses <b>{_who(line['tool'])}</b>") + text_markup(arguments)
    if result is None:
        return head + '<p class="dim">has not ended</p>'
    took = seconds_text(cast("float", result["t"]) - cast("float", line["t"]))
    looks, what = ("bad", "failed") if result["failed"] is True else ("dim", "result")
    return f'{head}<p class="{looks}">{what} after {took}</p>{text_markup(str(result["result"]))}'


def _argument(name: str, value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{name}: {text}"


def _head(line: Line, markup: str, class_: str = "") -> str:
    looks = f' class="{class_}"' if class_ else ""
    return f'<p{looks}><span class="at">{cast("float", line["t"]):.2f} s</span>{markup}</p>'


def _who(name: object) -> str:
    return xml_text(short_line(str(name), 80))


def _link(line: Line, text: str) -> str:
    shown = xml_text(short_line(text, _PREVIEW)) or "this call"
    return f'<a href="#{anchor_of(str(line["call"]))}">{shown}</a>'
