"""A journal in Postgres: connections that break, processes that stand still, what is refused."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentouto import (
    Agent,
    ConfigurationError,
    Journal,
    JournalError,
    Provider,
    Tool,
    async_run,
    run,
)
from agentouto._domain.secret import Secret
from agentouto._journal.postgres_address import Patience, PostgresAddress
from agentouto._journal.postgres_database import PostgresDatabase
from agentouto.exceptions import RunTaken, RunTakenOver
from agentouto.testing import Script, finish, tool
from cli.terminal import agentouto
from postgres import PASSWORD, Postgres

TESTS = Path(__file__).parents[1]


def team(work: Callable[..., Any], turns: int = 1) -> dict[str, Any]:
    """Return a team of one that uses a tool ``turns`` times."""
    replies = [[tool("work", number=number)] for number in range(turns)]
    script = Script({"lead": [*replies, finish("done")]})
    lead = Agent("lead", "Lead.", "m", Provider("s", kind="script", script=script))
    return {
        "starting_agents": [lead],
        "tools": [Tool(work, name="work", description="Work.")],
        "run_agents": [lead],
    }


def hasty(address: str, *, answer: float = 10.0, reconnect: float = 0.3) -> Journal:
    """Return a journal that waits for its server less long."""
    journal = Journal(address)
    vars(journal)["_site"] = PostgresAddress(Secret(address), Patience(2, answer, reconnect))
    return journal


def nothing(number: int) -> str:
    """Work."""
    return f"did {number}"


def kinds(saved: Any) -> list[str]:
    return [one["type"] for one in saved.lines()]


def rows(postgres: Postgres, what: str = "count(*)") -> Any:
    return postgres.execute(f"select {what} from agentouto.facts")[0][0]  # noqa: S608


# ── what is kept ──────────────────────────────────────────────────────────────────────────────────


async def test_runs_at_the_same_time_share_one_connection(postgres: Postgres, address: str) -> None:
    seen: list[int] = []

    def count(number: int) -> str:
        """Count connections."""
        query = "select count(*) from pg_stat_activity where application_name = 'agentouto'"
        seen.append(postgres.execute(query)[0][0])
        return "counted"

    names = [f"order-{number}" for number in range(5)]
    runs = [async_run("Go.", **team(count), journal=address, run_id=name) for name in names]
    results = await asyncio.gather(*runs)
    assert {result.output for result in results} == {"done"}
    assert seen == [1] * 5
    assert sorted(one.id for one in Journal(address).runs("returned")) == names
    assert Journal(address)["order-3"].result().output == "done"
    query = "select count(*) from pg_stat_activity where application_name = 'agentouto'"
    assert postgres.execute(query) == [(0,)]


def test_a_tool_begins_only_when_that_is_in_the_database(postgres: Postgres, address: str) -> None:
    found: list[Any] = []

    def look(number: int) -> str:
        """Look."""
        found.append(postgres.execute("select kind from agentouto.facts order by seq desc")[0])
        return "looked"

    run("Go.", **team(look), journal=address)
    assert found == [("ToolBegun",)]


def test_a_second_process_is_told_who_is_at_work(address: str) -> None:
    told: list[str] = []

    def again(number: int) -> str:
        """Begin the run that is at work."""
        with pytest.raises(RunTaken) as raised:
            run("Go.", **team(nothing), journal=address, run_id="order")
        told.append(str(raised.value))
        saved = Journal(address)["order"]
        told.append(saved.status)
        with pytest.raises(RunTaken):
            saved.delete()
        return "tried"

    run("Go.", **team(again), journal=address, run_id="order")
    assert told[0].startswith(f"run 'order' is at work in process {os.getpid()} on host ")
    assert told[1] == "running"
    assert Journal(address)["order"].status == "returned"


def test_texts_that_postgres_cannot_have_are_named(address: str) -> None:
    with pytest.raises(JournalError, match="NUL"):
        run("Go\0.", **team(nothing), journal=address)

    def broken(number: int) -> str:
        """Fail."""
        raise SystemExit("a\0b")

    run("Go.", **team(broken), journal=address, run_id="order")
    assert Journal(address)["order"].status == "returned"


# ── connections that break ────────────────────────────────────────────────────────────────────────


def test_a_connection_that_breaks_is_made_again_without_a_gap(
    postgres: Postgres, address: str
) -> None:
    def cut(number: int) -> str:
        """End the sessions of this process."""
        query = (
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'agentouto'"
        )
        postgres.execute(query)
        return f"cut {number}"

    result = run("Go.", **team(cut, 3), journal=address, run_id="order")
    assert result.output == "done"
    saved = Journal(address)["order"]
    assert saved.status == "returned"
    assert kinds(saved).count("tool.end") == 3
    assert rows(postgres, "count(*) = max(seq) + 1")


def test_a_server_that_was_started_again_is_gone_on_with(postgres: Postgres, address: str) -> None:
    def restart(number: int) -> str:
        """Start the server again."""
        postgres.stop()
        postgres.start()
        return "restarted"

    assert run("Go.", **team(restart), journal=address, run_id="order").output == "done"
    assert Journal(address)["order"].status == "returned"


def test_a_server_that_is_gone_ends_the_run_with_what_there_is(
    postgres: Postgres, address: str
) -> None:
    def stop(number: int) -> str:
        """Stop the server."""
        postgres.stop()
        return "stopped"

    try:
        with pytest.raises(JournalError, match=r"cannot be opened: .*refused") as raised:
            run("Go.", **team(stop, 2), journal=hasty(address), run_id="order")
    finally:
        postgres.start()
    assert raised.value.partial.messages
    assert Journal(address)["order"].status == "interrupted"
    assert run("Go.", **team(nothing, 2), journal=address, run_id="order").output == "done"
    assert PASSWORD not in shown(raised.value)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process can be made to stand still")
def test_a_server_that_stands_still_ends_the_run_and_hangs_nothing(
    postgres: Postgres, address: str
) -> None:
    def hold(number: int) -> str:
        """Have the server stand still."""
        postgres.hold()
        return "held"

    journal = hasty(address, answer=0.5)
    try:
        with pytest.raises(JournalError):
            run("Go.", **team(hold, 2), journal=journal, run_id="order")
    finally:
        postgres.let_go()
    assert run("Go.", **team(nothing, 2), journal=address, run_id="order").output == "done"


def test_a_run_that_another_process_goes_on_with_ends_here_and_writes_nothing(
    postgres: Postgres, address: str
) -> None:
    others: list[PostgresDatabase] = []

    def lose(number: int) -> str:
        """Have another session take the run, as a process does that goes on with it."""
        other = PostgresDatabase(PostgresAddress(Secret(address)))
        others.append(other)
        query = (
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = "
            "'agentouto' and pid != pg_backend_pid()"
        )
        taken = None
        while taken is None:
            other.execute(query)
            taken = other.hold_run("order")
        before.append(rows(postgres))
        return "lost"

    before: list[int] = []
    with pytest.raises(RunTakenOver) as raised:
        run("Go.", **team(lose, 2), journal=hasty(address), run_id="order")
    assert raised.value.code == "run-taken-over"
    assert rows(postgres) == before[0]
    for one in others:
        one.close()
    assert run("Go.", **team(nothing, 2), journal=address, run_id="order").output == "done"


def test_an_event_whose_number_is_there_already_ends_the_run(
    postgres: Postgres, address: str
) -> None:
    def intrude(number: int) -> str:
        """Add an event, as a process would that has not heard of the lock."""
        postgres.execute(
            "insert into agentouto.facts select run, max(seq) + 1, 0, 'RunResumed', '[]' "
            "from agentouto.facts group by run"
        )
        before.append(rows(postgres))
        return "intruded"

    before: list[int] = []
    with pytest.raises(RunTakenOver):
        run("Go.", **team(intrude, 2), journal=address, run_id="order")
    assert rows(postgres) == before[0]


# ── what is refused ───────────────────────────────────────────────────────────────────────────────


def shown(error: BaseException) -> str:
    """Return all that a reporter shows of an error: its texts, and the variables of its frames."""
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    said, each = list[str](), whole
    while each is not None:
        frames = [one for one in each.stack if not one.filename.startswith(str(TESTS))]
        said += [*each.format_exception_only(), *(str(one.locals) for one in frames)]
        each = each.__cause__ or each.__context__
    return "".join(said)


def refusal(place: str) -> str:
    with pytest.raises(JournalError) as raised:
        run("Go.", **team(nothing), journal=place, run_id="order")
    with pytest.raises(JournalError) as again:
        Journal(place).runs()
    for one in (raised.value, again.value):
        assert PASSWORD not in shown(one)
        assert "wrong-zebra" not in shown(one)
    return str(raised.value)


def test_a_database_that_cannot_be_used_is_named_early(postgres: Postgres, address: str) -> None:
    shown_place = f"postgresql://boss@127.0.0.1:{postgres.port}/"
    wrong = postgres.address("postgres", password="wrong-zebra")
    assert "password authentication failed" in refusal(wrong)
    missing = refusal(postgres.address("nowhere"))
    assert missing.startswith(f"the journal {shown_place}nowhere cannot be opened: ")
    assert '"nowhere" does not exist' in missing
    assert "refused" in refusal("postgresql://boss:wrong-zebra@127.0.0.1:1/x")


def test_a_role_without_the_rights_is_told_which(postgres: Postgres, address: str) -> None:
    postgres.execute("drop role if exists guest")
    postgres.execute(f"create role guest login password '{PASSWORD}'")
    guest = postgres.address("postgres", user="guest")
    none = refusal(guest)
    assert "permission denied for database postgres" in none
    assert "create schema agentouto authorization ROLE" in none
    run("Go.", **team(nothing), journal=address, run_id="order")
    assert "permission denied for schema agentouto" in refusal(guest)
    postgres.execute("grant usage on schema agentouto to guest")
    postgres.execute("grant select on all tables in schema agentouto to guest")
    with pytest.raises(JournalError, match=r"the role guest lacks .*insert on agentouto\.facts"):
        run("Go.", **team(nothing), journal=guest, run_id="order")
    assert Journal(guest)["order"].result().output == "done"


@pytest.mark.parametrize(("version", "age"), [(2, "a newer"), (0, "an older")])
def test_tables_of_another_version_are_refused_unharmed(
    postgres: Postgres, address: str, version: int, age: str
) -> None:
    run("Go.", **team(nothing), journal=address, run_id="order")
    postgres.execute(f"update agentouto.journal set version = {version}")  # noqa: S608
    assert f"was written by {age} agentouto (version {version} of the schema" in refusal(address)


def test_a_database_of_another_encoding_is_refused(postgres: Postgres) -> None:
    postgres.execute("drop database if exists latin")
    postgres.execute("create database latin encoding 'LATIN1' locale 'C' template template0")
    assert "encoding LATIN1" in refusal(postgres.address("latin"))


@pytest.mark.parametrize(
    "place",
    [
        "postgresql://boss:zebra@x@host/db",
        "postgresql://boss:zebra@host:port/db",
        "postgresql:/boss:zebra@host/db",
        "mysql://boss:zebra@host/db",
        "postgresql+psycopg://boss:zebra@host/db",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_its_password(place: str) -> None:
    with pytest.raises(ConfigurationError, match="postgresql://USER:PASSWORD@HOST") as raised:
        Journal(place)
    assert "zebra" not in str(raised.value)


def test_the_password_of_an_address_is_shown_nowhere() -> None:
    for address in (
        "postgresql://boss:zebra%40x@host:5/db",
        "postgres://boss@host:5/db?password=zebra%40x",
    ):
        journal = Journal(address)
        assert repr(journal) == "Journal('postgresql://boss@host:5/db')"
        assert journal.place == "postgresql://boss@host:5/db"
        assert journal.path is None
        assert "zebra" not in repr(vars(journal))


def test_two_threads_make_the_tables_at_the_same_time(address: str) -> None:
    gate, errors = threading.Barrier(4), list[BaseException]()

    def look() -> None:
        gate.wait()
        try:
            assert Journal(address).runs() == []
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert errors == []


def test_without_psycopg_the_extra_is_named(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(JournalError, match=r"pip install \"agentouto\[distributed\]\""):
        Journal(address).runs()


TEAM = """
from agentouto import Agent, Provider, Team
from agentouto.testing import Script, say
provider = Provider("scripted", kind="script", script=Script({"lead": [say("It is warm.")]}))
team = Team([Agent("lead", "", "m", provider)])
"""


def test_commands_take_the_address_and_show_no_password(address: str, tmp_path: Path) -> None:
    (tmp_path / "team.py").write_text(TEAM)
    path = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    named = ("--journal", address, "--run-id", "order")
    ended = agentouto("run", "team.py", "How warm?", *named, cwd=tmp_path, env=path)
    assert (ended.code, ended.out) == (0, "It is warm.\n"), ended.err
    assert "Others on this machine can read the password in --journal" in ended.err
    assert PASSWORD not in ended.err
    given = {**path, "AGENTOUTO_JOURNAL": address}
    listed = agentouto("runs", "list", "--json", cwd=tmp_path, env=given)
    assert '"order"' in listed.out
    assert "password" not in listed.err
    shown = agentouto("runs", "show", "order", cwd=tmp_path, env=given)
    assert "It is warm." in shown.out
    removed = agentouto("runs", "rm", "order", cwd=tmp_path, env=given)
    assert removed.code == 0, removed.err
    assert Journal(address).runs() == []
