"""A database of Postgres that has a journal: connects to it, checks it, and executes statements.

That a process works on a run is an advisory lock of its session. It goes with the connection, and
everything that is written of the run goes through that session. Beside it, the primary key of
``facts`` keeps a second writer out: a process that another one has taken a run from adds an event
whose number is there already, and stops.

An answer of the server is waited for only so long; and the server ends the session of a process
that it has not heard of for some time. So a process that is stopped or cut off loses its runs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import Any, Protocol, cast
from urllib.parse import parse_qs, urlsplit

from agentouto._domain.clock import monotonic
from agentouto._domain.errors import JournalError, RunTakenOver
from agentouto._domain.secret import HiddenFrames
from agentouto._journal.database import EventRange, FoundRows
from agentouto._journal.postgres_address import PostgresAddress
from agentouto._journal.postgres_schema import SCHEMA, open_schema
from agentouto._journal.rows import EventRow

NO_PSYCOPG = 'a journal in Postgres needs psycopg: pip install "agentouto[distributed]"'

SILENT_SECONDS = 10
"""After how long without a word the server ends the session of a process. One that works on runs
asks five times a second."""

_SESSION_SETTINGS = (
    f"search_path to {SCHEMA}",
    "default_transaction_isolation to 'read committed'",  # the locks on rows count on that
    "lock_timeout to '5s'",
    f"idle_in_transaction_session_timeout to '{SILENT_SECONDS}s'",
)

_SILENCE = f"idle_session_timeout to '{SILENT_SECONDS}s'"
"""PostgreSQL has it from version 14 on."""

_OWN_KEY = "23505"
"""SQLSTATE of a row whose key is there already (PostgreSQL 15, appendix A)."""


class _ClientConnection(Protocol):
    """What is used of a connection of psycopg."""

    @property
    def closed(self) -> bool: ...

    def execute(
        self, query: str, params: Sequence[object] | None, *, binary: bool
    ) -> FoundRows: ...

    def close(self) -> None: ...


class AdvisoryLock:
    """The mark that a session works on a run. It goes with the session.

    Args:
        release: Lets go of it.
    """

    def __init__(self, release: Callable[[], object]) -> None:
        self._release = release

    def release(self) -> None:
        """Let go of the run."""
        self._release()


class PostgresDatabase:
    """One connection.

    Args:
        address: Where to.
        writes: Whether it is to work on runs.

    Attributes:
        place: The address without its password.
        of_row: The clause that locks rows.

    Raises:
        JournalError: The database cannot be used.
    """

    def __init__(self, address: PostgresAddress, *, writes: bool = False) -> None:
        self.place: str = address.shown
        self.of_row: str = " for update"
        self._address = address
        try:
            self._client = importlib.import_module("psycopg")
        except ImportError as error:
            raise JournalError(NO_PSYCOPG) from error
        self._errors = cast("type[Exception]", self._client.Error)
        self._held: set[int] = set()
        with self.errors("cannot be opened"):
            self._connection = self._connected()
        try:
            self._set_up(writes=writes)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"PostgresDatabase({self.place!r})"

    def _connected(self) -> _ClientConnection:
        whole = self._address.whole
        settings: dict[str, object] = {"application_name": "agentouto", "client_encoding": "utf8"}
        if "connect_timeout" not in parse_qs(urlsplit(whole).query):
            settings["connect_timeout"] = self._address.patience.connect
        kind = _impatient(self._client.Connection, self._address.patience.answer)
        with HiddenFrames(self._errors):
            return cast("_ClientConnection", kind.connect(whole, autocommit=True, **settings))

    def _set_up(self, *, writes: bool) -> None:
        with self.errors("cannot be opened"):
            found = self.execute(
                "select current_setting('server_version_num'), current_setting('server_encoding')"
            )
            version, encoding = found.fetchone() or ("0", "")
            for setting in _SESSION_SETTINGS:
                self.execute(f"set {setting}")
            if writes and int(version) >= 140_000:
                self.execute(f"set {_SILENCE}")
        if encoding != "UTF8":
            raise JournalError(
                f"the journal {self.place} is in a database with the encoding {encoding}, which "
                "has not all characters; name one with UTF8"
            )
        open_schema(self, writes=writes)

    @property
    def is_lost(self) -> bool:
        """Whether the connection has broken."""
        return self._connection.closed

    def close(self) -> None:
        """Close the connection."""
        with suppress(self._errors, OSError):
            self._connection.close()

    @contextmanager
    def errors(self, what: str) -> Generator[None]:
        """Raise what psycopg and the system raise as a ``JournalError`` that says ``what``."""
        try:
            yield
        except (self._errors, OSError) as error:
            if getattr(error, "sqlstate", None) == _OWN_KEY:
                raise self.taken_over() from error
            text = " ".join(self._address.hide(str(error)).split())
            raise JournalError(f"the journal {self.place} {what}: {text}") from error

    def is_busy(self, _: JournalError, /) -> bool:
        """Say no: the server has processes wait for each other."""
        return False

    @contextmanager
    def transaction(self, *, wait: bool = True) -> Generator[None]:  # noqa: ARG002 - it waits
        """Do what is inside as a whole, or not at all; see ``Database``."""
        with self.errors("cannot be written"):
            self.execute("begin")
            try:
                yield
                self.execute("commit")
            except BaseException:
                with suppress(self._errors, OSError):
                    if not self.is_lost:
                        self.execute("rollback")
                raise

    def execute(self, query: str, values: Sequence[object] = (), /) -> FoundRows:
        """Execute one statement."""
        try:
            return self._connection.execute(query.replace("?", "%s"), values or None, binary=True)
        except OSError:  # it was waited for too long, or interrupted: what comes next is unknown
            self.close()
            raise

    # ── events ────────────────────────────────────────────────────────────────────────────────

    def insert_events(self, no: int, first: int, rows: Sequence[EventRow]) -> None:
        """Add rows of the run ``no``, the first of which is its event number ``first``."""
        self.insert_events_of_runs([(no, first, rows)])

    def insert_events_of_runs(self, runs: Iterable[tuple[int, int, Sequence[EventRow]]]) -> None:
        """Add rows of several runs, in one statement: all of them, or none."""
        values = [
            (no, number, row.call, row.kind, row.body)
            for no, first, rows in runs
            for number, row in enumerate(rows, first)
        ]
        if values:
            self.execute(
                "insert into facts(run, seq, call, kind, body) select * from "
                "unnest(?::bigint[], ?::integer[], ?::integer[], ?::text[], ?::bytea[])",
                [list(column) for column in zip(*values, strict=True)],
            )

    def events_from(self, no: int, first: int) -> EventRange:
        """Return which rows are the events of the run ``no`` from number ``first`` on."""
        return EventRange("seq", 0, "run = ? and seq >= ?", (no, first))

    def check_owner(self, no: int, length: int) -> None:
        """Check that no other process has added events to the run."""
        query = "select 1 from facts where run = ? and seq >= ? limit 1"
        if self.execute(query, (no, length)).fetchone() is not None:
            raise self.taken_over()

    def taken_over(self) -> RunTakenOver:
        """Return the error of a run that another process has taken from this one."""
        return RunTakenOver(
            f"another process goes on with this run of the journal {self.place}; what was done "
            "here since then is not kept"
        )

    def has_events(self, no: int, first: int, rows: Sequence[EventRow]) -> bool:
        """Whether the events of a run from number ``first`` on are exactly these."""
        query = "select call, kind, body from facts where run = ? and seq >= ? order by seq"
        with self.errors("cannot be read"):
            found = self.execute(query, (no, first)).fetchall()
        return [tuple(row) for row in found] == [(row.call, row.kind, row.body) for row in rows]

    # ── sessions ──────────────────────────────────────────────────────────────────────────────

    def used_bytes(self) -> int:
        """Return how large the tables are; rows that were removed count until they are reused."""
        query = (
            "select sum(pg_total_relation_size(oid)) from pg_class "
            "where relkind = 'r' and relnamespace = ?::regnamespace"
        )
        with self.errors("cannot be read"):
            (size,) = self.execute(query, (SCHEMA,)).fetchone() or (0,)
        return int(size)

    def session(self) -> tuple[int, str]:
        """Return by what the server knows the session of this connection."""
        query = "select pid, backend_start::text from pg_stat_activity where pid = pg_backend_pid()"
        with self.errors("cannot be read"):
            pid, began = self.execute(query).fetchone() or (0, "")
        return int(pid), str(began)

    def end_session(self, session: tuple[int, str]) -> None:
        """Have the server end an earlier session of this process, which may hold its runs still."""
        query = (
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where pid = ? and backend_start::text = ?"
        )
        with suppress(self._errors, OSError):
            self.execute(query, session)

    def hold_run(self, run_id: str) -> AdvisoryLock | None:
        """Return the lock of a run, unless a session has it."""
        key = _lock_key(run_id)
        if key in self._held:  # a session gets its own locks again
            return None
        with self.errors("cannot be written"):
            found = self.execute("select pg_try_advisory_lock(?)", (key,)).fetchone()
        if found is None or not found[0]:
            return None
        self._held.add(key)
        return AdvisoryLock(lambda: self._let_go(key))

    def _let_go(self, key: int) -> None:
        self._held.discard(key)
        with suppress(self._errors, OSError):
            if not self.is_lost:
                self.execute("select pg_advisory_unlock(?)", (key,))

    def is_at_work(self, run_id: str) -> bool:
        """Whether a session has the lock of a run."""
        key = _lock_key(run_id)
        query = (
            "select 1 from pg_locks where locktype = 'advisory' and objsubid = 1 and granted "
            "and database = (select oid from pg_database where datname = current_database()) "
            "and classid::bigint = ? and objid::bigint = ?"
        )
        with self.errors("cannot be read"):
            found = self.execute(query, (key >> 32 & 0xFFFF_FFFF, key & 0xFFFF_FFFF)).fetchone()
        return found is not None

    def at_work(self, ids: Collection[str]) -> set[str]:
        """Return those of the runs whose lock a session has."""
        query = (
            "select classid::bigint << 32 | objid::bigint from pg_locks "
            "where locktype = 'advisory' and objsubid = 1 and granted "
            "and database = (select oid from pg_database where datname = current_database())"
        )
        with self.errors("cannot be read"):
            held = {int(key) for (key,) in self.execute(query).fetchall()}
        return {id_ for id_ in ids if _lock_key(id_) in held}


def _lock_key(run_id: str) -> int:
    digest = blake2b(run_id.encode(), digest_size=8, person=b"agentouto").digest()
    return int.from_bytes(digest, signed=True)


def _impatient(kind: type[Any], seconds: float) -> type[Any]:
    """Return the class of a connection of psycopg that waits for an answer only so long.

    Nothing of the server's ends a wait for a server that is stopped, or behind a broken network.
    """

    def wait(self: object, results: Generator[Any, Any, Any], *given: Any, **named: Any) -> Any:
        return kind.wait(self, _bounded(results, seconds), *given, **named)

    return type("_ImpatientConnection", (kind,), {"wait": wait})


def _bounded(results: Generator[Any, Any, Any], seconds: float) -> Generator[Any, Any, Any]:
    """Pass on a wait of psycopg, which looks several times a second whether something is ready."""
    deadline = monotonic() + seconds
    try:
        waits_for = next(results)
        while True:
            ready = yield waits_for
            if not ready and monotonic() > deadline:
                raise TimeoutError(f"the server has not answered within {seconds:g} s")
            waits_for = results.send(ready)
    except StopIteration as end:
        return end.value
