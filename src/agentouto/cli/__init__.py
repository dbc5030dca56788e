"""The command line. It uses the public names of the package, and nothing else of it."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the ``agentouto`` command."""
    from agentouto.cli._app import app  # noqa: PLC0415 - typer only where a command is run

    app()
