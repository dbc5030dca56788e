"""Stores memories in an SQLite file and finds them by full text search (sqlite.org/fts5.html).

Every use opens the file, works in one transaction, and closes it. So nothing is held between uses,
no connection crosses a thread or a fork, and there is nothing to close in the end. Write-ahead
logging (sqlite.org/wal.html) lets others read while one writes; a second writer waits.

The index has a copy of each text in which every letter of a script without spaces between words
(Chinese, Japanese) or with suffixes attached to words (Korean) is a word of its own, so that a part
of such a word is found. A query never reaches FTS5 as its query language: each term is quoted.
"""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import threading
import unicodedata
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from agentouto import ConfigurationError, ToolError

MOST_MEMORY_CHARACTERS = 8_000
"""Characters of one memory: about 2,000 tokens. A longer text is better kept as a file."""

MOST_QUERY_CHARACTERS = 1_000
"""A query is a few words; a longer text is a mistake of the model."""

MOST_QUERY_TERMS = 32
"""FTS5 reads one list of matches for each term."""

MOST_MEMORIES_FOUND = 50
"""At most 100,000 tokens; the default of ``search_memory`` is 10."""

BUSY_SECONDS = 5.0
"""Seconds to wait for another program. A transaction takes milliseconds."""

_APPLICATION_ID = 0x61_6F_6D_31
"""``PRAGMA application_id``: "aom1". It distinguishes a memory from any other SQLite file."""

_SCHEMA_VERSION = 1
_SCHEMA = (
    """CREATE TABLE memories (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL,
    saved TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M', 'now')))""",
    "CREATE VIRTUAL TABLE words USING fts5(text, tokenize = 'unicode61 remove_diacritics 2')",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_SCHEMA_VERSION}",
)
_UNSPACED_LETTER = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]"
)
_QUERY_TERM = re.compile(r"\w+")
_NO_FTS5 = "no such module: fts5"
"""The error of an SQLite that was built without FTS5."""


class MemoryStore:
    """The tools of one memory.

    Args:
        file: The path of the file.
        entries: The maximum number of memories.
        megabytes: The maximum size of the file.
        patience: Seconds to wait while another program writes.

    Raises:
        ConfigurationError: The file cannot be created, or is not a memory.
    """

    def __init__(
        self,
        file: str | os.PathLike[str],
        entries: int,
        megabytes: float,
        patience: float = BUSY_SECONDS,
    ) -> None:
        self._path = Path(os.path.abspath(file))  # noqa: PTH100 - links stay as they are
        self._entries = entries
        self._bytes = int(megabytes * 1_000_000)
        self._patience = patience
        try:
            self._create()
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        except sqlite3.Error as error:
            if _NO_FTS5 in str(error):
                what = "this Python's SQLite was built without full text search (FTS5)"
                raise ConfigurationError(f"memory: {what}") from error
            raise self._unusable(str(error)) from error

    def save_memory(self, text: str) -> str:
        """Save a text for later, also for other conversations. Save one fact at a time.

        Args:
            text: What to remember, in words that make sense without this conversation.
        """
        text = _valid_text(text).strip()
        if not 0 < len(text) <= MOST_MEMORY_CHARACTERS:
            what = (
                f"a memory has 1 to {MOST_MEMORY_CHARACTERS:,} characters; this has {len(text):,}"
            )
            raise ToolError("save_memory", what)
        with self._transaction("save_memory") as base:
            (there,) = base.execute("SELECT count(*) FROM memories").fetchone()
            if there >= self._entries:
                full = f"the memory is full: it has {there:,} entries. Forget some first."
                raise ToolError("save_memory", full)
            number = base.execute("INSERT INTO memories (text) VALUES (?)", (text,)).lastrowid
            base.execute(
                "INSERT INTO words (rowid, text) VALUES (?, ?)", (number, _indexed_text(text))
            )
        return f"Remembered as #{number}."

    def search_memory(self, query: str = "", most: int = 10) -> str:
        """Search the saved texts: the best match first, or without a query the newest first.

        Args:
            query: Words to search for; one of them is enough.
            most: How many memories to return.
        """
        if len(query) > MOST_QUERY_CHARACTERS or not 1 <= most <= MOST_MEMORIES_FOUND:
            what = (
                f"query has up to {MOST_QUERY_CHARACTERS:,} characters, and most is 1 to "
                f"{MOST_MEMORIES_FOUND}"
            )
            raise ToolError("search_memory", what)
        query = _valid_text(query).strip()
        with self._transaction("search_memory") as base:
            found = _search(base, query, most)
        if not found:
            return "Nothing fits." if query else "Nothing has been remembered yet."
        return "\n".join(f"#{number} ({saved} UTC) {text}" for number, saved, text in found)

    def forget_memory(self, number: int) -> str:
        """Delete a memory permanently.

        Args:
            number: Its number, from the result of save_memory or search_memory.
        """
        with self._transaction("forget_memory") as base:
            # SQLite's integers have 64 bits; a larger parameter raises OverflowError.
            gone = (
                abs(number) < 1 << 63
                and base.execute("DELETE FROM memories WHERE id = ?", (number,)).rowcount
            )
            if not gone:
                raise ToolError("forget_memory", f"there is no memory #{number}")
            base.execute("DELETE FROM words WHERE rowid = ?", (number,))
            # FTS5 only marks deleted rows; "optimize" merges the index and drops them.
            base.execute("INSERT INTO words (words) VALUES ('optimize')")
        return f"Forgot #{number}."

    def _create(self) -> None:
        """Create the file if it does not exist, and check that it is a memory."""
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            self._check_kind()
        with closing(self._connect()) as base:
            base.execute("PRAGMA auto_vacuum = FULL")  # has an effect on an empty file only
            base.execute("BEGIN IMMEDIATE")
            (mark,) = base.execute("PRAGMA application_id").fetchone()
            (version,) = base.execute("PRAGMA user_version").fetchone()
            (tables,) = base.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if (mark, version, tables) == (0, 0, 0):
                for sentence in _SCHEMA:
                    base.execute(sentence)
            elif mark != _APPLICATION_ID:
                raise self._unusable("it is some other SQLite file")
            elif version > _SCHEMA_VERSION:
                raise self._unusable(
                    f"it was made by a newer version ({version} > {_SCHEMA_VERSION})"
                )
            else:
                base.execute("SELECT rowid FROM words LIMIT 0")
            base.execute("COMMIT")
            _enable_write_ahead_log(base)  # not before: another file must stay as it is

    def _check_kind(self) -> None:
        status = self._path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise self._unusable("it is no file")
        with self._path.open("rb") as file:
            head = file.read(16)
        if head and head != b"SQLite format 3\0":  # sqlite.org/fileformat.html, 1.3
            raise self._unusable("it is no SQLite file")

    @contextmanager
    def _transaction(self, tool_name: str) -> Generator[sqlite3.Connection]:
        """Open the file for one transaction."""
        try:
            self._check_kind()
            # A full memory needs space to forget: "optimize" writes the whole index again.
            with closing(self._connect(2 if tool_name == "forget_memory" else 1)) as base:
                base.execute("BEGIN IMMEDIATE" if tool_name != "search_memory" else "BEGIN")
                yield base
                base.execute("COMMIT")
        except ConfigurationError as error:
            raise ToolError(tool_name, str(error)) from error
        except OSError as error:
            raise ToolError(tool_name, f"{self._path}: {error.strerror or error}") from error
        except sqlite3.Error as error:
            why = str(error)
            if "locked" in why:  # SQLite: "database is locked"
                why = f"another program has held it for more than {self._patience:g} s; try again"
            elif "full" in why:  # SQLite: "database or disk is full"
                why = f"it may have {self._bytes / 1e6:g} MB, and they are full. Forget some first."
            raise ToolError(tool_name, f"the memory cannot be used: {why}") from error

    def _connect(self, times: int = 1) -> sqlite3.Connection:
        """Open the existing file; ``mode=rw`` does not create a file that was deleted meanwhile."""
        base = sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw", uri=True, timeout=self._patience, isolation_level=None
        )
        try:
            base.execute("PRAGMA synchronous = NORMAL")
            base.execute("PRAGMA secure_delete = ON")
            # Another program may have created the file, with functions in its schema.
            base.execute("PRAGMA trusted_schema = OFF")
            (page,) = base.execute("PRAGMA page_size").fetchone()
            base.execute(f"PRAGMA max_page_count = {max(times * self._bytes // page, 1)}")
        except BaseException:
            base.close()
            raise
        return base

    def _unusable(self, why: str) -> ConfigurationError:
        return ConfigurationError(f"memory: {str(self._path)!r} cannot be used: {why}")


def _search(base: sqlite3.Connection, query: str, most: int) -> list[tuple[int, str, str]]:
    terms = _QUERY_TERM.findall(unicodedata.normalize("NFKC", query))[:MOST_QUERY_TERMS]
    if terms:
        wanted = " OR ".join(map(_fts_phrase, terms))
        rows = base.execute(
            "SELECT id, saved, memories.text FROM words JOIN memories ON id = words.rowid "
            "WHERE words MATCH ? ORDER BY words.rank, id DESC LIMIT ?",
            (wanted, most),
        )
    else:  # FTS5 ignores characters that are not part of words, so the plain text is searched
        rows = base.execute(
            "SELECT id, saved, text FROM memories WHERE instr(text, ?) ORDER BY id DESC LIMIT ?",
            (query, most),
        )
    return rows.fetchall()


def _fts_phrase(term: str) -> str:
    """Return a term as an FTS5 phrase, of which the last word may be a prefix.

    A term consists of letters, digits and ``_``, so nothing in it can end the quotation.
    """
    prefix = "*" if len(term) > 2 and not _UNSPACED_LETTER.match(term[-1]) else ""
    return f'"{_indexed_text(term)}"{prefix}'


def _indexed_text(text: str) -> str:
    return _UNSPACED_LETTER.sub(r" \g<0> ", unicodedata.normalize("NFKC", text))


def _valid_text(text: str) -> str:
    """Return ``text`` with lone surrogates escaped, because they cannot be encoded in UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _enable_write_ahead_log(base: sqlite3.Connection) -> None:
    """Switch to write-ahead logging, in a loop: the busy timeout does not apply to this pragma."""
    for _ in range(int(BUSY_SECONDS / 0.05)):
        try:
            if base.execute("PRAGMA journal_mode").fetchone() == ("wal",):
                return
            base.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            threading.Event().wait(0.05)
