"""What is removed from a journal, and what a run does whose journal fails and which may be lost."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from agentouto import Agent, Attachment, Journal, JournalError, Provider, Tool, run
from agentouto._journal.deletion import finish_removals, remove_run
from agentouto._journal.sqlite_database import SqliteDatabase
from agentouto._journal.store import Store
from agentouto.exceptions import RunTaken
from agentouto.testing import Script, say, tool
from children import child


def agent(lines: Any) -> Agent:
    provider = Provider("p", kind="script", script=Script({"lead": lines}))
    return Agent("lead", "You lead.", "m", provider)


def keep_runs(place: Path, *ids: str, text: str = "x", **options: Any) -> Journal:
    for run_id in ids:
        run("Go.", [agent([say(text)])], journal=place, run_id=run_id, **options)
    return Journal(place)


def counts(place: Path) -> tuple[int, ...]:
    connection = sqlite3.connect(place)
    tables = ("runs", "facts", "files", "file_uses")
    found = [
        connection.execute(f"select count(*) from {name}").fetchone()[0]  # noqa: S608 - our tables
        for name in tables
    ]
    connection.close()
    return tuple(found)


def left(journal: Journal) -> list[str]:
    return [saved.id for saved in journal.runs()]


def interrupted(place: Path) -> None:
    """Leave a run in the file whose process has ended in the middle."""
    keep_runs(place, "open")
    connection = sqlite3.connect(place)
    with connection:
        connection.execute("update runs set status = 'running', ended = null where id = 'open'")
        connection.execute("delete from facts where kind = 'RunEnded'")
    connection.close()


def test_the_oldest_runs_that_have_ended_are_removed_if_there_are_too_many(tmp_path: Path) -> None:
    place = tmp_path / "runs.db"
    interrupted(place)
    journal = keep_runs(place, "a", "b", "c", "d")
    journal["a"].keep()
    assert journal.trim(max_runs=5) == 0
    assert journal.trim(max_runs=3) == 2
    assert left(journal) == ["d", "a", "open"]
    assert [journal[name].kept for name in left(journal)] == [False, True, False]
    assert journal.trim(max_runs=0) == 1
    assert left(journal) == ["a", "open"]


def test_runs_that_are_too_large_together_are_removed(tmp_path: Path) -> None:
    journal = keep_runs(tmp_path / "runs.db", "a", "b", "c", text="long text " * 20_000)
    assert journal.trim(max_bytes=10_000_000) == 0
    assert journal.trim(max_bytes=1_200_000) == 2
    assert left(journal) == ["c"]


def test_what_takes_too_long_is_left_for_the_next_time(tmp_path: Path) -> None:
    journal = keep_runs(tmp_path / "runs.db", "a", "b")
    assert journal.trim(max_runs=0, max_seconds=-1) == 0
    assert journal.trim(max_runs=0) == 2
    assert counts(tmp_path / "runs.db") == (0, 0, 0, 0)


def test_the_space_of_removed_runs_is_used_again(tmp_path: Path) -> None:
    place, picture = tmp_path / "runs.db", Attachment("image/png", data="iVBO" * 50_000)
    journal = keep_runs(place, "a", text="long text " * 90_000, attachments=[picture])
    full = place.stat().st_size
    for name in ("b", "c", "d"):
        journal.trim(max_runs=0)
        keep_runs(place, name, text="long text " * 90_000, attachments=[picture])
    assert place.stat().st_size < full * 1.5


def test_a_removal_that_was_cut_off_is_seen_by_no_reader_and_finished_later(
    tmp_path: Path,
) -> None:
    place = tmp_path / "runs.db"
    journal = keep_runs(place, "a", "b")
    connection = sqlite3.connect(place)
    with connection:
        connection.execute("update runs set id = '.1', status = 'removed' where id = 'a'")
    connection.close()
    assert left(journal) == ["b"]
    assert "a" not in journal
    assert counts(place)[0] == 2
    journal.trim()
    assert counts(place)[0] == 1
    assert journal["b"].result().output == "x"


def test_two_processes_may_remove_the_same_run_while_a_new_one_gets_its_number(
    tmp_path: Path,
) -> None:
    place = tmp_path / "runs.db"
    keep_runs(place, "a")
    store = Store(SqliteDatabase(place))
    (row,) = store.runs()
    assert remove_run(store, row)
    keep_runs(place, "new")
    assert store.runs()[0].no == row.no
    assert remove_run(store, row)  # as another process that has read of it before
    finish_removals(store)
    store.database.close()
    assert Journal(place)["new"].result().output == "x"


def test_a_run_at_work_is_not_removed(tmp_path: Path) -> None:
    place, tried = tmp_path / "runs.db", list[int]()

    @Tool
    def remove() -> str:
        with pytest.raises(RunTaken, match="is at work: stop it"):
            Journal(place)["a"].delete()
        tried.append(Journal(place).trim(max_runs=0))
        return "no"

    run("Go.", [agent([tool("remove"), say("x")])], [remove], journal=place, run_id="a")
    assert tried == [0]
    assert Journal(place)["a"].status == "returned"


def test_the_team_of_a_run_is_noted_and_goes_with_its_forks(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "runs.db", team="crew.py:crew")
    run("Go.", [agent([say("x")])], journal=journal, run_id="a")
    run("Go.", [agent([say("x")])], journal=journal.path, run_id="b")
    saved = journal["a"]
    assert (saved.team, saved.folder) == ("crew.py:crew", str(Path.cwd()))
    fork = saved.fork(before=("a", 0))
    assert (fork.team, fork.folder) == (saved.team, saved.folder)
    assert (journal["b"].team, journal["b"].folder) == ("", "")


def test_a_run_that_may_be_lost_goes_on_without_a_journal(tmp_path: Path) -> None:
    lost: list[JournalError] = []
    journal = Journal(tmp_path, on_lost=lost.append)
    assert run("Go.", [agent([say("x")])], journal=journal).output == "x"
    assert [str(error).endswith("journal= takes a file") for error in lost] == [True]


LOST_ON_THE_WAY = """
import resource, signal, sys
from agentouto import Agent, Journal, Provider, Tool, run
from agentouto.testing import Script, say, tool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def grow():
    return "long text " * 90_000

def release():
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return "released"

lines = [tool("grow"), tool("release"), say("done")]
lead = Agent("lead", "", "m", Provider("p", kind="script", script=Script({"lead": lines})))
journal = Journal(sys.argv[1], on_lost=lambda error: print("lost:", "is full" in str(error) or str(error)))
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
print(run("Go.", [lead], [Tool(grow), Tool(release)], journal=journal, run_id="a").output)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has no limit for the size of files")
def test_a_run_that_is_lost_on_the_way_goes_on_and_cannot_be_gone_on_with(tmp_path: Path) -> None:
    place = tmp_path / "runs.db"
    with child([sys.executable, "-c", LOST_ON_THE_WAY, str(place)], stdout=-1) as process:
        output = process.communicate(timeout=30)[0].splitlines()
    assert len(output) == 2
    assert output[0].startswith("lost: ")
    assert output[1] == "done"
    saved = Journal(place)["a"]
    assert saved.status == "failed"
    assert saved.error.startswith("not all of it was kept: ")
    with pytest.raises(JournalError, match="cannot be gone on with: not all of it was kept"):
        run("Go.", [agent([say("x")])], journal=place, run_id="a")
