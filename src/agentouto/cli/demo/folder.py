"""The files under review: found once, read once, so that every figure is about the same text.

Nothing outside the folder is opened, nothing is changed. What is done with the files is not known
here.
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

MOST_FILES = 10_000
MOST_BYTES = 64_000_000
LARGEST = 1_000_000
HEAD = 8192
"""How much of a file is looked at to see that it is no text."""

NAMED = 5
"""How many of the files that are left out for one reason are named."""

FIRST_TOLD = 1_000
"""After how many files it is told how far the reading has come; then after twice as many."""

MARK = "<!-- written by agentouto demo; it is written over when the demo runs again -->"
"""The first line of every report: what begins with it is not reviewed."""

SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn", ".tox", ".nox", ".venv"}) | frozenset(
    {"node_modules", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
)
SECRETS = ".env .env.* *.pem *.key *.p12 id_rsa* id_ed25519* .netrc .pypirc"
SECRET = re.compile("|".join(map(translate, SECRETS.split())), re.IGNORECASE)
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass
class LeftOut:
    """What was left out for one reason: how much it is, and the names of the first."""

    number: int = 0
    names: list[str] = field(default_factory=list[str])


class Folder:
    """The text files under a folder, by name, and what was left out and why.

    Args:
        path: A folder, or a single file.
        besides: A file that is not part of it: the report itself.
        tell: Hears how far the reading has come, if that takes a while.

    Attributes:
        name: What the folder is called.
        bytes: How big each file is, once ``texts`` has been asked for.
    """

    def __init__(
        self, path: Path, besides: Path, tell: Callable[[str], object] | None = None
    ) -> None:
        path = path.resolve()
        self.name: str = path.name or str(path)
        self._root = path if path.is_dir() else path.parent
        self._only = None if path.is_dir() else path
        self._besides = besides.resolve()
        self._tell = tell
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
        """What was not read, by reason: all of it is counted."""
        _ = self.texts  # which reads them
        return dict(self._left_out)

    def within(self, places: Iterable[str], leave_out: Iterable[str] = ()) -> list[str]:
        """Return the files that are, or lie under, one of ``places``; ``"."`` is everything.

        Raises:
            ValueError: One of ``places`` is not there.
        """
        unwanted = list(leave_out)
        found: dict[str, None] = {}
        for place in places:
            inside = [name for name in self.texts if is_within(name, place)]
            if not inside and place not in {".", ""}:
                raise ValueError(f"There is nothing at {place!r}. list_files tells what there is.")
            found.update(dict.fromkeys(inside))
        return [
            name for name in sorted(found) if not any(is_within(name, not_) for not_ in unwanted)
        ]

    def _read_all(self) -> Iterator[tuple[str, str]]:
        size, full = 0, f"beyond {MOST_FILES:,} files or {MOST_BYTES // 1_000_000} MB"
        next_told = FIRST_TOLD
        for seen, path in enumerate(self._walk(), 1):
            if seen == next_told and self._tell is not None:
                next_told *= 2
                self._tell(f"Looking at the files: {seen:,} so far.")
            name = self._name(path)
            if full in self._left_out:  # the rest is counted, not read
                self._leave(name, full)
                continue
            data = _read(path)
            if isinstance(data, str):
                why = data
            elif (text := decoded(data)) is None:
                why = "not text"
            elif text == MARK or text.startswith(f"{MARK}\n"):
                why = "a report of this demo"
            elif len(self.bytes) >= MOST_FILES or size + len(data) > MOST_BYTES:
                why = full
            else:
                size += len(data)
                self.bytes[name] = len(data)
                yield name, text
                continue
            self._leave(name, why)

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
                self._leave(self._name(folder), "not readable")
                continue
            for entry in entries:
                path = Path(entry.path)
                if path == self._besides:
                    continue
                if why := _why_not(entry):
                    self._leave(self._name(path), why)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                else:
                    yield path

    def _name(self, path: Path) -> str:
        name = path.relative_to(self._root).as_posix()
        return os.fsencode(name).decode(errors="replace")

    def _leave(self, name: str, why: str) -> None:
        left = self._left_out[why]
        left.number += 1
        if len(left.names) < NAMED:
            left.names.append(name)


def is_within(name: str, place: str) -> bool:
    """Return whether the file is at ``place``: a file, a folder, a pattern, or everything."""
    place = place.strip().removeprefix("./").rstrip("/")
    if place in {"", "."}:
        return True
    return name == place or name.startswith(f"{place}/") or fnmatch(name, place)


def decoded(data: bytes) -> str | None:
    """Return ``data`` as text with plain line ends, or ``None`` if it is none."""
    encoding = next((name for bom, name in BOMS if data.startswith(bom)), None)
    if encoding is None and b"\0" in data:
        return None
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        odd = sum(byte < 9 or 13 < byte < 32 for byte in data)
        if encoding is not None or odd * 50 > len(data):
            return None
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _why_not(entry: os.DirEntry[str]) -> str:
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


def _read(path: Path) -> bytes | str:
    """Return what is in a file, or why nobody wants it."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    large = f"larger than {LARGEST // 1_000_000} MB"
    try:
        with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - a link put there since is no way out
            if os.fstat(file.fileno()).st_size > LARGEST:
                return large
            head = file.read(HEAD)
            if b"\0" in head and not head.startswith(tuple(bom for bom, _ in BOMS)):
                return "not text"
            data = head + file.read(LARGEST + 1 - len(head))
    except OSError:
        return "not readable"
    return data if len(data) <= LARGEST else large
