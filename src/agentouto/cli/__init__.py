"""The command line. It uses the public names of the package, and nothing else of it."""

from __future__ import annotations

import io
import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the ``agentouto`` command."""
    from agentouto.cli._app import app  # noqa: PLC0415 - typer only where a command is run

    if sys.stdout is None:
        _say(
            "Standard output is closed: the answer has nowhere to go. Is it not wanted? > /dev/null"
        )
        raise SystemExit(2)
    for name, mode in (("stdin", "r"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started the command
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an answer may have signs the terminal has not
    app(prog_name="agentouto")


def _say(told: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"{told}\n")
