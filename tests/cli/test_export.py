"""``agentouto runs export`` and ``agentouto lint``: what is written where, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentouto import Journal
from agentouto.exports import save, to_html, to_mermaid, to_svg
from agentouto.testing import call, finish, say
from cli.terminal import agentouto, at_once
from exports.teams import busy_run, run_of


@pytest.fixture(scope="module")
def run_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(busy_run(), tmp_path_factory.mktemp("runs") / "run.jsonl")


def test_a_run_is_written_to_a_file_in_the_form_of_its_name(run_file: Path, tmp_path: Path) -> None:
    done = agentouto("runs", "export", run_file, "-o", "report.html", cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, "", "Written: report.html\n")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == to_html(run_file)


def test_a_file_that_exists_is_not_replaced_without_force(run_file: Path, tmp_path: Path) -> None:
    (tmp_path / "run.svg").write_text("mine", encoding="utf-8")
    for picture in ("auto", "time"):
        command = ("runs", "export", run_file, "-o", "run.svg", "--picture", picture)
        done = agentouto(*command, cwd=tmp_path)
        assert (done.code, done.err) == (2, "run.svg exists; --force replaces it\n")
        assert (tmp_path / "run.svg").read_text(encoding="utf-8") == "mine"
    assert agentouto(*command, "--force", cwd=tmp_path).code == 0
    assert (tmp_path / "run.svg").read_text(encoding="utf-8") == to_svg(run_file, "time")


def test_without_a_file_the_export_goes_to_standard_output(run_file: Path, tmp_path: Path) -> None:
    piped = run_file.read_text(encoding="utf-8")
    done = agentouto(
        "runs", "export", "-", "--to", "mermaid", "--no-content", cwd=tmp_path, given=piped
    )
    assert (done.code, done.err) == (0, "")
    assert done.out == to_mermaid(run_file, content=False)


def test_a_run_that_has_not_ended_is_exported_and_said_to_be_so(
    run_file: Path, tmp_path: Path
) -> None:
    text = run_file.read_text(encoding="utf-8")
    (tmp_path / "cut.jsonl").write_text(text[: len(text) // 2], encoding="utf-8")
    done = agentouto("runs", "export", "cut.jsonl", "--to", "svg", cwd=tmp_path)
    assert done.code == 0
    assert (
        done.err == "This run has not ended: it goes on, or was cut off. This is what there is.\n"
    )
    assert "This run has not ended" in done.out


REFUSED = [
    (["RUN", "--to", "pdf"], 2, "--to pdf: there is no such form. There are: html, svg, mermaid, "),
    (["RUN", "--to", "svg", "--picture", "gantt"], 2, "--picture gantt: there is no such picture"),
    (["RUN"], 2, "runs export needs --to FORM or -o FILE"),
    (["RUN", "-o", "run.doc"], 3, "run.doc: its name does not say in which form"),
    (["RUN", "--to", "otlp", "-o", "x"], 2, "--to otlp sends the run"),
    (["gone.jsonl", "--to", "svg"], 3, "gone.jsonl cannot be read: No such file"),
    (["empty.jsonl", "--to", "svg"], 3, "empty.jsonl has no event line"),
    (["team.py", "--to", "svg"], 3, "team.py, line 1: no JSON"),
]


def test_what_cannot_be_exported_is_refused_with_the_reason(run_file: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    (tmp_path / "team.py").write_text("import agentouto\nteam = 3\n", encoding="utf-8")
    (tmp_path / "RUN").write_bytes(run_file.read_bytes())
    done = at_once([("runs", "export", *arguments) for arguments, _, _ in REFUSED], tmp_path)
    for each, (arguments, code, why) in zip(done, REFUSED, strict=True):
        assert (each.code, each.out) == (code, ""), arguments
        assert each.err.startswith(why)


def test_lint_prints_what_went_wrong_with_its_place(tmp_path: Path) -> None:
    again = call("clerk", "Count the books.\x1b[31m")
    script = {"lead": [again, again, finish("Done.")], "clerk": lambda seen: say("5")}
    save(run_of(script), tmp_path / "run.jsonl")
    done = agentouto("lint", "run.jsonl", cwd=tmp_path)
    assert done.code == 1
    assert "step-repetition (FM-1.3 step repetition): lead asks clerk again" in done.out
    assert "\x1b" not in done.out
    [finding] = agentouto("lint", "run.jsonl", "--json", cwd=tmp_path).lines
    assert (finding["check"], finding["agent"]) == ("step-repetition", "lead")
    assert f"line {finding['seq']}]" in done.out
    save(run_of({"lead": [finish("Done.")]}), tmp_path / "fine.jsonl")
    fine = agentouto("lint", "fine.jsonl", cwd=tmp_path)
    assert (fine.code, fine.out) == (0, "")
    assert (
        json.loads((tmp_path / "fine.jsonl").read_text("utf-8").splitlines()[0])["type"]
        == "run.start"
    )


def test_a_run_in_a_journal_is_named_by_its_id(tmp_path: Path) -> None:
    again = call("clerk", "Count the books.")
    script = {"lead": [again, again, finish("Done.")], "clerk": lambda seen: say("5")}
    result = run_of(script, journal=tmp_path / "runs.db", run_id="order-4711")
    saved = Journal(tmp_path / "runs.db")["order-4711"]
    assert to_html(saved) == to_html(result)
    done = at_once(
        [
            ("runs", "export", "order-4711", "--journal", "runs.db", "-o", "run.svg"),
            ("lint", "order-4711", "--journal", "runs.db"),
            ("lint", "order-4712", "--journal", "runs.db"),
            ("lint", "order-4711", "--journal", "gone.db"),
        ],
        tmp_path,
    )
    exported, linted, unknown, missing = done
    assert (exported.code, exported.err) == (0, "Written: run.svg\n")
    assert (tmp_path / "run.svg").read_text(encoding="utf-8") == to_svg(result)
    assert (linted.code, linted.out.count("step-repetition")) == (1, 1)
    assert (unknown.code, missing.code) == (3, 3)
    assert "order-4712" in unknown.err
    assert missing.err == "--journal gone.db: there is no such file\n"
    assert not (tmp_path / "gone.db").exists()
