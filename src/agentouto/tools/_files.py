"""``files``: tools that list, read, search, and if allowed write and edit files in one folder.

`_folder` keeps every path inside the folder; `_text` decodes and encodes. Everything is bounded,
because a model chooses the paths and the patterns, and a result goes into its context window. What
a bound left out is said in the result, so that the model can ask for the rest.
"""

from __future__ import annotations

import codecs
import fnmatch
import itertools
import os
import re
import stat
import threading
from collections.abc import Callable, Iterable, Iterator

from agentouto import ConfigurationError, Tool, ToolError
from agentouto.tools._folder import (
    ConfinedFolder,
    FolderEntry,
    Unreachable,
    Walk,
    describe_kind,
    printable,
    read_bytes,
    tool_errors,
)
from agentouto.tools._text import DecodedText, decode_bytes
from agentouto.tools._text_search import TextSearch

MOST_FILE_BYTES = 10_000_000
"""Bytes read of one file, and the size of the largest file that is edited or written. Source code
and documents are smaller, and as a string they take at most 40 MB: 4 bytes a character."""

MOST_RESULT_CHARACTERS = 262_144
"""Characters in one result: about 65,000 tokens. A result is cut to a tenth of the context window
anyway, so only a model that reads more than 650,000 tokens would have use for more."""

MOST_ENTRIES_LISTED = 1_000
"""About 20,000 tokens; a model that needs more can narrow the path or the pattern."""

MOST_ENTRIES_VISITED = 50_000
"""Entries that one use looks at: some seconds on a slow disk."""

MOST_PATTERN_CHARACTERS = 200
"""A pattern becomes a regular expression that is compiled for each use."""

FOLDERS_NOT_ENTERED = (".git", ".hg", ".svn", ".venv", "__pycache__", "node_modules")
"""Folders that tools create and fill with more files than the project itself has."""


def files(
    root: str | os.PathLike[str],
    write: bool = False,  # noqa: FBT001, FBT002 - files(".", True) says it well enough
    *,
    fallback: str = "windows-1252",
    skip: Iterable[str] = FOLDERS_NOT_ENTERED,
) -> list[Tool[..., object]]:
    """Return tools for the files in one folder: ``list_files``, ``read_file``, ``search_files``.

    Args:
        root: The folder. Nothing outside of it is reached, and no symbolic link is followed.
        write: Whether there are ``write_file`` and ``edit_file``, too.
        fallback: The encoding of text that is not Unicode.
        skip: Names of folders that recursive listing and search do not enter.

    Raises:
        ConfigurationError: There is no such folder or encoding.
    """
    try:
        "a".encode(fallback)  # LookupError also for codecs that are not for text, such as hex
        codecs.getincrementaldecoder(fallback)
    except LookupError as error:
        raise ConfigurationError(f"files: there is no text encoding {fallback!r}") from error
    tool_set = _FileTools(ConfinedFolder(root, "files"), fallback, frozenset(skip))
    tools: list[Tool[..., object]] = [
        Tool(tool_set.list_files),
        Tool(tool_set.read_file),
        Tool(tool_set.search_files),
    ]
    if write:
        tools += [Tool(tool_set.write_file), Tool(tool_set.edit_file)]
    return tools


class _FileTools:
    def __init__(self, folder: ConfinedFolder, fallback: str, skip: frozenset[str]) -> None:
        self._folder = folder
        self._fallback = fallback
        self._skip = skip
        self._editing = threading.Lock()  # two edits of one reply must not lose one of them

    def list_files(self, path: str = ".", pattern: str = "*", *, recursive: bool = False) -> str:
        """List the entries of a folder, sorted: folders end with /, files have their size.

        Args:
            path: The folder, relative to the top; "." is the top itself.
            pattern: Only names or paths like this, such as *.py
            recursive: Whether to list the folders below, too.
        """
        matches = _path_matcher("list_files", pattern)
        with tool_errors("list_files", path):
            if recursive:
                walk = Walk(MOST_ENTRIES_VISITED, self._skip)
                lines = _listing_lines(self._folder.walk(path, walk), matches)
                notes = walk.notes
                if not walk.remaining:
                    notes.append(f"only the first {MOST_ENTRIES_VISITED:,} entries were looked at")
            else:
                entries, whole = self._folder.entries(path)
                lines = _listing_lines(iter(entries), matches)
                notes = [] if whole else ["the folder has more names than are looked at"]
        if len(lines) > MOST_ENTRIES_LISTED:
            lines = lines[:MOST_ENTRIES_LISTED]
            notes.append(
                f"only the first {MOST_ENTRIES_LISTED:,} are shown; narrow it with path or pattern"
            )
        return _with_notes(lines or ["(nothing)"], notes)

    def read_file(self, path: str, first_line: int = 1, last_line: int | None = None) -> str:
        """Read a text file, or some lines of it. The first line of the result says which.

        Args:
            path: The file, relative to the top.
            first_line: The first line to read, from 1.
            last_line: The last line to read; left out, as many as can be read at once.
        """
        if first_line < 1 or (last_line is not None and last_line < first_line):
            raise ToolError("read_file", "lines are counted from 1, and the last is not before")
        with tool_errors("read_file", path):
            content, text, _ = self._read(path)
        plain, line_end = _with_line_feeds(text.text)
        chosen, last, cut = _select_lines(plain, first_line, last_line)
        if last < first_line:
            if not plain:
                return f"[{printable(path)}: empty]"
            raise ToolError(
                "read_file", f"{printable(path)} has no line {first_line}; it has {last}"
            )
        described = [f"{printable(path)}: lines {first_line} to {last}", text.described]
        if line_end != "\n":
            described.append("lines end with CRLF")
        head = f"[{', '.join(described)}]\n"
        return f"{head}{chosen}{cut}{self._truncation_note(path, content, last_line)}"

    def search_files(
        self,
        text: str,
        path: str = ".",
        pattern: str = "*",
        *,
        ignore_case: bool = False,
    ) -> str:
        """Find lines that contain a text. The text is not a regular expression.

        Args:
            text: What to look for.
            path: The folder to look in, or one file, relative to the top.
            pattern: Only names or paths like this, such as *.py
            ignore_case: Whether A matches a.
        """
        if not text or len(text) > MOST_RESULT_CHARACTERS:
            raise ToolError("search_files", "text is what to look for; it has 1 character or more")
        matches = _path_matcher("search_files", pattern)
        search = TextSearch(text, ignore_case=ignore_case)
        walk = Walk(MOST_ENTRIES_VISITED, self._skip)
        with tool_errors("search_files", path):
            for entry in self._entries_to_search(path, walk):
                if stat.S_ISREG(entry.status.st_mode) and matches(entry.path):
                    self._search_file(entry.path, search)
                if search.is_full:
                    break
        if not walk.remaining:
            search.notes.append(f"only the first {MOST_ENTRIES_VISITED:,} entries were looked at")
        return _with_notes(search.found or ["(nothing found)"], search.notes + walk.notes)

    def write_file(self, path: str, content: str) -> str:
        """Write a whole file as UTF-8, and create missing folders. An existing file is replaced.

        Args:
            path: The file, relative to the top.
            content: The whole new content.
        """
        with tool_errors("write_file", path), self._editing:
            data = _check_size("write_file", content.encode())
            replaced = self._folder.write(path, data)
        return f"{'Replaced' if replaced else 'Made'} {printable(path)}: {len(data):,} bytes."

    def edit_file(self, path: str, old: str, new: str) -> str:
        """Replace a text in a file with another. The text must occur exactly once.

        Args:
            path: The file, relative to the top.
            old: The present text, with enough context to make it unique.
            new: The text that replaces it.
        """
        if not old or old == new:
            raise ToolError("edit_file", "old is what to replace, and new is something else")
        with tool_errors("edit_file", path), self._editing:
            content, text, status = self._read(path)
            # Nothing is edited that could not be written back exactly as it was read.
            if len(content) < status.st_size or text.encode(text.text) != content:
                raise Unreachable(f"{printable(path)} is too large, or not sound {text.encoding}")
            plain, line_end = _with_line_feeds(text.text)
            if line_end != "\n":
                old, new = old.replace(line_end, "\n"), new.replace(line_end, "\n")
            line = _find_once(path, plain, old)
            edited = plain.replace(old, new).replace("\n", line_end)
            try:
                data = text.encode(edited)
            except UnicodeEncodeError as error:
                odd = edited[error.start]
                raise Unreachable(
                    f"{printable(path)} is {text.encoding}, which has no {odd!r}"
                ) from error
            self._folder.write(path, _check_size("edit_file", data), was=status)
        return f"Edited {printable(path)} in line {line}."

    def _read(self, path: str) -> tuple[bytes, DecodedText, os.stat_result]:
        with self._folder.open_file(path) as descriptor:
            status = os.fstat(descriptor)
            content, whole = read_bytes(descriptor, MOST_FILE_BYTES)
        text = decode_bytes(content, self._fallback, whole=whole)
        if text is None:
            raise Unreachable(
                f"{printable(path)} ({status.st_size:,} bytes) is binary, or UTF-16 without a byte "
                "order mark; only text is read"
            )
        return content, text, status

    def _truncation_note(self, path: str, content: bytes, last_line: int | None) -> str:
        if len(content) < MOST_FILE_BYTES or last_line is not None:
            return ""
        return f"\n[of {printable(path)} only the first {MOST_FILE_BYTES:,} bytes can be read]"

    def _entries_to_search(self, path: str, walk: Walk) -> Iterator[FolderEntry]:
        parts = self._folder.split(path)
        if parts:
            with self._folder.open_folder(parts[:-1]) as above:
                status = os.stat(parts[-1], dir_fd=above, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                yield FolderEntry("/".join(parts), status)
                return
        yield from self._folder.walk(path, walk)

    def _search_file(self, path: str, search: TextSearch) -> None:
        try:
            with self._folder.open_file(path) as descriptor:
                content, whole = read_bytes(descriptor, min(MOST_FILE_BYTES, search.bytes_left))
        except (OSError, Unreachable) as error:
            search.notes.append(f"{printable(path)} cannot be read: {error}")
            return
        search.bytes_left -= len(content)
        text = decode_bytes(content, self._fallback, whole=whole)
        if text is not None:  # binary files are left out: a search looks at all there are
            search.search(path, text.text)
            if not whole:
                search.notes.append(f"of {printable(path)} only the beginning was searched")


def _path_matcher(tool_name: str, pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a path, or its last name, matches ``pattern``."""
    if len(pattern) > MOST_PATTERN_CHARACTERS:
        raise ToolError(tool_name, f"pattern has more than {MOST_PATTERN_CHARACTERS} characters")
    # Compiled here: ``fnmatch`` would look the pattern up in its cache for every entry of a folder.
    matches = re.compile(fnmatch.translate(pattern)).match

    def fits(path: str) -> bool:
        return bool(matches(path) or matches(path.rpartition("/")[2]))

    return fits


def _listing_lines(entries: Iterator[FolderEntry], fits: Callable[[str], bool]) -> list[str]:
    """Return a line for each entry that fits: at most one more than may be listed."""
    fitting = (_listing_line(entry) for entry in entries if fits(entry.path))
    return list(itertools.islice(fitting, MOST_ENTRIES_LISTED + 1))


def _listing_line(entry: FolderEntry) -> str:
    mode, path = entry.status.st_mode, printable(entry.path)
    if stat.S_ISDIR(mode):
        return f"{path}/"
    if stat.S_ISREG(mode):
        return f"{path}  {entry.status.st_size:,} bytes"
    return f"{path}  ({describe_kind(entry.status)})"


def _select_lines(text: str, first: int, last: int | None) -> tuple[str, int, str]:
    """Return the lines from ``first`` on, the number of the last of them, and what is missing."""
    begin, line = 0, 1
    while line < first:
        begin = text.find("\n", begin) + 1
        if not begin or begin == len(text):
            return "", line, ""
        line += 1
    end, line, room = begin, first - 1, begin + MOST_RESULT_CHARACTERS
    while end < len(text) and line != last:
        after = text.find("\n", end) + 1 or len(text)
        if after > room:
            break
        end, line = after, line + 1
    if end == begin < len(text):
        cut = (
            f"\n[line {first} has more characters; only the first {MOST_RESULT_CHARACTERS:,} "
            "can be read]"
        )
        return text[begin:room], first, cut
    if end < len(text):
        return text[begin:end], line, f"[the file goes on with line {line + 1}]"
    return text[begin:end], line, ""


def _with_line_feeds(text: str) -> tuple[str, str]:
    """Return ``text`` with line feeds only, and the line end that it had.

    A text with mixed line ends is returned as it is, so that an edit does not change them.
    """
    # Models write line feeds, whatever the file has; with both kinds, an edit would have to guess.
    plain = text.replace("\r\n", "\n")
    crlf = len(text) - len(plain)
    return (plain, "\r\n") if crlf and crlf == plain.count("\n") else (text, "\n")


def _find_once(path: str, text: str, old: str) -> int:
    """Return the line in which ``old`` occurs; it must occur once, overlaps included."""
    lines: list[int] = []
    line, counted, place = 1, 0, text.find(old)
    while place >= 0 and len(lines) < 10:
        line += text.count("\n", counted, place)
        counted = place
        lines.append(line)
        place = text.find(old, place + 1)  # not behind it: "aa" is in "aaa" twice
    if not lines:
        raise Unreachable(
            f"{printable(path)} does not have this text; it has to be there word for word, with "
            "the same spaces and line ends. Read the lines again."
        )
    if len(lines) > 1:
        more = " and more" if place >= 0 else ""
        where = ", ".join(map(str, lines))
        raise Unreachable(
            f"{printable(path)} has this text more than once, in the lines {where}{more}; "
            "old needs more of what is around it"
        )
    return lines[0]


def _check_size(tool_name: str, data: bytes) -> bytes:
    if len(data) > MOST_FILE_BYTES:
        raise ToolError(tool_name, f"{len(data):,} bytes are too many; at most {MOST_FILE_BYTES:,}")
    return data


def _with_notes(lines: list[str], notes: list[str]) -> str:
    """Return ``lines`` and the first ten notes on what was left out, as one text."""
    more = [f"[{len(notes) - 10} more notes]"] if len(notes) > 10 else []
    return "\n".join([*lines, *(f"[{note}]" for note in notes[:10]), *more])
