"""Reads the ``.env`` file beside a team file into the environment of the command.

A key in ``.env`` stays out of the team file, which is usually committed. Variables that are set
already keep their values, and the file is never written. Only the command line reads it: a library
that changed the environment of its program would surprise the program's author.

The syntax is the part that docker compose, python-dotenv and shells agree on: ``NAME=value``, with
or without ``export``, ``'literal'`` and ``"text"`` with escapes, ``#`` comments. ``$NAME`` in a
value stays as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping
from pathlib import Path

from agentouto.cli._exit_codes import ExitError
from agentouto.cli._terminal_text import join_words

FILE_NAME = ".env"

LARGEST_ENV_FILE = 1_000_000
"""Bytes. A list of variables is shorter by far; more is another file by mistake."""

ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")

DOUBLE_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')

SINGLE_QUOTED = re.compile(r"'([^']*)'\s*(?:#.*)?")

COMMENT_AFTER_VALUE = re.compile(r"(?:^|\s)#.*")
"""An unquoted value ends where a ``#`` follows white space: a ``#`` inside of a word is data."""

ESCAPED = re.compile(r"\\(.)")


def read_env_file(folder: Path, environment: MutableMapping[str, str] | None = None) -> str:
    """Set the variables of ``folder / ".env"`` and return a sentence about it.

    Args:
        folder: The folder of the team file.
        environment: The variables to complete; by default those of this process.

    Returns:
        Which variables were set; empty if there is no file or it sets nothing.

    Raises:
        ExitError: The file cannot be read, or a line is not an assignment.
    """
    environment = os.environ if environment is None else environment
    path = folder / FILE_NAME
    if not path.is_file():
        return ""
    new = {
        name: value
        for name, value in parse_env_file(_read_env_text(path)).items()
        if name not in environment
    }
    environment.update(new)
    return f"Read from {path}: {join_words([*new])}." if new else ""


def parse_env_file(text: str) -> dict[str, str]:
    """Return the variables in ``text``; the last assignment of a name counts.

    Raises:
        ExitError: A line is not an assignment. The message does not contain the line, which may
            hold a key.
    """
    variables: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        found = ASSIGNMENT.fullmatch(stripped)
        value = _parse_value(found[2]) if found else None
        if found is None or value is None:
            reason = "this is not NAME=value" if found is None else "the quotes of the value differ"
            raise ExitError(f"{FILE_NAME}, line {number}: {reason}.")
        variables[found[1]] = value
    return variables


def _parse_value(text: str) -> str | None:
    """Return the value that ``text`` stands for, or ``None`` if its quotes are not closed."""
    if text.startswith('"'):
        quoted = DOUBLE_QUOTED.fullmatch(text)
        return ESCAPED.sub(_escaped_character, quoted[1]) if quoted else None
    if text.startswith("'"):
        quoted = SINGLE_QUOTED.fullmatch(text)
        return quoted[1] if quoted else None
    return COMMENT_AFTER_VALUE.sub("", text).rstrip()


def _escaped_character(found: re.Match[str]) -> str:
    letter = found[1]
    return {"n": "\n", "r": "\r", "t": "\t"}.get(letter, letter)


def _read_env_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_ENV_FILE + 1)
        if len(data) > LARGEST_ENV_FILE or b"\0" in data:
            raise ExitError(f"{path} is no file of NAME=value lines.")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise ExitError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ExitError(f"{path} is not UTF-8.") from error
