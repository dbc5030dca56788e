"""``Journal(power_loss=True)``: a thread waits for the disk, and what must be on it waits for that."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from agentouto import Agent, Journal, JournalError, Provider, Tool, async_run_stream, run
from agentouto._journal.disk_sync import DiskSync
from agentouto.testing import Script, say, tool


def lead() -> Agent:
    script = Script({"lead": [tool("work"), say("done")]})
    return Agent("lead", "You lead.", "m", Provider("p", kind="script", script=script))


def count_facts(place: Path) -> int:
    connection = sqlite3.connect(place)
    (count,) = connection.execute("select count(*) from facts").fetchone()
    connection.close()
    return int(count)


async def test_the_loop_goes_on_and_a_function_begins_when_the_disk_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, begun = threading.Event(), list[str]()

    def fsync(_: int) -> None:
        disk.wait(30)

    monkeypatch.setattr(os, "fsync", fsync)

    async def work() -> str:
        begun.append("work")
        return "worked"

    journal = Journal(tmp_path / "r", power_loss=True)
    stream = async_run_stream("Go.", [lead()], [Tool(work)], journal=journal, run_id="order")
    async with stream:
        async for each in stream:  # which it could not be, if the loop waited for the disk
            if each.type == "tool_call":
                break
        for _ in range(50):
            await asyncio.sleep(0)
        assert begun == []
        disk.set()
        assert (await stream.result()).output == "done"
    assert begun == ["work"]


async def test_who_is_cancelled_does_not_end_the_wait_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs.db-wal").touch()
    disk, entered, calls = threading.Event(), threading.Event(), list[int]()

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        entered.set()
        disk.wait(30)

    monkeypatch.setattr(os, "fsync", fsync)
    sync = DiskSync(tmp_path / "runs.db")
    sync.note_commit()
    await asyncio.to_thread(entered.wait, 30)
    sync.note_commit()
    waiting = [asyncio.create_task(sync.settle()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    assert not waiting[1].done()
    disk.set()
    await waiting[1]
    assert waiting[0].cancelled()
    assert len(calls) == 2
    await sync.settle()
    sync.flush()
    sync.close()
    assert len(calls) == 2


def test_a_result_is_on_the_disk_before_it_is_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, synced = tmp_path / "runs.db", list[int]()

    def fsync(_: int) -> None:
        synced.append(count_facts(place))

    monkeypatch.setattr(os, "fsync", fsync)
    result = run(
        "Go.",
        [lead()],
        [Tool(lambda: "worked", name="work")],
        journal=Journal(place, power_loss=True),
    )
    assert result.output == "done"
    assert synced == sorted(synced)
    assert synced[-1] == count_facts(place)


def test_a_disk_that_fails_ends_the_run_before_a_function_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = list[str]()

    def fsync(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    place = tmp_path / "runs.db"
    with pytest.raises(JournalError, match=r"cannot be written: .* Input/output error"):
        run(
            "Go.",
            [lead()],
            [Tool(lambda: begun.append("work"), name="work")],
            journal=Journal(place, power_loss=True),
            run_id="order",
        )
    assert begun == []
    monkeypatch.undo()
    work = Tool(lambda: "worked", name="work")
    assert run("Go.", [lead()], [work], journal=place, run_id="order").output == "done"
