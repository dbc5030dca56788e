"""The four peers without a model: functions that look at what the tools returned, and decide.

Each gets everything its agent has seen and returns what the agent says next. It knows no file and
no figure but those that a tool or a peer has told it; a real model does the same work with the same
tools and the same instructions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentouto.testing import Request, Turn, call, finish, say, tool

MARKERS, LONG = "Open markers", "Long lines"
MARKER_PATTERN = r"\b(?:TODO|FIXME|XXX|HACK)\b"
LONG_PATTERN = ".{121}"
DATA = ("csv", "json", "jsonl", "lock", "map", "min.js", "svg", "tsv", "xml")
"""Endings of files that repeat themselves because they are data."""


def surveyor(seen: Request) -> Turn:
    """List and count what is there, bring in the others, tell the user what came of it."""
    if asked := quoted_in(seen.heard[0]):
        return surveyor_answers(seen, asked)
    listing = latest(seen, "list_files")
    if listing is None:
        return Turn(say("First I look at what is here."), tool("list_files"))
    if not seen.results("spawn_background_agent"):
        begin = quoted([biggest(listing["folders"]) or "."])
        task = f"Look for repeated passages, in {begin} first. I write to you where else to look."
        start = tool("spawn_background_agent", agent_name="scout", message=task)
        return Turn(say("The scout can start while I count."), start)
    scout = seen.results("spawn_background_agent")[0].rpartition(" ")[2]
    if not seen.results("count"):
        word = f"Now look everywhere. Leave out {quoted(data_in(listing['files'])) or 'nothing'}."
        letter = tool("send_message", task_id=scout, message=word)
        return Turn(letter, *(tool("count", places=part) for part in parts(listing)))
    if not seen.answers("reader"):
        return Turn(call("reader", f"Read {quoted(telling(seen))} and say what is left open."))
    if not any("Status: running" not in report for report in seen.results("get_messages")):
        return Turn(tool("get_messages", task_id=scout), delay=0.05 if seen.outcomes else None)
    if not seen.answers("editor"):
        known = f"{seen.answers('reader')[-1]}\n{result_in(seen.results('get_messages')[-1])}"
        return Turn(call("editor", f"Write the report. The others found this:\n{known}"))
    return Turn(finish(seen.answers("editor")[-1]))


def surveyor_answers(seen: Request, asked: Sequence[str]) -> Turn:
    """Tell a peer how long a file is."""
    counted = latest(seen, "count")
    if counted is None:
        return Turn(tool("count", places=asked[:1]))
    return Turn(finish(f"{counted['lines']} lines and {counted['words']} words."))


def reader(seen: Request) -> Turn:
    """Read the most telling files, look for what is left open, and ask how much that is."""
    asked = quoted_in(seen.heard[0])
    if any(is_place(name) for name in asked):
        return reader_compares(seen, asked)
    marks, long = (data for data in latest_two(seen, "search"))
    if marks is None or long is None:
        return Turn(
            say("I read, and search at the same time."),
            *(tool("read_file", file=name) for name in asked),
            tool("search", text=MARKER_PATTERN, title=MARKERS, regex=True),
            tool("search", text=LONG_PATTERN, title=LONG, regex=True),
        )
    most = biggest(marks["by_file"]) or biggest(long["by_file"]) or next(iter(asked), "")
    if most and not seen.answers("surveyor"):
        return Turn(call("surveyor", f"How long is `{most}` in all?"))
    about = f" Most of it is in `{most}`, which has {seen.answers('surveyor')[-1]}" if most else ""
    return Turn(finish(f"{marks['matches']} markers, {long['matches']} long lines.{about}"))


def reader_compares(seen: Request, places: Sequence[str]) -> Turn:
    """Look at both places of a repeated passage."""
    if not seen.results("read_file"):
        pairs = (place.rpartition(":") for place in places[:2])
        return Turn(
            *(tool("read_file", file=file, start=int(line), lines=8) for file, _, line in pairs)
        )
    files = {place.rpartition(":")[0] for place in places[:2]}
    where = "in one file; a function would do" if len(files) == 1 else "in two files; they can part"
    return Turn(finish(f"Both places say the same, {where}."))


def scout(seen: Request) -> Turn:
    """Look for repeated passages where told to, and everywhere once a message says so."""
    found = [json.loads(text) for text in seen.results("find_repeats") if text.startswith("{")]
    begin, *letters = seen.heard
    if not found:
        return Turn(say("I compare every line."), tool("find_repeats", places=quoted_in(begin)))
    if not letters and seen.turn < PATIENCE:
        return Turn(tool("get_messages", task_id=caller_of(seen)), delay=0.05)
    if len(found) == 1:
        leave_out = quoted_in(letters[-1]) if letters else []
        return Turn(say("Now the rest."), tool("find_repeats", leave_out=leave_out))
    if not found[-1]["longest"]:
        return Turn(finish("No passage is repeated."))
    best = found[-1]["longest"][0]
    told = f"{found[-1]['repeats']} passages are repeated. The longest has {best['lines']} lines:"
    return Turn(finish(f"{told} `{best['first']}` and `{best['again']}`."))


def editor(seen: Request) -> Turn:
    """Ask the user what comes first, have the longest passage looked at, write the report."""
    findings = latest(seen, "findings")
    if findings is None:
        return Turn(say("What do we have?"), tool("findings"))
    kinds = [title for title, number in findings.items() if number]
    if not seen.results("call_agent"):
        places = [name for name in quoted_in(seen.heard[0]) if is_place(name)]
        second = [call("reader", f"Do {quoted(places)} say the same?")] if places else []
        return Turn(call("user", question(kinds, findings)), *second)
    if not seen.results("write_report"):
        first, why = chosen(kinds, findings, seen.answers("user"))
        remarks = " ".join([*seen.answers("reader"), why])
        return Turn(tool("write_report", summary=remarks, first=first))
    numbers = ", ".join(f"{title.lower()}: {number}" for title, number in findings.items())
    return Turn(finish(f"Reviewed. {numbers[:1].upper()}{numbers[1:]}."))


def question(kinds: Sequence[str], findings: Mapping[str, int]) -> str:
    """Return what the user is asked."""
    if not kinds:
        return "Nothing stands out. Is there anything the report should say?"
    listed = "  ".join(f"{n} {title} ({findings[title]})" for n, title in enumerate(kinds, 1))
    return f"What should come first in the report? {listed}"


def chosen(
    kinds: Sequence[str], findings: Mapping[str, int], answers: Sequence[str]
) -> tuple[str, str]:
    """Return what comes first, and why."""
    most = max(kinds, key=lambda title: findings[title], default="")
    if not answers:
        return most, f"Nobody could be asked, so I put first what there is most of: {most}."
    said = answers[-1].strip().lower()
    for number, title in enumerate(kinds, 1):
        if said and (said == str(number) or said in title.lower() or title.lower() in said):
            return title, f"{title} come first, as you wished."
    return most, f"You said: {answers[-1].strip()}"
