"""``agentouto init``: writes a new project with a team, its tests, and notes for coding agents.

The files are in ``new_project``, each under its name and ``.txt``: nothing that reads Python or
configuration in this package takes them for its own.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from agentouto.cli._exit_codes import ExitCode, ExitError
from agentouto.cli._terminal_text import print_notice
from agentouto.wires import example_models

FILE_NAMES = MappingProxyType(
    {
        "team.py": "team.py.txt",
        "test_team.py": "test_team.py.txt",
        "pyproject.toml": "pyproject.toml.txt",
        "README.md": "README.md.txt",
        "AGENTS.md": "AGENTS.md.txt",
        ".env.example": "env.example.txt",
        ".gitignore": "gitignore.txt",
    }
)
"""The files of a new project, and the files that they are copies of."""


def init_project(folder: Path) -> ExitCode:
    """Write a new project into ``folder``, which is made if it does not exist.

    Raises:
        ExitError: The folder is not empty, is a file, or cannot be written.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise ExitError(f"{folder} is a file. Name a folder.", ExitCode.USAGE)
        if folder.is_dir() and any(folder.iterdir()):
            raise ExitError(
                f"{folder} is not empty, and nothing was written. Name a new folder, for example: "
                f"agentouto init {folder / 'my-team'}",
                ExitCode.USAGE,
            )
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in project_files(folder.resolve().name).items():
            with (folder / name).open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
    except OSError as error:
        raise ExitError(f"{error.filename or folder}: {error.strerror}.", ExitCode.USAGE) from error
    print_notice(f"Wrote to {folder}: {', '.join(FILE_NAMES)}.")
    print_notice(f"Next: read {folder / 'README.md'}. The tests need no key.")
    return ExitCode.RETURNED


def project_files(folder_name: str) -> dict[str, str]:
    """Return the texts of a new project's files, by name."""
    # A name in pyproject.toml has ASCII letters, digits and single hyphens (PEP 508, PEP 503).
    name = re.sub(r"[^a-z0-9]+", "-", folder_name.lower()).strip("-") or "my-team"
    source = files("agentouto.cli") / "new_project"
    return {
        file: (source / stored)
        .read_text(encoding="utf-8")
        .replace("PROJECT_NAME", name)
        .replace("EXAMPLE_MODEL", example_models()["openai"])
        for file, stored in FILE_NAMES.items()
    }
