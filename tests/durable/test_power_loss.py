"""``Journal(power_loss=True)``: a thread waits for the disk, and what must be on it waits for that."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from agentouto import (
    Agent,
    Journal,
    JournalError,
    Provider,
    Tool,
    async_run,
    async_run_stream,
    run,
    run_background,
)
from agentouto._journal.disk_sync import DiskSync
from agentouto._journal.run_lock import is_at_work
from agentouto.testing import Script, say, tool
from children import unmeasured


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
    sync.close(lambda: None).result()
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


class SlowDisk:
    """Stands in for a disk that is busy: it has what was committed when ``free`` is set.

    Attributes:
        awaited: Is set when a thread waits for it, after ``place`` has an event of ``kind``.
    """

    def __init__(self, place: Path, kind: str) -> None:
        self.free = threading.Event()
        self.awaited = threading.Event()
        self._place = place
        self._kind = kind

    def fsync(self, _: int) -> None:
        if has_event(self._place, self._kind):
            self.awaited.set()
            assert self.free.wait(30)


def has_event(place: Path, kind: str) -> bool:
    connection = sqlite3.connect(place)
    found = connection.execute("select 1 from facts where kind = ?", (kind,)).fetchone()
    connection.close()
    return found is not None


async def count_ticks() -> int:
    """Return how often the loop goes round, which it does not if it stands still."""
    for _ in range(50):
        await asyncio.sleep(0)
    return 50


@pytest.mark.parametrize("in_background", [True, False])
async def test_the_loop_goes_on_while_the_end_of_a_run_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, in_background: bool
) -> None:
    place = tmp_path / "runs.db"
    disk = SlowDisk(place, "RunEnded")
    monkeypatch.setattr(os, "fsync", disk.fsync)
    work = Tool(lambda: "worked", name="work")
    journal = Journal(place, power_loss=True)
    if in_background:
        handle = run_background("Go.", [lead()], [work], journal=journal, run_id="order")
        ending = asyncio.create_task(handle.wait())
    else:
        running = async_run("Go.", [lead()], [work], journal=journal, run_id="order")
        ending = asyncio.create_task(running)
    await asyncio.to_thread(disk.awaited.wait, 30)
    assert await count_ticks() == 50
    assert not ending.done()
    disk.free.set()
    assert (await ending).output == "done"
    assert Journal(place)["order"].status == "returned"
    again = await async_run("Go.", [lead()], [work], journal=journal, run_id="order")
    assert again.output == "done"


async def test_who_is_cancelled_at_the_end_leaves_a_run_that_has_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "runs.db"
    disk = SlowDisk(place, "RunEnded")
    monkeypatch.setattr(os, "fsync", disk.fsync)
    work = Tool(lambda: "worked", name="work")
    journal = Journal(place, power_loss=True)
    ending = asyncio.create_task(
        async_run("Go.", [lead()], [work], journal=journal, run_id="order")
    )
    await asyncio.to_thread(disk.awaited.wait, 30)
    ending.cancel()
    await asyncio.wait([ending])
    assert ending.cancelled()
    disk.free.set()
    while is_at_work(place, "order"):
        await asyncio.sleep(0.01)
    again = await async_run("Go.", [lead()], [work], journal=journal, run_id="order")
    assert again.output == "done"


async def test_a_run_cannot_be_cancelled_while_its_end_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "runs.db"
    disk = SlowDisk(place, "RunEnded")
    monkeypatch.setattr(os, "fsync", disk.fsync)
    work = Tool(lambda: "worked", name="work")
    journal = Journal(place, power_loss=True)
    handle = run_background("Go.", [lead()], [work], journal=journal, run_id="order")
    await asyncio.to_thread(disk.awaited.wait, 30)
    assert not handle.cancel()
    disk.free.set()
    assert (await handle.wait()).output == "done"
    assert Journal(place)["order"].status == "returned"


async def test_a_letter_of_the_loop_does_not_wait_for_the_disk_and_one_of_a_thread_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, go = tmp_path / "runs.db", asyncio.Event()
    disk = SlowDisk(place, "MessagePosted")
    monkeypatch.setattr(os, "fsync", disk.fsync)
    journal = Journal(place, power_loss=True)

    async def work() -> str:
        await go.wait()
        return "worked"

    handle = run_background("Go.", [lead()], [Tool(work)], journal=journal, run_id="order")
    handle.send("In the loop.")
    assert has_event(place, "MessagePosted")
    await asyncio.to_thread(disk.awaited.wait, 30)
    sending = asyncio.create_task(asyncio.to_thread(handle.send, "In a thread."))
    assert await count_ticks() == 50
    assert not sending.done()
    disk.free.set()
    await sending
    go.set()
    await handle.wait()
    texts = [message.content for message in Journal(place)["order"].result().messages]
    assert {"In the loop.", "In a thread."} <= set(texts)


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


INTERRUPTED = """
import asyncio, sys, threading
from agentouto import Agent, Journal, Provider, Tool, run_background
from agentouto.testing import Script, say, tool

begun = threading.Event()

async def work() -> str:
    begun.set()
    await asyncio.Event().wait()

lead = Agent("lead", "", "m", Provider("p", kind="script", script=Script({"lead": [tool("work")]})))
journal = Journal(sys.argv[1], power_loss=True)
run_background("Go.", [lead], [Tool(work)], journal=journal, run_id="order")
begun.wait()
"""


def test_a_process_that_ends_while_a_run_is_at_work_leaves_it_to_be_gone_on_with(
    tmp_path: Path,
) -> None:
    done = unmeasured(INTERRUPTED, tmp_path / "runs.db")
    assert done.stderr == ""
    assert Journal(tmp_path / "runs.db")["order"].status == "interrupted"
    assert list((tmp_path / "runs.db.locks").iterdir()) == []
