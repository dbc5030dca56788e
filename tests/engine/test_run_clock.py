"""The clock of a run stands still while a person is asked."""

from __future__ import annotations

from agentouto._engine.run_clock import RunClock


def test_pauses_do_not_count_and_may_overlap() -> None:
    time = [100.0]
    clock = RunClock(lambda: time[0])
    time[0] = 103.0
    assert clock.seconds == 3
    clock.pause()
    time[0] = 110.0
    clock.pause()
    assert clock.stands_still
    time[0] = 120.0
    clock.resume()
    assert clock.seconds == 3
    assert clock.stands_still
    time[0] = 130.0
    clock.resume()
    assert not clock.stands_still
    time[0] = 131.0
    assert clock.seconds == 4


def test_a_clock_counts_from_its_restart() -> None:
    time = [100.0]
    clock = RunClock(lambda: time[0])
    clock.pause()
    time[0] = 110.0
    clock.resume()
    clock.restart()
    time[0] = 112.0
    assert clock.seconds == 2
