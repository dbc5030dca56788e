"""The ``agentouto`` command. It uses only the public names of the package."""

from __future__ import annotations

import io
import os
import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the ``agentouto`` command."""
    signal.signal(signal.SIGINT, _exit)  # until a command executes
    from agentouto.cli._app import run_app  # noqa: PLC0415 - only a command needs typer

    if sys.stdout is None:
        _print_error(
            "Standard output is closed, so the answer cannot be written. To discard it: > /dev/null"
        )
        raise SystemExit(2)
    for name, mode in (("stdin", "r"), ("stderr", "w")):
        if getattr(sys, name) is None:  # the parent process closed it
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # the terminal may lack characters
    raise SystemExit(run_app())


def _exit(*_: object) -> None:
    os._exit(130)  # as shells report Ctrl+C


def _print_error(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"{text}\n")
