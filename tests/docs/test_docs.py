"""Every example we show runs: README, docs and examples."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from docs.stage import executed

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
SCRIPTS = sorted((REPOSITORY / "examples").rglob("*.py"))
NOT_RUN = "<!-- not run -->"

FENCE = re.compile(
    rf"^(?P<mark>{re.escape(NOT_RUN)}\s*\n)?```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """A block of code and where it begins."""

    code: str
    line: int
    runs: bool


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start("code")) + 1
        yield Block(found["code"], line, runs=not found["mark"])


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
    for block in blocks(page):
        code = "\n" * (block.line - 1) + block.code  # so that errors name the line of the page
        if block.runs:
            executed(code, str(page), module.__dict__)
        else:
            compile(code, str(page), "exec", flags=0x2000)  # with await at the top


def test_the_example_scripts_run(module: ModuleType) -> None:
    for script in SCRIPTS:
        module.__dict__.update(__name__="__main__", __file__=str(script))
        executed(script.read_text(encoding="utf-8"), str(script), module.__dict__)


def test_the_front_door_shows_code() -> None:
    assert list(blocks(REPOSITORY / "README.md"))
