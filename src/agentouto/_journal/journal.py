"""``Journal``: the file that runs are kept in, and the runs in it."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Collection, MutableMapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.configuration_error import ConfigurationError, did_you_mean
from agentouto._domain.errors import JournalError
from agentouto._domain.event import Event
from agentouto._domain.secret import Secret
from agentouto._engine.host import DEFAULT_HOST
from agentouto._engine.plan import Plan
from agentouto._engine.services import Durable
from agentouto._journal.saved_run import STATUSES, SavedRun

ADDRESS = re.compile(r"postgres(ql)?:/|[A-Za-z][A-Za-z0-9+.-]+://")
"""How an address begins, also where ``Path`` has made one slash of two."""

RUN_ID = re.compile(r"(?!\.)[A-Za-z0-9._:-]{1,128}")
"""What ``run_id=`` may be: text that is the same in addresses, file names and command lines."""


class WatchedRuns(Protocol):
    """What workers look at, again and again, from any thread; see ``run_watch.py``."""

    def make(self) -> None:
        """Make the journal if it is not there."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...

    def statuses(self, ids: Collection[str]) -> dict[str, str]:
        """Return the states of these runs, as they are written."""
        ...

    def waiting_runs(self, besides: Collection[str]) -> list[str]:
        """Return the runs that have not ended, and that no process works on, oldest first."""
        ...

    def is_at_work(self, run_id: str) -> bool:
        """Whether a process works on a run."""
        ...

    def events(self, run_id: str) -> Sequence[Event] | None:
        """Return the events of a run; ``None`` if there is no such run."""
        ...

    def pass_on(self, run_id: str, address: str, id_: str, letter: str) -> str:
        """Write to a call of a run, as another participant does; return its receiver's name."""
        ...


class JournalReader(Protocol):
    """What reads and changes the file of a journal."""

    def runs(self) -> list[SavedRun]:
        """Return all runs, newest first."""
        ...

    def run(self, run_id: str) -> SavedRun:
        """Return one run."""
        ...

    def has(self, run_id: object) -> bool:
        """Whether there is such a run."""
        ...

    def watch(self) -> WatchedRuns:
        """Return what looks at runs again and again."""
        ...

    def delete_ended(self, latest: float) -> int:
        """Remove runs that have ended by the time ``latest``; return how many."""
        ...

    def trim(self, max_runs: int, max_bytes: int, max_seconds: float) -> int:
        """Remove the oldest runs that are too many or too large together; return how many."""
        ...


class Journal:
    """A file that keeps runs, so that they survive the end of their process.

    ::

        result = run("Write.", [lead], journal="runs.db", run_id="order-4711")
        for saved in Journal("runs.db").runs():
            print(saved.id, saved.status, saved.message)

    Args:
        place: The file, on a disk of this machine. ``journal=`` makes it if it does not exist.
        power_loss: Whether a tool begins, and a result is returned, only when the disk has all that
            was before; ``send`` from plain code waits for the disk, too. Without that, a kill loses
            nothing, and a power cut may lose the last moments of a run.
        team: The team of new runs, as on a command line: ``team.py``, ``package.module:name``. It
            is written beside them for ``agentouto runs resume``, with the current folder.
        on_lost: Called once for a run that cannot be kept, or not to its end, with the reason;
            the run goes on. Left out, such a run ends with ``JournalError``.

    Raises:
        ConfigurationError: ``place`` is no path.
    """

    def __init__(
        self,
        place: str | os.PathLike[str],
        *,
        power_loss: bool = False,
        team: str = "",
        on_lost: Callable[[JournalError], object] | None = None,
    ) -> None:
        place = cast("str | os.PathLike[str]", guarded_place(place))
        if not isinstance(cast("object", place), str | os.PathLike) or not os.fspath(place):
            raise ConfigurationError(f"a journal is the path of a file, not {place!r:.60}")
        self.path: Path | None = None
        if _looks_like_address(place):
            from agentouto._journal.postgres_address import postgres_address  # noqa: PLC0415

            address = postgres_address(Secret(os.fspath(place)))
            self._site: Any = address
            self.place: str = address.shown
        else:
            self._site = self.path = Path(place).absolute()
            self.place = str(self.path)
        self.power_loss: bool = power_loss
        self.team: str = team
        self.on_lost: Callable[[JournalError], object] | None = on_lost

    def __repr__(self) -> str:
        return f"Journal({self.place!r})"

    def exists(self) -> bool:
        """Whether the file is there; of Postgres, whether that can be tried."""
        return self.path is None or self.path.exists()

    def runs(self, status: str | None = None) -> list[SavedRun]:
        """Return the runs, newest first.

        Args:
            status: Only those in this state: ``running``, ``waiting``, ``interrupted``,
                ``returned``, ``failed`` or ``cancelled``.

        Raises:
            JournalError: The file cannot be read.
            ConfigurationError: There is no such state.
        """
        if status is not None and status not in STATUSES:
            raise ConfigurationError(
                f"a run is {', '.join(STATUSES)}; none is {status!r:.40}"
                f"{did_you_mean(status, STATUSES)}"
            )
        return [run for run in self.saved_runs().runs() if status is None or run.status == status]

    def __getitem__(self, run_id: str) -> SavedRun:
        """Return the run ``run_id``.

        Raises:
            JournalError: The file cannot be read.
            ConfigurationError: It has no such run.
        """
        return self.saved_runs().run(run_id)

    def __contains__(self, run_id: object) -> bool:
        """Whether there is a run ``run_id``."""
        return self.saved_runs().has(run_id)

    def delete(self, *, older_than: float) -> int:
        """Remove runs that have ended and are not marked as kept; return how many.

        Args:
            older_than: How many seconds ago they have ended at least.

        Raises:
            JournalError: The file cannot be written.
        """
        return self.saved_runs().delete_ended(SYSTEM_CLOCK.now() - older_than)

    def trim(
        self,
        *,
        max_runs: int = 500,
        max_bytes: int = 1_000_000_000,
        max_seconds: float = math.inf,
    ) -> int:
        """Remove the oldest runs if there are too many, or too large ones; return how many.

        Runs that have not ended stay, and so do those that are marked as kept.

        Args:
            max_runs: How many runs may stay.
            max_bytes: How large they may be together.
            max_seconds: How long this may take; what is left then is left for the next time.

        Raises:
            JournalError: The file cannot be written.
        """
        return self.saved_runs().trim(max_runs, max_bytes, max_seconds)

    def open_run(self, run_id: str, plan: Plan, *, accept_changes: bool) -> Durable | None:
        """Return the run ``run_id``: new, to be gone on with, or ended. See ``open_run.py``.

        Returns:
            ``None`` if it cannot be kept, and ``on_lost`` was told.
        """
        try:
            return self._open_run(run_id, plan, accept_changes=accept_changes)
        except JournalError as error:
            if self.on_lost is None:
                raise
            self.on_lost(error)
            return None

    def saved_runs(self) -> JournalReader:
        """Return what reads and changes the journal.

        A run that this process has left in a closed event loop is ended before, so that it is seen
        as it is: interrupted.
        """
        from agentouto._journal.places import site_of  # noqa: PLC0415 - may import SQLite
        from agentouto._journal.saved_runs import JournalRuns  # noqa: PLC0415 - few runs need it

        DEFAULT_HOST.live.end_left()
        return JournalRuns(site_of(self._site, power_loss=self.power_loss))

    def _open_run(self, run_id: str, plan: Plan, *, accept_changes: bool) -> Durable:
        from agentouto._journal.open_run import open_run  # noqa: PLC0415 - few runs need it
        from agentouto._journal.places import site_of  # noqa: PLC0415 - may import SQLite

        return open_run(
            site_of(self._site, power_loss=self.power_loss),
            run_id,
            plan,
            accept_changes=accept_changes,
            team=self.team,
            on_lost=self.on_lost,
        )


JournalPlace: TypeAlias = str | os.PathLike[str] | Journal
"""What ``journal=`` takes: the path of a file, or a ``Journal``."""


def _looks_like_address(place: object) -> bool:
    return isinstance(place, str | os.PathLike) and ADDRESS.match(os.fspath(place)) is not None


def guarded_place(place: object) -> object:
    """Return ``place``, as a ``Secret`` if it is an address: tracebacks show variables."""
    return Secret(place) if isinstance(place, str) and _looks_like_address(place) else place


def guard_journal(options: MutableMapping[str, object]) -> None:
    """Hide the password of the address that ``journal=`` may be, in the variables of all frames."""
    if "journal" in options:
        options["journal"] = guarded_place(options["journal"])


def check_run_id(run_id: object) -> str:
    """Return ``run_id`` if it can be one.

    Raises:
        ConfigurationError: It cannot.
    """
    if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
        raise ConfigurationError(
            f"run_id={run_id!r:.140} must be 1 to 128 letters of a to z, digits, '.', '_', ':' and "
            "'-', and not begin with a dot"
        )
    return run_id


def journal_at(place: object) -> Journal:
    """Return the journal that ``journal=`` names: a path, an address, or a ``Journal``."""
    if isinstance(place, Journal):
        return place
    if not isinstance(place, str | os.PathLike):
        raise ConfigurationError(f"journal= takes a path or a Journal, not {place!r:.60}")
    return Journal(cast("str | os.PathLike[str]", place))


def kept_in(
    journal: object, run_id: object, changed: object
) -> tuple[Journal, str | None, bool] | None:
    """Return the journal of a run, its id, and whether changes are accepted; ``None`` without one.

    Raises:
        ConfigurationError: An option cannot work, or has no meaning without a journal.
    """
    if changed not in (None, "refuse", "accept"):
        raise ConfigurationError(f"changed must be 'refuse' or 'accept', not {changed!r:.60}")
    if journal is not None:
        id_ = None if run_id is None else check_run_id(run_id)
        return journal_at(journal), id_, changed == "accept"
    if run_id is not None:
        raise ConfigurationError(
            f"run_id={run_id!r:.80} names a run in a journal: give journal= as well"
        )
    if changed == "accept":
        raise ConfigurationError("changed= is for runs in a journal: give journal= as well")
    return None
