"""Looks for what is wrong with a site that is to work from a folder, without a network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("link", "href")}
"""Attributes whose addresses a browser fetches by itself."""


class _Html(HTMLParser):
    """Collects the places, links and needs of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what a tag has."""
        for name, value in attrs:
            if name == "id" or (tag, name) == ("a", "name"):
                self.places.add(value or "")
            elif (tag, name) == ("a", "href"):
                self.links.append(value or "")
            elif (tag, name) in FETCHED:
                self.fetched.append(value or "")


def faults(site: Path) -> Iterator[str]:
    """Yield what is wrong with a site: links that lead nowhere, and what comes from elsewhere."""
    pages: dict[Path, _Html] = {}
    for file in sorted(site.rglob("*.html")):
        pages[file] = _Html()
        pages[file].feed(file.read_text(encoding="utf-8"))
    for file, page in pages.items():
        name = file.relative_to(site).as_posix()
        yield from (f"{name} fetches {url}" for url in page.fetched if elsewhere(url))
        for url in [*page.links, *(url for url in page.fetched if not elsewhere(url))]:
            if elsewhere(url):
                continue
            parts = urlsplit(url)
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not target.is_file():
                yield f"{name} links to {url}, which does not exist"
            elif parts.fragment and target in pages:
                anchor = unquote(parts.fragment)
                if anchor not in pages[target].places and anchor != "__skip":
                    yield f"{name} links to {url}, which has no such place"
    for file in sorted(site.rglob("*.css")):
        text = file.read_text(encoding="utf-8")
        for url in re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", text):
            if elsewhere("".join(url)):
                yield f"{file.relative_to(site).as_posix()} fetches {''.join(url)}"


def elsewhere(url: str) -> bool:
    """Tell whether an address leads out of the site."""
    parts = urlsplit(url)
    return bool(parts.netloc) or parts.scheme in {"http", "https", "mailto"}
