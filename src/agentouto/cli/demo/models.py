"""The four peers without a model: functions that look at what the tools returned, and decide.

Each gets everything its agent has seen and returns what the agent says next. It knows no file and
no figure but those that a tool or a peer has told it; a real model does the same work with the same
tools and the same instructions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from agentouto.cli._text import counted
from agentouto.cli.demo.reading import (
    data_in,
    found_by,
    is_place,
    latest,
    most,
    parts,
    quoted,
    quoted_in,
    split,
)
from agentouto.testing import Request, Turn, call, finish, say, tool

MARKERS, LONG = "Open markers", "Long lines"
MARKER_PATTERN = r"\b(?:TODO|FIXME|XXX|HACK)\b"
LONG_PATTERN = ".{121}"
MOST_TURNS = 200


def surveyor(seen: Request) -> Turn:
    """List and count what is there, bring in the others, tell the user what came of it."""
    if asked := quoted_in(seen.heard[0]):
        return surveyor_answers(seen, asked)
    listing = latest(seen, "list_files")
    if listing is None:
        return Turn(say("First I look at what is here."), tool("list_files"))
    if seen.answers("editor"):
        return Turn(finish(seen.answers("editor")[-1]))
    if not listing["files"]:
        return Turn(call("editor", "There is no text file here. Write the report all the same."))
    if not seen.results("spawn_background_agent"):
        begin = quoted([most(listing["folders"])])
        task = f"Look for repeated passages, in {begin} first. I write to you where else to look."
        start = tool("spawn_background_agent", agent_name="scout", message=task)
        return Turn(say("The scout can start while I count."), start)
    scout = seen.results("spawn_background_agent")[0].rpartition(" ")[2]
    if not seen.results("count"):
        word = f"Now look everywhere. Leave out {quoted(data_in(listing['files'])) or 'nothing'}."
        letter = tool("send_message", task_id=scout, message=word)
        counts = [tool("count", places=part) for part in parts(listing)]
        return Turn(say("A word to the scout, and now I count."), letter, *counts)
    if not seen.answers("reader"):
        longest = {
            file: lines for each in split(seen, "count") for file, lines in each["longest"].items()
        }
        files = sorted(longest, key=lambda file: -longest[file])[:3]
        task = f"Read {quoted(files)} and say what is left open here."
        return Turn(say("The reader should see the longest files."), call("reader", task))
    report = "".join(seen.results("get_messages")[-1:])
    if not report or "Status: running" in report:
        return Turn(tool("get_messages", task_id=scout), delay=0.2 if report else None)
    known = f"{seen.answers('reader')[-1]} {found_by(report)}"
    task = f"Ask what comes first, and write the report. We found:\n{known}"
    return Turn(say("All is in. The editor can write."), call("editor", task))


def surveyor_answers(seen: Request, asked: Sequence[str]) -> Turn:
    """Tell a peer how long a file is."""
    size = latest(seen, "count")
    if size is None:
        return Turn(tool("count", places=asked[:1]))
    return Turn(finish(f"{counted(size['lines'], 'line')} and {counted(size['words'], 'word')}"))


def reader(seen: Request) -> Turn:
    """Read the most telling files, look for what is left open, and ask how much that is."""
    asked = quoted_in(seen.heard[0])
    if any(is_place(name) for name in asked):
        return reader_compares(seen, asked)
    searches = split(seen, "search")
    if not searches:
        return Turn(
            say("I read, and search at the same time."),
            *(tool("read_file", file=name) for name in asked),
            tool("search", text=MARKER_PATTERN, title=MARKERS, regex=True),
            tool("search", text=LONG_PATTERN, title=LONG, regex=True),
        )
    marks, long = searches
    where = most(marks["by_file"]) or most(long["by_file"])
    told = f"Open markers: {marks['matches']}, long lines: {long['matches']}."
    if not where:
        return Turn(finish(told))
    if not seen.answers("surveyor"):
        question = f"How long is `{where}` in all?"
        return Turn(say("The surveyor knows how much that is."), call("surveyor", question))
    return Turn(finish(f"{told} Most in `{where}`, which has {seen.answers('surveyor')[-1]}."))


def reader_compares(seen: Request, places: Sequence[str]) -> Turn:
    """Look at both places of a repeated passage."""
    texts = seen.results("read_file")
    if not texts:
        pairs = [place.rpartition(":") for place in places[:2]]
        look = [tool("read_file", file=file, start=int(line), lines=5) for file, _, line in pairs]
        return Turn(say("I look at both places."), *look)
    one, other = ([line.split()[1:] for line in text.splitlines()[:-1]] for text in texts)
    same = "say the same, line for line" if one == other else "say nearly the same"
    return Turn(finish(f"{quoted(places[:2])} {same}."))


def scout(seen: Request) -> Turn:
    """Look for repeated passages where told to; once a message says so, everywhere."""
    found = split(seen, "find_repeats")
    begin, *letters = seen.heard
    if not found:
        return Turn(say("I compare every line."), tool("find_repeats", places=quoted_in(begin)))
    if not letters:  # nothing to do before there is word: look how the surveyor is doing
        surveyors_id = seen.system.rpartition("task_id is '")[2].partition("'")[0]
        return Turn(tool("get_messages", task_id=surveyors_id), delay=0.1)
    if len(found) == 1:
        leave_out = quoted_in(letters[-1])
        return Turn(say("Now the rest."), tool("find_repeats", leave_out=leave_out))
    best = found[-1]["longest"][:1]
    if not best:
        return Turn(finish("No passage is repeated."))
    places = quoted([best[0]["first"], best[0]["again"]])
    told = f"Repeated passages: {found[-1]['repeats']}, the longest of {best[0]['lines']} lines"
    return Turn(finish(f"{told} in {places}."))


def editor(seen: Request) -> Turn:
    """Ask the user what comes first, have the longest passage looked at, write the report."""
    findings = latest(seen, "findings")
    if findings is None:
        return Turn(say("What do we have?"), tool("findings"))
    kinds = [title for title, number in findings.items() if number]
    if not seen.results("call_agent"):
        places = [name for name in quoted_in(seen.heard[0]) if is_place(name)]
        look = [call("reader", f"Do {quoted(places)} say the same?")] if places else []
        return Turn(say("I ask what comes first."), call("user", question(kinds, findings)), *look)
    if not seen.results("write_report"):
        first, why = chosen(kinds, findings, seen.answers("user"))
        remarks = [seen.heard[0].partition("\n")[2], *seen.answers("reader"), why]
        summary = " ".join(filter(None, remarks))
        return Turn(say("I write."), tool("write_report", summary=summary, first=first))
    if not findings:
        return Turn(finish("There was nothing to review."))
    numbers = ", ".join(f"{title.lower()} {number}" for title, number in findings.items())
    return Turn(finish(f"Found: {numbers}. The report says where."))


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
    usual = max(kinds, key=lambda title: findings[title], default="")
    if not answers:
        first = f" I put first what there is most of: {usual}." if usual else ""
        return usual, f"Nobody could be asked.{first}"
    said = answers[-1].strip()
    for number, title in enumerate(kinds, 1):
        if said == str(number) or (said and said.lower() in title.lower()):
            return title, f"{title} come first, as you wished."
    return usual, f"You said: {said}"


def patient(peer: Callable[[Request], Turn]) -> Callable[[Request], Turn]:
    """Return ``peer``, who gives up rather than go on for ever."""
    return lambda seen: peer(seen) if seen.turn < MOST_TURNS else Turn(finish("I give up."))


PEERS = {peer.__name__: patient(peer) for peer in (surveyor, reader, scout, editor)}
