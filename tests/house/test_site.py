"""The site has a place for every page and every public name, and its checker finds faults.

The session ``docs`` builds the site itself.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import agentouto

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
PACKAGES = (
    *("a2a", "acp", "events", "exceptions", "exports", "mcp", "otel", "peers", "serve", "testing"),
    *("tools", "ui", "wires", "workers"),
)


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType]]:
    """Import the scripts that make the site."""
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    names = ("site_pages", "site_faults")
    pages, faults = [importlib.import_module(name) for name in names]
    yield pages, faults
    for name in names:
        del sys.modules[name]


@pytest.fixture
def site_pages(scripts: tuple[ModuleType, ModuleType]) -> ModuleType:
    return scripts[0]


@pytest.fixture
def site_faults(scripts: tuple[ModuleType, ModuleType]) -> ModuleType:
    return scripts[1]


def test_every_page_has_one_place_in_the_navigation(site_pages: ModuleType) -> None:
    setup = site_pages.configuration()
    placed = [page.path for page in site_pages.navigation(setup["nav"])]
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert len(placed) == len({*placed}), "a page has two places"
    assert pages <= {*placed}, "give the page a place in the navigation of mkdocs.yml"
    assert {*placed} <= pages | {*site_pages.FROM_THE_ROOT.values()}, "there is no such page"


@pytest.mark.parametrize(
    ("file", "text", "moved"),
    [
        ("docs/guide.md", "[a](peers.md#b) [c](#d)", "[a](peers.md#b) [c](#d)"),
        ("docs/guide.md", "![a](pictures/path.png)", "![a](pictures/path.png)"),
        ("docs/tools/web.md", "[a](../../ARCHITECTURE.md)", "[a](../architecture.md)"),
        ("CHANGELOG.md", "[a](docs/errors.md#quota)", "[a](errors.md#quota)"),
        ("docs/guide.md", "[the script](../dev.py)", "the script (`dev.py`)"),
        ("docs/guide.md", "[`dev.py`](../dev.py)", "`dev.py`"),
        ("docs/guide.md", "[a](gone.md)", "[a](gone.md)"),
        ("docs/guide.md", "[a](https://e.org/x.md)", "[a](https://e.org/x.md)"),
        ("docs/guide.md", "```\n[a](../dev.py)\n```", "```\n[a](../dev.py)\n```"),
    ],
)
def test_links_lead_to_their_places_in_the_site(
    site_pages: ModuleType, file: str, text: str, moved: str
) -> None:
    sources = site_pages.sources()
    path = REPOSITORY / file
    assert site_pages.moved(text, path, sources[path], sources) == moved


def test_a_page_is_described_by_its_first_sentence(site_pages: ModuleType) -> None:
    text = "# Title\n\n![A](a.png)\n\n```python\nx\n```\n\nWhat [it](a.md) is,\nin short. More."
    assert site_pages.first_sentence(text) == "What it is, in short."


def test_every_public_name_is_in_the_reference_once() -> None:
    pages = [path.read_text(encoding="utf-8") for path in (DOCS / "reference").glob("*.md")]
    shown = [name for text in pages for name in re.findall(r"^::: (\S+)$", text, re.MULTILINE)]
    top = {f"agentouto.{name}" for name in agentouto.__all__} - {"agentouto.AgentOutOError"}
    expected = set(top)
    for package in PACKAGES:
        names = importlib.import_module(f"agentouto.{package}").__all__
        again = agentouto.__all__ if package == "exceptions" else ()
        expected |= {f"agentouto.{package}.{name}" for name in {*names}.difference(again)}
    assert sorted(shown) == sorted(expected)


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ('<a href="b.html#there">b</a><img src="a.png">', []),
        ('<a href="https://example.org/x">elsewhere</a>', []),
        ('<a href="c.html">c</a>', ["a.html links to c.html, which does not exist"]),
        ('<a href="b.html#gone">b</a>', ["a.html links to b.html#gone, which has no such place"]),
        ('<a href="#gone">here</a>', ["a.html links to #gone, which has no such place"]),
        ('<img src="gone.png">', ["a.html links to gone.png, which does not exist"]),
        ('<script src="//e.org/x.js"></script>', ["a.html fetches //e.org/x.js"]),
        (
            '<link rel="stylesheet" href="https://e.org/f.css">',
            ["a.html fetches https://e.org/f.css"],
        ),
    ],
)
def test_faults_of_a_site_are_found(
    site_faults: ModuleType, tmp_path: Path, body: str, faults: list[str]
) -> None:
    (tmp_path / "a.html").write_text(body)
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.html").write_text('<h2 id="there">There</h2>')
    assert list(site_faults.faults(tmp_path)) == faults


def test_a_style_that_fetches_a_font_is_a_fault(site_faults: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text('a {b: url(c.png)} @font-face {src: url("https://e.org/f")}')
    assert list(site_faults.faults(tmp_path)) == ["a.css fetches https://e.org/f"]
