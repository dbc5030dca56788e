"""A run that is killed again and again comes to the right result, and does nothing twice."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from durable.kill_loop import CHAPTERS, kill_again_and_again


@pytest.mark.timeout(300)  # six starts of a process, on any machine
@pytest.mark.skipif(sys.platform == "win32", reason="it has no kill -9")
@pytest.mark.parametrize(("kills", "power_loss"), [(5, False), (2, True)])
async def test_kills_lose_nothing_and_repeat_no_effect(
    kills: int, power_loss: bool, tmp_path: Path
) -> None:
    report = await kill_again_and_again(tmp_path, kills, seed=7, power_loss=power_loss)
    assert report.right
    assert len(report.effects) == CHAPTERS
    assert set(report.effects.values()) == {1}
