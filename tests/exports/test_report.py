"""The report is one page that needs nothing else, whatever models have written."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from agentouto import RunResult
from agentouto.exports import to_html, to_jsonl
from agentouto.testing import Request, call, finish, think, tool
from exports.teams import busy_run, run_of
from exports.test_pictures import calls_of_lines, told_by_lines

HOSTILE = (
    ' <script>alert(1)</script><img src="http://evil.example/x" onerror=alert(1)>\x1b[2J\u202e'
)
VOID = {"meta", "line", "path", "rect", "br", "img"}


class Page(HTMLParser):
    """The elements of a page, and whether they are nested as they should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    @property
    def text(self) -> str:
        return "".join(self.texts)


@pytest.fixture(scope="module")
def busy() -> RunResult:
    return busy_run(HOSTILE)


def test_the_report_has_the_messages_and_calls_of_the_lines_at_the_same_times(
    busy: RunResult,
) -> None:
    page = Page(to_html(busy))
    rows = [
        attributes for tag, attributes in page.elements if tag == "tr" and "data-seq" in attributes
    ]
    told = [(f"{float(row['data-t']):.2f}", row["data-from"], row["data-to"]) for row in rows]
    assert told == told_by_lines(busy.lines())
    calls = {
        attributes["data-call"]: (attributes["data-start"], attributes["data-end"])
        for tag, attributes in page.elements
        if tag == "details" and "data-call" in attributes
    }
    assert calls == calls_of_lines(busy.lines())


def test_the_report_needs_nothing_else_and_may_ask_for_nothing(busy: RunResult) -> None:
    page = Page(to_html(busy))
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "form", "base"}
    for attribute in ("src", "srcset", "action", "data", "onerror", "onclick"):
        assert page.attributes(attribute) == []
    assert all(link.startswith("#") for link in page.attributes("href"))
    [policy] = [each["content"] for _, each in page.elements if "http-equiv" in each]
    assert policy.startswith("default-src 'none'")
    assert "alert(1)" in page.text
    assert not re.search("[\x1b\u202e]", to_html(busy))


def test_every_link_of_the_report_leads_somewhere_and_no_id_is_there_twice(
    busy: RunResult,
) -> None:
    page = Page(to_html(busy))
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    links = page.attributes("href")
    assert links
    assert {link[1:] for link in links if link != "#call-"} <= set(ids)


def test_the_report_tells_what_each_call_did() -> None:
    def lead(seen: Request) -> object:
        if seen.turn == 0:
            return [think("I wonder."), tool("look", what="x" * 5000)]
        return finish("y" * 5000)

    page = Page(to_html(run_of({"lead": lead})))
    assert "thinks" in page.text
    assert "I wonder." in page.text
    assert "uses look" in page.text
    assert "(5,000 characters)" in page.text
    assert "returns to user" in page.text


def test_a_report_without_content_has_no_text_of_the_run(busy: RunResult) -> None:
    bare = to_html(busy, content=False)
    page = Page(bare)
    assert "This report was made without texts" in page.text
    for secret in ("alert", "solar", "investor", "no such model", "Written", "Make it short"):
        assert secret not in bare
    assert (
        len([tag for tag, each in page.elements if tag == "details" and "data-call" in each]) == 4
    )


def test_a_report_of_a_run_that_was_cut_off_says_so(busy: RunResult) -> None:
    lines = busy.lines()
    for cut in (lines[:1], lines[:9], lines[: len(lines) // 2]):
        page = Page(to_html(cut))
        assert "This run has not ended" in page.text
    assert "The beginning of this run is missing." in Page(to_html(lines[1:])).text
    assert "has not ended" not in Page(to_html(lines)).text


def test_a_report_of_a_failed_run_says_why(busy: RunResult) -> None:
    *lines, end = busy.lines()
    failed = {
        **end,
        "status": "failed",
        "error": {"what": "the money has run out", "code": "limit"},
    }
    assert "Why it has not completed: the money has run out" in Page(to_html([*lines, failed])).text


def test_a_report_of_300_calls_has_at_most_1_500_000_bytes() -> None:
    parts = [call("clerk", f"Count part {n}. " + "And be exact. " * 10) for n in range(299)]
    script = {
        "lead": [parts, finish("Counted.")],
        "clerk": lambda seen: [tool("look", what="the shelf"), finish("It has many books. " * 50)][
            seen.turn
        ],
    }
    run = run_of(script)
    text = to_html(run)
    assert len(calls_of_lines(run.lines())) == 300
    assert len(text.encode()) <= 1_500_000
    assert len(to_jsonl(run).encode()) <= 1_500_000
    Page(text)
