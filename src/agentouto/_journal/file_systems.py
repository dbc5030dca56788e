"""Finds out on which type of file system a folder is: SQLite does not work on network drives."""

from __future__ import annotations

import sys
from pathlib import Path

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "9p", "fuse.sshfs", "davfs"}
)
"""Types of file systems on which SQLite's locks and shared memory do not work (sqlite.org/wal.html,
"WAL does not work over a network filesystem")."""


def file_system_of(folder: Path) -> str:
    """Return the type of the file system that ``folder`` is on; empty where that is unknown."""
    if sys.platform != "linux":
        return ""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
        real = folder.resolve()
    except OSError:
        return ""
    return file_system_in(mounts, real)


def file_system_in(mounts: str, folder: Path) -> str:
    """Return the type of the file system of ``folder`` in the text of ``/proc/mounts``."""
    best, kind = 0, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(fields[1].replace("\\040", " "))
        if folder.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind
