"""A run that is killed again and again comes to the right result; nothing is lost or done twice."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from durable.kill_loop import CHAPTERS, LETTERS, kill_again_and_again, wanted_mail


@pytest.mark.timeout(300)  # six starts of a process, on any machine
@pytest.mark.skipif(sys.platform == "win32", reason="it has no kill -9")
@pytest.mark.parametrize(("kills", "power_loss"), [(5, False), (2, True)])
async def test_kills_lose_nothing_and_repeat_no_effect(
    kills: int, power_loss: bool, tmp_path: Path
) -> None:
    report = await kill_again_and_again(tmp_path, kills, seed=7, power_loss=power_loss)
    assert report.right
    assert report.forgotten_replies == []  # `dev.py kill` measures how quickly replies are kept
    assert len(report.receipts) == LETTERS
    assert report.lost_letters == set()
    assert set(report.mail) == set(wanted_mail())
    assert len(report.effects) == CHAPTERS
    assert report.twice == []
    assert len(report.questions) == 1
