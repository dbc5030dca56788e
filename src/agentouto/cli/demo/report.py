"""Writes the report of the demo as Markdown, from ``Findings`` and the events of the run.

It is written in two steps. A peer writes the findings with the tool ``write_report``; after the run
the command appends who was asked and who did what.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from agentouto.cli._terminal_text import clean, one_line, plural
from agentouto.cli.demo.findings import REPEATS, Findings, Match, Size
from agentouto.cli.demo.folder import MARK
from agentouto.cli.demo.repeats import Repeat

MAX_ITEMS = 20
"""Items in a list before the rest is only counted: a section fits a screen."""

MAX_LONGEST = 10
"""Rows in the table of the longest files."""

EXCERPT_LENGTH = 100
"""Characters of a quoted line: with its place it fits a wide line of the report."""


def may_overwrite(path: Path) -> bool:
    """Return whether ``path`` is unused, or contains a report of an earlier demo."""
    if not path.exists() or not path.stat().st_size:
        return True
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().rstrip() == MARK


def write_report(findings: Findings, path: Path) -> None:
    """Write the findings."""
    sections = [
        _summary_section(findings),
        _types_section(findings),
        _longest_section(findings),
        _findings_section(findings),
        _read_section(findings),
    ]
    path.write_text("\n\n".join(section for section in sections if section) + "\n", "utf-8")


def complete_report(findings: Findings, path: Path, lines: Sequence[Mapping[str, object]]) -> None:
    """Append who was asked and who did what; write the findings first if no peer has."""
    if not path.exists() or not may_overwrite(path) or not findings.summary:
        write_report(findings, path)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{_question_section(lines)}\n\n{_activity_section(lines)}\n")


def _summary_section(findings: Findings) -> str:
    names = list(findings.sizes)
    size = findings.total(names)
    missed = len(findings.folder.texts) - len(names)
    amounts = [
        plural(len(names), "text file"),
        plural(size.lines, "line"),
        plural(size.words, "word"),
        plural(size.bytes, "byte"),
    ]
    parts = [
        MARK,
        f"# Review of {_escape_markdown(findings.folder.name)}",
        clean(findings.summary).strip() or "No summary was written.",
        f"Reviewed: {', '.join(amounts)}."
        + (f" Not counted: {plural(missed, 'file')}." if missed else ""),
    ]
    left_out = [
        f"- {why}: {group.number:,} ({', '.join(map(_code_span, group.names))}"
        f"{', ...' if group.number > len(group.names) else ''})"
        for why, group in sorted(findings.folder.left_out.items())
    ]
    return "\n\n".join(parts) + ("\n\nLeft out:\n\n" + "\n".join(left_out) if left_out else "")


def _types_section(findings: Findings) -> str:
    types = findings.by_type()
    if not types:
        return ""
    rows = [
        (_code_span(type_), len(names), findings.total(names)) for type_, names in types.items()
    ]
    rows.append(("**all**", len(findings.sizes), findings.total(findings.sizes)))
    body = [
        _table_row(label, files, size.lines, size.words, size.bytes) for label, files, size in rows
    ]
    return "\n".join(["## Files by type", "", _table_head("type files lines words bytes"), *body])


def _longest_section(findings: Findings) -> str:
    names = findings.longest(list(findings.sizes), MAX_LONGEST)
    if not names:
        return ""
    body = [_table_row(_code_span(name), *_figures(findings.sizes[name])) for name in names]
    return "\n".join(["## Longest files", "", _table_head("file lines words bytes"), *body])


def _findings_section(findings: Findings) -> str:
    titles = sorted(findings.counts(), key=lambda title: title != findings.first)
    sections = [
        _repeats_section(findings)
        if title == REPEATS
        else _matches_section(title, findings.searches[title])
        for title in titles
    ]
    return "\n\n".join(["## Findings", *sections]) if sections else ""


def _repeats_section(findings: Findings) -> str:
    found, too_many = findings.repeats()
    excluded = ", ".join(_code_span(place) for place in sorted(findings.excluded))
    lines = [
        f"### {REPEATS}: {len(found)}",
        "",
        "Five lines or more that stand in two places; blank lines are not counted."
        + (f" Left out: {excluded}." if excluded else "")
        + (f" Too much to compare: {plural(too_many, 'more file')}." if too_many else ""),
        "",
        *(_repeat_line(repeat) for repeat in found[:MAX_ITEMS]),
        _more_line(len(found)),
    ]
    return "\n".join(lines).rstrip()


def _repeat_line(repeat: Repeat) -> str:
    where = f"{_code_span(repeat.first)} and {_code_span(repeat.again)}"
    return f"- {repeat.lines} lines: {where}, beginning {_code_span(repeat.begins, EXCERPT_LENGTH)}"


def _matches_section(title: str, found: Sequence[Match]) -> str:
    lines = [
        f"### {_escape_markdown(title)}: {len(found)}",
        "",
        *(
            f"- {_code_span(match.place)} {_code_span(match.text, EXCERPT_LENGTH)}"
            for match in found[:MAX_ITEMS]
        ),
        _more_line(len(found)),
    ]
    return "\n".join(lines).rstrip()


def _read_section(findings: Findings) -> str:
    names = ", ".join(_code_span(name) for name in sorted(findings.read)[:MAX_ITEMS])
    return f"## Files that were read\n\n{names}" if names else ""


def _question_section(lines: Iterable[Mapping[str, object]]) -> str:
    paragraphs: list[str] = []
    asked: set[object] = set()
    for line in lines:
        if line["type"] == "ask":
            asked.add(line["call"])
            paragraphs.append(f"{line['sender']} asked: {_escape_markdown(line['text'], 400)}")
        elif line["type"] == "return" and line["call"] in asked:
            paragraphs.append(f"You answered: {_escape_markdown(line['text'], 400)}")
    body = "\n\n".join(paragraphs) or "You were not asked."
    return f"## The question to you\n\n{body}"


def _activity_section(lines: Iterable[Mapping[str, object]]) -> str:
    calls: Counter[str] = Counter()
    tools: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        if line["type"] == "forward":
            calls[str(line["agent"])] += 1
        elif line["type"] == "tool.start" and line["tool"] != "finish":
            tools[str(line["agent"])][str(line["tool"])] += 1
    body: list[str] = []
    for name, answered in calls.items():
        used = tools[name]
        cells = (_escape_markdown(name), answered, used.total(), _tools_used(used))
        body.append(f"| {' | '.join(map(str, cells))} |")
    uses = sum(each.total() for each in tools.values())
    body.append(f"| **all** | {calls.total()} | {uses} | |")
    head = ["## Who did what", "", "| peer | calls answered | tool uses | which |"]
    return "\n".join([*head, "| --- | ---: | ---: | --- |", *body])


def _tools_used(tools: Counter[str]) -> str:
    return ", ".join(f"{_code_span(name)} {number}" for name, number in tools.most_common())


def _figures(size: Size) -> tuple[int, int, int]:
    return size.lines, size.words, size.bytes


def _table_head(words: str) -> str:
    columns = words.split()
    rule = " | ".join(["---", *["---:"] * (len(columns) - 1)])
    return f"| {' | '.join(columns)} |\n| {rule} |"


def _table_row(label: str, *figures: int) -> str:
    label = label.replace("|", "\\|")  # GFM tables: a bar ends the cell, even inside a code span
    return f"| {label} | {' | '.join(f'{figure:,}' for figure in figures)} |"


def _more_line(number: int) -> str:
    return f"- and {number - MAX_ITEMS:,} more" if number > MAX_ITEMS else ""


def _escape_markdown(text: object, most: int = EXCERPT_LENGTH) -> str:
    words = one_line(str(text), most)
    return "".join(f"\\{char}" if char in "\\`*_<>[]|#" else char for char in words)


def _code_span(text: str, most: int = 1000) -> str:
    words = clean(text).replace("\n", " ").strip()[:most].rstrip()
    fence = "``" if "`" in words else "`"
    space = " " if fence == "``" else ""
    return f"{fence}{space}{words}{space}{fence}"
