"""Opens files and folders inside one folder, and nothing outside of it.

A path is opened one name at a time. Every step opens the next folder relative to the descriptor of
the one before (openat(2)), with ``O_NOFOLLOW``. Three things follow:

* A symbolic link is never followed, and ``..`` is never asked for.
* Renaming a folder during the walk cannot lead outside: an open descriptor stays what it is,
  whatever its name means a moment later. A check of the resolved path before the use could not
  promise that: between the check and the use, a link can take the place of a folder.
* Order matters: a file is checked before it is opened, because opening a device can have an effect,
  and again after, because another file may have taken its name in between.

Files are opened with ``O_NONBLOCK``, so a named pipe without a writer does not block, and only a
regular file is read. Two things cannot be seen from a descriptor and are let through: a hard link
to a file outside, and a filesystem that is mounted inside the folder.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from agentouto import ConfigurationError, ToolError

MOST_DEPTH = 64
"""Depth of folders. A walk holds one descriptor for each, and a process may often have 1,024."""

MOST_NAMES = 50_000
"""Names read of one folder: to be sorted, all of them must be in memory."""

# Not every system has these flags; `ConfinedFolder` is refused where they are missing.
_SAFE_FLAGS = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)
)
_FOLDER_FLAGS = os.O_RDONLY | _SAFE_FLAGS | getattr(os, "O_DIRECTORY", 0)
_FILE_FLAGS = os.O_RDONLY | _SAFE_FLAGS | getattr(os, "O_NONBLOCK", 0)
_NEW_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE_FLAGS

_KERNEL_FILESYSTEMS = frozenset(
    {
        *("binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs"),
        *("efivarfs", "fusectl", "mqueue", "nsfs", "proc", "pstore", "securityfs", "selinuxfs"),
        *("sysfs", "tracefs"),
    }
)
"""Virtual filesystems of the kernel (proc(5), filesystems(5)). A file there can block, never end,
or hold the keys of this process (``/proc/self/environ``)."""

_temporary_numbers = itertools.count(1)


class Unreachable(Exception):
    """Something in the folder cannot be used; the text says what and why."""


class FolderEntry(NamedTuple):
    """An entry of the folder: its path relative to the folder, and its status."""

    path: str
    status: os.stat_result


class Walk:
    """The state of a walk through the folder.

    Attributes:
        remaining: How many entries may still be visited.
        skip: Names of folders that are not entered.
        notes: What was not visited, for the agent that asked.
    """

    def __init__(self, most: int, skip: frozenset[str]) -> None:
        self.remaining = most
        self.skip = skip
        self.notes: list[str] = []


@contextmanager
def tool_errors(tool_name: str, path: str = "") -> Generator[None]:
    """Turn errors of files into a ``ToolError`` that an agent can act on."""
    try:
        yield
    except Unreachable as error:
        raise ToolError(tool_name, str(error)) from error
    except UnicodeEncodeError as error:
        raise ToolError(
            tool_name, f"{printable(path)} has characters that have no bytes"
        ) from error
    except OSError as error:
        what = error.strerror or type(error).__name__
        raise ToolError(tool_name, f"{printable(path)}: {what}") from error


def printable(path: str) -> str:
    """Return ``path`` on one line, because a line end in a name would look like another entry."""
    return path if path.isprintable() else ascii(path)[1:-1]


class ConfinedFolder:
    """A folder that tools may use.

    Args:
        root: The path of the folder.
        what: The name of the tools that use it, for errors.

    Raises:
        ConfigurationError: The folder does not exist, or this system has no ``openat``.
    """

    def __init__(self, root: str | os.PathLike[str], what: str) -> None:
        if os.open not in os.supports_dir_fd or not hasattr(os, "O_NOFOLLOW"):
            raise ConfigurationError(
                f"{what} cannot keep inside a folder on this system, which opens no file relative "
                "to a folder (openat)"
            )
        try:
            path = Path(root).resolve(strict=True)
            status = path.stat()
        except (OSError, RuntimeError) as error:
            raise ConfigurationError(f"{what}: there is no folder {str(root)!r}") from error
        if not stat.S_ISDIR(status.st_mode):
            raise ConfigurationError(
                f"{what}: {str(root)!r} is {describe_kind(status)}, not a folder"
            )
        if status.st_dev in _kernel_devices():
            raise ConfigurationError(f"{what}: {str(root)!r} is in a filesystem of the kernel's")
        self.path = str(path)
        self._device = status.st_dev

    @contextmanager
    def open_folder(self, parts: Sequence[str], *, make: bool = False) -> Generator[int]:
        """Open the folder at ``parts``; ``make`` creates missing folders."""
        descriptor = os.open(self.path, _FOLDER_FLAGS)
        try:
            for place, name in enumerate(parts):
                path = "/".join(parts[: place + 1])
                deeper = self._enter(descriptor, name, path, make=make)
                os.close(descriptor)
                descriptor = deeper
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def open_file(self, path: str) -> Generator[int]:
        """Open the regular file at ``path`` for reading."""
        folders, name = self.split_file(path)
        with self.open_folder(folders) as above:
            # Before it is opened, because opening a device can have an effect; and once more
            # after, because something else may have come to the name in between.
            _check_is_file(path, os.stat(name, dir_fd=above, follow_symlinks=False))
            descriptor = os.open(name, _FILE_FLAGS, dir_fd=above)
        try:
            status = os.fstat(descriptor)
            _check_is_file(path, status)
            self._check_device(path, status)
            yield descriptor
        finally:
            os.close(descriptor)

    def write(self, path: str, content: bytes, *, was: os.stat_result | None = None) -> bool:
        """Write ``content`` to ``path`` atomically; return whether the file existed.

        The content is written to a new file beside the old one, which then takes its name. The mode
        stays, and where that is allowed the owner.

        Args:
            path: The path of the file.
            content: The whole content.
            was: The status of the file when it was read; if it has changed, nothing is written.
        """
        folders, name = self.split_file(path)
        with self.open_folder(folders, make=True) as above:
            old = _status_of(name, above)
            if was is not None and (old is None or _version_of(old) != _version_of(was)):
                raise Unreachable(f"{printable(path)} was changed meanwhile; read it again")
            if old is not None:
                _check_is_file(path, old)
                if not os.access(name, os.W_OK, dir_fd=above):
                    raise Unreachable(f"{printable(path)} is write-protected")
            _replace_file(name, content, above, old)
        return old is not None

    def walk(self, top: str, walk: Walk) -> Iterator[FolderEntry]:
        """Yield all entries below ``top``, sorted, each folder before its entries."""
        parts = self.split(top)
        with self.open_folder(parts) as descriptor:
            yield from self._walk_below(descriptor, parts, walk)

    def entries(self, path: str) -> tuple[list[FolderEntry], bool]:
        """Return the entries of the folder at ``path``, sorted, and whether these are all."""
        parts = self.split(path)
        with self.open_folder(parts) as descriptor:
            names, whole = _sorted_names(descriptor)
            found = ((name, _status_of(name, descriptor)) for name in names)
            prefix = "".join(f"{part}/" for part in parts)
            return [FolderEntry(prefix + name, status) for name, status in found if status], whole

    def split(self, path: str) -> tuple[str, ...]:
        """Return the names that ``path`` consists of, relative to the folder."""
        if path == self.path or path.startswith(self.path.rstrip("/") + "/"):
            path = path[len(self.path) :].lstrip("/")  # agents know the root from other tools
        if "\0" in path:
            raise Unreachable(f"{printable(path)} has a NUL character, which no path can have")
        if path.startswith("/"):
            raise Unreachable(f"{printable(path)} is outside: paths are relative to {self.path}")
        parts = tuple(part for part in path.split("/") if part not in {"", "."})
        if ".." in parts:
            raise Unreachable(
                f"{printable(path)}: '..' is not followed; name the path from the top"
            )
        if len(parts) > MOST_DEPTH:
            raise Unreachable(f"{printable(path[:80])}… has more than {MOST_DEPTH} folders")
        return parts

    def split_file(self, path: str) -> tuple[tuple[str, ...], str]:
        """Return the folders of a path, and the name of its file."""
        parts = self.split(path)
        if not parts:
            raise Unreachable(f"{printable(path) or '(nothing)'} is the folder itself; name a file")
        return parts[:-1], parts[-1]

    def _enter(self, above: int, name: str, path: str, *, make: bool = False) -> int:
        if make:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=above)
        try:
            descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=above)
        except OSError as error:
            # A link is ELOOP on some systems and ENOTDIR on others, as open(2) of Linux says of
            # O_DIRECTORY with O_NOFOLLOW.
            status = (
                _status_of(name, above) if error.errno in {errno.ELOOP, errno.ENOTDIR} else None
            )
            if status is None:
                raise
            raise _not_a_folder(path, status) from error
        try:
            self._check_device(path, os.fstat(descriptor))
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _check_device(self, path: str, status: os.stat_result) -> None:
        if status.st_dev != self._device and status.st_dev in _kernel_devices():
            raise Unreachable(
                f"{printable(path)} is in a filesystem of the kernel's; nothing is read"
            )

    def _walk_below(
        self, descriptor: int, parts: tuple[str, ...], walk: Walk
    ) -> Iterator[FolderEntry]:
        prefix = "".join(f"{part}/" for part in parts)
        names, whole = _sorted_names(descriptor)
        if not whole:
            walk.notes.append(f"{printable(prefix) or './'} has more than {MOST_NAMES:,} names")
        for name in names:
            status = _status_of(name, descriptor)
            if status is None:
                continue  # gone since
            if walk.remaining <= 0:
                return
            walk.remaining -= 1
            yield FolderEntry(prefix + name, status)
            if not stat.S_ISDIR(status.st_mode):
                continue
            if name in walk.skip or len(parts) + 1 >= MOST_DEPTH:
                walk.notes.append(f"{printable(prefix + name)}/ was not entered")
                continue
            try:
                deeper = self._enter(descriptor, name, prefix + name)
            except (OSError, Unreachable) as error:
                walk.notes.append(f"{printable(prefix + name)}/: {_error_text(error)}")
                continue
            try:
                yield from self._walk_below(deeper, (*parts, name), walk)
            finally:
                os.close(deeper)


def read_bytes(descriptor: int, most: int) -> tuple[bytes, bool]:
    """Return the first ``most`` bytes, and whether the file has no more."""
    pieces: list[bytes] = []
    left = most + 1
    while left and (piece := os.read(descriptor, min(left, 1 << 20))):
        pieces.append(piece)
        left -= len(piece)
    content = b"".join(pieces)
    return content[:most], len(content) <= most


def describe_kind(status: os.stat_result) -> str:
    """Return what kind of file ``status`` is of, in words."""
    mode = status.st_mode
    for test, words in (
        (stat.S_ISREG, "a file"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISLNK, "a symbolic link, and links are not followed"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
    ):
        if test(mode):
            return words
    return "a device"


def _sorted_names(descriptor: int) -> tuple[list[str], bool]:
    with os.scandir(descriptor) as entries:
        names = [entry.name for entry in itertools.islice(entries, MOST_NAMES + 1)]
    return sorted(names[:MOST_NAMES]), len(names) <= MOST_NAMES


def _status_of(name: str, above: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=above, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _version_of(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _check_is_file(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Unreachable(f"{printable(path)} is {describe_kind(status)}; only files are opened")


def _not_a_folder(path: str, status: os.stat_result) -> Unreachable:
    return Unreachable(f"{printable(path)} is {describe_kind(status)}; only folders are entered")


def _error_text(error: Exception) -> str:
    return (error.strerror or "" if isinstance(error, OSError) else "") or str(error)


def _replace_file(name: str, content: bytes, above: int, old: os.stat_result | None) -> None:
    temporary = f".agentouto-{os.getpid()}-{next(_temporary_numbers)}.tmp"
    descriptor = os.open(temporary, _NEW_FILE_FLAGS, 0o666 if old is None else 0o600, dir_fd=above)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(content)
            if old is not None:
                if (old.st_uid, old.st_gid) != (os.getuid(), os.getgid()):
                    with suppress(PermissionError):
                        os.fchown(descriptor, old.st_uid, old.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & 0o777)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, name, src_dir_fd=above, dst_dir_fd=above)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=above)
        raise


def _kernel_devices() -> frozenset[int]:
    """Return the devices of the kernel's virtual filesystems; without /proc, none."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    devices: set[int] = set()
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")  # proc_pid_mountinfo(5)
        if rest.split(" ", 1)[0] in _KERNEL_FILESYSTEMS:
            major, _, minor = fields.split(" ")[2].partition(":")
            devices.add(os.makedev(int(major), int(minor)))
    return frozenset(devices)
