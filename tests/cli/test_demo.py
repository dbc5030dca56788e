"""``agentouto demo``: real tools, real figures, and a report."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentouto.cli.demo.findings import Findings
from agentouto.cli.demo.folder import MARK, Folder
from agentouto.cli.demo.report import write_report
from cli.folders import LONG, MARKER, PASSAGE, make_folder, recounted
from cli.servers import serving, streamed
from cli.terminal import Ended, Terminal, agentouto, plain


@dataclass(frozen=True)
class Review:
    """A folder, a demo that has reviewed it, and the report."""

    folder: Path
    done: Ended
    report: str


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory) -> Review:
    here = tmp_path_factory.mktemp("review")
    folder = make_folder(here)
    return Review(folder, agentouto("demo", "things", "--jsonl", cwd=here), report_of(here))


def report_of(here: Path) -> str:
    return (here / "agentouto-report.md").read_text("utf-8")


def table(report: str, title: str) -> dict[str, list[str]]:
    """Return the rows below a title, by their first cell."""
    body = report.split(f"## {title}\n\n")[1].partition("\n\n")[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in body.splitlines()[2:]]
    return {row[0].strip(" `*"): [cell.strip() for cell in row[1:]] for row in rows}


def section(report: str, title: str) -> str:
    return report.split(f"### {title}: ")[1].partition("\n\n##")[0]


def test_the_figures_of_the_report_are_those_of_the_files(review: Review) -> None:
    report = review.report
    found = table(report, "Files by type")
    figures = {kind: [int(cell.replace(",", "")) for cell in row] for kind, row in found.items()}
    assert figures == recounted(review.folder)
    files, lines, words, size = figures["all"]
    head = f"Reviewed: {files} text files, {lines} lines, {words} words, {size:,} bytes."
    assert head in report
    longest = table(report, "Longest files")
    assert list(longest)[:2] == ["README.md", "src/one.py"]
    assert longest["src/one.py"][0] == "11"


def test_the_findings_name_their_places(review: Review) -> None:
    report = review.report
    repeats = section(report, "Repeated passages")
    assert repeats.startswith("1\n")
    assert "- 7 lines: `README.md:5` and `src/one.py:4`" in repeats
    for name, line in (("README.md", 5), ("src/one.py", 4)):
        text = (review.folder / name).read_text().splitlines()[line - 1 : line + 6]
        assert "\n".join(text) + "\n" == PASSAGE
    markers = section(report, "Open markers")
    assert markers.startswith("2\n")
    assert f"- `src/one.py:2` `# {MARKER}: more`" in markers
    assert f"- `src/two.py:2` `z = 3  # {MARKER}`" in markers
    assert f"- `src/two.py:1` `{LONG[:100].strip()}" in section(report, "Long lines")


def test_what_is_left_out_is_said_and_not_read(review: Review) -> None:
    left = {
        "- a folder of tools: 3 (`.git`, `my-python`, `node_modules`)",
        "- a link: 2 (`away`, `link.txt`)",
        "- larger than 1 MB: 1 (`huge.txt`)",
        "- may hold secrets: 1 (`.env`)",
        "- not a file: 1 (`pipe`)",
        "- not text: 1 (`picture.bin`)",
    }
    assert left <= set(review.report.splitlines())
    for secret in ("sk-not-to-be-read", "outside secret"):
        assert secret not in review.done.out
        assert secret not in review.report


def test_the_four_are_peers_and_their_work_is_counted(review: Review) -> None:
    lines = review.done.lines
    forwards = {(line["sender"], line["agent"]) for line in lines if line["type"] == "forward"}
    assert {("user", "surveyor"), ("surveyor", "reader"), ("reader", "surveyor")} <= forwards
    assert {("surveyor", "editor"), ("editor", "reader")} <= forwards
    calls = Counter(line["agent"] for line in lines if line["type"] == "forward")
    tools: dict[str, Counter[str]] = {name: Counter() for name in calls}
    for line in lines:
        if line["type"] == "tool.start" and line["tool"] != "finish":
            tools[line["agent"]][line["tool"]] += 1
    who = table(review.report, "Who did what")
    for name, row in who.items():
        counted = sum(tools.values(), Counter[str]()) if name == "all" else tools[name]
        answered = calls.total() if name == "all" else calls[name]
        assert [int(row[0]), int(row[1])] == [answered, counted.total()]
    for name, used in tools.items():
        assert who[name][2] == ", ".join(f"`{tool}` {n}" for tool, n in used.most_common())
    assert at_once(lines, "count") >= 3


def at_once(lines: list[dict[str, Any]], tool: str) -> int:
    """Return how many uses of a tool began without anything else between them."""
    marks = "".join(
        "x" if line["type"] == "tool.start" and line["tool"] == tool else "."
        for line in lines
        if line["type"] == "tool.start"
    )
    return max(map(len, marks.split(".")))


def test_the_background_peer_gets_a_message_while_it_works(review: Review) -> None:
    lines = review.done.lines
    scout = next(line["call"] for line in lines if line.get("agent") == "scout")
    letter = next(n for n, line in enumerate(lines) if line["type"] == "message")
    assert lines[letter]["to"] == scout
    assert "`*.csv`" in lines[letter]["text"]
    ended = next(
        n for n, line in enumerate(lines) if line["type"] == "return" and line["call"] == scout
    )
    searched = [
        n
        for n, line in enumerate(lines)
        if line["type"] == "tool.start" and line["arguments"].get("leave_out") == ["*.csv"]
    ]
    assert letter < searched[0] < ended
    assert "Left out: `*.csv`." in review.report


def test_twice_in_a_row_says_the_same_even_inside_the_folder(folder: Path) -> None:
    first = agentouto("demo", cwd=folder)
    report = report_of(folder).partition("## Who did what")[0]
    again = agentouto("demo", cwd=folder)
    assert (first.code, again.code) == (0, 0)
    assert (
        first.out
        == again.out
        == ("Found: open markers 2, long lines 1, repeated passages 1. The report says where.\n")
    )
    assert first.err.startswith("Demo team, scripted models: no key and no network used.\n")
    assert first.err.endswith("Report: agentouto-report.md\n")
    assert report_of(folder).partition("## Who did what")[0] == report
    assert "agentouto-report.md" not in report


def test_an_empty_folder_is_reviewed_too(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    done = agentouto("demo", "nothing", cwd=tmp_path)
    assert (done.code, done.out) == (0, "There was nothing to review.\n")
    assert "Reviewed: 0 text files, 0 lines, 0 words, 0 bytes." in report_of(tmp_path)


def test_a_single_file_is_reviewed_alone(folder: Path, tmp_path: Path) -> None:
    done = agentouto("demo", "things/src/one.py", cwd=tmp_path)
    assert done.code == 0
    assert "Reviewed: 1 text file, 11 lines," in report_of(tmp_path)


def test_five_thousand_files_take_seconds(tmp_path: Path) -> None:
    for number in range(5000):
        path = tmp_path / "many" / f"d{number % 50}" / f"f{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"x = {number}\n" * 5)
    done = agentouto("demo", "many", cwd=tmp_path)
    assert done.code == 0
    assert "Reviewed: 5,000 text files, 25,000 lines" in report_of(tmp_path)
    assert "Looking at the files: 4,000 so far." in done.err
    second = done.err.splitlines()[1]
    assert "forward  user -> surveyor" in second
    assert float(second.split("s ")[0]) < 1


def test_what_is_beyond_the_limit_is_counted_to_the_last_file(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"f{number:02}.txt").write_text("words\n")
    told: list[str] = []
    for limit, files in (("max_files", 10), ("max_bytes", 7 * len("words\n"))):
        limits = {limit: files, "first_notice_at": 8}
        folder = Folder(tmp_path, tmp_path / "report.md", told.append, **limits)
        kept = len(folder.texts)
        ((why, left),) = folder.left_out.items()
        assert kept == (10 if limit == "max_files" else 7)
        assert (left.number, left.names[0]) == (30 - kept, f"f{kept:02}.txt")
        assert why.startswith("beyond ")
        report = tmp_path.parent / f"{tmp_path.name}.md"
        write_report(Findings(folder), report)
        shown = ", ".join(f"`f{kept + n:02}.txt`" for n in range(5))
        assert f"- {why}: {30 - kept} ({shown}, ...)\n" in report.read_text("utf-8") + "\n"
    assert told[:2] == [f"Looking at the files: {seen} so far." for seen in (8, 16)]


def test_reports_of_the_demo_are_not_reviewed_whatever_they_are_called(tmp_path: Path) -> None:
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "one.txt").write_text("a\n")
    (tmp_path / "things" / "old.txt").write_bytes(f"{MARK}\r\n\r\n# Review\r\n".encode())
    assert agentouto("demo", "things", cwd=tmp_path).code == 0
    report = report_of(tmp_path)
    assert "Reviewed: 1 text file, 1 line, 1 word, 2 bytes." in report
    assert "- a report of this demo: 1 (`old.txt`)" in report


def test_one_line_is_not_told_as_1_lines(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(f"# {MARKER}\n")
    done = agentouto("demo", "one.py", cwd=tmp_path)
    assert "Most in `one.py`, which has 1 line and 2 words." in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such permission")
def test_what_may_not_be_read_is_left_out(tmp_path: Path) -> None:
    if os.geteuid() == 0:  # who may read everything: so something that cannot be read by anyone
        done = agentouto("demo", "/proc/self/mem", "--report", tmp_path / "r.md", cwd=tmp_path)
        assert done.code == 0
        assert "- not readable: 1 (`mem`)" in (tmp_path / "r.md").read_text()
        return
    (tmp_path / "things").mkdir()
    for name in ("closed.txt", "open.txt"):
        (tmp_path / "things" / name).write_text("words\n")
    (tmp_path / "things" / "closed.txt").chmod(0)
    assert agentouto("demo", "things", cwd=tmp_path).code == 0
    assert "- not readable: 1 (`closed.txt`)" in report_of(tmp_path)


# ── the question ──────────────────────────────────────────────────────────────────────────────


def test_without_a_terminal_the_editor_decides_and_says_so(review: Review) -> None:
    report = review.report
    assert "There was no one to ask. I put first what there is most of: Open markers." in report
    assert "## The question to you\n\nYou were not asked." in report
    assert report.index("### Open markers") < report.index("### Repeated passages")


def test_an_answer_given_beforehand_decides_what_comes_first(folder: Path, tmp_path: Path) -> None:
    agentouto("demo", "things", "--answer", "editor=long", cwd=tmp_path)
    report = report_of(tmp_path)
    assert "Long lines come first, as you wished." in report
    assert "You answered: long" in report
    assert report.index("### Long lines") < report.index("### Open markers")


def test_a_person_at_the_terminal_is_asked(folder: Path, tmp_path: Path) -> None:
    with Terminal("demo", "things", "--pause", "0.001", cwd=tmp_path, rows=16) as terminal:
        terminal.wait_for("> _")
        shown = plain(terminal.seen)
        assert "scout (background)" in shown
        question = shown.rpartition("editor asks: ")[2].splitlines()
        assert question == [
            "What should come first in the report?",
            "1 Open markers (2)",
            "2 Long lines (1)",
            "3 Repeated passages (1)",
            "> _",
        ]
        terminal.type("3\n")
        done = terminal.end()
    assert (done.code, done.out.count("\n")) == (0, 1)
    report = report_of(tmp_path)
    assert "editor asked: What should come first in the report?" in report
    assert "You answered: 3" in report
    assert report.index("### Repeated passages") < report.index("### Open markers")


def test_a_file_that_the_demo_did_not_write_is_not_written_over(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "agentouto-report.md").write_text("mine\n")
    done = agentouto("demo", "things", cwd=tmp_path)
    assert (done.code, report_of(tmp_path)) == (2, "mine\n")
    assert "--report FILE" in done.err


# ── a real model ──────────────────────────────────────────────────────────────────────────────


def with_model(url: str, tmp_path: Path) -> Ended:
    arguments = ("demo", "things", "--model", "openai:tiny:1b", "--base-url", url)
    return agentouto(*arguments, cwd=tmp_path)


def test_the_same_team_runs_on_a_real_model(folder: Path, tmp_path: Path) -> None:
    with serving(200, streamed("All is well.")) as (url, asked):
        done = with_model(url, tmp_path)
    assert (done.code, done.out) == (0, "All is well.\n")
    assert "scripted" not in done.err
    assert asked[0]["model"] == "tiny:1b"
    tools = {tool["function"]["name"] for tool in asked[0]["tools"]}
    assert {"list_files", "read_file", "count", "search", "find_repeats", "write_report"} <= tools
    assert {"call_agent", "spawn_background_agent", "send_message"} <= tools
    system = asked[0]["messages"][0]["content"]
    assert "You survey folders." in system
    assert "Looks for repeated passages." in system
    assert "No summary was written." in report_of(tmp_path)


def test_a_server_that_refuses_exits_4(folder: Path, tmp_path: Path) -> None:
    with serving(401, b'{"error": {"message": "Incorrect API key provided"}}') as (url, _):
        done = with_model(url, tmp_path)
    assert (done.code, done.out) == (4, "")
    assert len(done.err.splitlines()) <= 5
    assert "Traceback" not in done.err
    assert not (tmp_path / "agentouto-report.md").exists()


def test_a_real_model_without_a_key_exits_3(folder: Path, tmp_path: Path) -> None:
    done = agentouto("demo", "things", "--model", "openai:gpt-5.2", cwd=tmp_path)
    assert done.code == 3
    assert "Set OPENAI_API_KEY" in done.err
