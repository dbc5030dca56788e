"""The report: every figure comes from what the tools have noted. Decides nothing.

It is written in two steps: what was found, by the peer who uses the tool; and, when the run is
over, who did what, from the events of the run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from agentouto.cli._text import clean, counted, in_one_line
from agentouto.cli.demo.folder import MARK
from agentouto.cli.demo.notes import REPEATS, Match, Notes, Size
from agentouto.cli.demo.repeats import Repeat

SHOWN = 20
LONGEST = 10
SIGNS = 100


def may_write(path: Path) -> bool:
    """Return whether ``path`` is free, or holds a report of an earlier demo."""
    if not path.exists() or not path.stat().st_size:
        return True
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().rstrip() == MARK


def write(notes: Notes, path: Path) -> None:
    """Write what was found."""
    sections = [_head(notes), _types(notes), _longest(notes), _findings(notes), _read(notes)]
    path.write_text("\n\n".join(section for section in sections if section) + "\n", "utf-8")


def complete(notes: Notes, path: Path, lines: Sequence[Mapping[str, object]]) -> None:
    """Add who was asked what and who did what; write the rest too, if nobody has."""
    if not path.exists() or not may_write(path) or not notes.summary:
        write(notes, path)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{_question(lines)}\n\n{_who(lines)}\n")


def _head(notes: Notes) -> str:
    names = list(notes.sizes)
    size = notes.total(names)
    missed = len(notes.folder.texts) - len(names)
    amounts = [
        counted(len(names), "text file"),
        counted(size.lines, "line"),
        counted(size.words, "word"),
        counted(size.bytes, "byte"),
    ]
    parts = [
        MARK,
        f"# Review of {_plain(notes.folder.name)}",
        clean(notes.summary).strip() or "Nobody has written a summary.",
        f"Reviewed: {', '.join(amounts)}."
        + (f" Not counted: {counted(missed, 'file')}." if missed else ""),
    ]
    left = [
        f"- {why}: {those.number:,} ({', '.join(map(_code, those.names))}"
        f"{', ...' if those.number > len(those.names) else ''})"
        for why, those in sorted(notes.folder.left_out.items())
    ]
    return "\n\n".join(parts) + ("\n\nLeft out:\n\n" + "\n".join(left) if left else "")


def _types(notes: Notes) -> str:
    types = notes.by_type()
    if not types:
        return ""
    rows = [(_code(type_), len(names), notes.total(names)) for type_, names in types.items()]
    rows.append(("**all**", len(notes.sizes), notes.total(notes.sizes)))
    body = [_row(label, files, size.lines, size.words, size.bytes) for label, files, size in rows]
    return "\n".join(["## Files by type", "", _head_row("type files lines words bytes"), *body])


def _longest(notes: Notes) -> str:
    names = notes.longest(list(notes.sizes), LONGEST)
    if not names:
        return ""
    body = [_row(_code(name), *_figures(notes.sizes[name])) for name in names]
    return "\n".join(["## Longest files", "", _head_row("file lines words bytes"), *body])


def _findings(notes: Notes) -> str:
    titles = sorted(notes.findings(), key=lambda title: title != notes.first)
    sections = [
        _repeats(notes) if title == REPEATS else _matches(title, notes.searches[title])
        for title in titles
    ]
    return "\n\n".join(["## Findings", *sections]) if sections else ""


def _repeats(notes: Notes) -> str:
    found, too_many = notes.repeats()
    aside = ", ".join(_code(place) for place in sorted(notes.left_aside))
    lines = [
        f"### {REPEATS}: {len(found)}",
        "",
        "Five lines or more that stand in two places; blank lines are not counted."
        + (f" Left out: {aside}." if aside else "")
        + (f" Too much to compare: {counted(too_many, 'more file')}." if too_many else ""),
        "",
        *(_repeat(repeat) for repeat in found[:SHOWN]),
        _more(len(found)),
    ]
    return "\n".join(lines).rstrip()


def _repeat(repeat: Repeat) -> str:
    where = f"{_code(repeat.first)} and {_code(repeat.again)}"
    return f"- {repeat.lines} lines: {where}, beginning {_code(repeat.begins, SIGNS)}"


def _matches(title: str, found: Sequence[Match]) -> str:
    lines = [
        f"### {_plain(title)}: {len(found)}",
        "",
        *(f"- {_code(match.place)} {_code(match.text, SIGNS)}" for match in found[:SHOWN]),
        _more(len(found)),
    ]
    return "\n".join(lines).rstrip()


def _read(notes: Notes) -> str:
    names = ", ".join(_code(name) for name in sorted(notes.read)[:SHOWN])
    return f"## Files that were read\n\n{names}" if names else ""


def _question(lines: Iterable[Mapping[str, object]]) -> str:
    told: list[str] = []
    asked: set[object] = set()
    for line in lines:
        if line["type"] == "ask":
            asked.add(line["call"])
            told.append(f"{line['sender']} asked: {_plain(line['text'], 400)}")
        elif line["type"] == "return" and line["call"] in asked:
            told.append(f"You answered: {_plain(line['text'], 400)}")
    body = "\n\n".join(told) or "Nobody was asked."
    return f"## The question to you\n\n{body}"


def _who(lines: Iterable[Mapping[str, object]]) -> str:
    calls: Counter[str] = Counter()
    tools: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        if line["type"] == "forward":
            calls[str(line["agent"])] += 1
        elif line["type"] == "tool.start" and line["tool"] != "finish":
            tools[str(line["agent"])][str(line["tool"])] += 1
    body = [
        f"| {_plain(name)} | {calls[name]} | {tools[name].total()} | {_used(tools[name])} |"
        for name in calls
    ]
    uses = sum(used.total() for used in tools.values())
    body.append(f"| **all** | {calls.total()} | {uses} | |")
    head = ["## Who did what", "", "| peer | calls answered | tool uses | which |"]
    return "\n".join([*head, "| --- | ---: | ---: | --- |", *body])


def _used(tools: Counter[str]) -> str:
    return ", ".join(f"{_code(name)} {number}" for name, number in tools.most_common())


def _figures(size: Size) -> tuple[int, int, int]:
    return size.lines, size.words, size.bytes


def _head_row(words: str) -> str:
    columns = words.split()
    rule = " | ".join(["---", *["---:"] * (len(columns) - 1)])
    return f"| {' | '.join(columns)} |\n| {rule} |"


def _row(label: str, *figures: int) -> str:
    label = label.replace("|", "\\|")  # even inside a code span
    return f"| {label} | {' | '.join(f'{figure:,}' for figure in figures)} |"


def _more(number: int) -> str:
    return f"- and {number - SHOWN:,} more" if number > SHOWN else ""


def _plain(text: object, most: int = SIGNS) -> str:
    words = in_one_line(str(text), most)
    return "".join(f"\\{sign}" if sign in "\\`*_<>[]|#" else sign for sign in words)


def _code(text: str, most: int = 1000) -> str:
    words = clean(text).replace("\n", " ").strip()[:most].rstrip()
    fence = "``" if "`" in words else "`"
    space = " " if fence == "``" else ""
    return f"{fence}{space}{words}{space}{fence}"
