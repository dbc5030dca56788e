"""Reads the text files under a folder once, so that every figure is about the same text.

It opens no file outside the folder, follows no links and changes nothing: any folder may be
reviewed, and a model chooses what to read.
"""

from __future__ import annotations

import codecs
import os
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch, translate
from pathlib import Path

MAX_FILES = 10_000
"""Files that are read: a few seconds on a laptop."""

MAX_TOTAL_BYTES = 64_000_000
"""Bytes that are read in all, because all texts stay in memory."""

MAX_TEXT_FILE_BYTES = 1_000_000
"""Larger text files are almost always generated, or data."""

SNIFFED_BYTES = 8192
"""The bytes at the start in which a NUL means "not text". Git looks at 8,000 bytes likewise."""

MAX_LEFT_OUT_NAMES = 5
"""Names in the report for one reason to leave files out; the rest is counted."""

FIRST_NOTICE_AT = 1_000
"""The number of files after which progress is reported; then at each doubling.

Reading so many takes about a second, when a person begins to wonder.
"""

MARK = "<!-- written by agentouto demo; it is written over when the demo runs again -->"
"""The first line of every report. Files that begin with it are neither reviewed nor protected."""

SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn", ".tox", ".nox", ".venv"}) | frozenset(
    {"node_modules", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
)
"""Folders of version control, installed packages and caches: not written by the folder's owner."""

SECRETS = ".env .env.* *.pem *.key *.p12 id_rsa* id_ed25519* .netrc .pypirc"
SECRET = re.compile("|".join(map(translate, SECRETS.split())), re.IGNORECASE)
"""Files that usually hold keys or passwords: their text would go to a model."""

BOMS = (  # UTF-32 stands first: its mark begins with the one of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass
class LeftOut:
    """Files that were left out for one reason: their number, and the first names."""

    number: int = 0
    names: list[str] = field(default_factory=list[str])


class Folder:
    """The text files under a folder by name, and the files left out by reason.

    Args:
        path: A folder, or a single file.
        excluded: A file that does not belong to the review: the report itself.
        on_progress: Called with a sentence about progress if reading takes long.
        max_files: How many files are read; the rest is counted.
        max_bytes: How many bytes all files may have together.
        first_notice_at: The number of files after which ``on_progress`` is first called.

    Attributes:
        name: The name of the folder.
        bytes: The size of each file; filled when ``texts`` is read.
    """

    def __init__(
        self,
        path: Path,
        excluded: Path,
        on_progress: Callable[[str], object] | None = None,
        *,
        max_files: int = MAX_FILES,
        max_bytes: int = MAX_TOTAL_BYTES,
        first_notice_at: int = FIRST_NOTICE_AT,
    ) -> None:
        path = path.resolve()
        self.name: str = path.name or str(path)
        self._root = path if path.is_dir() else path.parent
        self._only = None if path.is_dir() else path
        self._excluded = excluded.resolve()
        self._on_progress = on_progress
        self._max_files = max_files
        self._max_bytes = max_bytes
        self._first_notice_at = first_notice_at
        self.bytes: dict[str, int] = {}
        self._texts: dict[str, str] | None = None
        self._left_out: dict[str, LeftOut] = defaultdict(LeftOut)
        self._lock = threading.Lock()

    @property
    def texts(self) -> dict[str, str]:
        """The text of every file, by name, in the order of names."""
        with self._lock:
            if self._texts is None:
                self._texts = dict(sorted(self._read_all()))
            return self._texts

    @property
    def left_out(self) -> dict[str, LeftOut]:
        """The files that were not read, by reason. Every file is counted."""
        _ = self.texts  # reads the folder, which fills it
        return dict(self._left_out)

    def within(self, places: Iterable[str], leave_out: Iterable[str] = ()) -> list[str]:
        """Return the files that are, or lie under, one of ``places``; ``"."`` is everything.

        Raises:
            ValueError: One of ``places`` does not exist.
        """
        excluded_places = list(leave_out)
        found: dict[str, None] = {}
        for place in places:
            inside = [name for name in self.texts if is_within(name, place)]
            if not inside and place not in {".", ""}:
                raise ValueError(f"There is nothing at {place!r}. list_files tells what there is.")
            found.update(dict.fromkeys(inside))
        return [
            name
            for name in sorted(found)
            if not any(is_within(name, excluded) for excluded in excluded_places)
        ]

    def _read_all(self) -> Iterator[tuple[str, str]]:
        size, most_mb = 0, self._max_bytes // 1_000_000
        full = f"beyond {self._max_files:,} files or {most_mb} MB"
        next_notice = self._first_notice_at
        for seen, path in enumerate(self._walk(), 1):
            if seen == next_notice and self._on_progress is not None:
                next_notice *= 2
                self._on_progress(f"Looking at the files: {seen:,} so far.")
            name = self._relative_name(path)
            if full in self._left_out:  # the rest is counted, not read
                self._leave_out(name, full)
                continue
            data = _read_file(path)
            if isinstance(data, str):
                reason = data
            elif (text := decode_text(data)) is None:
                reason = "not text"
            elif text == MARK or text.startswith(f"{MARK}\n"):
                reason = "a report of this demo"
            elif self._is_full(size + len(data)):
                reason = full
            else:
                size += len(data)
                self.bytes[name] = len(data)
                yield name, text
                continue
            self._leave_out(name, reason)

    def _walk(self) -> Iterator[Path]:
        if self._only is not None:
            yield self._only
            return
        folders = [self._root]
        while folders:
            folder = folders.pop()
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError:
                self._leave_out(self._relative_name(folder), "not readable")
                continue
            for entry in entries:
                path = Path(entry.path)
                if path == self._excluded:
                    continue
                if reason := _reason_to_skip(entry):
                    self._leave_out(self._relative_name(path), reason)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                else:
                    yield path

    def _is_full(self, size: int) -> bool:
        """Return whether one more file would be too many, at ``size`` bytes with it."""
        return len(self.bytes) >= self._max_files or size > self._max_bytes

    def _relative_name(self, path: Path) -> str:
        name = path.relative_to(self._root).as_posix()
        return os.fsencode(name).decode(errors="replace")

    def _leave_out(self, name: str, reason: str) -> None:
        group = self._left_out[reason]
        group.number += 1
        if len(group.names) < MAX_LEFT_OUT_NAMES:
            group.names.append(name)


def is_within(name: str, place: str) -> bool:
    """Return whether ``place``, a file, folder or pattern, includes the file ``name``."""
    place = place.strip().removeprefix("./").rstrip("/")
    if place in {"", "."}:
        return True
    return name == place or name.startswith(f"{place}/") or fnmatch(name, place)


def decode_text(data: bytes) -> str | None:
    """Return ``data`` as text with plain line ends, or ``None`` if it is not text."""
    encoding = next((name for bom, name in BOMS if data.startswith(bom)), None)
    if encoding is None and b"\0" in data:
        return None
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        # Latin-1 decodes any bytes. More than 2 % control characters mean that this is no text.
        odd = sum(byte < 9 or 13 < byte < 32 for byte in data)
        if encoding is not None or odd * 50 > len(data):
            return None
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _reason_to_skip(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "a link"
    if entry.is_dir(follow_symlinks=False):
        own_python = os.path.lexists(os.path.join(entry.path, "pyvenv.cfg"))  # noqa: PTH118
        return "a folder of tools" if entry.name in SKIPPED_FOLDERS or own_python else ""
    if not entry.is_file(follow_symlinks=False):
        return "not a file"
    if SECRET.match(entry.name):
        return "may hold secrets"
    return ""


def _read_file(path: Path) -> bytes | str:
    """Return the content of a file, or the reason to leave it out."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    large = f"larger than {MAX_TEXT_FILE_BYTES // 1_000_000} MB"
    try:
        with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - O_NOFOLLOW: the file may have become a link
            if os.fstat(file.fileno()).st_size > MAX_TEXT_FILE_BYTES:
                return large
            head = file.read(SNIFFED_BYTES)
            if b"\0" in head and not head.startswith(tuple(bom for bom, _ in BOMS)):
                return "not text"
            data = head + file.read(MAX_TEXT_FILE_BYTES + 1 - len(head))
    except OSError:
        return "not readable"
    return data if len(data) <= MAX_TEXT_FILE_BYTES else large
