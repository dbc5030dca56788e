"""The pages for developers name only modules, exceptions, paths and names that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from house import test_house as house

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md")

DOORS = {
    "touch the network": house.MAY_TOUCH_THE_NETWORK,
    "listen": house.MAY_LISTEN,
    "start tasks": house.MAY_START_TASKS,
    "start threads": house.MAY_START_THREADS,
    "read the clock and random numbers": house.MAY_READ_THE_CLOCK,
    "name `Any` in the inner layers": house.MAY_NAME_ANY,
}
"""The name of each row in the table of doors, and the modules that it must list."""

HOMES = ("", "src/agentouto", "src/agentouto/auth", "tests", "tests/house")
"""Folders to which the paths on a page may be relative."""

MADE_BY_TOOLS = re.compile(r"^\.venv|^snapshots$")
"""Not in a clone, or part of a longer path."""

SPAN = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"^\.?[\w.-]+(/[\w.*-]*)+$|^\.?\w[\w-]*\.(py|md|toml|txt|yaml|lock)$")
FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def rows(page: str, *heading: str) -> Iterator[list[str]]:
    """Yield the rows of the table of ``page`` with this heading."""
    lines = read(page).splitlines()
    begin = lines.index(f"| {' | '.join(heading)} |")
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


def test_the_page_names_the_doors_that_the_tests_know() -> None:
    named: dict[str, set[str]] = {}
    what = ""
    for row in rows("ARCHITECTURE.md", "what", "where", "why"):
        what = row[0] or what
        named.setdefault(what, set()).update(SPAN.findall(row[1]))
    assert named == DOORS


def test_the_page_names_the_late_imports_that_the_tests_know() -> None:
    named: dict[str, set[str]] = {}
    for where, what in rows("ARCHITECTURE.md", "where", "what"):
        for module in SPAN.findall(where):
            named[module] = set(SPAN.findall(what))
    anything = {folder: set[str]() for folder in house.MAY_IMPORT_LATE_ANYTHING}
    assert named == {**house.MAY_IMPORT_LATE, **anything}


PYDANTIC = {"pydantic", "pydantic_core"}


def test_of_what_costs_much_the_page_names_every_door() -> None:
    doors = dict(house.MAY_IMPORT_LATE)
    assert {name for name, what in doors.items() if "aiohttp" in what} == house.MAY_IMPORT_AIOHTTP
    assert {name for name, what in doors.items() if what & PYDANTIC} == house.MAY_IMPORT_PYDANTIC


def sources() -> str:
    """Return the text of the whole package."""
    return "\n".join(path.read_text("utf-8") for path in sorted((REPOSITORY / "src").rglob("*.py")))


def unknown_types(text: str, code: str) -> list[str]:
    """Return the names of types in ``text`` that ``code`` does not have."""
    spans = " ".join(SPAN.findall(FENCE.sub("", text)))
    names = dict.fromkeys(re.findall(r"\b[A-Z][a-z]\w+", spans))
    return [name for name in names if not re.search(rf"\b{name}\b", code)]


def unused_words(words: list[str], code: str) -> list[str]:
    """Return the ``words`` that ``code`` never uses, as a part of a name or of a sentence."""
    return [
        word
        for word in words
        if not re.search(
            re.sub(r"[ -]", "[ _-]?", re.escape(word).replace("\\", "")), code, re.IGNORECASE
        )
    ]


def test_the_page_names_types_that_are_there() -> None:
    assert not {*unknown_types(read("ARCHITECTURE.md"), sources())}


def test_a_type_that_is_not_there_is_noticed() -> None:
    assert unknown_types("A `Gone.thing` and a `Tool(name=)`.", "class Tool:") == ["Gone"]


def test_every_word_of_the_table_is_used() -> None:
    words = [
        word for row in rows("ARCHITECTURE.md", "word", "meaning") for word in row[0].split(", ")
    ]
    assert len(words) > 30
    assert not {*unused_words(words, sources())}


def test_a_word_that_nothing_uses_is_noticed() -> None:
    code = "class TokenStore: ...\nstand_ins = ()"
    assert unused_words(["token store", "stand-in", "desk"], code) == ["desk"]


def absent(text: str) -> list[str]:
    """Return the paths and names in ``text`` that do not exist."""
    spans = SPAN.findall(FENCE.sub("", text))
    code = " ".join(FENCE.findall(text))
    words = [word for span in [*spans, code] for word in span.split()]
    tests = {path: path.read_text("utf-8") for path in (REPOSITORY / "tests").rglob("*.py")}
    everything = "\n".join(tests.values())
    missing: list[str] = []
    for word in (each.strip("()") for each in words):
        path = word.partition("::")[0]
        name = word.partition("=")[0]
        if PATH.match(path) and not MADE_BY_TOOLS.match(path):
            there = any((REPOSITORY / home / path).exists() for home in HOMES)
        elif word.startswith("agentouto.") and word in spans:
            there = has(word)
        elif word.startswith("test_"):
            there = f"def {word}(" in everything
        elif re.fullmatch(r"[A-Z]+(_[A-Z]+)+", name):
            there = f'"{name}"' in everything
        else:
            there = True
        if not there:
            missing.append(word)
    return missing


def has(dotted: str) -> bool:
    """Tell whether ``dotted`` is a module of the package, or an attribute of one."""
    try:
        import_module(dotted)
    except ImportError:
        module, _, name = dotted.rpartition(".")
        return hasattr(import_module(module), name)
    return True


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_nothing_that_is_not_there(page: str) -> None:
    assert absent(read(page)) == []


@pytest.mark.parametrize(
    "word",
    [
        "exhibits/",
        "_engine/gone.py",
        "tests/gone/test_x.py::test_y",
        "GONE.md",
        "agentouto.gone",
        "test_that_is_gone_for_good" + "_",
        "REWRITE_NOTHING" + "_AT_ALL=1 pytest",
    ],
)
def test_what_is_not_there_is_noticed(word: str) -> None:
    assert absent(f"Look at `{word}`.") == word.split()[:1]


def test_commands_in_blocks_are_looked_at_too() -> None:
    assert absent("```\npytest tests/gone\n. .venv/bin/activate\n```\n") == ["tests/gone"]
