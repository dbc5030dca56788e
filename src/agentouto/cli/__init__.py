"""The command line. It uses the public names of the package, and nothing else of it."""

from __future__ import annotations

import io
import sys

__all__ = ["main"]


def main() -> None:
    """Run the ``agentouto`` command."""
    from agentouto.cli._app import app  # noqa: PLC0415 - typer only where a command is run

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an answer may have signs the terminal has not
    app(prog_name="agentouto")
