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

    def __init__(self, folder: Path) -> None:
        row = RunRow(1, "r", "running", "Go.", "{}", 0.0, None, "", "", None, 0)
        lock = lock_run(lock_path(folder / "runs.db", "r"))
        assert lock is not None
        super().__init__(OpenedRun(row, lock, []), None)
        self.lock = lock
        self.written: list[tuple[int, int]] = []
        self.step = 0

    @property
    def pending(self) -> int:
        return len(self._pending)

    def _write(self) -> None:
        if self._pending:
            self.written.append((self.step, len(self._pending)))
        self._pending = []


async def written_of(kept: Counted, *steps: list[Event]) -> list[tuple[int, int]]:
    """Return what is written in which step if these events are taken, a list in each step."""
    kept.begin(lambda error: pytest.fail(str(error)))
    for kept.step, events in enumerate(steps):
        for event in events:
            kept.take(event)
        await asyncio.sleep(0)  # what is written now is noted with the number of this step
    kept.step = len(steps)
    while kept.pending:
        await asyncio.sleep(0)
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
        pytest.param([[ASKED], [NOTE]], [(1, 2)], id="with one that does not wait"),
        pytest.param([[REPLY], []], [(1, 1)], id="a reply, a step later"),
        pytest.param([[REPLY], [ASKED]], [(1, 2)], id="a reply and what follows at once"),
        pytest.param([[ASKED, NOTE], [NOTE]], [(0, 2), (1, 1)], id="each that does not wait"),
    ],
)
def test_events_are_written_together(
    tmp_path: Path, steps: list[list[Event]], written: list[tuple[int, int]]
) -> None:
    assert asyncio.run(written_of(Counted(tmp_path), *steps)) == written


def test_events_wait_for_others_but_not_for_ever(tmp_path: Path) -> None:
    written = asyncio.run(written_of(Counted(tmp_path), [ASKED], [ASKED]))

    assert sum(count for _, count in written) == 2


def test_what_was_hastened_is_not_written_again(tmp_path: Path) -> None:
    kept = Counted(tmp_path)

    async def work() -> None:
        kept.begin(lambda error: pytest.fail(str(error)))
        kept.take(REPLY)
        kept.hasten()
        kept.hasten()
        kept.step = 1
        kept.take(NOTE)
        await asyncio.sleep(0)

    asyncio.run(work())
    kept.lock.release()

    assert kept.written == [(0, 1), (1, 1)]
