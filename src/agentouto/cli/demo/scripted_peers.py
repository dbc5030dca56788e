"""Scripted models of the four demo peers: each function decides the next turn of one agent.

A function gets the request that a model would get and returns the turn a model would write. It uses
only file names and figures from tool results and messages, because a real model has no other source
either: the same team, tools and instructions work with a real model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from agentouto.cli._terminal_text import plural
from agentouto.cli.demo.script_parsing import (
    background_result,
    data_patterns,
    is_location,
    last_result,
    name_of_largest,
    parallel_parts,
    parsed_results,
    quote_names,
    quoted_names,
)
from agentouto.testing import Request, Turn, call, finish, say, tool

MARKERS, LONG = "Open markers", "Long lines"
"""Titles of the two searches, the same as in the instructions of the reader."""

MARKER_PATTERN = r"\b(?:TODO|FIXME|XXX|HACK)\b"
LONG_PATTERN = ".{121}"
"""More than 120 characters, which many style guides allow at most."""

MAX_TURNS = 200
"""Turns of one peer before it gives up.

A demo needs fewer than 20; the surveyor polls a slow background scout, so the bound is generous.
"""


def surveyor(request: Request) -> Turn:
    """List and count the files, call the other peers, and return the result to the user."""
    if asked := quoted_names(request.heard[0]):
        return surveyor_counts(request, asked)
    listing = last_result(request, "list_files")
    if listing is None:
        return Turn(say("First I look at what is here."), tool("list_files"))
    if request.answers("editor"):
        return Turn(finish(request.answers("editor")[-1]))
    if not listing["files"]:
        return Turn(call("editor", "There is no text file here. Write the report all the same."))
    if not request.results("spawn_background_agent"):
        begin = quote_names([name_of_largest(listing["folders"])])
        task = f"Look for repeated passages, in {begin} first. I write to you where else to look."
        start = tool("spawn_background_agent", agent_name="scout", message=task)
        return Turn(say("The scout can start while I count."), start)
    scout = request.results("spawn_background_agent")[0].rpartition(" ")[2]
    if not request.results("count"):
        data = quote_names(data_patterns(listing["files"])) or "nothing"
        word = f"Now look everywhere. Leave out {data}."
        to_scout = tool("send_message", task_id=scout, message=word)
        counts = [tool("count", places=part) for part in parallel_parts(listing)]
        return Turn(say("A word to the scout, and now I count."), to_scout, *counts)
    if not request.answers("reader"):
        longest = {
            file: lines
            for each in parsed_results(request, "count")
            for file, lines in each["longest"].items()
        }
        files = sorted(longest, key=lambda file: -longest[file])[:3]
        task = f"Read {quote_names(files)} and say what is left open here."
        return Turn(say("The reader should see the longest files."), call("reader", task))
    report = "".join(request.results("get_messages")[-1:])
    if not report or "Status: running" in report:
        return Turn(tool("get_messages", task_id=scout), delay=0.2 if report else None)
    findings = f"{request.answers('reader')[-1]} {background_result(report)}"
    task = f"Ask what comes first, and write the report. We found:\n{findings}"
    return Turn(say("All is in. The editor can write."), call("editor", task))


def surveyor_counts(request: Request, asked: Sequence[str]) -> Turn:
    """Answer a peer that asks how long a file is."""
    size = last_result(request, "count")
    if size is None:
        return Turn(tool("count", places=asked[:1]))
    return Turn(finish(f"{plural(size['lines'], 'line')} and {plural(size['words'], 'word')}"))


def reader(request: Request) -> Turn:
    """Read the longest files, search for open markers, and ask the surveyor for their size."""
    asked = quoted_names(request.heard[0])
    if any(is_location(name) for name in asked):
        return reader_compares(request, asked)
    searches = parsed_results(request, "search")
    if not searches:
        return Turn(
            say("I read, and search at the same time."),
            *(tool("read_file", file=name) for name in asked),
            tool("search", text=MARKER_PATTERN, title=MARKERS, regex=True),
            tool("search", text=LONG_PATTERN, title=LONG, regex=True),
        )
    marks, long = searches
    where = name_of_largest(marks["by_file"]) or name_of_largest(long["by_file"])
    summary = f"Open markers: {marks['matches']}, long lines: {long['matches']}."
    if not where:
        return Turn(finish(summary))
    if not request.answers("surveyor"):
        question = f"How long is `{where}` in all?"
        return Turn(say("The surveyor knows how much that is."), call("surveyor", question))
    return Turn(
        finish(f"{summary} Most in `{where}`, which has {request.answers('surveyor')[-1]}.")
    )


def reader_compares(request: Request, places: Sequence[str]) -> Turn:
    """Compare the two places of a repeated passage."""
    texts = request.results("read_file")
    if not texts:
        pairs = [place.rpartition(":") for place in places[:2]]
        look = [tool("read_file", file=file, start=int(line), lines=5) for file, _, line in pairs]
        return Turn(say("I look at both places."), *look)
    one, other = ([line.split()[1:] for line in text.splitlines()[:-1]] for text in texts)
    same = "say the same, line for line" if one == other else "say nearly the same"
    return Turn(finish(f"{quote_names(places[:2])} {same}."))


def scout(request: Request) -> Turn:
    """Look for repeated passages in the named folder; after a message, in all folders."""
    found = parsed_results(request, "find_repeats")
    begin, *messages = request.heard
    if not found:
        return Turn(say("I compare every line."), tool("find_repeats", places=quoted_names(begin)))
    if not messages:  # poll until the surveyor's message arrives
        surveyors_id = request.system.rpartition("task_id is '")[2].partition("'")[0]
        return Turn(tool("get_messages", task_id=surveyors_id), delay=0.1)
    if len(found) == 1:
        leave_out = quoted_names(messages[-1])
        return Turn(say("Now the rest."), tool("find_repeats", leave_out=leave_out))
    best = found[-1]["longest"][:1]
    if not best:
        return Turn(finish("No passage is repeated."))
    places = quote_names([best[0]["first"], best[0]["again"]])
    summary = f"Repeated passages: {found[-1]['repeats']}, the longest of {best[0]['lines']} lines"
    return Turn(finish(f"{summary} in {places}."))


def editor(request: Request) -> Turn:
    """Ask the user what comes first, have the longest passage compared, write the report."""
    findings = last_result(request, "findings")
    if findings is None:
        return Turn(say("What do we have?"), tool("findings"))
    kinds = [title for title, number in findings.items() if number]
    if not request.results("call_agent"):
        places = [name for name in quoted_names(request.heard[0]) if is_location(name)]
        look = [call("reader", f"Do {quote_names(places)} say the same?")] if places else []
        return Turn(say("I ask what comes first."), call("user", question(kinds, findings)), *look)
    if not request.results("write_report"):
        first, why = chosen(kinds, findings, request.answers("user"))
        remarks = [request.heard[0].partition("\n")[2], *request.answers("reader"), why]
        summary = " ".join(filter(None, remarks))
        return Turn(say("I write."), tool("write_report", summary=summary, first=first))
    if not findings:
        return Turn(finish("There was nothing to review."))
    numbers = ", ".join(f"{title.lower()} {number}" for title, number in findings.items())
    return Turn(finish(f"Found: {numbers}. The report says where."))


def question(kinds: Sequence[str], findings: Mapping[str, int]) -> str:
    """Return the question to the user."""
    if not kinds:
        return "Nothing stands out. Is there anything the report should say?"
    choices = [f"{n} {title} ({findings[title]})" for n, title in enumerate(kinds, 1)]
    return "\n".join(["What should come first in the report?", *choices])


def chosen(
    kinds: Sequence[str], findings: Mapping[str, int], answers: Sequence[str]
) -> tuple[str, str]:
    """Return the title of the section that comes first, and the reason."""
    usual = max(kinds, key=lambda title: findings[title], default="")
    if not answers:
        first = f" I put first what there is most of: {usual}." if usual else ""
        return usual, f"There was no one to ask.{first}"
    answer = answers[-1].strip()
    for number, title in enumerate(kinds, 1):
        if answer == str(number) or (answer and answer.lower() in title.lower()):
            return title, f"{title} come first, as you wished."
    return usual, f"Your answer: {answer}"


def with_turn_limit(peer: Callable[[Request], Turn]) -> Callable[[Request], Turn]:
    """Return ``peer`` with a bound on its turns, so that a demo always ends."""
    return lambda request: peer(request) if request.turn < MAX_TURNS else Turn(finish("I give up."))


PEERS = MappingProxyType(
    {peer.__name__: with_turn_limit(peer) for peer in (surveyor, reader, scout, editor)}
)
