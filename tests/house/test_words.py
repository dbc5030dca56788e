"""Words that do not belong into what other people read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

NOT_OURS = {"__pycache__", "build", "dist", "node_modules", "site"}
TEXT = {"", ".cfg", ".css", ".html", ".ini", ".js", ".json", ".jsonl", ".md", ".py", ".pyi"}
TEXT |= {".mjs", ".sh", ".sse", ".svg", ".toml", ".txt", ".typed", ".yaml", ".yml"}

STRANGE = {
    "the number of an issue": r"\b[i]ssue #",
    "how it was written": r"\b[t]his session\b|\b[s]ubagents?\b|\b[s]ub-agent's session",
    "a path of somebody's machine": r"(?<![\w.])/[w]ork/|(?<!\w)/[h]ome/\w|/[U]sers/\w|\.\./[s]hared\b",
    "the address of a registry": r"[p]ypi\.org|[p]ythonhosted\.org|[n]pmjs\.(com|org)|[c]rates\.io",
    "a name that is not ours to install by": r"pip install (-U |--upgrade )?[a]gentouto",
    "something left to do": r"(#|//|<!--) ?([T]ODO|[F]IXME|[X]XX)\b",
}

DIALECT = re.compile(
    r"\b(?:nobody|somebody|whoever|anew|is not known here|is not to be had)\b", re.IGNORECASE
)
"""Turns of phrase that a reader whose first language is not English has to read twice."""

MOST_DIALECT = 140
"""How often they may still occur. The number may only be made smaller."""

READ_BY_STRANGERS = ("src/", "docs/", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")


def ours() -> Iterator[Path]:
    """Yield every text file that belongs to the project."""
    for path in sorted(REPOSITORY.rglob("*")):
        inside = path.relative_to(REPOSITORY)
        hidden = [part for part in inside.parts if part.startswith(".") and part != ".ci"]
        if hidden and inside.parts != (".gitignore",):
            continue
        if NOT_OURS & set(inside.parts) or any(part.endswith(".egg-info") for part in inside.parts):
            continue
        if path.is_file() and path.suffix in TEXT:
            yield path


FILES = {path.relative_to(REPOSITORY).as_posix(): path for path in ours()}


def test_nothing_is_said_that_does_not_belong() -> None:
    found: list[str] = []
    for name, path in FILES.items():
        text = path.read_text(encoding="utf-8")
        for what, words in STRANGE.items():
            for match in re.finditer(words, text):
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"{name}:{line} has {what}: {match[0]!r}")
    assert not found


def test_prose_is_plain_english() -> None:
    found = [
        f"{name}:{number}: {match[0]}"
        for name, path in FILES.items()
        if name.startswith(READ_BY_STRANGERS)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for match in DIALECT.finditer(line)
    ]
    assert len(found) <= MOST_DIALECT, found


def test_there_are_files_to_look_at() -> None:
    assert {"README.md", "pyproject.toml", "dev.py", "src/agentouto/__init__.py"} <= set(FILES)
