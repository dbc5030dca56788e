"""Every example we show runs: README and docs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from agentouto._options import Options
from docs.runner import blocks, execute_page

REPOSITORY = Path(__file__).resolve().parents[2]
RUN_IN_EDGES = {"guests.md", "moving.md"}
"""Pages with packages of others, which ``tests/edges`` executes. Here they are compiled."""

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


def names_of(paths: list[Path]) -> list[str]:
    return [path.relative_to(REPOSITORY).as_posix() for path in paths]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.chdir(tmp_path)
    fresh = ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", fresh)
    return fresh


@pytest.mark.parametrize("page", PAGES, ids=names_of(PAGES))
def test_the_examples_of_a_page_run(page: Path, module: ModuleType) -> None:
    execute_page(page, module.__dict__, runs=page.name not in RUN_IN_EDGES)


def test_an_output_that_a_page_shows_is_compared(tmp_path: Path, module: ModuleType) -> None:
    page = tmp_path / "page.md"
    block = "```python\nprint('a (0.31s)  ')\nprint('b')\n```\n\n```text\n{}\n```\n"
    page.write_text(block.format("a (0.02s)\nb"), encoding="utf-8")
    execute_page(page, module.__dict__)
    page.write_text(block.format("a (0.02s)\nc"), encoding="utf-8")
    with pytest.raises(AssertionError, match=r"line 2 of page\.md prints something else"):
        execute_page(page, module.__dict__)


def test_the_picture_of_the_idea_is_of_a_run(tmp_path: Path) -> None:
    drawn = REPOSITORY / "docs" / "pictures" / "idea.svg"
    again = tmp_path / "idea.svg"
    subprocess.run([sys.executable, drawn.with_suffix(".py"), again], check=True)
    titles = [
        re.findall(r"<title>[\d.]+ s, (.*?)</title>", file.read_text(encoding="utf-8"))
        for file in (drawn, again)
    ]
    assert titles[0] == titles[1] != []


def test_the_front_door_shows_code() -> None:
    assert list(blocks(REPOSITORY / "README.md"))


def test_the_guide_lists_every_option_of_a_run() -> None:
    guide = (REPOSITORY / "docs" / "guide.md").read_text(encoding="utf-8")
    section = guide.partition("\n## Options of run\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == {*Options.__annotations__}


def test_the_contents_of_the_guide_are_its_headings() -> None:
    guide = (REPOSITORY / "docs" / "guide.md").read_text(encoding="utf-8")
    contents = guide.partition("```python")[0]
    titles = [title.replace("`", "") for title in re.findall(r"\[([^\]]+)\]\(#", contents)]
    assert titles == re.findall(r"^## (.+)$", guide, re.MULTILINE)
