"""``agentouto runs show``: the calls of a saved run as a tree, where its time went, its answer."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rich.console import Console
from rich.text import Text

from agentouto import Journal, SavedRun
from agentouto.cli._exit_codes import ExitCode
from agentouto.cli._journal_choice import find_run, saved_journal
from agentouto.cli._run_state import CallState, RunState
from agentouto.cli._runs_go_on import place_of, waiting_text
from agentouto.cli._runs_words import (
    STATUS_STYLES,
    duration,
    local_time,
    run_fields,
    short_id,
    tokens,
    took,
)
from agentouto.cli._terminal_text import clean, one_line, plural
from agentouto.cli._tree_view import GUIDES, STATE_STYLES
from agentouto.cli._views import write_json
from agentouto.events import figures

SHOWN_CALLS = 100
"""Calls in the tree without ``--all``: more are no picture any more."""

DEEPEST = 12
"""Levels that are indented; a deeper call says how deep it is."""

SavedLines: TypeAlias = Sequence[Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class ShowOptions:
    """How ``agentouto runs show`` shows a run: the options of the command."""

    every: bool
    as_json: bool
    color: bool


def show_run(name: str, journal_file: str, options: ShowOptions) -> ExitCode:
    """Print what there is of a saved run."""
    journal = saved_journal(journal_file)
    run = find_run(journal, name)
    lines = run.lines()
    state, turns = RunState(), Counter[str]()
    for line in lines:
        state.feed(line)
        if line["type"] == "model.end":
            turns[str(line["call"])] += 1
    if options.as_json:
        write_json(_json_fields(run, lines, state, turns), sys.stdout)
        return ExitCode.RETURNED
    terminal = sys.stdout.isatty()
    color = options.color and terminal and "NO_COLOR" not in os.environ
    console = Console(color_system="auto" if color else None, highlight=False)
    width = console.width - 1 if terminal else None
    for row in _run_rows(run, lines, state, turns, options):
        if width is not None:
            row.truncate(max(1, width), overflow="ellipsis")
        console.print(row, no_wrap=True, overflow="ignore", crop=False)
    _print_end(run, lines, journal)
    return ExitCode.RETURNED


def _run_rows(
    run: SavedRun,
    lines: SavedLines,
    state: RunState,
    turns: Mapping[str, int],
    options: ShowOptions,
) -> Iterator[Text]:
    """Yield the lines that may be cut: what the run was, its calls, where its time went."""
    status = Text(run.status, STATUS_STYLES.get(run.status, ""))
    yield _fact("run", Text(clean(run.id)))
    yield _fact("status", status.append(", kept", "") if run.kept else status)
    yield _fact("message", Text(one_line(run.message)))
    seconds = took(run)
    yield _fact("started", Text(local_time(run.started) + (f", took {seconds}" if seconds else "")))
    if run.team:
        yield _fact("team", Text(clean(f"{run.team} in {run.folder}")))
    if run.forked_from:
        yield _fact("forked from", Text(clean(run.forked_from)))
    if used := _used(lines):
        yield _fact("used", Text(used))
    yield Text()
    yield from _call_rows(state, turns, None if options.every else SHOWN_CALLS)
    yield from _time(lines)


def _fact(name: str, value: Text) -> Text:
    return Text(f"{name:<12}", "dim").append_text(value)


def _used(lines: SavedLines) -> str:
    end = _end_of(lines)
    cost = end.get("cost")
    price = f"${cost:.4f}" if isinstance(cost, float) and cost else ""
    return ", ".join(filter(None, (tokens(end.get("usage")), price)))


def _call_rows(state: RunState, turns: Mapping[str, int], most: int | None) -> Iterator[Text]:
    """Yield a row for each call, without recursion: chains of calls may be very deep."""
    branch, last, line = GUIDES["utf-8" if "utf" in sys.stdout.encoding.lower() else "ascii"]
    ids = {id(call): call_id for call_id, call in state.calls_by_id.items()}
    pending = [("", 1, list(state.roots))]
    shown = 0
    while pending:
        before, depth, level = pending[-1]
        if not level:
            pending.pop()
            continue
        if shown == most:
            rest = len(state.calls_by_id) - shown
            yield Text(f"{plural(rest, 'more call')}: --all", "dim")
            return
        call = level.pop(0)
        shown += 1
        note = f"({depth} deep) " if depth > DEEPEST else ""
        guide = before + note + (branch if level else last)
        yield _call_row(Text(guide, "dim"), call, ids[id(call)], turns, state.now)
        below = before + (line if level else " " * len(line))
        pending.append((below if depth < DEEPEST else before, depth + 1, list(call.children)))


def _call_row(
    row: Text, call: CallState, call_id: str, turns: Mapping[str, int], now: float
) -> Text:
    state = call.state(now)
    seconds = max(0.0, (now if call.ended is None else call.ended) - call.began)
    row.append(one_line(call.name, 40) + (" (background)" if call.background else ""), "bold")
    row.append(f" {short_id(clean(call_id))} ", "dim").append(state, STATE_STYLES[state])
    parts = [duration(seconds)]
    if turns.get(call_id):
        parts.insert(0, plural(turns[call_id], "turn"))
    return row.append(f"  {', '.join(parts)}  ").append(call.detail(now), "dim")


def _time(lines: SavedLines) -> Iterator[Text]:
    found = figures(lines)
    if not found.seconds:
        return
    yield Text()
    doing = ", ".join(
        f"{what} {duration(spent)}" for what, spent in found.path.items() if spent >= 0.005
    )
    yield _fact("time", Text(f"{duration(found.seconds)}: {doing}"))
    if found.speed_up > 1:
        many = f"{duration(found.work)} of work in {duration(found.seconds)}"
        yield _fact("at once", Text(many))
    if found.repeated:
        most = found.repeated[0]
        what = f"{most.kind} {one_line(most.name, 40)} {plural(most.times, 'time')}"
        yield _fact("repeated", Text(f"{plural(len(found.repeated), 'piece')} of work; {what}"))


def _print_end(run: SavedRun, lines: SavedLines, journal: Journal) -> None:
    """Print the answer as a whole, or why there is none and what can be done."""
    end = _end_of(lines)
    output = str(end.get("output") or "")
    place = place_of(journal, run)
    if run.status == "returned":
        text = output
    elif run.status == "failed":
        text = f"It failed: {run.error}\nFrom before the failure: {place.fork_command()}"
    elif run.status in ("interrupted", "waiting"):
        questions, approvals = run.questions(), run.approvals()
        if questions or approvals:
            text = waiting_text(place, questions, approvals)
        else:
            text = f"It has not ended. Go on with it: {place.resume_command()}"
    else:
        text = "It is at work." if run.status == "running" else "It was stopped for good."
    sys.stdout.write(f"\n{clean(text)}\n")


def _end_of(lines: SavedLines) -> Mapping[str, object]:
    """Return the last line of a run that has ended; an empty one of a run that has not."""
    none: Mapping[str, object] = {}
    return next((line for line in reversed(lines) if line["type"] == "run.end"), none)


def _json_fields(
    run: SavedRun, lines: SavedLines, state: RunState, turns: Mapping[str, int]
) -> dict[str, object]:
    ids = {id(call): call_id for call_id, call in state.calls_by_id.items()}
    calls = [
        {
            "id": call_id,
            "agent": call.name,
            "parent": None if call.parent is None else ids[id(call.parent)],
            "background": call.background,
            "status": str(call.state(state.now)),
            "turns": turns.get(call_id, 0),
            "start": call.began,
            "end": call.ended,
        }
        for call_id, call in state.calls_by_id.items()
    ]
    end = _end_of(lines)
    found = figures(lines)
    asked = [
        {"id": one.call_id, "agent": one.sender, "text": one.content} for one in run.questions()
    ]
    wanted = [
        {"id": one.id, "agent": one.agent, "tool": one.tool, "arguments": one.arguments}
        for one in run.approvals()
    ]
    return {
        **run_fields(run),
        "usage": end.get("usage"),
        "cost": end.get("cost"),
        "output": end.get("output"),
        "calls": calls,
        "questions": asked,
        "approvals": wanted,
        "time": {str(doing): round(spent, 3) for doing, spent in found.path.items()},
        "speed_up": round(found.speed_up, 3),
    }
