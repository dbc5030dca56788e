"""Finds the journal of a command: where its run is kept, or where saved runs are read.

``agentouto run`` and ``agentouto ui`` keep their runs in a journal of the command line's own, so
that a crash loses nothing and past runs can be looked at. No user has asked for that one: if it
fails, a warning is enough. A journal that was named is another matter.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from agentouto import ConfigurationError, Journal, JournalError, SavedRun, TokenStore
from agentouto.cli._exit_codes import ExitError
from agentouto.cli._terminal_text import clean, print_notice

JOURNAL_VARIABLE = "AGENTOUTO_JOURNAL"

TRIM_SECONDS = 1.0
"""How long a run waits at its start until old runs are removed: as long as loading a team takes."""

_PASSWORD = re.compile(r"^postgres(ql)?://([^/?#:]*:[^/?#]*@|.*[?&][a-z]*password=)")

MOST_CANDIDATES = 5
"""Runs that are named where the beginning of an id fits to several."""


def home_journal() -> Path:
    """Return the file of the journal that the command line keeps for itself."""
    return TokenStore().directory.parent / "runs.db"


def named_journal(given: str) -> str:
    """Return the journal that ``--journal`` or the environment names; empty if none is named."""
    return given or os.environ.get(JOURNAL_VARIABLE, "").strip()


def warn_of_password(given: str) -> str:
    """Return what ``--journal`` was given, after a warning if it is an address with a password."""
    if _PASSWORD.search(given):
        print_notice(
            "Others on this machine can read the password in --journal: put the address into "
            f"{JOURNAL_VARIABLE}, or the password into PGPASSWORD or ~/.pgpass."
        )
    return given


def own_journal(
    team: str, notify: Callable[[str], object], *, may_be_lost: bool, what: str = "This run is"
) -> Journal | None:
    """Return the command line's own journal for new runs, after old runs were removed from it.

    ``notify`` is called with a sentence if the journal is new. Return ``None`` if the folder cannot
    be read and the runs may be lost, which a warning says.
    """
    place, warn = home_journal(), _loss_warning(what)
    try:
        is_there = journal_exists(place)
    except ExitError as error:
        if not may_be_lost:
            raise
        warn(error)
        return None
    if not is_there:
        with suppress(OSError):  # opening it says why
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(place.parent, os.W_OK):
                notify(f"Runs are saved in {place}: agentouto runs list (--no-save)")
    else:
        _trim(place)
    return Journal(place, team=team, on_lost=warn if may_be_lost else None)


def _loss_warning(what: str) -> Callable[[Exception], None]:
    """Return what warns that runs are not saved: once, as the next one fails in the same way."""
    told: list[Exception] = []

    def warn(error: Exception) -> None:
        if not told:
            told.append(error)
            print_notice(f"{what} not saved: {error} (--no-save saves none)")

    return warn


def _trim(place: Path) -> None:
    with suppress(JournalError):  # the run that is opened next says why
        Journal(place).trim(max_seconds=TRIM_SECONDS)


def journal_exists(file: Path) -> bool:
    """Return whether ``file`` exists.

    Raises:
        ExitError: Its folder cannot be read.
    """
    try:
        return file.exists()
    except OSError as error:
        raise ExitError(
            f"{file} cannot be read: {error.strerror}. AGENTOUTO_HOME names another folder."
        ) from error


def saved_journal(given: str | Journal) -> Journal:
    """Return the journal that saved runs are read from.

    Raises:
        ExitError: There is none.
    """
    named = given or named_journal("") or home_journal()
    journal = named if isinstance(named, Journal) else Journal(named)
    if journal.path is None or journal_exists(journal.path):
        return journal
    if given:
        name = journal.place if isinstance(given, Journal) else given
        raise ExitError(f"--journal {name}: there is no such file")
    if named_journal(""):
        raise ExitError(f"{JOURNAL_VARIABLE}: there is no file {named}")
    raise ExitError(
        f"No runs are saved yet. `agentouto run` saves them in {journal.place}; --journal FILE "
        "names another file."
    )


def find_run(journal: Journal, text: str) -> SavedRun:
    """Return the run with this id, or the only one whose id begins so; the newest for no text.

    Raises:
        ExitError: There is none, or there are several.
    """
    runs = journal.runs()
    if not text:
        if not runs:
            raise ExitError(f"{journal.place} has no runs")
        return runs[0]
    found = [run for run in runs if run.id == text] or [
        run for run in runs if run.id.startswith(text)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(run.id for run in found[:MOST_CANDIDATES])
        more = ", ..." if len(found) > MOST_CANDIDATES else ""
        raise ExitError(f"{len(found)} runs have ids that begin with {text}: {ids}{more}")
    try:
        return journal[text]
    except ConfigurationError as error:
        why = clean(str(error)).rstrip(".")
        end = "" if why.endswith("?") else "."
        raise ExitError(f"{why}{end} There are: agentouto runs list") from error
