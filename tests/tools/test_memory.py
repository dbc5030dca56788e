"""The memory: any text is a text and a query, two programs at once, bounded."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agentouto import ConfigurationError, Tool, ToolError
from agentouto.tools import memory
from agentouto.tools._memory_store import MemoryStore
from children import unmeasured


class Desk:
    """The tools of a memory, by short names."""

    def __init__(self, file: Path, **more: Any) -> None:
        self.tools = {one.name: one for one in memory(file, **more)}
        self.save: Tool[..., Any] = self.tools["save_memory"]
        self.search: Tool[..., Any] = self.tools["search_memory"]
        self.forget: Tool[..., Any] = self.tools["forget_memory"]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "memory.db")


def why(use: Callable[..., Any], *args: object) -> str:
    with pytest.raises(ToolError) as caught:
        use(*args)
    return caught.value.message


def texts(found: str) -> list[str]:
    return [line.partition(" UTC) ")[2] for line in found.split("\n")]


# Save, search, forget -----------------------------------------------------------------------------


def test_what_was_saved_is_found_the_best_first_and_can_be_forgotten(desk: Desk) -> None:
    assert desk.save("The harbour closes at ten.") == "Remembered as #1."
    assert desk.save("  The tide is high at six. The tide!  ") == "Remembered as #2."
    found = desk.search("tide harbour")
    assert texts(found) == ["The tide is high at six. The tide!", "The harbour closes at ten."]
    assert found.startswith("#2 (20")
    assert texts(desk.search("TIDES")) != texts(desk.search("tid"))
    assert texts(desk.search("harb")) == ["The harbour closes at ten."]
    assert desk.search("nothing") == "Nothing fits."
    assert desk.forget(2) == "Forgot #2."
    assert desk.search("tide") == "Nothing fits."
    assert why(desk.forget, 2) == "there is no memory #2"
    assert desk.save("Again.") == "Remembered as #3."


def test_without_a_query_the_newest_come_first(desk: Desk) -> None:
    assert desk.search() == "Nothing has been remembered yet."
    for number in range(12):
        desk.save(f"fact {number}")
    assert texts(desk.search()) == [f"fact {number}" for number in range(11, 1, -1)]
    assert texts(desk.search("", 2)) == ["fact 11", "fact 10"]
    assert texts(desk.search("fact 3", 1)) == ["fact 3"]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("회의록을 정리했다", "회의"),
        ("회의록을 정리했다", "정리"),
        ("潮位は六時に高い", "六時"),
        ("今天的会议记录", "会议"),
        ("GPT모델을 쓴다", "GPT모델"),
        ("Müller wohnt in Zürich", "zurich"),
        ("Müller wohnt in Zürich", "MÜLL"),
        ("fullwidth \uff21\uff22\uff23", "abc"),
        ("e\u0301tude", "étude"),
        ("snake_case_name", "snake_case"),
        ("C++ and C#", "c"),
        ("price 12.50", "12.50"),
        ("→ north", "→"),
        ("a smile 🙂 here", "🙂"),
    ],
)
def test_words_of_every_script_are_found(desk: Desk, text: str, query: str) -> None:
    desk.save("something else")
    desk.save(text)
    assert texts(desk.search(query))[0] == text


QUERIES = [
    '"', "'", '"""', "(", ")", "*", "^", "-", "+", ":", "text:", "NEAR", "NEAR(a b, 3)", "AND", "OR",
    "NOT", "a AND", "AND b", "a OR OR b", "NOT x", "{text} : x", "-text:x", '"a" + "b', "a*b", "^a",
    "'; DROP TABLE memories; --", '" OR 1=1 --', "%", "_", "?", "?1", "\0", "a\0b", "\ud800", "\\",
    "\n", "\t", "\u200b", "\ufeff", "x" * 1_000, "a " * 500, "🙂" * 500, "é" * 1_000, "²", "①", "ﷺ", "İ",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_every_text_is_a_query_and_a_memory(desk: Desk, query: str) -> None:
    desk.save("kept")
    assert desk.search(query)
    if query.strip():
        desk.save(query)
        desk.forget(2)
    assert texts(desk.search("kept")) == ["kept"]


def test_halves_of_characters_are_written_out(desk: Desk) -> None:
    desk.save("half \ud800 here \0 there")
    assert texts(desk.search("half")) == ["half \\ud800 here \\x00 there"]


def test_what_was_forgotten_is_not_in_the_file(desk: Desk, tmp_path: Path) -> None:
    for number in range(50):
        desk.save(f"filler {number} {'y' * 500}")
    desk.save("password xyzzyplugh")
    file = tmp_path / "memory.db"
    assert b"xyzzyplugh" in file.read_bytes()
    desk.forget(51)
    assert not [path for path in tmp_path.iterdir() if b"xyzzyplugh" in path.read_bytes()]


# Bounded ------------------------------------------------------------------------------------------


def test_texts_and_queries_have_a_size(desk: Desk) -> None:
    assert "1 to 8,000 characters; this has 8,001" in why(desk.save, "x" * 8_001)
    assert "1 to 8,000 characters; this has 0" in why(desk.save, " \n")
    assert "query has up to 1,000" in why(desk.search, "x" * 1_001)
    for most in (0, -1, 51):
        assert "most is 1 to 50" in why(desk.search, "x", most)
    for number in (0, -1, 1 << 70):
        assert "there is no memory" in why(desk.forget, number)


def test_a_full_memory_says_so_and_takes_more_after_forgetting(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "m", entries=3)
    for number in range(3):
        desk.save(f"fact {number}")
    assert "it has 3 entries. Forget some first" in why(desk.save, "one more")
    desk.forget(1)
    desk.save("one more")
    assert texts(desk.search("more")) == ["one more"]


def test_the_file_has_a_size(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "m", megabytes=1)
    saved = 0
    texts_of_it = [f"{n} " + " ".join(f"{n}w{m}" for m in range(600)) for n in range(1_000)]
    try:
        for text in texts_of_it:
            desk.save(text)
            saved += 1
    except ToolError as error:
        said = error.message
    assert "it may have 1 MB, and they are full" in said
    assert 20 < saved < 1_000
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1_000_000
    assert texts(desk.search("0w1"))[0].startswith("0 ")
    desk.forget(1)


def test_many_memories_are_searched_quickly(tmp_path: Path) -> None:
    file = tmp_path / "m"
    desk = Desk(file)
    desk.save("needle in the hay")
    with sqlite3.connect(file) as base:  # as save does it, in one transaction
        rows = [(number, f"hay {number} {'straw ' * 100}") for number in range(2, 9_999)]
        base.executemany("INSERT INTO memories (id, text) VALUES (?, ?)", rows)
        base.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", rows)
    base.close()
    begin = time.monotonic()
    assert texts(desk.search("needle")) == ["needle in the hay"]
    assert len(texts(desk.search("hay " * 200, 50))) == 50
    assert desk.search("→") == "Nothing fits."
    desk.save("one more")
    desk.forget(1)
    assert time.monotonic() - begin < 5


# Two at once --------------------------------------------------------------------------------------

WRITER = """
import sys
from agentouto.tools import memory
save, search, forget = memory(sys.argv[1])
for number in range(40):
    save(f"{sys.argv[2]} fact {number}")
    search("fact")
"""


def test_two_programs_write_and_read_at_once(tmp_path: Path) -> None:
    file = tmp_path / "memory.db"  # none of them finds it there
    programs = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(file), name], stderr=subprocess.PIPE)
        for name in ("left", "right", "third")
    ]
    for program in programs:
        _, said = program.communicate(timeout=50)
        assert program.returncode == 0, said.decode()
    desk = Desk(file)
    for name in ("left", "right", "third"):
        assert len(texts(desk.search(name, 50))) == 40
    with sqlite3.connect(file) as base:
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert base.execute("SELECT count(*) FROM words").fetchone() == (120,)
    base.close()


def test_many_threads_write_at_once(desk: Desk) -> None:
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(desk.save, [f"fact {number}" for number in range(120)]))
    assert len(texts(desk.search("fact", 50))) == 50
    assert "#120 " in desk.search()


def test_who_holds_it_too_long_is_named_and_readers_do_not_wait(desk: Desk, tmp_path: Path) -> None:
    desk.save("there")
    hurried = MemoryStore(tmp_path / "memory.db", 10, 1, patience=0.2)
    other = sqlite3.connect(tmp_path / "memory.db", isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        assert "another program has held it for more than 0.2 s" in why(hurried.save_memory, "more")
        assert texts(hurried.search_memory("there")) == ["there"]
        other.execute("ROLLBACK")
        assert desk.save("more") == "Remembered as #2."
    finally:
        other.close()


def test_a_program_that_is_killed_harms_nothing(tmp_path: Path) -> None:
    file = tmp_path / "memory.db"
    desk = Desk(file)
    program = (
        "import os, sqlite3, sys\n"
        "base = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "base.execute('BEGIN IMMEDIATE')\n"
        "base.execute(\"INSERT INTO memories (text) VALUES ('half')\")\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(file)], check=False)
    assert done.returncode == -9
    assert desk.search() == "Nothing has been remembered yet."
    assert desk.save("whole") == "Remembered as #1."


# What cannot be a memory --------------------------------------------------------------------------


def test_only_the_user_can_read_it(desk: Desk, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "memory.db").stat().st_mode) == 0o600


def test_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("some notes of mine, not a database at all", encoding="utf-8")
    with sqlite3.connect(tmp_path / "other.db") as base:
        base.execute("CREATE TABLE mine (x)")
    base.close()
    with sqlite3.connect(tmp_path / "newer.db") as base:
        base.execute("PRAGMA application_id = 0x616F6D31")
        base.execute("PRAGMA user_version = 99")
        base.execute("CREATE TABLE memories (x)")
    base.close()
    os.mkfifo(tmp_path / "pipe")
    broken = b"SQLite format 3\0" + b"\xff" * 4_000
    (tmp_path / "broken.db").write_bytes(broken)
    for name, what in (
        ("text", "it is no SQLite file"),
        ("other.db", "it is some other SQLite file"),
        ("newer.db", "made by a newer version"),
        ("pipe", "it is no file"),
        (".", "it is no file"),
        ("broken.db", "cannot be used"),
        ("no/such/folder", "No such file"),
    ):
        before = (tmp_path / name).read_bytes() if (tmp_path / name).is_file() else b""
        with pytest.raises(ConfigurationError, match=what):
            memory(tmp_path / name)
        if before and name != "other.db":
            assert (tmp_path / name).read_bytes() == before
    with sqlite3.connect(tmp_path / "other.db") as base:
        assert base.execute("SELECT name FROM sqlite_master").fetchall() == [("mine",)]
    base.close()


def test_bounds_that_are_none_are_refused(tmp_path: Path) -> None:
    for bounds in (
        {"entries": 0},
        {"megabytes": 0},
        {"megabytes": float("nan")},
        {"megabytes": float("inf")},
    ):
        with pytest.raises(ConfigurationError, match="at least 1"):
            memory(tmp_path / "m", **bounds)  # type: ignore[arg-type]
    assert not (tmp_path / "m").exists()


def test_a_memory_that_is_taken_away_is_named_and_not_made_again(
    desk: Desk, tmp_path: Path
) -> None:
    for path in tmp_path.iterdir():
        path.unlink()
    assert "No such file" in why(desk.save, "x")
    assert not (tmp_path / "memory.db").exists()
    (tmp_path / "memory.db").write_text("something else", encoding="utf-8")
    assert "it is no SQLite file" in why(desk.search, "x")


def test_an_sqlite_without_full_text_search_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sqlite3.connect
    with pytest.raises(sqlite3.OperationalError) as caught, closing(real(":memory:")) as base:
        base.execute("CREATE VIRTUAL TABLE x USING no_such_thing(y)")
    words = str(caught.value)  # what SQLite says of any module that it was built without

    class Without(sqlite3.Connection):
        """SQLite built without FTS5: it knows no such module, and says so in its own words."""

        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            if "USING fts5" in sql:
                raise sqlite3.OperationalError(words.replace("no_such_thing", "fts5"))
            return super().execute(sql, *args)

    def connect(*args: Any, **more: Any) -> sqlite3.Connection:
        return real(*args, factory=Without, **more)

    monkeypatch.setattr(sqlite3, "connect", connect)
    with pytest.raises(ConfigurationError, match=r"without full text search \(FTS5\)"):
        memory(tmp_path / "m")


def test_a_python_without_sqlite_is_named_and_has_the_other_tools(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "sys.modules['_sqlite3'] = None\n"
        "from agentouto.tools import files, memory\n"
        "from agentouto import ConfigurationError\n"
        "assert files(sys.argv[1])\n"
        "try:\n    memory(sys.argv[1] + '/m')\n"
        "except ConfigurationError as error:\n    print(error)\n"
    )
    done = unmeasured(program, tmp_path)
    assert done.stdout.startswith("memory needs SQLite, which this Python lacks")
