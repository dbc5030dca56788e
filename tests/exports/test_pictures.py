"""Exports of one run agree with each other, and hold for hostile texts and unfinished runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from agentouto import ConfigurationError, RunResult
from agentouto._core.pictures.notebook import run_bundle
from agentouto._core.recorded_run import RecordedRun
from agentouto.events import critical
from agentouto.exports import save, to_html, to_jsonl, to_mermaid, to_svg
from exports.teams import busy_run, many_agents_run, wide_run

SVG = "{http://www.w3.org/2000/svg}"
ARROW = re.compile(r"^    (p\d+)(->>|-\)|-->>|--\)|--x)(p\d+): (\d+\.\d\d) s (.*)$")
HOSTILE = ' <b>&;#\n\x1b[31m\x00\u202eend %%{init}" ]]> `*_'


def xml(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own


Message = tuple[str, str, str]
"""The time in hundredths of a second, sender and receiver."""


@pytest.fixture(scope="module")
def busy() -> RunResult:
    return busy_run()


def told_by_lines(lines: list[dict[str, object]]) -> list[Message]:
    agents = {str(line.get("call")): str(line.get("agent")) for line in lines}
    told: list[Message] = []
    for line in lines:
        at = f"{line['t']:.2f}"
        if line["type"] in {"forward", "ask", "return", "message"}:
            told.append((at, str(line["sender"]), str(line["receiver"])))
        elif line["type"] == "error":
            told.append((at, str(line["agent"]), agents.get(str(line["parent"]), "user")))
    return told


def told_by_mermaid(text: str) -> list[Message]:
    names = dict(re.findall(r"^    (?:actor|participant) (p\d+) as (.*)$", text, re.MULTILINE))
    found = [ARROW.match(row) for row in text.splitlines()]
    return [(each[4], names[each[1]], names[each[3]]) for each in found if each]


def told_by_sequence(svg: str) -> list[Message]:
    return [
        (f"{float(each.attrib['data-t']):.2f}", each.attrib["data-from"], each.attrib["data-to"])
        for each in xml(svg).iter(f"{SVG}g")
        if "data-seq" in each.attrib
    ]


def calls_of_lines(lines: list[dict[str, object]]) -> dict[str, tuple[str, str]]:
    """Return when each call began and ended."""
    began = {
        str(one["call"]): f"{one['t']:.3f}" for one in lines if one["type"] in {"forward", "ask"}
    }
    ended = {
        str(one["call"]): f"{one['t']:.3f}" for one in lines if one["type"] in {"return", "error"}
    }
    return {call: (began[call], ended[call]) for call in began}


def calls_of_time(svg: str) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for each in xml(svg).iter(f"{SVG}g"):
        if "data-start" in each.attrib:
            found[each.attrib["data-call"]] = each.attrib["data-start"], each.attrib["data-end"]
        for row in each.attrib.get("data-calls", "").split():
            call, _, times = row.partition("@")
            begin, _, end = times.partition("-")
            found[call] = begin, end
    return found


def test_all_exports_of_a_run_have_the_same_messages_at_the_same_times(busy: RunResult) -> None:
    lines = [json.loads(row) for row in to_jsonl(busy).splitlines()]
    told = told_by_lines(lines)
    assert {(a, b) for _, a, b in told} > {("user", "lead"), ("lead", "writer"), ("lead", "user")}
    assert told_by_mermaid(to_mermaid(busy)) == told
    assert told_by_sequence(to_svg(busy, "sequence")) == told


def test_all_exports_of_a_run_have_the_same_calls(busy: RunResult) -> None:
    calls = calls_of_lines(busy.lines())
    assert len(calls) == 4
    assert calls_of_time(to_svg(busy, "time")) == calls
    bars = xml(to_svg(busy, "sequence")).iter(f"{SVG}rect")
    assert {bar.attrib["data-call"] for bar in bars if "data-call" in bar.attrib} == {*calls}


def test_a_participant_with_many_calls_at_once_has_all_of_them_in_one_area() -> None:
    run = wide_run(30)
    svg = to_svg(run, "time")
    assert "30 calls" in svg
    assert calls_of_time(svg) == calls_of_lines(run.lines())


def test_a_file_of_json_lines_can_be_exported_again(busy: RunResult, tmp_path: Path) -> None:
    file = save(busy, tmp_path / "run.jsonl")
    assert to_jsonl(file) == to_jsonl(busy) == to_jsonl(str(file)) == to_jsonl(busy.lines())
    assert to_svg(file) == to_svg(busy)


def test_pieces_of_a_reply_are_one_line_and_pieces_of_tool_calls_are_left_out(
    busy: RunResult,
) -> None:
    lines = busy.lines()
    end = next(place for place, line in enumerate(lines) if line["type"] == "model.end")
    about = {name: lines[end][name] for name in ("v", "run", "seq", "t", "agent", "call", "parent")}
    pieces = [
        {**about, "type": "token", "text": text, "part": n} for n, text in enumerate("abc", 1)
    ]
    draft = {**about, "type": "draft", "slot": 0, "tool": "finish", "text": "{", "part": 4}
    streamed = [*lines[:end], *pieces, draft, *lines[end:]]
    rows = [json.loads(row) for row in to_jsonl(streamed).splitlines()]
    assert [row["text"] for row in rows if row["type"] == "token"] == ["abc"]
    assert "draft" not in {row["type"] for row in rows}


def test_the_time_picture_shows_the_critical_path(busy: RunResult) -> None:
    svg = to_svg(busy, "time")
    on_path = {piece.agent for piece in critical(busy.lines())}
    assert set(re.findall(r"critical path: (\w+),", svg)) == on_path


def test_hostile_texts_and_names_stay_texts() -> None:
    run = [
        {**line, "text": f"\ud83d{line['text']}"} if "text" in line else line
        for line in busy_run(HOSTILE).lines()
    ]
    to_jsonl(run).encode()
    for picture in ("sequence", "time"):
        root = xml(to_svg(run, picture))
        assert not [each for each in root.iter() if each.tag == f"{SVG}b"]
    rows = to_mermaid(run).splitlines()
    assert all(ARROW.match(row) for row in rows if ": " in row)
    texts = "".join(found[5] for row in rows if (found := ARROW.match(row)))
    assert not re.search(r"[%<>&\x00-\x1f\u202e]|;(?<!#\d\d;)(?<!#\d\d\d;)", texts)


REORDERS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def test_what_reorders_a_line_is_shown_in_names_and_texts() -> None:
    written = json.dumps(busy_run(f" {REORDERS}gnp.exe").lines())
    # A file of lines may come from anywhere: no team has such a name.
    lines = json.loads(written.replace("critic", "cri\\u202etic"))
    shown = [to_svg(lines, "sequence"), to_svg(lines, "time"), to_html(lines), to_mermaid(lines)]
    for text in shown:
        assert "cri\\u202etic" in text
        assert "\\u061c\\u200e\\u200f" in text
    ended, open_ = RecordedRun(lines), RecordedRun(lines[:-9])
    for text in [*shown, *run_bundle(ended).values(), *run_bundle(open_).values()]:
        assert not set(text) & set(REORDERS)


def test_a_sequence_of_very_many_messages_shows_the_longest_calls_and_counts_the_rest() -> None:
    run = wide_run(100)
    rows = told_by_sequence(to_svg(run, "sequence"))
    mermaid = to_mermaid(run)
    assert rows == told_by_mermaid(mermaid)
    assert len(rows) == 80
    assert rows[0][1:] == ("user", "lead")
    assert rows[-1][1:] == ("lead", "user")
    assert "(+122 messages)" in mermaid.splitlines()[-1]
    assert "122 messages of shorter calls are left out" in to_svg(run, "sequence")


def test_the_picture_is_the_time_where_columns_would_be_too_narrow() -> None:
    few, many = many_agents_run(12), many_agents_run(13)  # and the user
    assert to_svg(few) == to_svg(few, "sequence")
    assert to_svg(many) == to_svg(many, "time")
    with pytest.raises(ConfigurationError, match="'auto', 'sequence' and 'time'"):
        to_svg(few, "gantt")  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
def test_a_run_that_was_cut_off_gives_what_there_is_and_says_so(
    busy: RunResult, share: float
) -> None:
    lines = busy.lines()
    cut = lines[: max(1, int(len(lines) * share))]
    for text in (to_svg(cut, "sequence"), to_svg(cut, "time"), to_mermaid(cut)):
        assert "This run has not ended" in text.replace("#46;", ".") or not told_by_lines(cut)
    assert told_by_mermaid(to_mermaid(cut)) == told_by_lines(cut)
    assert told_by_sequence(to_svg(cut, "sequence")) == told_by_lines(cut)
    assert "has not ended" not in to_svg(lines, "time")


def test_without_content_no_text_of_the_run_is_left_and_everything_else_is(busy: RunResult) -> None:
    run = busy_run(" SECRET")
    texts = [to_jsonl(run, content=False), to_mermaid(run, content=False)]
    texts += [to_svg(run, "sequence", content=False), to_svg(run, "time", content=False)]
    for text in texts:
        assert "SECRET" not in text
        assert "solar" not in text
        assert "no such model" not in text
    lines = [json.loads(row) for row in texts[0].splitlines()]
    assert [line["type"] for line in lines] == [line["type"] for line in run.lines()]
    assert told_by_lines(lines) == told_by_lines(run.lines())
    assert to_jsonl(lines) == texts[0]


def test_what_is_no_run_is_refused_with_the_reason(busy: RunResult, tmp_path: Path) -> None:
    lines = busy.lines()
    for wrong, why in (
        ([], "there is no event line"),
        ([*lines, *busy_run().lines()], "lines of 2 runs"),
        ([*lines, 3], "is int, not an event line"),
        ([{"v": 1, "type": "token"}], "has no field 'run'"),
        ([{**lines[0], "t": "1"}], "'t' and 'seq' are numbers"),
        (
            [{name: value for name, value in lines[1].items() if name != "text"}],
            "has no field 'text'",
        ),
        (tmp_path / "gone.jsonl", "gone.jsonl"),
    ):
        with pytest.raises((ConfigurationError, FileNotFoundError), match=why):
            to_svg(wrong)  # type: ignore[arg-type]


def test_a_line_of_an_unknown_type_is_skipped(busy: RunResult) -> None:
    more = {**busy.lines()[1], "type": "a.new.type"}
    assert to_svg([*busy.lines(), more], "time") == to_svg(busy, "time")


def test_a_file_is_named_by_its_form_and_never_replaced_unasked(
    busy: RunResult, tmp_path: Path
) -> None:
    for name, begin in (
        ("a.html", "<!DOCTYPE html>"),
        ("a.svg", "<svg"),
        ("a.mmd", "sequenceDiagram"),
        ("a.jsonl", '{"v":1'),
    ):
        assert save(busy, tmp_path / name).read_text(encoding="utf-8").startswith(begin)
    assert save(busy, tmp_path / "a.txt", "svg").read_text(encoding="utf-8").startswith("<svg")
    (tmp_path / "a.svg").write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match="overwrite=True replaces it"):
        save(busy, tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == "mine"
    save(busy, tmp_path / "a.svg", overwrite=True)
    with pytest.raises(ConfigurationError, match=r"a\.doc: its name does not say"):
        save(busy, tmp_path / "a.doc")
    with pytest.raises(ConfigurationError, match="Did you mean 'mermaid'"):
        save(busy, tmp_path / "a.doc", "mermade")
