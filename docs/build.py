"""Builds the site: collects its pages, has mkdocs make it, and checks what came out.

::

    python docs/build.py [FOLDER]          by default site/

``python3 dev.py docs`` runs it in an environment of its own. The site works from a folder, without
a server and without a network. A page without a place in the navigation, a link that leads nowhere,
and anything that a browser would fetch from elsewhere, end the build with exit code 1.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from signatures import description
from site_faults import faults
from site_pages import ROOT, collect, configuration, first_sentence, navigation

STAGE = ROOT / ".nox" / "docs" / "pages"
"""Where mkdocs.yml looks for the pages."""

REFERENCE = re.compile(r"^::: (agentouto[\w.]+)$", re.MULTILINE)

FILE_OF_PAGE = re.compile(r"<code>docs/([\w-]+)\.md</code>")


def write_for_models(stage: Path) -> None:
    """Write ``llms.txt``, a list of the pages, and ``llms-full.txt``, all their texts."""
    setup = configuration()
    head = f"# {setup['site_name']}\n\n> {setup['site_description']}\n"
    contents, texts, section = [head], [head], None
    for page in navigation(setup["nav"]):
        text = (stage / page.path).read_text(encoding="utf-8")
        if page.section != section:
            section = page.section
            contents.append(f"\n## {section or 'Start'}\n\n")
        address = page.path.removesuffix(".md") + ".html"
        contents.append(f"- [{page.title}]({address}): {first_sentence(text)}\n")
        texts.append(f"\n\n<!-- {page.path} -->\n\n{described(text).strip()}\n")
    (stage / "llms.txt").write_text("".join(contents), encoding="utf-8")
    (stage / "llms-full.txt").write_text("".join(texts), encoding="utf-8")


def described(text: str) -> str:
    """Return a page of the reference with signatures and docstrings instead of their names."""
    return REFERENCE.sub(lambda found: description(found[1]), text)


def link_pages(site: Path) -> None:
    """Make links of the files of pages that docstrings name; their readers may have no site."""
    for file in site.rglob("*.html"):

        def link(found: re.Match[str], folder: Path = file.parent) -> str:
            page = site / f"{found[1]}.html"
            path = os.path.relpath(page, folder)
            return f'<a href="{path}">{found[0]}</a>' if page.exists() else found[0]

        text = file.read_text(encoding="utf-8")
        file.write_text(FILE_OF_PAGE.sub(link, text), encoding="utf-8")


# ── all of it ─────────────────────────────────────────────────────────────────────────────────────


def main(arguments: list[str]) -> int:
    """Build the site and return the exit code."""
    site = Path(arguments[0] if arguments else ROOT / "site").resolve()
    collect(STAGE)
    write_for_models(STAGE)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean"]
    quiet = {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}  # it is pinned below 2
    command += ["--config-file", str(ROOT / "mkdocs.yml"), "--site-dir", str(site)]
    built = subprocess.run(command, env={**os.environ, **quiet}, check=False)  # noqa: S603
    if built.returncode:
        return 1
    (site / "404.html").unlink(missing_ok=True)  # for servers; its links begin with a slash
    link_pages(site)
    found = list(faults(site))
    for fault in found:
        print(fault, file=sys.stderr)  # noqa: T201
    if not found:
        print(f"{site / 'index.html'}: {len(list(site.rglob('*.html')))} pages")  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
