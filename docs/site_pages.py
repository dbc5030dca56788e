"""The pages of the site: where they come from, what their links become, and their order."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, cast

import yaml

ROOT = Path(__file__).resolve().parents[1]
FROM_THE_ROOT = {
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "CHANGELOG.md": "changes.md",
}
"""Pages that developers expect at the root of a repository, and their names in the site."""

FORMS = {".css", ".js", ".md", ".png", ".svg"}
LINK = re.compile(
    r"(?P<bang>!?)\[(?P<text>[^\]]*)\]\((?P<target>(?!\w+:)[^)\s#]*)(?P<anchor>#[^)\s]*)?\)"
)
FENCES = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


class Page(NamedTuple):
    """A page of the navigation."""

    section: str
    title: str
    path: str


def sources() -> dict[Path, str]:
    """Return the files of the site, and their names in it."""
    docs = ROOT / "docs"
    files = [file for file in sorted(docs.rglob("*")) if file.suffix in FORMS]
    names = {file: file.relative_to(docs).as_posix() for file in files}
    return names | {ROOT / name: path for name, path in FROM_THE_ROOT.items()}


def collect(stage: Path) -> None:
    """Put all pages into ``stage``, with the links that they have in the site."""
    shutil.rmtree(stage, ignore_errors=True)
    names = sources()
    for file, name in names.items():
        target = stage / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".md":
            text = moved(file.read_text(encoding="utf-8"), file, name, names)
            target.write_text(text, encoding="utf-8")
        else:
            shutil.copy(file, target)


def moved(text: str, file: Path, name: str, names: Mapping[Path, str]) -> str:
    """Return the text of ``file`` with links for its place ``name`` in the site.

    A link to a file that is not in the site, such as an example, becomes its path.
    """

    def link(found: re.Match[str]) -> str:
        if not found["target"]:
            return found[0]
        aim = (file.parent / found["target"]).resolve()
        if aim in names:
            path = os.path.relpath(names[aim], Path(name).parent)
            return f"{found['bang']}[{found['text']}]({path}{found['anchor'] or ''})"
        if aim.exists():
            path = f"`{aim.relative_to(ROOT).as_posix()}`"
            return path if found["text"].strip("`") in path else f"{found['text']} ({path})"
        return found[0]  # mkdocs reports it

    parts = FENCES.split(text)
    return "".join(part if part.startswith("```") else LINK.sub(link, part) for part in parts)


def configuration() -> dict[str, object]:
    """Return what mkdocs.yml says, without the functions that it names."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    return cast("dict[str, object]", yaml.safe_load(re.sub(r"!!python/\S+", "", text)))


def navigation(entries: object, section: str = "") -> Iterator[Page]:
    """Yield the pages of a navigation in their order."""
    for entry in cast("list[str | dict[str, object]]", entries):
        if isinstance(entry, str):
            yield Page(section, section, entry)
            continue
        for title, inside in entry.items():
            if isinstance(inside, str):
                yield Page(section, title, inside)
            else:
                yield from navigation(inside, title)


def first_sentence(text: str) -> str:
    """Return the first sentence of a page, without links."""
    for paragraph in FENCES.sub("", text).split("\n\n"):
        if paragraph.strip() and not paragraph.lstrip().startswith(("#", "|", "!", "<", ":::")):
            plain = " ".join(LINK.sub(lambda found: found["text"], paragraph).split())
            return re.split(r"(?<=[.?!])\s", plain, maxsplit=1)[0]
    return ""
