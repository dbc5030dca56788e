"""The tables of a journal in Postgres: makes them, and checks their version and the rights to them.

They are in the schema ``agentouto``, so that the tables of an application may be beside them.
"""

from __future__ import annotations

from agentouto._domain.errors import JournalError
from agentouto._journal.database import Database

SCHEMA = "agentouto"

SCHEMA_VERSION = 1
"""The version in the table ``journal``. Tables of a higher one are refused, and not changed."""

_MAKING = 4_711_082_015
"""The advisory lock of whoever makes the tables: any number that is always the same."""

_SCHEMA_TABLES = """
create schema if not exists agentouto;
create table agentouto.journal(version integer not null);
insert into agentouto.journal values (1);
create table agentouto.runs(
    no bigint generated always as identity primary key,
    id text not null unique,
    status text not null,
    message text not null,
    marks text not null default '{}',
    started double precision not null,
    ended double precision,
    error text not null default '',
    owner text not null default '',
    forked_from text,
    forked_at integer,
    kept integer not null default 0
);
create index on agentouto.runs(started, no) where status = 'running';
create table agentouto.facts(
    run bigint not null,
    seq integer not null,
    call integer not null,
    kind text not null,
    body bytea,
    primary key(run, seq)
);
create table agentouto.files(hash bytea primary key, data bytea not null);
create table agentouto.file_uses(hash bytea not null, run bigint not null, primary key(hash, run));
create index on agentouto.file_uses(run);
create table agentouto.inbox(
    no bigint generated always as identity primary key,
    run bigint not null,
    kind text not null,
    id text not null,
    address text,
    body text not null,
    sent double precision not null,
    outcome text,
    unique(run, kind, id)
);
"""

_NEEDED_RIGHTS = (
    ("runs", "insert"),
    ("runs", "update"),
    ("facts", "insert"),
    ("files", "insert"),
    ("file_uses", "insert"),
    ("inbox", "update"),
    ("inbox", "delete"),
)
"""What a process that works on runs has to be allowed."""


def open_schema(database: Database, *, writes: bool) -> None:
    """Make the tables if they are not there, and check them.

    Args:
        database: The connection.
        writes: Whether runs will be written.

    Raises:
        JournalError: They cannot be used.
    """
    version = _schema_version(database)
    if version is None:
        _make(database)
    elif version != SCHEMA_VERSION:
        age = "a newer" if version > SCHEMA_VERSION else "an older"
        raise JournalError(
            f"the journal {database.place} was written by {age} agentouto (version {version} of "
            f"the schema {SCHEMA}; this one reads {SCHEMA_VERSION}); install that, or name another "
            "database"
        )
    if writes:
        _check_rights(database)


def _schema_version(database: Database) -> int | None:
    with database.errors("cannot be read"):
        found = database.execute("select to_regclass('agentouto.journal')::text").fetchone()
        if found is None or found[0] is None:
            return None
        found = database.execute("select version from agentouto.journal").fetchone()
    return 0 if found is None else int(found[0])


def _make(database: Database) -> None:
    try:
        with database.errors("cannot be written"):
            # Before the transaction: one that waits would not see what was made in the meantime.
            database.execute(f"select pg_advisory_lock({_MAKING})")
        try:
            with database.transaction():
                if _schema_version(database) is None:  # no other process was faster
                    for statement in _SCHEMA_TABLES.split(";"):
                        if statement.strip():
                            database.execute(statement)
        finally:
            with database.errors("cannot be written"):
                database.execute(f"select pg_advisory_unlock({_MAKING})")
    except JournalError as error:
        raise JournalError(
            f"{error}. There is no journal yet, and its schema {SCHEMA} could not be made: connect "
            "once as the owner of the database, or have the schema made for this role with `create "
            f"schema {SCHEMA} authorization ROLE`"
        ) from error.__cause__


def _check_rights(database: Database) -> None:
    names = ", ".join("(?, ?)" for _ in _NEEDED_RIGHTS)
    query = (
        f"select one.name, one.can from (values {names}) as one(name, can) "  # noqa: S608 - ours
        "where not has_table_privilege('agentouto.' || one.name, one.can)"
    )
    with database.errors("cannot be read"):
        pairs = [each for pair in _NEEDED_RIGHTS for each in pair]
        missing = database.execute(query, pairs).fetchall()
        (role,) = database.execute("select current_user::text").fetchone() or ("",)
    if missing:
        what = ", ".join(f"{can} on {SCHEMA}.{name}" for name, can in missing)
        raise JournalError(
            f"the journal {database.place} cannot be written: the role {role} lacks {what}. Its "
            f"owner can grant that: `grant select, insert, update, delete on all tables in schema "
            f"{SCHEMA} to {role}`"
        )
