"""Reads the message from standard input, or adds piped input to it."""

from __future__ import annotations

import select
import stat
import sys
from os import fstat

import typer

STDIN_NOTICE_SECONDS = 1.0
"""Seconds of silence on standard input before a notice says what the command waits for.

A pipe that has data delivers it at once; a person begins to wonder after about a second.
"""


def with_piped_input(message: str) -> str:
    """Return the message, with piped input added."""
    if message == "-":
        message = _read_all()
        if not message.strip():
            raise typer.BadParameter("MESSAGE is -, and standard input is empty")
        return message
    kind = fstat(sys.stdin.fileno()).st_mode if sys.stdin else 0
    if not (stat.S_ISFIFO(kind) or stat.S_ISREG(kind)):
        return message
    _announce_waiting(kind)
    piped = _read_all()
    return f"{message}\n\n{piped}" if piped.strip() else message


def _announce_waiting(kind: int) -> None:
    if stat.S_ISFIFO(kind) and sys.platform != "win32":
        ready, _, _ = select.select([sys.stdin], [], [], STDIN_NOTICE_SECONDS)
        if not ready:
            sys.stderr.write("Reading standard input; start with </dev/null if there is none.\n")


def _read_all() -> str:
    return sys.stdin.buffer.read().decode(errors="replace").rstrip("\n")
