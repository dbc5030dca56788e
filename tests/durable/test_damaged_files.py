"""Files of journals that are damaged, full, removed or elsewhere: each is named, and none is changed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from agentouto import Agent, Journal, JournalError, Provider, RunResult, Tool, run
from agentouto.testing import Request, Script, ScriptedReply, say, tool

PAGE = 4096
TURNS = 30

Damage: TypeAlias = Callable[[Path], object]


def work(n: int) -> str:
    return "x" * 500


def lead() -> Agent:
    def answer(request: Request) -> ScriptedReply:
        return say("done") if request.turn == TURNS else tool("work", n=request.turn)

    return Agent("lead", "", "m", Provider("p", kind="script", script=Script({"lead": answer})))


def go(place: Path, run_id: str = "order", use: Callable[[int], str] = work) -> RunResult:
    return run("Go.", [lead()], [Tool(use, name="work")], journal=place, run_id=run_id)


def cut(share: float, more: int = 0) -> Damage:
    def damage(place: Path) -> None:
        os.truncate(place, int(place.stat().st_size * share) // PAGE * PAGE + more)

    return damage


def overwrite(page: int, count: int, byte: bytes) -> Damage:
    def damage(place: Path) -> None:
        with place.open("r+b") as file:
            file.seek(page * PAGE)
            file.write(byte * count * PAGE)

    return damage


def sql(statements: str) -> Damage:
    def damage(place: Path) -> None:
        connection = sqlite3.connect(place, isolation_level=None)
        connection.executescript(statements)
        connection.close()

    return damage


MALFORMED = "cannot be (opened|read): database disk image is malformed"


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (cut(0.5), MALFORMED),
        (cut(0.5, 777), MALFORMED),
        (cut(0, 100), MALFORMED),
        (overwrite(0, 1, b"\xff"), "cannot be opened: file is not a database"),
        (overwrite(1, 1, b"\xff"), MALFORMED),
        (overwrite(4, 20, b"\0"), MALFORMED),
        (
            sql("drop table inbox"),
            r"no such table: inbox\. It was written by an agentouto that was",
        ),
        (sql("alter table runs drop column kept"), "cannot be used: no such column: kept"),
        (sql("drop table runs"), "is a database, but no journal of runs"),
        (sql("pragma user_version = -3"), "is a database, but no journal of runs"),
        (sql("pragma user_version = 2"), "was written by a newer agentouto"),
        (sql("update facts set body = null where kind = 'Replied'"), "damaged.*has no content"),
        (sql("update facts set body = 'text' where kind = 'Replied'"), "damaged.*has no content"),
        (sql("update facts set kind = 'Said' where kind = 'Replied'"), "there is no kind of event"),
    ],
)
def test_a_damaged_file_is_named_by_all_that_reads_it(
    tmp_path: Path, damage: Damage, text: str
) -> None:
    place = tmp_path / "runs.db"
    go(place)
    damage(place)
    before = place.read_bytes()
    uses: list[Callable[[], object]] = [
        lambda: go(place),
        lambda: Journal(place)["order"].lines(start=1),
        lambda: Journal(place)["order"].fork(before=("order", 1)),
    ]
    for use in uses:
        with pytest.raises(JournalError, match=text) as raised:
            use()
        assert str(place) in str(raised.value)
    assert place.read_bytes() == before


def test_marks_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    place = tmp_path / "runs.db"
    go(place)
    sql("delete from facts where kind = 'RunEnded'; update runs set marks = '[1]'")(place)
    for use in (lambda: go(place), Journal(place).runs):
        with pytest.raises(JournalError, match=r"damaged: what the run 'order' was begun with"):
            use()


def test_a_damaged_run_can_be_removed(tmp_path: Path) -> None:
    place = tmp_path / "runs.db"
    go(place)
    sql("update facts set body = null where at % 2 = 0")(place)
    Journal(place)["order"].delete()
    assert Journal(place).runs() == []
    assert go(place).output == "done"


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be removed there")
@pytest.mark.parametrize("replace", [False, True])
def test_a_file_that_is_removed_while_a_run_is_at_work_is_told_at_its_end(
    tmp_path: Path, *, replace: bool
) -> None:
    place = tmp_path / "runs.db"

    def remove(n: int) -> str:
        if n == 1:
            place.unlink()
            if replace:
                sqlite3.connect(place).execute("create table notes(text)").connection.close()
        return "worked"

    with pytest.raises(JournalError, match="was removed or replaced while a run was at") as raised:
        go(place, use=remove)
    assert raised.value.partial is not None
    assert len(raised.value.partial.messages) > 0


NAMESPACE = """
import subprocess, sys
from pathlib import Path

from agentouto import Agent, Journal, JournalError, Provider, Tool, run
from agentouto.testing import Script, say, tool

def answer(request):
    return say("done") if request.turn == 100 else tool("work", n=request.turn)

def go():
    lead = Agent("lead", "", "m", Provider("p", kind="script", script=Script({"lead": answer})))
    work = Tool(lambda n: "x" * 3000, name="work", on_restart="run")
    journal = Journal(Path(sys.argv[1], "runs.db"), power_loss=sys.argv[2:] == ["power loss"])
    try:
        print(run("Go.", [lead], [work], journal=journal, run_id="order").output)
    except JournalError as error:
        print(error)
"""

FULL_DISK = f"""{NAMESPACE}
go()
go()
subprocess.run(["mount", "-o", "remount,size=20m", sys.argv[1]], check=True)
go()
"""


def in_namespace(setup: str, program: str, folder: Path, *arguments: str) -> list[str]:
    """Run ``program`` with mounts of its own; skip the test where that is not possible."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("there is no unshare to mount with")
    if subprocess.run([unshare, "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("only root may mount")
    script = f'{setup} || exit 77; exec "$0" -c "$1" "${{@:2}}"'
    command = [unshare, "-m", "bash", "-c", script, sys.executable, program]
    command += [str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    if done.returncode == 77:
        pytest.skip("this machine does not let root mount")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("options", [(), ("power loss",)])
def test_a_run_goes_on_when_a_full_disk_has_room(tmp_path: Path, options: tuple[str, ...]) -> None:
    told = in_namespace('mount -t tmpfs -o size=256k tmpfs "$2"', FULL_DISK, tmp_path, *options)
    full = f"the journal {tmp_path}/runs.db cannot be written: database or disk is full"
    assert told == [full, full, "done"]


def test_a_disk_that_is_full_from_the_start_is_named(tmp_path: Path) -> None:
    told = in_namespace('mount -t tmpfs -o size=4k tmpfs "$2"', FULL_DISK, tmp_path)
    full = f"the journal {tmp_path}/runs.db cannot be opened: database or disk is full"
    assert told == [full, full, "done"]


def test_a_network_drive_is_refused(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    drive = tmp_path / "drive"
    drive.mkdir()
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {drive} nfs4 rw 0 0\n", "utf-8")
    setup = f'mount --bind "{mounts}" /proc/$$/mounts'
    told = in_namespace(setup, f"{NAMESPACE}\ngo()", drive)
    assert told[0].startswith(f"the journal {drive}/runs.db is on a network drive (nfs4), where")
    assert list(drive.iterdir()) == []
