"""Finds the team of the current folder, and asks once before it is loaded.

Loading a team runs Python, and a folder may come from anywhere: a download, an archive, a clone. A
team that was named on the command line is loaded; one that was found is loaded if the person has
accepted this file with this content.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import cast

from agentouto import TokenStore
from agentouto.cli._exit_codes import ExitCode, ExitError
from agentouto.cli._terminal_text import escape_hidden, print_notice

USUAL_NAMES = ("agentouto.toml", "team.py")
"""The files that are looked for if no team is named, in this order."""


def find_team_file(command: str) -> str:
    """Return the team file of the current folder, if the person accepts it.

    Args:
        command: The command, for the example in the message.

    Raises:
        ExitError: There is none, the person does not accept it, or there is no terminal to ask at.
    """
    name = next((each for each in USUAL_NAMES if Path(each).is_file()), None)
    if name is None:
        raise ExitError(
            f"This folder has no {' and no '.join(USUAL_NAMES)}. Name a team, for example: "
            f"agentouto {command} my/team.py",
            ExitCode.USAGE,
        )
    path = Path(name).resolve()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    accepted = _read_accepted()
    if accepted.get(str(path)) == digest:
        return name
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ExitError(f"{name} was found, not named. Name it: agentouto {command} {name}")
    sys.stderr.write(
        f"Found {escape_hidden(str(path))}.\nLoading it runs its Python. Load it? [y/N] "
    )
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise ExitError(f"{name} was not loaded.")
    _write_accepted({**accepted, str(path): digest})
    return name


def _list_of_accepted() -> Path:
    return TokenStore().directory.parent / "accepted-teams.json"


def _read_accepted() -> dict[str, str]:
    try:
        found: object = json.loads(_list_of_accepted().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, str]", found) if isinstance(found, dict) else {}


def _write_accepted(accepted: dict[str, str]) -> None:
    path = _list_of_accepted()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.{os.getpid()}")
        new.write_text(json.dumps(accepted, indent=1), "utf-8")
        new.replace(path)
    except OSError as error:
        print_notice(f"{path} cannot be written ({error.strerror}): you will be asked again.")
