"""When the events of a run are written: what is in the file before a function begins."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

import pytest

from agentouto import Agent, Journal, Message, Peer, Provider, Tool, async_run
from agentouto._domain.content import Reply
from agentouto._domain.event import Event, ModelAsked, Noted, Replied
from agentouto._domain.event_pieces import Stamp
from agentouto._journal.database import OpenedRun
from agentouto._journal.pending_events import PendingEvents
from agentouto._journal.run_lock import lock_path, lock_run
from agentouto._journal.saved_run import RunRow
from agentouto.testing import Script, call, say, tool


@pytest.mark.parametrize("policy", ["run", "report"])
def test_the_reply_is_in_the_file_before_its_tool_begins(
    tmp_path: Path, policy: Literal["run", "report"]
) -> None:
    place = tmp_path / "runs.db"
    turns: list[int] = []

    @Tool(on_restart=policy)
    async def look() -> str:
        turns.extend(one.turns for one in Journal(place)["r"].calls)
        return "seen"

    provider = Provider("p", kind="script", script=Script({"a": [tool("look"), say("done")]}))
    asyncio.run(
        async_run("Go.", [Agent("a", "", "m", provider)], [look], journal=place, run_id="r")
    )

    assert turns == [1]


def test_the_reply_is_in_the_file_before_a_peer_begins_that_may_answer_again(
    tmp_path: Path,
) -> None:
    place = tmp_path / "runs.db"
    turns: dict[str, int] = {}

    async def answer(message: Message) -> str:
        turns.update({one.name: one.turns for one in Journal(place)["r"].calls})
        return message.content

    provider = Provider("p", kind="script", script=Script({"a": [call("b", "?"), say("done")]}))
    peers = [Agent("a", "", "m", provider), Peer("b", "Answers.", answer, on_restart="run")]
    asyncio.run(async_run("Go.", peers[:1], run_agents=peers, journal=place, run_id="r"))

    assert turns == {"a": 1, "b": 0}


class Counted(PendingEvents):
    """Pending events that note how many of them were written, and in which step."""

    reply_seconds: float = 3600.0  # the machine may be busy

    def __init__(self, folder: Path) -> None:
        row = RunRow(1, "r", "running", "Go.", "{}", 0.0, None, "", "", None, 0)
        lock = lock_run(lock_path(folder / "runs.db", "r"))
        assert lock is not None
        super().__init__(OpenedRun(row, lock, []), None)
        self.lock = lock
        self.written: list[tuple[int, int]] = []
        self.step = 0

    def _write(self) -> None:
        self._scheduled = False
        if self._pending:
            self.written.append((self.step, len(self._pending)))
        self._pending = []
        self._written_all()


async def written_of(kept: Counted, *steps: list[Event]) -> list[tuple[int, int]]:
    """Return what is written in which step if these events are taken, a list in each step."""
    kept.begin(lambda error: pytest.fail(str(error)))
    for kept.step, events in enumerate([*steps, [], [], [], []]):
        for event in events:
            kept.take(event)
        await asyncio.sleep(0)  # what is written now is noted with the number of this step
    kept.lock.release()
    return kept.written


STAMP = Stamp("a", "r", None)
REPLY = Replied(STAMP, 1.0, Reply(()))
ASKED = ModelAsked(STAMP, 1.0, "m")
NOTE = Noted(STAMP, 1.0, "nudge", "text")


@pytest.mark.parametrize(
    ("steps", "written"),
    [
        pytest.param([[NOTE]], [(0, 1)], id="in the next step"),
        pytest.param([[ASKED]], [(2, 1)], id="after two steps more"),
        pytest.param([[ASKED], [], [ASKED]], [(2, 2)], id="two that wait for one another"),
        pytest.param([[ASKED], [NOTE]], [(1, 2)], id="sooner, with one that does not wait"),
        pytest.param([[REPLY], [ASKED]], [(1, 2)], id="a reply and what follows at once"),
    ],
)
def test_events_wait_for_others_a_few_steps(
    tmp_path: Path, steps: list[list[Event]], written: list[tuple[int, int]]
) -> None:
    assert asyncio.run(written_of(Counted(tmp_path), *steps)) == written


def test_a_reply_does_not_wait_when_steps_are_long(tmp_path: Path) -> None:
    kept = Counted(tmp_path)
    kept.reply_seconds = -1.0

    async def work() -> None:
        kept.begin(lambda error: pytest.fail(str(error)))
        kept.take(REPLY)
        await asyncio.sleep(0)
        kept.step = 1

    asyncio.run(work())
    kept.lock.release()

    assert kept.written == [(0, 1)]


def test_what_was_hastened_is_not_written_again(tmp_path: Path) -> None:
    kept = Counted(tmp_path)

    async def work() -> None:
        kept.begin(lambda error: pytest.fail(str(error)))
        kept.take(REPLY)
        kept.hasten()
        kept.hasten()
        for kept.step in range(1, 5):
            await asyncio.sleep(0)
        kept.take(NOTE)
        await asyncio.sleep(0)

    asyncio.run(work())
    kept.lock.release()

    assert kept.written == [(0, 1), (4, 1)]
